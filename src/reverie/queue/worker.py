"""The process that does jobs, one at a time: ``python -m reverie.queue.worker``, spoken to by the foreman.

It hears ``{"do": …}`` and ``{"stop": true}``, and says what happens; see `doing`.
"""

from __future__ import annotations

import errno
import io
import queue
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reverie.errors import FileError, ReverieError, reason_of
from reverie.files import write_bytes
from reverie.jobs.events import Began, Downloaded, Ended, Enlarging, Event, Finished, Noted, Stepped
from reverie.jobs.folder import holds_job
from reverie.jobs.job import Job
from reverie.jobs.machines import Machines
from reverie.jobs.perform import StopCheck, perform, resume
from reverie.pictures import fit, resize, size_of, to_pil
from reverie.queue.child import Parent

PREVIEW = 640
"""Longer side of pictures on the way, pixels, at most."""
OFTEN, SEEN = 0.1, 0.5
"""Seconds between what is told of steps, and between pictures on the way."""
FULL = {errno.ENOSPC, errno.EDQUOT}
Words = dict[str, Any]


def main() -> None:
    """Do jobs until the foreman is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who gives the jobs
    parent, asked = Parent(), queue.SimpleQueue[Words]()
    stop = threading.Event()

    def heard(words: Words) -> None:
        if "stop" in words:
            stop.set()
        else:
            stop.clear()
            asked.put(words["do"])

    parent.listen(heard)
    parent.say({"kind": "ready"})
    while True:
        for words in doing(asked.get(), stop.is_set):
            parent.say(words)


def doing(asked: Words, stop: StopCheck) -> Iterator[Words]:
    """Do a job; yield what happens, last its end.

    Args:
        asked: ``job``, a `Job` as JSON; ``run``, the folder in which it is kept; ``preview``, the file for pictures
            on the way, and ``number``, of the last one; ``tile``, the side of the tiles, or None.
        stop: asked after each step.
    """
    number = asked["id"]
    try:
        for each in _events(asked, stop):
            yield {"id": number, **each}
    except ReverieError as error:
        kind = "full" if is_full(error) else "refused"
        yield {"id": number, "kind": kind, "message": " ".join(str(error).split())}
    except MemoryError:
        yield {"id": number, "kind": "refused", "message": "there is not enough memory for this; try a smaller size."}
    except OSError as error:
        kind = "full" if is_full(error) else "refused"
        yield {"id": number, "kind": kind, "message": f"{reason_of(error)}; free some space, or look at its disk."}
    except Exception as error:
        words = f"{type(error).__name__}: {reason_of(error)} (a fault of Reverie's)"
        yield {"id": number, "kind": "refused", "message": words}


def is_full(error: BaseException | None) -> bool:
    """True if an error, or what caused it, is that of a full disk."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def _events(asked: Words, stop: StopCheck) -> Iterator[Words]:
    run, shown = Path(asked["run"]), Previews(Path(asked["preview"]), asked["number"])
    machines, tile = Machines(tile=asked["tile"]), asked["tile"]
    events: Iterator[Event]
    if holds_job(run):
        events = resume(run, machines=Machines(), tile=tile, stop=stop)
    else:
        events = perform(Job.from_json(asked["job"]), machines, stop=stop)
    told = -OFTEN
    for event in events:
        if isinstance(event, Stepped):
            now = time.monotonic()
            if now - told >= OFTEN or event.step.last:
                told = now
                yield {"kind": "progress", **_step(event), "preview": shown.take(event)}
        else:
            yield from _told(event)


def _step(event: Stepped) -> Words:
    facts = event.step.facts()
    return {"progress": event.step.done, "place": event.step.place, "losses": facts.get("losses", {})}


def _told(event: Event) -> Iterator[Words]:
    if isinstance(event, Noted):
        yield {"kind": "message", "message": event.line}
    elif isinstance(event, Downloaded):
        yield {"kind": "download", "network": event.network, "bytes": event.bytes, "of": event.total}
    elif isinstance(event, Began):
        yield {"kind": "began", "smaller": event.smaller, "settings": dict(event.settings)}
    elif isinstance(event, Enlarging):
        yield {"kind": "message", "message": f"enlarging to {event.size[1]}x{event.size[0]}"}
    elif isinstance(event, Ended):
        size = event.size or (None, None)
        yield {
            "kind": "ended",
            "written": [str(path) for path in event.written],
            "height": size[0],
            "width": size[1],
            "stopped": event.stopped is not None,
            "said": list(event.said),
        }
    elif isinstance(event, Finished):
        yield {"kind": "ended", "written": [str(event.output)], "height": None, "width": None, "stopped": False}


class Previews:
    """Pictures on the way, written over one another.

    Args:
        path: of the JPEG file.
        number: of the one that lies there.
    """

    def __init__(self, path: Path, number: int) -> None:
        self._path, self._number, self._when = path, number, -SEEN

    def take(self, event: Stepped) -> int | None:
        """Write the picture of a step if it is time for one; return its number, or None."""
        image = getattr(event.step, "image", None)
        if image is None:
            image = getattr(getattr(event.step, "iterate", None), "image", None)
        if image is None or time.monotonic() - self._when < SEEN:
            return None
        memory = io.BytesIO()
        size = size_of(image)
        if max(size) > PREVIEW:
            image = resize(image[:1], fit(size, longer=PREVIEW)).clamp(0, 1)
        to_pil(image[:1]).convert("RGB").save(memory, format="JPEG", quality=85)
        try:
            write_bytes(self._path, memory.getvalue())
        except FileError:  # a full disk is no reason to stop for this
            return None
        self._number, self._when = self._number + 1, time.monotonic()
        return self._number


if __name__ == "__main__":
    main()
