"""Writers for each kind of output: a picture, a sequence of frames, a network."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from reverie.engine.findings import Findings
from reverie.errors import FileError
from reverie.feedforward.johnson import write_johnson
from reverie.files import Draft, Placing, replacing
from reverie.jobs.events import Enlarging, Event, Noted, Saved, Size
from reverie.jobs.film import can_join, join
from reverie.jobs.folder import Folder
from reverie.jobs.job import Stop
from reverie.jobs.outputs import Outputs, beside, depth_for
from reverie.jobs.record import Record
from reverie.jobs.report import StepLosses, write_report
from reverie.pictures import is_lossless, read_image, resize, side_by_side, size_of, write_image

PREVIEW = "preview.png"
"""Preview of the network's current paintings, in the folder of a training."""
_LOOK = 60.0  # seconds between previews
_TALLEST = 1024  # pixels, of a picture in a comparison


@dataclass(frozen=True, eq=False)
class Photo:
    """Properties that a result takes over from its photo.

    Attributes:
        alpha: (1, 1, H, W) in [0, 1]; None where it has none.
        depth: bits a channel.
    """

    alpha: Tensor | None = None
    depth: int = 8


class Writer(ABC):
    """Writes a run's output, during the run and at its end.

    Attributes:
        history: losses by step, for a report.
    """

    history: list[StepLosses]
    said: tuple[str, ...] = ()
    figures: Mapping[str, Any] = MappingProxyType({})

    @abstractmethod
    def stepped(self, step: Any) -> Iterator[Event]:
        """Write the output of a step."""

    def completes(self, step: Any) -> bool:
        """True if a step completes an output that is not made again; a checkpoint is then written at once."""
        return False

    def close(self) -> None:  # noqa: B027  # most hold nothing open
        """Let go of what is not finished."""

    @abstractmethod
    def finish(self, step: Any, *, whole: bool) -> Iterator[Event]:
        """Write the result.

        Args:
            step: the last.
            whole: whether the run is at its end; otherwise the user stopped it.
        """

    @property
    @abstractmethod
    def written(self) -> tuple[Path, ...]:
        """Paths that were written, the result first."""

    @property
    def size(self) -> Size | None:
        """(H, W) of the picture written; None if there is none."""
        return None

    @property
    def comparable(self) -> Path:
        """Picture whose pixels a repeated job compares."""
        return self.written[0]


@dataclass(eq=False)
class StillWriter(Writer):
    """Writes a picture, with its photo's alpha and depth, its record inside.

    Attributes:
        record: of the run.
        outputs: where to.
        photo: what is taken over from it.
        shown: captions and pictures of a comparison, the result excepted.
        save_every: steps between pictures on the way.
        folder: in which the run is kept.
        result: (H, W) that the finished picture is enlarged to; None where it stays as large as it was computed.
        before: steps of each stage.
    """

    record: Record
    outputs: Outputs
    photo: Photo
    shown: Sequence[tuple[str, Tensor]] = ()
    save_every: int | None = None
    folder: Folder | None = None
    result: Size | None = None
    before: Sequence[int] = ()
    history: list[StepLosses] = field(default_factory=list)
    _written: list[Path] = field(default_factory=list)
    _size: Size | None = None

    @property
    def written(self) -> tuple[Path, ...]:
        """The picture, and the files requested beside it."""
        return tuple(self._written)

    @property
    def size(self) -> Size | None:
        """(H, W) of the picture."""
        return self._size

    def stepped(self, step: Any) -> Iterator[Event]:
        """Write an intermediate picture, if one is due."""
        if step.last and self.result is not None:
            yield Enlarging(self.result)
        if self.outputs.report is not None:
            self.history.append(StepLosses(step.stage, step.size, step.total, step.losses))
        count = sum(self.before[: step.at[0] - 1]) + step.at[1]
        if self.save_every and count % self.save_every == 0:
            yield Saved(self._save(self.outputs.step(count), step.image, step))

    def finish(self, step: Any, *, whole: bool) -> Iterator[Event]:
        """Write the current picture, and the files requested beside it."""
        image, outputs = step.image, self.outputs
        found = getattr(step, "found", Findings())
        self.said, self.figures = tuple(found.lines), found.figures
        self._written = [self._save(outputs.result, image, step)]
        self._size = size_of(image)
        if outputs.compare is not None:
            self._written.append(write_image(outputs.compare, self._comparison(image, found), into=self._into))
        if outputs.report is not None:
            names = ", ".join(name for name, _ in self.shown) or self.outputs.result.name
            title = f"{self.record.craft}: {names}"
            self._written.append(write_report(outputs.report, self.history, title=title, into=self._into))
        return iter(())

    @property
    def _into(self) -> Placing:
        return self.outputs.into(self.folder)

    def _save(self, path: Path, image: Tensor, step: Any) -> Path:
        stopped = None if step.last else Stop(stage=step.at[0], step=step.at[1])
        record = self.record.model_copy(update={"stopped": stopped, "figures": dict(self.figures)})
        if stopped is not None and self.result is not None:  # nothing has enlarged it yet
            record = record.model_copy(update={"networks": self.record.networks[:1]})
        alpha = self.photo.alpha if (own := getattr(step, "alpha", None)) is None else own
        return write_image(
            path,
            image,
            alpha=None if alpha is None else resize(alpha, size_of(image)).clamp(0, 1),
            recipe=record.to_json(),
            depth=depth_for(path, self.photo.depth),
            into=self._into,
        )

    def _comparison(self, image: Tensor, found: Findings) -> Tensor:
        """Place inputs, the result, and what was found out side by side."""
        shown = [*self.shown, (self.outputs.result.name, image), *found.shown]
        height = min(int(image.shape[2]), _TALLEST)
        return side_by_side([pixels for _, pixels in shown], height=height, captions=[name for name, _ in shown])


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


