"""``/api/jobs`` and ``/api/queue``: jobs ordered, watched and changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response
from fastapi.responses import FileResponse, StreamingResponse

from reverie.errors import UnknownId
from reverie.queue.entries import Order
from reverie.queue.states import State
from reverie.queue.store import STATES
from reverie.studio.here import AtDesk, Serving
from reverie.studio.models import (
    BatchAnswer,
    BatchRequest,
    Change,
    CommandAnswer,
    Ending,
    JobAnswer,
    JobList,
    JobRequest,
    Place,
    QueueAnswer,
)
from reverie.studio.streams import Streams

NUMBER = 2**63 - 1
LastEventId = Annotated[int, Header(alias="Last-Event-ID", ge=0, le=NUMBER)]
Past = Annotated[int, Query(alias="after", ge=0, le=NUMBER, description="number of the last event that is known")]
STREAM: dict[int | str, dict[str, Any]] = {
    200: {"content": {"text/event-stream": {"schema": {"type": "string"}}}, "description": "events, without end"},
    204: {"description": "the job is over, and every event is known"},
}


api = APIRouter(prefix="/api")


@api.post("/jobs", status_code=201, responses={200: {"model": JobAnswer, "description": "it is there already"}})
def order(desk: AtDesk, request: JobRequest, response: Response) -> JobAnswer:
    """Put a job into the queue; the very same request is answered by the job that is there."""
    wanted = Order(request.craft, _many(request.inputs), request.settings, request.preset)
    entry, new = desk.order(wanted, priority=request.priority, batch=request.batch, again=request.again)
    response.status_code = 201 if new else 200
    return JobAnswer.of(entry)


@api.get("/jobs")
def jobs(
    desk: AtDesk,
    state: Annotated[list[State] | None, Query(description="in which; given several times: one of these")] = None,
    most: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    craft: Annotated[str | None, Query(max_length=100)] = None,
    batch: Annotated[str | None, Query(max_length=100)] = None,
    starred: Annotated[bool, Query(description="only those with a star")] = False,
    search: Annotated[str, Query(max_length=200, description="words that are all in title, craft or settings")] = "",
    skip: Annotated[int, Query(ge=0, le=NUMBER)] = 0,
) -> JobList:
    """List jobs: those that are not over in their order, then the others, the last one first."""
    found = desk.store.jobs(
        states=state or STATES, craft=craft, batch=batch, starred=starred, search=search, most=most, past=skip
    )
    return JobList(jobs=[JobAnswer.of(each) for each in found])


@api.get("/jobs/{id}")
def job(desk: AtDesk, id: str) -> JobAnswer:
    """Tell of one job."""
    return JobAnswer.of(desk.store.get(id))


@api.patch("/jobs/{id}")
def change(desk: AtDesk, id: str, change: Change) -> JobAnswer:
    """Star it, name it, or give it another priority."""
    return JobAnswer.of(desk.change(id, **change.model_dump(exclude_none=True)))


@api.delete("/jobs/{id}", status_code=204)
def delete(desk: AtDesk, id: str) -> None:
    """Delete a job that does not run, with its results."""
    desk.remove(id)


@api.post("/jobs/{id}/cancel")
def cancel(desk: AtDesk, id: str, ending: Ending = Ending()) -> JobAnswer:  # noqa: B008
    """Cancel it: at its next step where it runs, and with its picture so far as the result where that is wished."""
    return JobAnswer.of(desk.cancel(id, keep=ending.keep))


@api.post("/jobs/{id}/pause")
def pause(desk: AtDesk, id: str) -> JobAnswer:
    """Pause it: at its next step where it runs; `retry` goes on."""
    return JobAnswer.of(desk.pause(id))


@api.post("/jobs/{id}/retry")
def retry(desk: AtDesk, id: str) -> JobAnswer:
    """Go on with a job that is paused, failed or cancelled, from where it was."""
    return JobAnswer.of(desk.retry(id))


@api.post("/jobs/{id}/duplicate", status_code=201)
def duplicate(desk: AtDesk, id: str) -> JobAnswer:
    """Put the same into the queue once more."""
    return JobAnswer.of(desk.order(desk.store.get(id).order, again=True)[0])


@api.post("/jobs/{id}/place")
def place(desk: AtDesk, id: str, place: Place) -> JobAnswer:
    """Move it to another place in the queue."""
    return JobAnswer.of(desk.place(id, place.before))


@api.get("/jobs/{id}/preview", response_class=FileResponse)
def preview(desk: AtDesk, id: str) -> FileResponse:
    """The picture on the way, a JPEG."""
    path = desk.home.preview(desk.store.get(id).id)
    if not path.exists():
        raise UnknownId("there is no picture of this job yet; wait for its first step.")
    return FileResponse(path, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


@api.get("/jobs/{id}/events", response_class=StreamingResponse, responses=STREAM)
async def events(here: Serving, id: str, last: LastEventId = 0, after: Past = 0) -> Response:
    """Stream the job's events, from the first or from the one after that is known, until it is over."""
    here.desk.store.get(id)
    past = max(last, after)
    if past and here.desk.store.is_over(id) and not here.desk.store.events(past, job=id, most=1):
        return Response(status_code=204)
    return _stream(here.streams, id, past)


