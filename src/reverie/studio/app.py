"""The service: what it answers under ``/api``, and the page under ``/``."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

from reverie.errors import DiskFull, OutOfMemory, ReverieError, StateConflict, UnknownId, printable, shortened
from reverie.studio import jobs, pictures
from reverie.studio.guard import Guard, Rules
from reverie.studio.here import Service
from reverie.studio.models import Refusal
from reverie.version import __version__

PAGE = Path(__file__).with_name("page")
CODES: Mapping[type[ReverieError], int] = {UnknownId: 404, StateConflict: 409, OutOfMemory: 413, DiskFull: 507}
"""Codes of refusals; any other is 400."""
SAID = {
    "json_invalid": "the body is not whole JSON; look at its commas, quotes and brackets.",
    "extra_forbidden": "there is no '{where}' in this request; /api/openapi.json tells what it may have.",
}
"""What is said of a request that is no request, by pydantic's kind of error, where its own words say too little."""
HOUSEKEEPING = 10.0
"""Seconds between looks at whether the clerk may rest."""


def guarded(service: Service, rules: Rules) -> Guard:
    """Build the service as it is served: behind its guard.

    Args:
        service: its parts.
        rules: who may ask.
    """
    return Guard(application(service), rules)


def application(service: Service) -> FastAPI:
    """Build the service itself."""

    @asynccontextmanager
    async def alive(_: FastAPI) -> AsyncIterator[None]:
        with service.running():
            keeping = asyncio.create_task(_keep_house(service))
            yield
            keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeping

    app = FastAPI(
        title="Reverie studio", version=__version__, lifespan=alive, docs_url=None, redoc_url=None,
        openapi_url="/api/openapi.json", responses={"4XX": {"model": Refusal, "description": "what is wrong"}},
    )  # fmt: skip
    app.state.service = service
    app.include_router(jobs.api)
    app.include_router(pictures.api)
    app.mount("/", StaticFiles(directory=PAGE, html=True, check_dir=False))
    app.exception_handler(ReverieError)(_refused)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(HTTPException)(_unknown)
    app.exception_handler(Exception)(_broken)
    return app


async def _keep_house(service: Service) -> None:
    while True:
        await asyncio.sleep(HOUSEKEEPING)
        service.office.rest()


async def _refused(_: Request, error: Exception) -> JSONResponse:
    code = next((code for kind, code in CODES.items() if isinstance(error, kind)), 400)
    return JSONResponse({"error": str(error)}, code)


async def _invalid(_: Request, error: Exception) -> JSONResponse:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {"loc": (), "msg": "no such request"}
    where = ".".join(str(part) for part in first["loc"][1:]) or "the body"
    words = SAID.get(str(first.get("type")), "{where}: {said}.")
    told = words.format(where=where, said=str(first["msg"]).lower())
    return JSONResponse({"error": shortened(printable(told), 300)}, 422)


async def _unknown(_: Request, error: Exception) -> JSONResponse:
    code = error.status_code if isinstance(error, HTTPException) else 500
    known = {404: "there is nothing here; /api/openapi.json tells what there is.", 405: "this cannot be done here."}
    headers = error.headers if isinstance(error, HTTPException) else None
    return JSONResponse({"error": known.get(code, str(getattr(error, "detail", error)))}, code, headers)


async def _broken(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": f"{type(error).__name__} (a fault of Reverie's); its log says more."}, 500)
