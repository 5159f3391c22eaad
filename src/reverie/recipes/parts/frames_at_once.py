"""Frames of a clip painted in one pass each, all by the statistics of the whole clip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from torch import Tensor

from reverie.clips import Footage
from reverie.motion import Guide
from reverie.recipes.parts.film import samples

CARRIED = 0.8
"""Share of the last keyframe in the next, where it can be followed."""
S = TypeVar("S")


class ClipPainter(Protocol[S]):
    """Paints pictures by their own statistics, or by those of a clip."""

    def paint(self, photo: Tensor, *, clip: S | None = None) -> Tensor:
        """Paint a picture (1, 3, H, W) in [0, 1]."""

    def statistics(self, frames: Callable[[], Iterable[Tensor]], size: tuple[int, int]) -> S:
        """Measure frames as if they were one picture."""


@dataclass(frozen=True, eq=False)
class FramesAtOnce:
    """A style, ready to paint the frames of a clip; see `FramePainter`.

    Attributes:
        painter: of pictures.
        clip: statistics of the whole clip.
    """

    painter: Any
    clip: Any
    detail: bool = False
    carried: float = CARRIED

    def key(self, photo: Tensor, guides: Sequence[Guide]) -> Tensor:
        """Paint a keyframe; what it takes over of earlier ones is mixed into it later."""
        return self.between(photo)

    def between(self, photo: Tensor) -> Tensor:
        """Paint a frame for itself."""
        image: Tensor = self.painter.paint(photo, clip=self.clip)
        return image.cpu()


def frames_at_once(painter: ClipPainter[S], footage: Footage, size: tuple[int, int]) -> FramesAtOnce:
    """Measure a clip, and prepare to paint its frames.

    Args:
        painter: of pictures.
        footage: as far as it is taken.
        size: (H, W) of the film.
    """
    seen = samples(footage, size)
    return FramesAtOnce(painter, painter.statistics(lambda: seen, size))
