"""Write a sequence: its frames into a folder, joined into a film at the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reverie.errors import FileError
from reverie.files import Draft, Placing, replacing
from reverie.jobs.events import Event, Noted, Saved, Size
from reverie.jobs.film import can_join, join
from reverie.jobs.folder import Folder
from reverie.jobs.record import Record
from reverie.jobs.report import StepLosses
from reverie.jobs.writers.writer import Writer
from reverie.pictures import write_image


@dataclass(frozen=True)
class FrameOutputs:
    """Output paths of a sequence.

    Attributes:
        folder: of the frames.
        film: to which they are to be joined; None: one beside the folder, where that can be done.
    """

    folder: Path
    film: Path | None

    def frame(self, number: int) -> Path:
        """Return the path of a frame, counted from 0."""
        return self.folder / f"{number:05d}.png"


@dataclass(eq=False)
class FramesWriter(Writer):
    """Writes a sequence: its frames into a folder, joined into a film at the end.

    Attributes:
        record: of the run.
        outputs: where to.
        folder: in which the run is kept.
    """

    record: Record
    outputs: FrameOutputs
    folder: Folder
    history: list[StepLosses] = field(default_factory=list)
    _film: tuple[Path, ...] = ()
    _last: Path | None = None
    _size: Size | None = None

    @property
    def written(self) -> tuple[Path, ...]:
        """The film, if there is one, and the folder."""
        return (*self._film, self.outputs.folder)

    @property
    def size(self) -> Size | None:
        """(H, W) of a frame."""
        return self._size

    def stepped(self, step: Any) -> Iterator[Event]:
        """Write the frame, if it is complete."""
        self._size = step.iterate.size
        if step.image is None:
            return
        settings = {**self.record.settings, "frames": step.number + 1}
        record = self.record.model_copy(update={"settings": settings, "frame": step.number})
        path = self.outputs.frame(step.number)
        write_image(path, step.image, alpha=step.alpha, recipe=record.to_json(), into=self._frame)
        self._last = path
        yield Saved(path)

    def completes(self, step: Any) -> bool:
        """True if a frame is complete."""
        return step.image is not None

    @property
    def comparable(self) -> Path:
        """The last frame."""
        return self._last or self.outputs.folder

    def finish(self, step: Any, *, whole: bool) -> Iterator[Event]:
        """Write the film that was asked for, or one beside the frames if that is possible."""
        if not whole:
            return
        film = self.outputs.film or self.outputs.folder.with_name(f"{self.outputs.folder.name}.mp4")
        if not can_join(film.suffix.lower()):
            yield Noted("pip install 'reverie-dream[video]' joins such frames to an .mp4; -o zoom.gif makes a GIF.")
            return
        count = int(str(self.record.settings["frames"]))
        frames = [self.outputs.frame(number) for number in range(count)]
        into = replacing if self.outputs.film else self.folder.owned.beside
        self._film = (join(frames, film, into=into),)

    @property
    def _frame(self) -> Placing:
        """Function that puts a frame in place; it replaces only frames that this run wrote before it was stopped."""

        def refuse(draft: Draft) -> None:
            if not draft.create():
                raise FileError(f"'{draft.target}' is not of this run, and is not replaced; move it away")

        return lambda path: self.folder.owned.beside(path, refuse)
