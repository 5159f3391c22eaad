"""Warp pictures along a flow."""

from __future__ import annotations

import numpy as np

from reverie.motion.flow import Array, places
from reverie.motion.opencv import cv2


def warped(pixels: Array, shift: Array) -> Array:
    """Sample a picture where each place of a frame lies in it.

    Args:
        pixels: (H, W) or (H, W, C) float32.
        shift: (h, w, 2), of any size: it is made as large as the picture.
    Returns:
        An array like ``pixels``, by cubic interpolation; beyond its border it is mirrored.
    """
    cv = cv2()
    height, width = pixels.shape[:2]
    moved = enlarged(shift, (height, width))
    across, down = places(height, width)
    found: Array = cv.remap(
        pixels, across + moved[..., 0], down + moved[..., 1], cv.INTER_CUBIC, borderMode=cv.BORDER_REFLECT_101
    )
    return found


def enlarged(shift: Array, size: tuple[int, int]) -> Array:
    """Make a shift as large as a picture (H, W); its pixels become the picture's."""
    height, width = shift.shape[:2]
    if (height, width) == size:
        return shift
    factor = np.array([size[1] / width, size[0] / height], np.float32)
    made: Array = cv2().resize(shift, size[::-1], interpolation=cv2().INTER_LINEAR) * factor
    return made


def spread(mask: Array, size: tuple[int, int]) -> Array:
    """Make a mask (h, w) as large as a picture (H, W)."""
    if mask.shape == size:
        return mask
    made: Array = cv2().resize(mask, size[::-1], interpolation=cv2().INTER_LINEAR)
    return made
