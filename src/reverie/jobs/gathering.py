"""Make a film by several processes: segments are given out, and their chunks gathered."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from multiprocessing.connection import wait
from pathlib import Path

import torch

from reverie.engine import State
from reverie.engine.films import FilmProgress, FilmRun, Segment
from reverie.errors import FileError, RecipeError
from reverie.jobs.folder import Folder
from reverie.jobs.processes import WorkerProcess, describe_death
from reverie.jobs.segments import FramesMade, MadeChunk, PackedState, Said, SegmentDone, work

WORKERS = "workers"
"""In the run's folder: the file of each worker, into which it encodes."""
_DEATHS = 2  # of workers with the same segment, after which it is given up


@dataclass(frozen=True, eq=False, kw_only=True)
class GatheredStep(FilmProgress):
    """How far a film is that several processes make.

    Attributes:
        finished: number of frames in finished chunks.
        chunk: one that is finished now, with the name of its file in the run's folder; None: it is something else.
        whole: the last chunk up to which all are finished; None: the first is not.
    """

    finished: int
    chunk: tuple[str, MadeChunk] | None = None
    whole: MadeChunk | None = None

    @property
    def at(self) -> tuple[int, int]:
        """The number of finished frames, which orders the checkpoints."""
        return 1, self.finished


def gathered(run: FilmRun, folder: Folder, count: int, state: State | None) -> Iterator[GatheredStep]:
    """Make a film by so many processes.

    Args:
        run: of the film.
        folder: of the run; a worker's file is in it.
        count: of the processes.
        state: of an earlier call.
    Yields:
        How far it is; what is finished must be taken before the next step is asked for.
    Raises:
        RecipeError: no frame of the clip is taken.
        FileError: it cannot be written, or a worker has died again and again.
    """
    names = [f"{WORKERS}/{number}{Path(folder.kept.output).suffix}" for number in range(count)]
    folder.owned.write(f"{WORKERS}/about", b"Chunks on their way. Reverie removes them.\n")
    folder.owned.claim(*names)
    job = folder.request().to_json()
    workers = [SegmentWorker(name, folder.path / name, job) for name in names]
    try:
        yield from _Gathering(run, workers, state).steps()
    finally:
        for worker in workers:
            worker.process.end()
        folder.owned.remove(*names)


class SegmentWorker:
    """A process that makes one segment at a time, and its segment.

    Args:
        name, path: of its file.
        job: of the film, as JSON text.
    """

    def __init__(self, name: str, path: Path, job: str) -> None:
        self.name = name
        self.process = WorkerProcess(work, job, str(path), torch.get_num_threads())
        self._task: tuple[Segment, PackedState | None] | None = None
        self._deaths = 0

    @property
    def segment(self) -> Segment | None:
        """The segment at work."""
        return None if self._task is None else self._task[0]

    def give(self, segment: Segment, kept: PackedState | None) -> None:
        """Have it make a segment, or what is left of one."""
        self._task = (segment, kept)
        self.process.give(self._task)

    def said(self) -> Said | None:
        """Receive what it says, if that is anything; a dead one is replaced, a few times."""
        try:
            if not self.process.pipe.poll():
                return None
            said: Said = self.process.pipe.recv()
        except (EOFError, OSError):
            return self._replaced()
        if isinstance(said, MadeChunk) and self._task and said.kept is not None:
            self._task = (self._task[0], said.kept)
        return said

    def rest(self) -> None:
        """Take note that its segment is done."""
        self._task, self._deaths = None, 0

    def _replaced(self) -> Said | None:
        """Give the segment to a new process."""
        code = self.process.exit_code()
        self._deaths += 1
        if self._deaths >= _DEATHS:
            return FileError(describe_death(code).rstrip("."))
        self.process.give(self._task)
        return None


