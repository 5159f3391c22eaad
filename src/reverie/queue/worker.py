"""The process that does jobs, one at a time: ``python -m reverie.queue.worker``, spoken to by the foreman.

It says what happens to each job; see `doing`.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reverie.errors import DiskFull, FileError, InUse, PictureError, ReverieError, reason_of
from reverie.files.reasons import NO_ROOM
from reverie.jobs.events import Began, Downloaded, Ended, Enlarging, Event, Finished, Noted, Planned, Saved, Stepped
from reverie.jobs.folder import holds_job
from reverie.jobs.job import Job
from reverie.jobs.machines import Machines
from reverie.jobs.perform import StopCheck, perform, resume
from reverie.pictures import fit, read_head, scaled, size_of, write_image
from reverie.queue.child import obey

PREVIEW = 640
"""Longer side of pictures on the way, pixels, at most."""
OFTEN, SEEN = 0.1, 0.5
"""Seconds between what is told of steps, and between pictures on the way."""
Words = dict[str, Any]


def main() -> None:
    """Do jobs until the foreman is gone."""
    warnings.simplefilter("ignore")
    obey(doing)


def doing(asked: Words, stop: StopCheck) -> Iterator[Words]:
    """Do a job; yield what happens, last its end.

    Args:
        asked: ``job``, a `Job` as JSON; ``run``, the folder in which it is kept; ``preview``, the file for pictures
            on the way, and ``number``, of the last one; ``tile``, the side of the tiles, or None.
        stop: asked after each step.
    Yields:
        Plain values, each with the job's ``id`` and its ``kind``; the last is "ended", or says why there is no result:
        "full" where the disk has no room, "in use" where another worker is not dead yet, "refused" for all else.
    """
    id = asked["id"]
    try:
        yield from ({"id": id, **each} for each in _events(asked, stop))
    except ReverieError as error:
        kind = "full" if is_full(error) else "in use" if isinstance(error, InUse) else "refused"
        yield {"id": id, "kind": kind, "message": " ".join(str(error).split())}
    except MemoryError:
        yield {"id": id, "kind": "refused", "message": "there is not enough memory for this; try a smaller size."}
    except Exception as error:
        kind = "full" if is_full(error) else "refused"
        words = f"{type(error).__name__}: {reason_of(error)} (a fault of Reverie's)"
        yield {"id": id, "kind": kind, "message": words}


def is_full(error: BaseException | None) -> bool:
    """True if an error, or what caused it, is that of a full disk."""
    while error is not None:
        if isinstance(error, DiskFull) or (isinstance(error, OSError) and error.errno in NO_ROOM):
            return True
        error = error.__cause__ or error.__context__
    return False


def _events(asked: Words, stop: StopCheck) -> Iterator[Words]:
    """Do a job, from its beginning or from where its run was left."""
    run, shown = Path(asked["run"]), Previews(Path(asked["preview"]), asked["number"])
    job = Job.from_json(asked["job"])
    events: Iterator[Event]
    if holds_job(run):
        events = resume(run, machines=Machines(), tile=asked["tile"], stop=stop)
    else:
        events = perform(job, Machines(tile=asked["tile"]), stop=stop)
    told = -math.inf
    for event in events:
        if isinstance(event, Finished):  # killed after its last step, before that was heard
            output = Path(job.output or event.output)
            yield _end([output], _size_of(output), stopped=False)
        elif not isinstance(event, Stepped):
            yield from _told(event)
        elif time.monotonic() - told >= OFTEN or event.step.last:
            told = time.monotonic()
            yield {"kind": "progress", **_step(event), "preview": shown.take(event)}


def _step(event: Stepped) -> Words:
    losses = {name: value if math.isfinite(value) else None for name, value in event.step.losses.items()}
    return {"progress": min(1.0, max(0.0, event.step.done)), "place": event.step.place, "losses": losses}


def _told(event: Event) -> Iterator[Words]:
    """What is told of an event other than a step."""
    match event:
        case Noted(line):
            yield {"kind": "message", "message": line}
        case Downloaded(network, done, total):
            yield {"kind": "download", "network": network, "bytes": done, "of": total}
        case Began():
            yield {"kind": "began", "smaller": event.smaller, "settings": dict(event.settings)}
        case Enlarging((height, width)):
            yield {"kind": "message", "message": f"enlarging to {width}x{height}"}
        case Ended():
            yield from ({"kind": "message", "message": line} for line in event.said)
            yield _end([*event.written], event.size, stopped=event.stopped is not None)
        case Finished() | Planned() | Saved() | Stepped():
            return


def _end(written: list[Path], size: tuple[int, int] | None, *, stopped: bool) -> Words:
    height, width = size or (None, None)
    paths = [str(path) for path in written]
    return {"kind": "ended", "written": paths, "height": height, "width": width, "stopped": stopped}


def _size_of(path: Path) -> tuple[int, int] | None:
    try:
        return read_head(path).size
    except PictureError:
        return None


class Previews:
    """Pictures on the way, written over one another.

    Args:
        path: of the JPEG file.
        number: of the one that lies there.
    """

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number, self._when = path, number, -math.inf

    def take(self, event: Stepped) -> int | None:
        """Write the picture of a step if it is time for one; return its number, or None."""
        step = event.step
        if time.monotonic() - self._when < SEEN:
            return None
        image = getattr(getattr(step, "iterate", step), "image", None)
        if image is None:
            return None
        size = size_of(image)
        longer = min(PREVIEW, max(size))
        try:
            write_image(self._path, scaled(image[:1], fit(size, longer=longer)), quality=85)
        except FileError:  # a full disk is no reason to stop for this
            return None
        self._number, self._when = self._number + 1, time.monotonic()
        return self._number


if __name__ == "__main__":
    main()