@dataclass(eq=False)
class WeightsWriter(Writer):
    """Writes a network with its metadata, and a preview beside it.

    Attributes:
        record: of the run.
        output: the network's file.
        folder: in which the run is kept.
        photos: how many it learns from.
    """

    record: Record
    output: Path
    folder: Folder
    photos: int
    history: list[StepLosses] = field(default_factory=list)
    _written: tuple[Path, ...] = ()
    _looked: float = field(default_factory=time.monotonic)

    @property
    def written(self) -> tuple[Path, ...]:
        """The network and its preview, relative to the current folder if they lie in it."""
        here = Path.cwd()
        every = self._written or (self.output,)
        return tuple(path.relative_to(here) if path.is_relative_to(here) else path for path in every)

    def stepped(self, step: Any) -> Iterator[Event]:
        """Write a preview now and then."""
        if time.monotonic() - self._looked > _LOOK:
            write_image(self.folder.path / PREVIEW, step.preview(), into=self.folder.owned.replacing)
            self._looked = time.monotonic()
        return iter(())

    def finish(self, step: Any, *, whole: bool) -> Iterator[Event]:
        """Write the network, once it is trained."""
        if whole:
            preview = self.folder.owned.beside
            write_johnson(self.output, replace(step.network, facts=self._facts(step)))
            shown = write_image(beside(self.output, "preview", ".png"), step.preview(), into=preview)
            self._written = (self.output, shown)
        return iter(())

    def _facts(self, step: Any) -> dict[str, Any]:
        """Build the file's metadata: how the network was trained, and on what."""
        record, (judge, *_) = self.record, self.record.networks
        return {
            "painting": Path(record.inputs[0].path).name,
            "painting_sha256": record.inputs[0].sha256,
            "judge": judge.name,
            "judge_sha256": judge.sha256,
            "settings": dict(record.settings),
            "style_weight": step.learner.weight,
            "steps": step.step,
            "seconds": round(step.seconds, 1),
            "photos": self.photos,
            "losses": {name: round(value, 5) for name, value in step.losses.items()},
            "reverie": record.reverie,
            "torch": record.torch,
        }


@dataclass(eq=False)
class DocumentWriter(Writer):
    """Writes a page that needs nothing else, with its record inside.

    Attributes:
        record: of the run.
        output: the page's file.
    """

    record: Record
    output: Path
    history: list[StepLosses] = field(default_factory=list)
    _written: tuple[Path, ...] = ()

    @property
    def written(self) -> tuple[Path, ...]:
        """The page."""
        return self._written or (self.output,)

    def stepped(self, step: Any) -> Iterator[Event]:
        """Write nothing before the end."""
        return iter(())

    def finish(self, step: Any, *, whole: bool) -> Iterator[Event]:
        """Write the page, once all of it is there."""
        if whole:
            self.said, self.figures = tuple(step.found.lines), step.found.figures
            record = self.record.model_copy(update={"figures": dict(self.figures)}).to_json()
            with replacing(self.output) as draft:
                draft.file.write(step.document)
                draft.file.write(f"<!-- {record.replace('--', '-&#45;')} -->\n".encode())
            self._written = (self.output,)
        return iter(())


@dataclass(eq=False)
class ReportWriter(Writer):
    """Lets a task write its own files.

    Attributes:
        output: where to.
    """

    output: Path
    history: list[StepLosses] = field(default_factory=list)
    said: tuple[str, ...] = ()

    @property
    def written(self) -> tuple[Path, ...]:
        """The file or the folder."""
        return (self.output,)

    def stepped(self, step: Any) -> Iterator[Event]:
        """Write nothing before the end."""
        return iter(())

    def finish(self, step: Any, *, whole: bool) -> Iterator[Event]:
        """Write everything."""
        self.said = tuple(step.write(self.output))
        return iter(())


def same_pixels(old: Path | None, new: Path) -> bool | None:
    """Compare a repeated job's pixels with its file's; None if there is none, or if a format is lossy."""
    if old is None or not (is_lossless(old) and is_lossless(new)):
        return None
    return torch.equal(read_image(old), read_image(new))
