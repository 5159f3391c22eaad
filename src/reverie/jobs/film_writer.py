"""Write a film: chunk by chunk into the run's folder, joined at the end with the clip's sound."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from reverie.clips import Chunk, ChunkEncoder, FilmFormat, Footage, film_format, join
from reverie.engine import Plan
from reverie.engine.films import FilmRun, FilmStep
from reverie.errors import ClipError, FileError
from reverie.files import Draft, Placing, replacing
from reverie.files.reasons import unwritable
from reverie.jobs.events import Event, Noted, Saved, Size
from reverie.jobs.film_extras import write_comparison, write_film_report
from reverie.jobs.folder import Folder
from reverie.jobs.job import RunOptions, Stop
from reverie.jobs.outputs import beside
from reverie.jobs.record import Record
from reverie.jobs.report import StepLosses
from reverie.jobs.writers import Writer
from reverie.pictures import size_of, write_image

PLAYLIST = "preview.m3u8"
"""In the run's folder: names the chunks that are done, for players to show while it grows."""
_CHUNKS = "chunks"


@dataclass(eq=False)
class _ClipWriter(Writer):
    """Writes what is made of a clip, and what is asked for beside it.

    Attributes:
        record: of the run.
        output: a film, or a folder of frames.
        named: whether the user named it; then what lies there is replaced.
        run, plan: that make it.
        options: what else is written.
        folder: in which the run is kept.
    """

    record: Record
    output: Path
    named: bool
    run: FilmRun
    plan: Plan
    options: RunOptions
    folder: Folder
    history: list[StepLosses] = field(default_factory=list)
    _size: Size | None = None
    _placed: Path | None = None
    _extras: tuple[Path, ...] = ()

    @property
    def written(self) -> tuple[Path, ...]:
        """The film, and the files asked for beside it."""
        return (self._placed or self.output, *self._extras)

    @property
    def size(self) -> Size | None:
        """(H, W) of the film."""
        return self._size

    @property
    def footage(self) -> Footage:
        """The clip, as far as it is taken."""
        return self.run.footage

    def extras(self) -> Iterator[Path]:
        """Write what is asked for beside the film."""
        film, into = self._placed or self.output, self.folder.owned.beside
        if self.options.compare:
            yield write_comparison(beside(film, "compare", ".mp4"), self.footage, film, into=into)
        if self.options.report:
            title, path = f"{self.record.craft}: {self.footage.path.name}", beside(film, "report", ".html")
            alone = None if self.run.alone is None else self.run.alone(self.plan)
            yield write_film_report(path, self.footage, film, alone=alone, title=title, into=into)


