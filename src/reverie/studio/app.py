"""The service: what it answers under ``/api``, and the page under ``/``."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from reverie.errors import FileError, OutOfMemory, ReverieError, StateConflict, UnknownId
from reverie.studio import jobs, pictures
from reverie.studio.desk import Desk
from reverie.studio.here import Service
from reverie.studio.models import Refusal
from reverie.studio.streams import Streams
from reverie.version import __version__

PAGE = Path(__file__).with_name("page")
MOST = 200 * 2**20
"""Most bytes of a picture that is brought."""
CODES: dict[type[ReverieError], int] = {UnknownId: 404, StateConflict: 409, FileError: 507, OutOfMemory: 413}


def service(desk: Desk, streams: Streams, *, most: int = MOST) -> FastAPI:
    """Build the service.

    Args:
        desk: the queue.
        streams: of its events.
        most: bytes of a picture that is brought.
    """

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        streams.open()
        desk.foreman.start()
        yield
        desk.foreman.close()
        desk.office.close()

    refusals: dict[int | str, dict[str, object]] = {"4XX": {"model": Refusal, "description": "what is wrong"}}
    app = FastAPI(
        title="Reverie studio", version=__version__, lifespan=alive, docs_url=None, redoc_url=None,
        openapi_url="/api/openapi.json", responses=refusals,
    )  # fmt: skip
    app.state.service = Service(desk, streams, most)
    app.include_router(jobs.api)
    app.include_router(pictures.api)
    app.mount("/", StaticFiles(directory=PAGE, html=True, check_dir=False))
    app.exception_handler(ReverieError)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_unknown)
    return app


async def _refused(_: Request, error: Exception) -> JSONResponse:
    code = next((code for kind, code in CODES.items() if isinstance(error, kind)), 400)
    return JSONResponse({"error": str(error)}, code)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": "no such request"}
    where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    return JSONResponse({"error": f"{where}: {str(first['msg']).lower()}."}, 422)


async def _unknown(_: Request, error: Exception) -> JSONResponse:
    code = error.status_code if isinstance(error, HTTPException) else 500
    words = {404: "there is nothing here; /api/openapi.json tells what there is.", 405: "this cannot be done here."}
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse({"error": words.get(code, str(getattr(error, "detail", error)))}, code, headers)
