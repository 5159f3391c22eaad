"""Optical flow between the frames of a clip, and where it holds.

Source: Kroeger et al. 2016, "Fast optical flow using dense inverse search"; the test for occlusions, Sundaram, Brox &
Keutzer 2010, as in Ruder, Dosovitskiy & Brox 2016, "Artistic style transfer for videos". We differ: their test for
motion boundaries, which the middle of any zoom fails, is a margin around what is hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from reverie.motion.opencv import cv2

Array = np.ndarray[Any, np.dtype[Any]]
"""Of float32, where nothing else is said."""
_SMALL, _SHARE = 640, 0.5  # pixels of the longer side up to which flow has the frames' own size; beyond, that share
_LEAST = 32  # pixels of a side on which flow can be found
_CONSISTENT, _AT_LEAST = 0.01, 0.5  # of the squared motion, and pixels squared: how far ways there and back may differ
_LIKE = 0.06  # of the range of colours: how unlike two places may be that are held for the same
_SOFT, _MARGIN = 3.0, 5  # pixels: how soft a mask's edge is, and how far it keeps away from what is hidden
_CUT, _UNLIKE = 0.35, 0.12  # share of a frame that is found again, and unlikeness, at which there is a cut


@dataclass(frozen=True, eq=False)
class Look:
    """A frame as flow sees it.

    Attributes:
        grey: (h, w) bytes.
        colours: (h, w, 3) float32 in [0, 1], a little blurred.
    """

    grey: Any
    colours: Array

    @property
    def size(self) -> tuple[int, int]:
        """(h, w)."""
        height, width = self.grey.shape
        return int(height), int(width)


@dataclass(frozen=True, eq=False)
class Flow:
    """Where each place of one frame lies in another.

    Attributes:
        shift: (h, w, 2) float32, pixels to the right and down.
        holds: (h, w) float32: 1 where the place is seen in both, 0 where it is hidden in the other.
    """

    shift: Array
    holds: Array


def look_at(image: Tensor) -> Look:
    """Prepare a frame for flow.

    Args:
        image: (1, 3, H, W) sRGB in [0, 1].
    """
    cv = cv2()
    pixels = np.ascontiguousarray(image[0].permute(1, 2, 0).numpy())
    height, width = _size_for(pixels.shape[0], pixels.shape[1])
    if (height, width) != pixels.shape[:2]:
        how = cv.INTER_AREA if height < pixels.shape[0] else cv.INTER_LINEAR
        pixels = cv.resize(pixels, (width, height), interpolation=how)
    grey = np.clip(cv.cvtColor(pixels, cv.COLOR_RGB2GRAY) * 255 + 0.5, 0, 255).astype(np.uint8)
    return Look(grey, cv.GaussianBlur(pixels, (0, 0), 1.0))


def _size_for(height: int, width: int) -> tuple[int, int]:
    """Return the (h, w) at which the flow of frames of this size is found."""
    longer, shorter = max(height, width), min(height, width)
    share = min(1.0, max(_SMALL / longer, _SHARE))
    share = max(share, _LEAST / shorter)
    return max(_LEAST, round(height * share)), max(_LEAST, round(width * share))


def both_ways(first: Look, second: Look) -> tuple[Flow, Flow]:
    """Find the flow from one frame to the next, and back."""
    found = cv2().DISOpticalFlow_create(cv2().DISOPTICAL_FLOW_PRESET_MEDIUM)
    there, back = found.calc(first.grey, second.grey, None), found.calc(second.grey, first.grey, None)
    return Flow(there, _holds(there, back)), Flow(back, _holds(back, there))


def still(size: tuple[int, int]) -> Flow:
    """Return the flow of a frame (h, w) to itself."""
    return Flow(np.zeros((*size, 2), np.float32), np.ones(size, np.float32))


def composed(first: Flow, then: Flow) -> Flow:
    """Follow one flow and then another."""
    shift = first.shift + looked_up(then.shift, first.shift)
    return Flow(shift, first.holds * looked_up(then.holds, first.shift))


def trust(flow: Flow, here: Look, there: Look) -> Array:
    """Return how far a flow may be followed, (h, w) in [0, 1], soft: where it holds and the colours are alike."""
    red, green, blue = cv2().split(cv2().absdiff(here.colours, looked_up(there.colours, flow.shift)))
    unlike = (red + green + blue) / 3
    kept = cv2().erode(flow.holds, np.ones((_MARGIN, _MARGIN), np.uint8)) * np.exp(-((unlike / _LIKE) ** 2))
    softened: Array = cv2().GaussianBlur(kept, (0, 0), _SOFT)
    return softened


def is_cut(first: Look, second: Look, back: Flow) -> bool:
    """True if a frame shows another scene than the one before.

    Args:
        first, second: the frames.
        back: the flow from the second to the first.
    """
    if float(back.holds.mean()) > 1 - _CUT:
        return float(np.abs(second.colours - looked_up(first.colours, back.shift)).mean()) > 2 * _UNLIKE
    unlike = float(np.abs(second.colours - looked_up(first.colours, back.shift)).mean())
    return unlike > _UNLIKE or float(trust(back, second, first).mean()) < _CUT


def looked_up(values: Array, shift: Array) -> Array:
    """Look up an array (h, w) or (h, w, C) at each place moved by (h, w, 2)."""
    cv = cv2()
    across, down = places(*shift.shape[:2])
    found: Array = cv.remap(
        values, across + shift[..., 0], down + shift[..., 1], cv.INTER_LINEAR, borderMode=cv.BORDER_REPLICATE
    )
    return found


_PLACES: dict[tuple[int, int], tuple[Array, Array]] = {}


def places(height: int, width: int) -> tuple[Array, Array]:
    """Return the column and the row of each place, (h, w) each; those of the last size are kept."""
    if (height, width) not in _PLACES:
        if len(_PLACES) > 3:
            _PLACES.clear()
        down, across = np.mgrid[:height, :width].astype(np.float32)
        _PLACES[height, width] = across, down
    return _PLACES[height, width]


def _holds(there: Array, back: Array) -> Array:
    """Test where a flow and its way back agree, and stay inside."""
    height, width = there.shape[:2]
    across, down = places(height, width)
    returned = looked_up(back, there)
    agree = _squared(there + returned) <= _CONSISTENT * (_squared(there) + _squared(returned)) + _AT_LEAST
    x, y = across + there[..., 0], down + there[..., 1]
    inside = (x >= -0.5) & (x <= width - 0.5) & (y >= -0.5) & (y <= height - 0.5)
    kept: Array = (agree & inside).astype(np.float32)
    return kept


def _squared(shift: Array) -> Array:
    """Return the squared length of each shift, (h, w); NumPy's own sums over a short axis are slow."""
    across, down = shift[..., 0], shift[..., 1]
    made: Array = across * across + down * down
    return made