@dataclass(eq=False)
class FilmWriter(_ClipWriter):
    """Writes a film, chunk by chunk."""

    _chunk: tuple[Chunk, ChunkEncoder] | None = None
    _open: ExitStack = field(default_factory=ExitStack)

    @property
    def format(self) -> FilmFormat:
        """Format of the film."""
        return film_format(self.output)

    def stepped(self, step: FilmStep) -> Iterator[Event]:
        """Encode the frame; finish the chunk that it completes."""
        with self._writing():
            _, encoder = self._chunk = self._chunk or self._begun(step)
            encoder.add(step.image, step.frame.time, step.frame.alpha)
            self._size = size_of(step.image)
            if self.completes(step):
                yield Saved(self._finished().path)

    def completes(self, step: FilmStep) -> bool:
        """True if the frame is the last of its chunk."""
        return step.kept is not None or step.last

    def finish(self, step: FilmStep, *, whole: bool) -> Iterator[Event]:
        """Join the chunks: all of them, or those that are done when the user stops it."""
        with self._writing():
            if self._chunk is not None:
                self._finished()
            lasting = step.frame.duration
            record = (
                self.record if whole else self.record.model_copy(update={"stopped": Stop(stage=1, step=step.number)})
            )
            ends = None if whole and self.footage.cut.end is None else step.frame.time + lasting
            with self._into(self.output) as draft:
                said = join(
                    self.chunks,
                    draft.file,
                    self.format,
                    last=lasting,
                    base=self.footage.base,
                    sound=self.footage,
                    until=ends,
                    recipe=record.to_json(),
                )
        self._placed = draft.placed
        yield from map(Noted, said)
        if whole:
            self._extras = tuple(self.extras())
        else:
            yield Noted(f"'{self.output}' holds what is done so far, {float(step.frame.time + lasting):.1f} seconds.")

    def close(self) -> None:
        """Let go of a chunk that is not finished."""
        self._open.close()

    @property
    def chunks(self) -> list[Chunk]:
        """Chunks that are done, in their order."""
        here = [
            name for name in self.folder.owned.names if name.startswith(f"{_CHUNKS}/") and self.folder.owned.has(name)
        ]
        return sorted((_chunk_at(self.folder.path / name) for name in here), key=lambda chunk: chunk.begin)

    def _begun(self, step: FilmStep) -> tuple[Chunk, ChunkEncoder]:
        """Begin a chunk with a frame; later ones, of which no checkpoint knows, are made anew."""
        begin = step.frame.time
        stale = [c.path for c in self.chunks if c.begin >= begin]
        self.folder.owned.remove(*(f"{_CHUNKS}/{path.name}" for path in stale))
        suffix = {"mp4": ".mp4", "webm": ".webm"}.get(self.format.chunk, ".mkv")
        name = f"{_CHUNKS}/{begin.numerator}-{begin.denominator}{suffix}"
        draft = self._open.enter_context(self.folder.owned.replacing(name))
        encoder = ChunkEncoder(
            draft.file,
            self.format,
            size=size_of(step.image),
            base=self.footage.base,
            rate=self.footage.pace,
            quality=int(str(self.record.settings.get("quality", 80))),
            alpha=self.footage.alpha,
        )
        return Chunk(self.folder.path / name, begin), encoder

    def _finished(self) -> Chunk:
        """Finish the chunk at work, and name it in the playlist."""
        if self._chunk is None:
            raise RuntimeError("no chunk has begun")
        (chunk, encoder), self._chunk = self._chunk, None
        encoder.close()
        self._open.close()
        self._open = ExitStack()
        lines = "".join(f"{_CHUNKS}/{each.path.name}\n" for each in self.chunks)
        self.folder.owned.write(PLAYLIST, f"#EXTM3U\n{lines}".encode())
        return chunk

    @property
    def _into(self) -> Placing:
        return replacing if self.named else self.folder.owned.beside

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Within the block, a full disk is what it is, whatever library was writing."""
        try:
            yield
        except OSError as error:
            raise unwritable(self.output, error) from error


@dataclass(eq=False)
class StillsWriter(_ClipWriter):
    """Writes the frames of a film into a folder, as PNG."""

    def stepped(self, step: FilmStep) -> Iterator[Event]:
        """Write the frame."""
        path = self.output / f"{step.number - 1:05d}.png"
        record = self.record.model_copy(update={"frame": step.number - 1})
        write_image(path, step.image, alpha=step.frame.alpha, recipe=record.to_json(), into=self._frame)
        self._size = size_of(step.image)
        yield Saved(path)

    def completes(self, step: FilmStep) -> bool:
        """True if the run can go on after the frame."""
        return step.kept is not None

    def finish(self, step: FilmStep, *, whole: bool) -> Iterator[Event]:
        """Write only what is asked for beside the frames, which are written."""
        if whole:
            self._extras = tuple(self.extras())
        return iter(())

    def _frame(self, path: Any) -> Any:
        """Put a frame in place; it replaces only frames that this run wrote before it was stopped."""

        def refuse(draft: Draft) -> None:
            if not draft.create():
                raise FileError(f"'{draft.target}' is not of this run, and is not replaced; move it away")

        return self.folder.owned.beside(path, refuse)


def _chunk_at(path: Path) -> Chunk:
    """Return a chunk by its file, whose name says when it begins.

    Raises:
        ClipError: the name is not of a chunk.
    """
    try:
        over, under = path.stem.split("-")
        return Chunk(path, Fraction(int(over), int(under)))
    except (ValueError, ZeroDivisionError) as error:
        raise ClipError(f"'{path}' is no chunk of a film; remove it.") from error
