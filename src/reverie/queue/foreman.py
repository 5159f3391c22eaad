"""Gives the jobs of a queue to a worker process, one after another, and writes down what becomes of them."""

from __future__ import annotations

import contextlib
import hashlib
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from reverie.errors import FileError, RecipeError
from reverie.files import remove, remove_folder, sole
from reverie.queue.child import Child
from reverie.queue.entries import Entry, Stored, new_id
from reverie.queue.folders import asked_of
from reverie.queue.home import Home
from reverie.queue.states import State
from reverie.queue.store import Store

LOOK = 0.2
"""Seconds between looks at what other processes have written into the journal."""
GRACE = 30.0
"""Seconds after which a worker is killed that was asked to stop."""
IDLE = 120.0
"""Seconds after which a worker without work is ended, for its memory."""
DEATHS = 3
"""Times that a job's worker may die without a step between, before the job has failed."""
ROOM = 200 * 2**20
"""Bytes that must be free on the disk, for a job that was paused for a full one to go on."""
Words = dict[str, Any]


@contextlib.contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Within the block, be the one process that gives out a queue's work.

    Raises:
        FileError: another process does.
    """
    with sole(home.lock) as mine:
        if not mine:
            raise FileError(f"another studio works on '{home.path}'; use that one, end it, or name another --home.")
        yield


class Foreman:
    """Has the jobs of a queue done; see `start`.

    Args:
        home: of the queue.
        store: its journal.
        changed: called whenever something may have happened, from any thread.
    """

    def __init__(self, home: Home, store: Store, changed: Callable[[], None] = lambda: None) -> None:
        self._home, self._store, self._changed = home, store, changed
        self._lock, self._wake = threading.RLock(), threading.Event()
        self._worker: Child | None = None
        self._ready = self._ending = False
        self._at_work: Entry | None = None
        self._smaller: int | None = None
        self._asked: float | None = None
        self._since = time.monotonic()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Take up the jobs that an earlier process left, and begin."""
        for entry in self._store.jobs(states=["running"]):
            self._store.move(entry.id, "queued")
        self._thread.start()

    def wake(self) -> None:
        """Say that something was written into the journal by this process."""
        self._wake.set()
        self._changed()

    def close(self) -> None:
        """Kill the worker; what it was doing goes on with the next start."""
        self._ending = True
        self._wake.set()
        self._thread.join(10)
        if (worker := self._worker) is not None:
            worker.end()
            worker.wait()

    @property
    def worker(self) -> int | None:
        """Number of the worker's process; None where there is none."""
        return self._worker.pid if self._worker else None

    def _run(self) -> None:
        version = self._store.database.version
        while not self._ending:
            self._wake.wait(LOOK)
            self._wake.clear()
            try:
                if version != (version := self._store.database.version):
                    self._changed()
                with self._lock:
                    self._look()
            except FileError:  # the disk is full, or away: there is nothing to do but to try again
                time.sleep(1)

    def _look(self) -> None:
        """Do what there is to do now."""
        if self._at_work is not None:
            self._heed()
        elif (entry := self._store.following()) is not None:
            self._begin(entry)
        elif self._worker is not None and time.monotonic() - self._since > IDLE:
            self._worker.end()

    def _begin(self, entry: Entry) -> None:
        """Give a job to the worker, which is started where there is none."""
        if self._worker is None:
            self._ready = False
            self._worker = Child("reverie.queue.worker", heard=self._heard, died=self._dead)
        if not self._ready or not self._store.move(entry.id, "running", progress=entry.progress):
            return
        try:
            asked = asked_of(entry, self._home, self._store)
        except FileError as error:
            self._end(entry, "paused", error=str(error), reason="disk")
            return
        except RecipeError as error:
            self._end(entry, "failed", error=str(error))
            return
        self._at_work, self._smaller, self._asked = self._store.get(entry.id), entry.tile, None
        self._worker.send({"do": asked})
        self._changed()

    def _heed(self) -> None:
        """Pass on what the running job is asked for; a worker that does not stop is killed."""
        entry = self._at_work
        if entry is None or self._worker is None:
            return
        if self._asked is None and self._store.get(entry.id).wish is not None:
            self._asked = time.monotonic()
            self._worker.send({"stop": True})
        elif self._asked is not None and time.monotonic() - self._asked > GRACE:
            self._worker.end()

    def _heard(self, words: Words) -> None:
        with self._lock:
            if words["kind"] == "ready":
                self._ready = True
            elif self._at_work is not None and words.get("id") == self._at_work.id:
                self._note(self._at_work, {name: value for name, value in words.items() if name != "id"})
        self.wake()

    def _note(self, entry: Entry, words: Words) -> None:
        kind = words.pop("kind")
        if kind == "progress":
            self._store.stepped(entry.id, words)
        elif kind == "began":
            self._smaller = words["smaller"]
            self._store.say(entry.id, kind, {"settings": words["settings"]})
        elif kind == "ended":
            self._ended(entry, words)
        elif kind == "full":
            self._end(entry, "paused", error=words["message"], reason="disk")
        elif kind == "refused":
            self._end(entry, "failed", error=words["message"])
        else:
            self._store.say(entry.id, kind, words)

    def _ended(self, entry: Entry, words: Words) -> None:
        """Note what a job made; of one that was stopped as its wish was."""
        wish = self._store.get(entry.id).wish
        written = [Path(path) for path in words["written"]]
        if not words["stopped"]:
            self._finish(entry, written, words, "done", progress=1.0)
        elif wish == "keep":
            self._finish(entry, written, words, "cancelled")
        else:
            for path in written:
                remove(path)
            self._end(entry, "cancelled" if wish == "cancel" else "paused" if wish == "pause" else "queued")

    def _finish(self, entry: Entry, written: Sequence[Path], words: Words, state: State, **fields: Any) -> None:
        size = words["width"], words["height"]
        results = [_result(entry, path, size if number == 0 else (None, None)) for number, path in enumerate(written)]
        self._store.finish(entry.id, results, state, place="", preview=entry.preview, **fields)
        if state == "done":
            remove_folder(self._home.run(entry.id))
        self._free()

    def _end(self, entry: Entry, state: State, **fields: Any) -> None:
        self._store.move(entry.id, state, **fields)
        self._free()

    def _free(self) -> None:
        self._at_work, self._asked, self._since = None, None, time.monotonic()

    def _dead(self, code: int) -> None:
        """Note the death of the worker; its job goes on with the next one."""
        with self._lock:
            self._worker, self._ready = None, False
            entry, self._at_work = self._at_work, None
            if entry is not None and not self._ending:
                self._bury(self._store.get(entry.id), code)
        if not self._ending:
            self.wake()

    def _bury(self, entry: Entry, code: int) -> None:
        """Decide what becomes of a job whose worker died."""
        deaths = entry.deaths + 1
        if entry.wish in ("cancel", "keep"):
            self._store.move(entry.id, "cancelled", deaths=0)
        elif entry.wish == "pause":
            self._store.move(entry.id, "paused", deaths=0)
        elif deaths < DEATHS:
            self._store.move(entry.id, "queued", deaths=deaths)
        elif code == -signal.SIGKILL and self._smaller and self._smaller != entry.tile:
            self._store.move(entry.id, "queued", deaths=0, tile=self._smaller)
        else:
            error = f"its worker ended {deaths} times (exit code {code}) without a step; try a smaller size."
            self._store.move(entry.id, "failed", error=error, deaths=0)


def _result(entry: Entry, path: Path, size: tuple[int | None, int | None]) -> Stored:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Stored(new_id(), path.name, digest, path.stat().st_size, size[0], size[1], entry.id, path)
