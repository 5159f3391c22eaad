"""NumPy's files: a header and numbers, read where they lie."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reverie.errors import PictureError, shortened
from reverie.pictures.bands import bands
from reverie.pictures.raster import Array, check_size
from reverie.pictures.source import Source, Strip

SIGNATURE = b"\x93NUMPY"


def open_numpy(path: Path, *, max_pixels: int) -> Source:
    """Open an array of (H, W, 3), (3, H, W) or (1, 3, H, W).

    Raises:
        PictureError: another shape or type, or more than ``max_pixels`` pixels.
        ValueError: damaged, or cut short.
    """
    values = _mapped(path)
    height, width = values.shape[:2]
    check_size(height, width, max_pixels=max_pixels)
    depth = 8 if values.dtype == np.uint8 else 16
    return Source((height, width), 3, alpha=False, depth=depth, strips=lambda: _strips(path, height, width))


def _strips(path: Path, height: int, width: int) -> Iterator[Strip]:
    """Yield bands, each mapped separately: pages of the file that were read would count as memory held."""
    for rows in bands(height, width):
        yield Strip(rows, slice(0, width), np.array(_mapped(path)[rows]))


def _mapped(path: Path) -> Array:
    """Map the array as (H, W, 3), on the disk."""
    mapped: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    values = mapped.reshape(mapped.shape[1:]) if mapped.ndim == 4 and mapped.shape[0] == 1 else mapped
    if values.ndim == 3 and values.shape[2] != 3 and values.shape[0] == 3:
        values = values.transpose(1, 2, 0)
    if values.ndim != 3 or values.shape[2] != 3 or values.dtype.kind not in "uf":
        raise PictureError(
            f"an array is (H, W, 3), (3, H, W) or (1, 3, H, W) of floats in [0, 1]; got "
            f"{shortened(f'{mapped.shape} of {mapped.dtype}', 80)}; save it that way"
        )
    return values
