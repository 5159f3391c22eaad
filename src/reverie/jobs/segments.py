"""Make segments of a film in a process of its own, chunk by chunk."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from reverie.clips import ChunkEncoder, FilmFormat, Footage, film_format
from reverie.crafts.registry import find
from reverie.crafts.settings import longer_side
from reverie.engine import State
from reverie.engine.films import FilmRun, FilmStep, Segment
from reverie.errors import FileError, RecipeError, ReverieError
from reverie.files import append
from reverie.files.reasons import unwritable
from reverie.jobs.inputs import find_files, load
from reverie.jobs.job import Job
from reverie.jobs.processes import OFTEN, end_with_parent
from reverie.jobs.states import flatten, unflatten
from reverie.pictures import size_of


@dataclass(frozen=True, eq=False)
class PackedState:
    """A state on its way to another process: tensors as arrays, which need no shared memory.

    Attributes:
        text, arrays: as of `flatten`.
    """

    text: str
    arrays: Mapping[str, np.ndarray[Any, Any]]

    @classmethod
    def of(cls, state: State) -> Self:
        """Pack a state."""
        text, tensors = flatten(state)
        return cls(text, {name: tensor.numpy() for name, tensor in tensors.items()})

    def unpacked(self) -> dict[str, Any]:
        """Return the state."""
        found: dict[str, Any] = unflatten(self.text, {name: torch.from_numpy(a) for name, a in self.arrays.items()})
        return found


@dataclass(frozen=True)
class FramesMade:
    """Frames that are made of the chunk at work."""

    count: int


@dataclass(frozen=True)
class MadeChunk:
    """A chunk that is encoded, in the worker's file.

    Attributes:
        begin: seconds of its first frame.
        frames: how many.
        last, lasting: seconds of its last frame, and those that it is shown.
        size: (H, W) of the film.
        kept: what the segment needs to go on after it; None where the segment ends.
    """

    begin: Fraction
    frames: int
    last: Fraction
    lasting: Fraction
    size: tuple[int, int]
    kept: PackedState | None = None


@dataclass(frozen=True)
class SegmentDone:
    """A segment is done.

    Attributes:
        beyond: whether the clip ends before it.
    """

    beyond: bool


Said = FramesMade | MadeChunk | SegmentDone | Exception


class SegmentMaker:
    """Makes segments of one film.

    Args:
        job: with every choice made.
        path: of the file into which chunks are encoded, one after another.
    """

    def __init__(self, job: Job, path: Path) -> None:
        craft = find(job.craft)
        settings: Any = craft.checked(job.settings)
        loaded = load(craft, find_files(craft, job.inputs), longer=longer_side(settings, enlarged=False))
        run = craft.make(loaded.values, settings)
        if not isinstance(run, FilmRun):
            raise RecipeError(f"'{craft.name}' makes no film.")
        self._footage, self._quality, self._path = run.footage, int(settings.quality), path
        self._format = film_format(Path(str(job.output)))
        self._frames = run.begun(run.planned(tile=settings.tile), None)

    def made(self, segment: Segment, state: State | None) -> Iterator[Said]:
        """Make a segment, or what a state says is left of it; yield what is done."""
        steps, empty = self._frames(state, segment), state is None
        for first in steps:
            empty = False
            yield from self._chunk(first, steps)
        yield SegmentDone(beyond=empty and next(self._footage.frames(after=segment.begin), None) is None)

    def _chunk(self, first: FilmStep, steps: Iterator[FilmStep]) -> Iterator[Said]:
        """Encode a chunk, whose first frame is made; yield how far it is now and then, and it in the end."""
        step, count, told = first, 0, time.monotonic()
        with self._encoding(size_of(first.image)) as encoder:
            for step in chain([first], steps):
                encoder.add(step.image, step.frame.time, step.frame.alpha)
                count += 1
                if step.kept is not None or step.final:
                    break
                if time.monotonic() - told > OFTEN:
                    yield FramesMade(count)
                    told = time.monotonic()
            encoder.close()
        kept = None if step.kept is None else PackedState.of(step.kept)
        yield MadeChunk(first.frame.time, count, step.frame.time, step.frame.duration, size_of(first.image), kept)

    @contextmanager
    def _encoding(self, size: tuple[int, int]) -> Iterator[ChunkEncoder]:
        """Open the file anew; a full disk is what it is, whatever library was writing."""
        try:
            with append(self._path, anew=True) as file:
                yield chunk_encoder(file, self._format, self._footage, size, self._quality)
        except OSError as error:
            raise unwritable(self._path, error) from error


def chunk_encoder(file: Any, format: FilmFormat, footage: Footage, size: tuple[int, int], quality: int) -> ChunkEncoder:
    """Begin to encode a chunk of a film.

    Args:
        file: open for writing.
        format: of the film.
        footage: that it is made of.
        size: (H, W) of the film.
        quality: 0 to 100.
    """
    return ChunkEncoder(
        file, format, size=size, base=footage.base, rate=footage.pace, quality=quality, alpha=footage.alpha
    )


def work(pipe: Connection, job: str, path: str, threads: int) -> None:
    """Run a worker: make segments until there are no more, or until the parent process is gone.

    Args:
        pipe: gives segments with their states, and takes what is said; after each chunk it gives None, once the file
            may be written anew.
        job: as JSON text.
        path: of the worker's file.
        threads: PyTorch's.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for who gives the segments
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=end_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    for said in _said(pipe, Job.from_json(job), Path(path)):
        try:
            pipe.send(said)
            if isinstance(said, MadeChunk):
                pipe.recv()
        except (EOFError, OSError):
            return


def _said(pipe: Connection, job: Job, path: Path) -> Iterator[Said]:
    """Yield all that a worker has to say; an error is the last of it."""
    try:
        maker = SegmentMaker(job, path)
        while True:
            try:
                segment, state = pipe.recv()
            except (EOFError, OSError):
                return
            yield from maker.made(segment, None if state is None else state.unpacked())
    except FileError as error:
        yield error
    except ReverieError as error:
        yield type(error)(str(error))
    except MemoryError:
        yield FileError("a worker has not enough memory; try fewer --workers")
    except Exception as error:
        yield RuntimeError(f"a worker failed: {type(error).__name__}: {error}")