@api.get("/events", response_class=StreamingResponse, responses=STREAM)
async def all_events(here: Serving, last: LastEventId = 0, after: Past = 0) -> Response:
    """Stream the events of all jobs, from now on or from the one after that is known."""
    return _stream(here.streams, None, max(last, after) or here.desk.store.last_event)


@api.get("/queue")
def queue(desk: AtDesk) -> QueueAnswer:
    """Tell of the queue itself."""
    paused = bool(desk.store.fact("paused"))
    used, largest, full = desk.quota.used(), desk.quota.largest, desk.quota.full
    return QueueAnswer(
        paused=paused, counts=desk.store.counts(), last_event=desk.store.last_event, used=used, quota=largest, full=full
    )


@api.post("/queue/pause")
def pause_all(desk: AtDesk) -> QueueAnswer:
    """Begin no more jobs; the one that runs is finished."""
    desk.pause_all(True)
    return queue(desk)


@api.post("/queue/resume")
def resume_all(desk: AtDesk) -> QueueAnswer:
    """Go on with the queue."""
    desk.pause_all(False)
    return queue(desk)


@api.get("/jobs/{id}/command")
def command(desk: AtDesk, id: str) -> CommandAnswer:
    """The command that does the same as a job."""
    return CommandAnswer(command=desk.command(id))


@api.post("/batches", status_code=201)
def order_batch(desk: AtDesk, request: BatchRequest) -> BatchAnswer:
    """Put a job for each combination of values, and for each variation, into the queue: all of them or none."""
    wanted = Order(request.craft, _many(request.inputs), request.settings, request.preset)
    batch, entries = desk.order_each(wanted, request.grid, request.variations, priority=request.priority)
    return BatchAnswer(
        id=batch, grid=request.grid, variations=request.variations, jobs=[JobAnswer.of(each) for each in entries]
    )


@api.get("/batches/{id}")
def batch(desk: AtDesk, id: str) -> BatchAnswer:
    """Tell of a batch: what varies, and its jobs, the last setting and then the variations fastest."""
    _, varied, ids = desk.store.batch(id)
    jobs = [JobAnswer.of(each) for each in desk.store.some(ids)]
    return BatchAnswer(id=id, grid=varied["grid"], variations=varied["variations"], jobs=jobs)


def _many(inputs: Mapping[str, str | list[str]]) -> dict[str, list[str]]:
    return {name: [ids] if isinstance(ids, str) else ids for name, ids in inputs.items()}


def _stream(streams: Streams, job: str | None, past: int) -> StreamingResponse:
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(streams.of(job, past), media_type="text/event-stream", headers=headers)
