"""Paint what a camera sees as it comes: the last painting follows the flow, and is renewed when too little is left.

There is no later keyframe to look forward to, as `rendered` has. So the newest painting is taken over only as far as
the one before can no longer be followed, and a share besides.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from reverie.clips import ClipFrame
from reverie.motion.between import FramePainter, array_of, picture_of
from reverie.motion.flow import Array, Flow, Look, both_ways, composed, is_cut, look_at, still, trust
from reverie.motion.mixing import detail_energy, mixed
from reverie.motion.warp import spread, warped

_FADED = 0.75  # mean trust in the last painting, below which it is renewed
_NEAR = 0.5  # trust in a place, below which its painting is renewed at once


@dataclass(frozen=True, eq=False)
class LiveFrame:
    """A frame that was painted as it came.

    Attributes:
        frame: of the camera.
        image: (1, 3, H, W) sRGB in [0, 1].
        fresh: whether a painting was made for it.
    """

    frame: ClipFrame
    image: Tensor
    fresh: bool


def painted_live(frames: Iterable[ClipFrame], painter: FramePainter, *, longest: int = 12) -> Iterator[LiveFrame]:
    """Paint frames as they come.

    Args:
        frames: of a camera, or of a clip.
        painter: of frames.
        longest: frames from one painting to the next, at most.
    """
    following = _Following(painter, longest)
    for frame in frames:
        yield following.next(frame)


class _Following:
    def __init__(self, painter: FramePainter, longest: int) -> None:
        self.painter, self.longest = painter, longest
        self.first: tuple[Look, Array] | None = None
        self.before: Look | None = None
        self.flow: Flow | None = None
        self.age = 0

    def next(self, frame: ClipFrame) -> LiveFrame:
        """Paint the next frame."""
        look = look_at(frame.image)
        seen = self._followed(look)
        self.before = look
        if self.first is None or self.flow is None or seen is None:
            return self._renewed(frame, look, None)
        self.age += 1
        if self.age >= self.longest or float(seen.mean()) < _FADED:
            return self._renewed(frame, look, seen)
        _, pixels = self.first
        return LiveFrame(frame, picture_of(self._carried(pixels)).clamp_(0, 1), fresh=False)

    def _followed(self, look: Look) -> Array | None:
        """Return how far the last painting can be followed; None where it cannot at all."""
        if self.first is None or self.before is None or self.flow is None:
            return None
        _, back = both_ways(self.before, look)
        if is_cut(self.before, look, back):
            return None
        self.flow = composed(back, self.flow)
        return trust(self.flow, look, self.first[0])

    def _renewed(self, frame: ClipFrame, look: Look, seen: Array | None) -> LiveFrame:
        """Make a painting; take over what can be followed of the last one."""
        pixels = array_of(self.painter.key(frame.image, ()))
        if seen is not None and self.first is not None:
            kept = spread(np.clip(seen / _NEAR, 0, 1) * np.float32(self.painter.carried), pixels.shape[:2])
            energy = detail_energy(pixels)
            pixels = mixed([(self._carried(self.first[1]), kept, energy), (pixels, 1 - kept, energy)]).clip(0, 1)
        self.first, self.flow, self.age = (look, pixels), still(look.size), 0
        return LiveFrame(frame, picture_of(pixels), fresh=True)

    def _carried(self, pixels: Array) -> Array:
        if self.flow is None:
            raise RuntimeError("nothing is followed yet")
        return warped(pixels, self.flow.shift)
