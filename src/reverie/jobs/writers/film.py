"""Write a film: chunk by chunk into the run's folder, joined at the end with the clip's sound."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from reverie.clips import Chunk, ChunkEncoder, FilmFormat, Footage, film_format, join
from reverie.engine import Plan
from reverie.engine.films import FilmRun, FilmStep
from reverie.errors import ClipError, FileError, RecipeError
from reverie.files import Draft, Placing, replacing
from reverie.files.reasons import unwritable
from reverie.jobs.events import Event, Noted, Saved, Size
from reverie.jobs.folder import Folder
from reverie.jobs.gathering import GatheredStep
from reverie.jobs.job import RunOptions, Stop
from reverie.jobs.outputs import beside
from reverie.jobs.record import Record
from reverie.jobs.report import StepLosses
from reverie.jobs.segments import chunk_encoder
from reverie.jobs.writers.film_extras import write_comparison, write_film_report
from reverie.jobs.writers.writer import Writer
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
        stopped = None if whole else Stop(stage=1, step=step.number)
        yield from self.joined(self.chunks, last=step.frame.time, lasting=step.frame.duration, stopped=stopped)

    def joined(
        self, chunks: Sequence[Chunk], *, last: Fraction, lasting: Fraction, stopped: Stop | None
    ) -> Iterator[Event]:
        """Write the film of chunks.

        Args:
            chunks: in their order.
            last, lasting: seconds of the last frame, and those that it is shown.
            stopped: where, if the film is not whole.
        """
        record = self.record.model_copy(update={"stopped": stopped}) if stopped else self.record
        ends = None if stopped is None and self.footage.cut.end is None else last + lasting
        with self._writing(), self._into(self.output) as draft:
            said = join(
                chunks,
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
        if stopped is None:
            self._extras = tuple(self.extras())
        else:
            yield Noted(f"'{self.output}' holds what is done so far, {float(last + lasting):.1f} seconds.")

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

    def name_of(self, begin: Fraction) -> str:
        """Return the name of the chunk that begins at a time, in the run's folder."""
        suffix = {"mp4": ".mp4", "webm": ".webm"}.get(self.format.chunk, ".mkv")
        return f"{_CHUNKS}/{begin.numerator}-{begin.denominator}{suffix}"

    def show_growing(self) -> None:
        """Name the chunks that are done in the playlist."""
        lines = "".join(f"{_CHUNKS}/{each.path.name}\n" for each in self.chunks)
        self.folder.owned.write(PLAYLIST, f"#EXTM3U\n{lines}".encode())

    def _begun(self, step: FilmStep) -> tuple[Chunk, ChunkEncoder]:
        """Begin a chunk with a frame; later ones, of which no checkpoint knows, are made anew."""
        begin = step.frame.time
        stale = [c.path for c in self.chunks if c.begin >= begin]
        self.folder.owned.remove(*(f"{_CHUNKS}/{path.name}" for path in stale))
        name = self.name_of(begin)
        draft = self._open.enter_context(self.folder.owned.replacing(name))
        quality = int(str(self.record.settings["quality"]))
        encoder = chunk_encoder(draft.file, self.format, self.footage, size_of(step.image), quality)
        return Chunk(self.folder.path / name, begin), encoder

    def _finished(self) -> Chunk:
        """Finish the chunk at work, and name it in the playlist."""
        if self._chunk is None:
            raise RuntimeError("no chunk has begun")
        (chunk, encoder), self._chunk = self._chunk, None
        encoder.close()
        self._open.close()
        self._open = ExitStack()
        self.show_growing()
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
class GatheringWriter(FilmWriter):
    """Writes a film of chunks that other processes encode."""

    def stepped(self, step: GatheredStep) -> Iterator[Event]:  # type: ignore[override]  # never mixed with others
        """Put a chunk in its place."""
        if step.chunk is not None:
            name, made = step.chunk
            self.folder.owned.move(name, self.name_of(made.begin))
            self._size = made.size
            self.show_growing()
            yield Saved(self.folder.path / self.name_of(made.begin))

    def completes(self, step: GatheredStep) -> bool:  # type: ignore[override]
        """True if the run can go on after the step."""
        return step.kept is not None

    def finish(self, step: GatheredStep, *, whole: bool) -> Iterator[Event]:  # type: ignore[override]
        """Join the chunks: all of them, or those up to the first that is missing."""
        last = step.whole
        if last is None:
            yield Noted(f"no part of '{self.output}' is done yet, and nothing is written.")
            return
        self._size = last.size
        chunks = [chunk for chunk in self.chunks if chunk.begin <= last.begin]
        stopped = None if whole else Stop(stage=1, step=max(1, step.finished))
        yield from self.joined(chunks, last=last.last, lasting=last.lasting, stopped=stopped)


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


def film_writer(output: Path, options: RunOptions) -> type[FilmWriter | StillsWriter]:
    """Choose what writes a film.

    Raises:
        RecipeError: several processes for frames in a folder, which are numbered one after another.
    """
    if output.suffix:
        return GatheringWriter if options.processes else FilmWriter
    if options.processes:
        raise RecipeError("frames in a folder are made by one process; leave out --workers, or name a film.")
    return StillsWriter


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
