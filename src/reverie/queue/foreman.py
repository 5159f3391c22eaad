"""Gives the jobs of a queue to a worker process, one after another, and writes down what becomes of them.

All that is decided is decided in one thread. What the worker says waits until it is written into the journal: on a full
disk that may take until there is room. Time is measured by a clock that nobody can set.
"""

from __future__ import annotations

import contextlib
import hashlib
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from reverie.errors import DiskFull, FileError, InUse, RecipeError, reason_of
from reverie.files import remove, remove_folder, sole
from reverie.queue.child import Child
from reverie.queue.entries import Entry, Stored, new_id
from reverie.queue.folders import asked_of
from reverie.queue.home import Home
from reverie.queue.quota import Quota
from reverie.queue.states import State
from reverie.queue.store import Store

LOOK = 0.2
"""Seconds between looks at what other processes have written into the journal."""
GRACE = 30.0
"""Seconds after which a worker is killed that was asked to stop."""
IDLE = 120.0
"""Seconds after which a worker without work is ended, for its memory."""
AGAIN = 30.0
"""Seconds between tries of a job that the disk had too little room for."""
DEATHS = 5
"""Times that a job's worker may die without a step between, before something else is tried."""
FULL = "the disk is full; free some space, and the job goes on by itself."
Words = dict[str, Any]


