"""Write a picture, and what is asked for beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from reverie.engine.findings import Findings
from reverie.files import Placing
from reverie.jobs.events import Enlarging, Event, Saved, Size
from reverie.jobs.folder import Folder
from reverie.jobs.job import Stop
from reverie.jobs.outputs import Outputs, depth_for
from reverie.jobs.record import Record
from reverie.jobs.report import StepLosses, write_report
from reverie.jobs.writers.writer import Photo, Writer
from reverie.pictures import resize, side_by_side, size_of, write_image

_TALLEST = 1024  # pixels, of a picture in a comparison


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
