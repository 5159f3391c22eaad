"""Pictures worked on a few rows at a time, so that a large one never lies in memory several times over."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

_BAND = 1 << 16  # pixels: a few megabytes for each array that a step makes on the way


def bands(height: int, width: int) -> Iterator[slice]:
    """Yield slices of whole rows, from the top, of about 65,000 pixels each.

    Example:
        >>> list(bands(300, 512))
        [slice(0, 128, None), slice(128, 256, None), slice(256, 300, None)]
    """
    rows = band_pixels(width) // width
    return (slice(start, min(start + rows, height)) for start in range(0, height, rows))


def band_pixels(width: int) -> int:
    """Return the pixels of a band at most: whole rows, at least one."""
    return max(1, _BAND // width) * width


def banded(change: Callable[..., Tensor], *pictures: Tensor) -> Tensor:
    """Apply ``change`` to pictures of one size, band by band; no graph is kept.

    Args:
        change: takes a band (B, C, rows, W) of each picture and gives a band (B, 3, rows, W).
        pictures: (B, C, H, W), of one height and width.

    Returns:
        (B, 3, H, W) of the first picture's type and device.
    """
    first = pictures[0]
    height, width = first.shape[-2:]
    result = first.new_empty((len(first), 3, height, width))
    with torch.no_grad():
        for rows in bands(height, width):
            result[:, :, rows] = change(*(picture[:, :, rows] for picture in pictures))
    return result