@contextlib.contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Within the block, be the one process that gives out a queue's work.

    Raises:
        InUse: another process does.
    """
    with sole(home.lock) as mine:
        if not mine:
            raise InUse(f"another studio works on '{home.path}'; use that one, end it, or name another --home.")
        yield


class Foreman:
    """Has the jobs of a queue done, from `start` to `close`.

    Args:
        home: of the queue.
        store: its journal.
        quota: what it may take of the disk.
        changed: called whenever something may have happened, from any thread.
        worker: module of the process that does the jobs.
    """

    def __init__(
        self,
        home: Home,
        store: Store,
        quota: Quota,
        changed: Callable[[], None] = lambda: None,
        *,
        worker: str = "reverie.queue.worker",
    ) -> None:
        self._module = worker
        self._home, self._store, self._quota, self._changed = home, store, quota, changed
        self._wake, self._ending = threading.Event(), False
        self._news: deque[Words] = deque()
        self._worker: Child | None = None
        self._ready = False
        self._at_work: Entry | None = None
        self._smaller: int | None = None
        self._asked: float | None = None
        self._since = self._tried = time.monotonic()
        self._version = 0
        self._thread = threading.Thread(target=self._run, name="foreman", daemon=True)

    def start(self) -> None:
        """Take up the jobs that an earlier process left, and begin.

        Raises:
            FileError: the journal cannot be written.
        """
        for entry in self._store.jobs(states=["running"]):
            self._take_up(entry)
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

    @property
    def idle(self) -> bool:
        """True if nothing is being done, and nothing is waiting that could be."""
        return self._at_work is None and not self._news and self._store.following() is None

    def _run(self) -> None:
        while not self._ending:
            self._wake.wait(LOOK)
            self._wake.clear()
            try:
                self._look()
            except FileError:  # the disk is full, or away: there is nothing to do but to try again
                time.sleep(LOOK)
            except Exception as error:  # a fault of ours ends one job, not the queue
                self._give_up(f"{type(error).__name__}: {reason_of(error)} (a fault of Reverie's)")

    def _give_up(self, error: str) -> None:
        """End the job that is done, with the process that does it: nobody knows in what state they are."""
        entry, worker = self._at_work, self._worker
        self._news.clear()
        self._free()
        if worker is not None:
            worker.end()
        with contextlib.suppress(FileError):
            if entry is not None:
                self._store.move(entry.id, "failed", error=error)

    def _look(self) -> None:
        """Do what there is to do now."""
        if self._version != (version := self._store.database.version):
            self._version = version
            self._changed()
        while self._news:
            self._hear(self._news[0])
            self._news.popleft()
            self._changed()
        if self._at_work is not None:
            self._heed(self._at_work)
        else:
            self._follow()

    def _follow(self) -> None:
        """Begin the next job, or rest."""
        if time.monotonic() - self._tried > AGAIN:
            self._tried = time.monotonic()
            self._try_full_again()
        entry = self._store.following()
        if entry is not None and not self._quota.full:
            self._begin(entry)
        elif self._worker is not None and time.monotonic() - self._since > IDLE:
            self._worker.end()

    def _try_full_again(self) -> None:
        """Put the jobs that the disk had too little room for into the queue again, once there is some."""
        if not self._quota.full:
            for entry in self._store.jobs(states=["paused"]):
                if entry.reason == "disk":
                    self._store.move(entry.id, "queued")

    def _begin(self, entry: Entry) -> None:
        """Give a job to the worker, which is started where there is none."""
        if self._worker is None:
            self._ready = False
            self._worker = Child(self._module, heard=self._heard, died=self._dead)
        if not self._ready or not self._store.move(entry.id, "running"):
            return
        self._at_work, self._smaller, self._asked = entry, entry.tile, None
        try:
            self._worker.send({"do": asked_of(entry, self._home, self._store)})
        except DiskFull:
            self._end(entry, "paused", error=FULL, reason="disk")
        except (FileError, RecipeError) as error:
            self._end(entry, "failed", error=str(error))
        self._changed()

    def _heed(self, entry: Entry) -> None:
        """Pass on what the running job is asked for; a worker that does not stop is killed."""
        if self._worker is None:
            return
        if self._asked is None and self._store.get(entry.id).wish is not None:
            self._asked = time.monotonic()
            self._worker.send({"stop": True})
        elif self._asked is not None and time.monotonic() - self._asked > GRACE:
            self._worker.end()

    # --- news of the worker, first heard in its own thread ----------------------------------------

    def _heard(self, words: Words) -> None:
        self._news.append(words)
        self._wake.set()

    def _dead(self, code: int) -> None:
        self._heard({"kind": "dead", "code": code})

    def _hear(self, words: Words) -> None:
        """Write down what the worker said, or that it died.

        Raises:
            FileError: that cannot be written now, and is not lost.
        """
        entry, kind = self._at_work, words["kind"]
        if kind == "ready":
            self._ready = True
        elif kind == "dead":
            if entry is not None and not self._ending:
                self._bury(self._store.get(entry.id), words["code"])
            self._worker, self._ready = None, False
            self._free()
        elif entry is not None and words["id"] == entry.id:
            self._note(entry, kind, {name: value for name, value in words.items() if name not in ("id", "kind")})

    def _note(self, entry: Entry, kind: str, words: Words) -> None:
        """Write down what happened to the job that is done."""
        if kind == "ended":
            self._ended(entry, words)
        elif kind == "full":
            self._end(entry, "paused", error=FULL, reason="disk")
        elif kind == "in use":  # by a worker that is about to die
            self._end(entry, "queued")
        elif kind == "refused":
            self._end(entry, "failed", error=words["message"])
        else:
            with contextlib.suppress(FileError):  # what may be lost is not waited for
                self._tell(entry, kind, words)

    def _tell(self, entry: Entry, kind: str, words: Words) -> None:
        if kind == "progress":
            self._store.stepped(entry.id, words)
        elif kind == "began":
            self._smaller = words["smaller"]
            self._store.say(entry.id, kind, {"settings": words["settings"]})
        else:
            self._store.say(entry.id, kind, words)

    def _ended(self, entry: Entry, words: Words) -> None:
        """Write down what a job made; of one that was stopped as its wish was."""
        wish = self._store.get(entry.id).wish
        written = [Path(path) for path in words["written"]]
        size = words["width"], words["height"]
        if not words["stopped"] or wish == "keep":
            files = [path for path in written if path.is_file()]  # of a film's frames there is a folder as well
            results = [_result(entry, path, (None, None) if number else size) for number, path in enumerate(files)]
            self._finish(entry, results, "cancelled" if words["stopped"] else "done")
            return
        for path in written:
            remove(path)
        self._end(entry, "cancelled" if wish == "cancel" else "paused" if wish == "pause" else "queued")

    def _finish(self, entry: Entry, results: Sequence[Stored], state: State) -> None:
        done = {"progress": 1.0} if state == "done" else {}
        self._store.finish(entry.id, results, state, place="", deaths=0, **done)
        if state == "done":
            remove_folder(self._home.run(entry.id))
        self._free()

    def _end(self, entry: Entry, state: State, **fields: Any) -> None:
        self._store.move(entry.id, state, **fields)
        self._free()

    def _free(self) -> None:
        self._at_work, self._asked, self._since = None, None, time.monotonic()

    # --- deaths ----------------------------------------------------------------------------------

    def _take_up(self, entry: Entry) -> None:
        """Decide what becomes of a job that ran when the service died: it goes on, unless it was to stop."""
        wished: dict[str | None, State] = {"cancel": "cancelled", "keep": "cancelled", "pause": "paused"}
        state = wished.get(entry.wish, "queued")
        self._store.move(entry.id, state, **({"reason": "user"} if state == "paused" else {}))

    def _bury(self, entry: Entry, code: int) -> None:
        """Decide what becomes of a job whose worker died; that happens to the best, so it goes on where it was."""
        deaths = entry.deaths + 1
        if entry.wish is not None:
            self._take_up(entry)
        elif deaths < DEATHS:
            self._store.move(entry.id, "queued", deaths=deaths)
        elif code == -signal.SIGKILL and self._smaller and self._smaller != entry.tile:
            words = f"its worker was killed {deaths} times, most likely for lack of memory; now in smaller tiles."
            self._store.say(entry.id, "message", {"message": words})
            self._store.move(entry.id, "queued", deaths=0, tile=self._smaller)
        else:
            error = f"its worker died {deaths} times without a step between (exit code {code}); try a smaller size."
            self._store.move(entry.id, "failed", error=error, deaths=0)


def _result(entry: Entry, path: Path, size: tuple[int | None, int | None]) -> Stored:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Stored(new_id(), path.name, digest, path.stat().st_size, *size, None, entry.id, path)
