"""From the journal's entries to what the service answers."""

from __future__ import annotations

from reverie.queue.entries import Entry, Stored
from reverie.studio.models import JobAnswer, PictureAnswer, ResultFacts


def job(entry: Entry) -> JobAnswer:
    """Answer a job."""
    order = entry.order
    return JobAnswer(
        id=entry.id,
        craft=order.craft,
        title=entry.title,
        state=entry.state,
        progress=entry.progress,
        place=entry.place,
        results=list(entry.results),
        error=entry.error,
        reason=entry.reason,
        inputs={name: list(ids) for name, ids in order.inputs.items()},
        settings=dict(order.settings),
        preset=order.preset,
        priority=entry.priority,
        position=entry.position,
        starred=entry.starred,
        batch=entry.batch,
        preview=entry.preview,
        created=entry.created,
        began=entry.began,
        ended=entry.ended,
    )


def picture(stored: Stored) -> PictureAnswer:
    """Answer a picture that was brought."""
    return PictureAnswer(
        id=stored.id,
        name=stored.name,
        width=stored.width,
        height=stored.height,
        bytes=stored.bytes,
        sha256=stored.sha256,
    )


def result(stored: Stored) -> ResultFacts:
    """Answer what is known of a result."""
    return ResultFacts(
        id=stored.id,
        job=str(stored.job),
        name=stored.name,
        bytes=stored.bytes,
        width=stored.width,
        height=stored.height,
        sha256=stored.sha256,
    )
