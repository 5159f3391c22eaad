"""What a decoder hands over: the numbers of a file, before colour and turning."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image, ImageFile

from reverie.errors import PictureError
from reverie.pictures.bands import bands

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]

# tifffile reports odd tags to its log; what matters comes as an exception.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


@dataclass(frozen=True, eq=False)
class Raster:
    """Decoded numbers and what the file says about them.

    Args:
        values: (H, W, 1 or 3) of uint8, uint16, uint32 or float; grey or RGB.
        alpha: (H, W) of the same type, or None; not multiplied into the values.
        profile: the embedded ICC profile, or None where the values are sRGB.
        orientation: 1 to 8, as EXIF has it.
    """

    values: Array
    alpha: Array | None = None
    profile: bytes | None = None
    orientation: int = 1

    @property
    def depth(self) -> int:
        """Bits a channel worth keeping: 8 or 16."""
        return 8 if self.values.dtype == np.uint8 else 16

    def upright(self) -> Raster:
        """The same raster, turned the way its orientation asks for."""
        alpha = None if self.alpha is None else _turn(self.alpha, self.orientation)
        return replace(self, values=_turn(self.values, self.orientation), alpha=alpha, orientation=1)


def unit(values: Array) -> Array:
    """Numbers as float32 in [0, 1]; integers are divided by the largest of their type."""
    if values.dtype.kind == "u":
        return (values / np.float32(np.iinfo(values.dtype).max)).astype(np.float32, copy=False)
    return values.astype(np.float32).clip(0, 1)


def check_range(values: Array) -> None:
    """Refuse floating values that are not finite, or outside [0, 1] by more than a rounding.

    Raises:
        PictureError: some are.
    """
    if values.dtype.kind == "u":
        return
    low, high = float(values.min()), float(values.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # false for NaN as well
        raise PictureError(f"floating pixels lie in [0, 1], and {low:g} to {high:g} came; scale them before saving")


def numbers(image: Image.Image, convert: Callable[[Image.Image], Image.Image | Array]) -> Array:
    """The (H, W, C) numbers of a Pillow picture after a conversion, band by band.

    Of a whole picture ``np.asarray`` makes two copies on its way, and each conversion one more.
    """
    result: Array | None = None
    for rows in bands(image.height, image.width):
        band = np.asarray(convert(image.crop((0, rows.start, image.width, rows.stop))))
        band = band.reshape(*band.shape[:2], -1)
        result = np.empty((image.height, *band.shape[1:]), band.dtype) if result is None else result
        result[rows] = band
    return np.empty((0, 0, 1), np.uint8) if result is None else result


def check_size(height: int, width: int, *, max_pixels: int) -> None:
    """Refuse a picture without pixels, or with more than allowed, from its header alone.

    Raises:
        PictureError: fewer than one pixel, or more than ``max_pixels``.
    """
    if height < 1 or width < 1:
        raise PictureError(f"a picture has at least one pixel, and {width}x{height} came; export it again")
    if height * width > max_pixels:
        raise PictureError(
            f"a picture has at most {max_pixels:,} pixels, and {width}x{height} came; "
            "shrink it, or raise max_pixels if you trust the file"
        )


def orientation_of(image: Image.Image) -> int:
    """The EXIF orientation of an open picture; 1 where it is missing or damaged."""
    try:
        value = image.getexif().get(0x0112, 1)
    except Exception:  # damaged metadata must not lose the picture
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _turn(values: Array, orientation: int) -> Array:
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    return values


class _Quiet:
    """Pillow without its own pixel limit, its warnings, and its leave to guess missing pixels.

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
