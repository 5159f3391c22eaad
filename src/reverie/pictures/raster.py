"""Samples of a file, before colour and orientation, and the checks that all decoders share."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from reverie.errors import PictureError

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]

# tifffile reports odd tags to its log; what matters comes as an exception.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


def unit(values: Array) -> Array:
    """Convert numbers to float32 in [0, 1]; integers are divided by the largest of their type."""
    if values.dtype.kind in "ui":
        return (values / np.float32(np.iinfo(values.dtype).max)).astype(np.float32, copy=False)
    return values.astype(np.float32).clip(0, 1)


def check_range(values: Array) -> None:
    """Refuse floating values that are not finite, or outside [0, 1] by more than a rounding, and negative integers.

    Raises:
        PictureError: some are.
    """
    if values.dtype.kind == "u":
        return
    low, high = float(values.min()), float(values.max())
    if values.dtype.kind == "i":
        if low < 0:
            raise PictureError(f"pixels lie in [0, {np.iinfo(values.dtype).max}]; got {low:g}; scale them first")
        return
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # false for NaN as well
        raise PictureError(f"floating pixels lie in [0, 1]; got {low:g} to {high:g}; scale them before saving")


def check_size(height: int, width: int, *, max_pixels: int) -> None:
    """Refuse a picture without pixels, or with more than allowed, from its header alone.

    Raises:
        PictureError: fewer than one pixel, or more than ``max_pixels``.
    """
    if height < 1 or width < 1:
        raise PictureError(f"a picture has at least one pixel; got {width}x{height}; export it again")
    if height * width > max_pixels:
        raise PictureError(
            f"a picture has at most {max_pixels:,} pixels; got {width}x{height}; "
            "shrink it, or raise max_pixels if you trust the file"
        )


def orientation_of(image: Image.Image) -> int:
    """Return the EXIF orientation of an open picture; 1 if it is missing or damaged."""
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # damaged metadata must not lose the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def turned(values: Array, orientation: int, *, back: bool = False) -> Array:
    """View (H, W, …) numbers, turned the way their EXIF orientation asks for; or back from there."""
    swap, flip_rows, flip_columns = orientation >= 5, orientation in (3, 4, 7, 8), orientation in (2, 3, 6, 7)
    if swap and not back:
        values = values.swapaxes(0, 1)
    if flip_rows:
        values = values[::-1]
    if flip_columns:
        values = values[:, ::-1]
    return values.swapaxes(0, 1) if swap and back else values


class _Quiet:
    """A state of Pillow without its pixel limit, its warnings, and its permission to guess missing pixels.

    These are settings of the whole process, so they are counted rather than set by each reader.
    """

    def __init__(self) -> None:
        self._lock, self._readers = threading.Lock(), 0
        self._limit: int | None = None
        self._guesses = False
        self._warnings = ExitStack()

    def enter(self) -> None:
        with self._lock:
            self._readers += 1
            if self._readers == 1:
                self._limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
                self._guesses = ImageFile.LOAD_TRUNCATED_IMAGES
                ImageFile.LOAD_TRUNCATED_IMAGES = False
                self._warnings.enter_context(warnings.catch_warnings())
                for module in (r"PIL\b", r"tifffile\b", r"reverie\.pictures\b"):
                    warnings.filterwarnings("ignore", module=module)

    def leave(self) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._warnings.close()
                Image.MAX_IMAGE_PIXELS = self._limit
                ImageFile.LOAD_TRUNCATED_IMAGES = self._guesses


_QUIET = _Quiet()


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Lift Pillow's pixel limit (ours is checked instead), and let it neither warn nor guess."""
    _QUIET.enter()
    try:
        yield
    finally:
        _QUIET.leave()
