"""Pictures and clips that are brought, results, and all there is to choose from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Query, Request
from fastapi.responses import FileResponse
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from reverie import styles
from reverie.errors import OutOfMemory, RecipeError, UnknownId
from reverie.files import append
from reverie.files.reasons import unwritable
from reverie.queue.desk import Desk
from reverie.queue.entries import Stored
from reverie.studio.here import AtDesk, Serving
from reverie.studio.models import Card, PictureAnswer, ResultFacts

TYPES = {
    ".png": "image/png", ".jpg": "image/jpeg", ".webp": "image/webp", ".gif": "image/gif", ".tif": "image/tiff",
    ".bmp": "image/bmp", ".mp4": "video/mp4", ".webm": "video/webm", ".mov": "video/quicktime",
}  # fmt: skip
"""Types of what is sent; anything else is sent as bytes to be kept."""
SIDE = 320
Side = Annotated[int, Query(ge=16, le=1024, description="longer side, pixels")]
Name = Annotated[str, Query(max_length=300, description="the file's name, as people know it")]
Schema = Annotated[bool, Query(description="whether each has the JSON Schema of its settings, half of the answer")]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
FILE: dict[int | str, dict[str, Any]] = {200: {"content": {"application/octet-stream": _BINARY}}}
BODY = {"requestBody": {"required": True, "content": {"application/octet-stream": _BINARY}}}


FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
api = APIRouter(prefix="/api")


@api.put("/pictures", status_code=201, openapi_extra=BODY)
async def bring(here: Serving, request: Request, name: Name = "picture") -> PictureAnswer:
    """Bring a picture or a clip: its bytes are the body, and nothing else."""
    with here.desk.receiving() as draft:
        await _receive(request, draft, here.most)
        stored = await run_in_threadpool(here.desk.bring, draft, name)
    return PictureAnswer.of(stored)


async def _receive(request: Request, draft: Path, most: int) -> None:
    """Write a body into a file as it comes, and count its bytes.

    Raises:
        OutOfMemory: they are too many.
        RecipeError: there are none.
        DiskFull: there is no room for them.
    """
    size = 0
    try:
        with append(draft, anew=True) as file:
            async for part in request.stream():
                size += len(part)
                if size > most:
                    raise OutOfMemory(f"a picture or a clip has at most {most >> 20} MB; make it smaller.")
                file.write(part)
    except ClientDisconnect:
        raise RecipeError("the file did not come whole; send it again.") from None
    except OSError as error:
        raise unwritable("the file", error) from error
    if not size:
        raise RecipeError("the body is empty; send the file's bytes.")


@api.get("/pictures")
def pictures(desk: AtDesk) -> list[PictureAnswer]:
    """List the pictures and clips that were brought, the last one first."""
    return [PictureAnswer.of(each) for each in desk.store.files(brought=True)]


@api.get("/pictures/{id}")
def picture(desk: AtDesk, id: str) -> PictureAnswer:
    """Tell of a picture that was brought."""
    return PictureAnswer.of(desk.store.file(id, brought=True))


@api.get("/pictures/{id}/file", response_class=FileResponse, responses=FILE)
def picture_file(desk: AtDesk, id: str) -> FileResponse:
    """The picture itself."""
    return _sent(desk.store.file(id, brought=True))


@api.get("/pictures/{id}/small", response_class=FileResponse, responses=FILE)
def picture_small(desk: AtDesk, id: str, side: Side = SIDE) -> FileResponse:
    """A small copy of it, or of a clip's first frame, a JPEG."""
    return _small(desk, "picture", id, desk.store.file(id, brought=True).path, side)


@api.get("/pictures/{id}/record")
def picture_record(desk: AtDesk, id: str) -> Card:
    """What made a picture that was brought, if Reverie did: craft, settings, and inputs as far as they are here."""
    return desk.record(desk.store.file(id, brought=True))


@api.get("/results/{id}", response_class=FileResponse, responses=FILE)
def result(desk: AtDesk, id: str, download: bool = False) -> FileResponse:
    """A result itself."""
    return _sent(desk.store.file(id, brought=False), download=download)


@api.get("/results/{id}/facts")
def result_facts(desk: AtDesk, id: str) -> ResultFacts:
    """Tell of a result."""
    return ResultFacts.of(desk.store.file(id, brought=False))


@api.get("/results/{id}/small", response_class=FileResponse, responses=FILE)
def result_small(desk: AtDesk, id: str, side: Side = SIDE) -> FileResponse:
    """A small copy of a result that is a picture, or of a film's first frame, a JPEG."""
    return _small(desk, "result", id, desk.store.file(id, brought=False).path, side)


@api.get("/results/{id}/record")
def result_record(desk: AtDesk, id: str) -> Card:
    """What made a result."""
    return desk.record(desk.store.file(id, brought=False))


@api.get("/crafts")
def crafts(here: Serving, schema: Schema = True) -> list[Card]:
    """Every craft that can be done from here, with its inputs and settings."""
    known: list[Card] = here.catalogue.get()["crafts"]
    return known if schema else [{name: each[name] for name in each if name != "schema"} for each in known]


@api.get("/presets")
def presets(here: Serving) -> list[Card]:
    """Settings that go well together, by how they look."""
    return here.catalogue.get()["presets"]  # type: ignore[no-any-return]


@api.get("/networks")
def networks(here: Serving) -> Card:
    """The networks whose features can be used, and the names of custom style networks."""
    return here.catalogue.get()["networks"]  # type: ignore[no-any-return]


@api.get("/styles")
def sample_styles(here: Serving) -> list[Card]:
    """The sample styles; each name can be used as a painting."""
    return here.catalogue.get()["styles"]  # type: ignore[no-any-return]


@api.get("/styles/{name}/small", response_class=FileResponse, responses=FILE)
def style_small(desk: AtDesk, name: str, side: Side = SIDE) -> FileResponse:
    """A small copy of a sample style, a JPEG."""
    if name not in styles.names():
        raise UnknownId(f"there is no sample style '{name:.40}'; GET /api/styles lists them.")
    return _small(desk, "style", name, styles.path(name), side)


class Sent(FileResponse):
    """A file that may be deleted between its request and its answer."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it.

        Raises:
            UnknownId: it is gone.
        """
        try:
            await super().__call__(scope, receive, send)
        except RuntimeError as error:
            raise UnknownId("the file is gone; it was deleted in this moment.") from error


def _small(desk: Desk, kind: Literal["picture", "result", "style"], id: str, path: Path, side: int) -> FileResponse:
    return Sent(desk.small(kind, id, path, side), media_type="image/jpeg", headers=FOREVER)


def _sent(stored: Stored, *, download: bool = False) -> FileResponse:
    """Send a file by what is known of it, never by a name that came from elsewhere."""
    if stored.path.is_symlink() or not stored.path.is_file():
        raise UnknownId(f"the file of '{stored.id}' is gone.")
    kind = TYPES.get(Path(stored.name).suffix)
    how = "inline" if kind and not download else "attachment"
    named = f"{how}; filename*=UTF-8''{quote(stored.name)}"
    return Sent(
        stored.path,
        media_type=kind or "application/octet-stream",
        headers={**FOREVER, "Content-Disposition": named},
    )