class _Gathering:
    """State of a film at work."""

    def __init__(self, run: FilmRun, workers: Sequence[SegmentWorker], state: State | None) -> None:
        self.run, self.workers, self.todo = run, workers, run.segments()
        self.done: set[Fraction] = set()  # segments, by their begin
        self.chunks: dict[Fraction, tuple[Fraction, MadeChunk]] = {}  # by theirs, with their segment's
        self.open: dict[Fraction, PackedState] = {}  # what segments that are not done go on with
        self.ends: Fraction | None = None  # seconds from which the clip has no more
        self.parts: dict[str, int] = {}  # frames of each worker's chunk at work
        if state is not None:
            self._restore(state)
        self.began, self.before = time.monotonic(), self._finished()

    def steps(self) -> Iterator[GatheredStep]:
        """Yield how far it is, until all is done."""
        self._give_out()
        while any(worker.segment for worker in self.workers):
            heard = self._heard()
            for worker in heard:
                if (said := worker.said()) is not None:
                    yield self._step(self._noted(worker, said), kept=not isinstance(said, FramesMade))
                if isinstance(said, MadeChunk):
                    worker.process.tell(None)  # it may write its file anew
            self._give_out()
            if not heard:
                yield self._step()
        if not self.chunks:
            raise RecipeError("no frame of the clip is taken; lower --from, --every or --fps, or leave them out.")
        yield self._step(final=True)

    def _heard(self) -> list[SegmentWorker]:
        """Wait for workers that have something to say."""
        at_work = {worker.process.pipe: worker for worker in self.workers if worker.segment}
        ready = wait(list(at_work), timeout=0.5)
        return [worker for pipe, worker in at_work.items() if pipe in ready]

    def _give_out(self) -> None:
        """Give segments to all that are free."""
        for worker in self.workers:
            if worker.segment is None and (segment := self._next()) is not None:
                worker.give(segment, self.open.get(segment.begin))

    def _next(self) -> Segment | None:
        """Return the next segment that is not done; None if there is none."""
        if self.ends is not None:
            return None
        return next((segment for segment in self.todo if segment.begin not in self.done), None)

    def _noted(self, worker: SegmentWorker, said: Said) -> tuple[str, MadeChunk] | None:
        """Take note of what a worker says; return a chunk that it has made."""
        segment = worker.segment
        if segment is None:
            raise RuntimeError("a worker without a segment speaks")
        if isinstance(said, Exception):
            raise said
        self.parts[worker.name] = said.count if isinstance(said, FramesMade) else 0
        if isinstance(said, SegmentDone):
            self.done.add(segment.begin)
            self.open.pop(segment.begin, None)
            self.ends = segment.begin if said.beyond else self.ends
            worker.rest()
        elif isinstance(said, MadeChunk):
            self.chunks[said.begin] = segment.begin, replace(said, kept=None)
            if said.kept is not None:
                self.open[segment.begin] = said.kept
            return worker.name, said
        return None

    def _step(
        self, chunk: tuple[str, MadeChunk] | None = None, *, kept: bool = False, final: bool = False
    ) -> GatheredStep:
        lasting, number = self.run.footage.lasting, self._finished() + sum(self.parts.values())
        whole = self._whole()
        return GatheredStep(
            number=number,
            time=Fraction(0) if whole is None else whole.last,
            share=float(number / (lasting * self.run.footage.pace)) if lasting else 0.0,
            final=final,
            pace=(number - self.before) / max(time.monotonic() - self.began, 1e-9),
            kept=self._state() if kept else None,
            finished=self._finished(),
            chunk=chunk,
            whole=whole,
        )

    def _finished(self) -> int:
        return sum(chunk.frames for _, chunk in self.chunks.values())

    def _whole(self) -> MadeChunk | None:
        """Return the last chunk up to which all are finished."""
        at_work = [worker.segment.begin for worker in self.workers if worker.segment is not None]
        whole = [made for segment, made in self.chunks.values() if not at_work or segment <= min(at_work)]
        return max(whole, key=lambda made: made.begin, default=None)

    def _state(self) -> State:
        """Return it as plain values and tensors."""
        return {
            "done": [_ratio(begin) for begin in sorted(self.done)],
            "chunks": [
                [*map(_ratio, (segment, made.begin, made.last, made.lasting)), made.frames, *made.size]
                for segment, made in self.chunks.values()
            ],
            "open": [[_ratio(begin), kept.unpacked()] for begin, kept in self.open.items()],
        }

    def _restore(self, state: State) -> None:
        self.done = {Fraction(*begin) for begin in state["done"]}
        self.open = {Fraction(*begin): PackedState.of(kept) for begin, kept in state["open"]}
        for *times, frames, height, width in state["chunks"]:
            segment, begin, last, lasting = (Fraction(*time) for time in times)
            self.chunks[begin] = segment, MadeChunk(begin, frames, last, lasting, (height, width))


def _ratio(time: Fraction) -> list[int]:
    return list(time.as_integer_ratio())
