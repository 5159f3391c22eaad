"""Sources: pictures whose header has been read, and whose strips are decoded on demand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from reverie.errors import OutOfMemory, PictureError
from reverie.pictures.bands import band_pixels
from reverie.pictures.raster import Array

_WORKING = 120  # bytes for each pixel of a band, in which it is decoded, converted and reduced


@dataclass(frozen=True, eq=False)
class Strip:
    """Some rows and columns of a picture, as stored.

    Args:
        rows, columns: where they belong; slices with steps where a picture comes in passes.
        values: (rows, columns, 1 or 3) of uint, int or float; grey or RGB.
        alpha: (rows, columns) of the same type, or None; not multiplied into the values.
    """

    rows: slice
    columns: slice
    values: Array
    alpha: Array | None = None


@dataclass(frozen=True, eq=False)
class Source:
    """An open picture.

    Args:
        size: (H, W) of its strips as stored, before turning.
        channels: 1 for grey, 3 for RGB.
        alpha: whether its strips have alpha.
        depth: bits a channel worth keeping, 8 or 16.
        strips: decodes it; every pixel comes once.
        held: bytes that decoding holds at its worst, beside a band.
        profile: the embedded ICC profile, or None where the values are sRGB.
        orientation: 1 to 8, as EXIF has it.
        scale: pixels of the file, each way, that one of its strips' pixels stands for.
        smaller: the same picture decoded at a fraction of its size, of which neither side is shorter than the (H, W)
            given; None where its format cannot.
    """

    size: tuple[int, int]
    channels: int
    alpha: bool
    depth: int
    strips: Callable[[], Iterator[Strip]]
    held: int = 0
    profile: bytes | None = None
    orientation: int = 1
    scale: int = 1
    smaller: Callable[[tuple[int, int]], Source] | None = None

    def peak(self, size: tuple[int, int]) -> int:
        """Return the bytes that reading it at a size (H, W) takes at most, the result included."""
        return self.held + 4 * (3 + self.alpha) * size[0] * size[1] + _WORKING * band_pixels(self.size[1])

    def check_memory(self, size: tuple[int, int], *, memory: int | None) -> None:
        """Refuse to read more than fits.

        Raises:
            OutOfMemory: reading at that size takes more than ``memory`` bytes.
        """
        peak = self.peak(size)
        if memory is None or peak <= memory:
            return
        height, width = self.size
        ways = [f"allow {_megabytes(peak)} (--memory)"]
        if peak - self.held > memory // 2:
            ways.append("ask for fewer pixels (--size)")
        if self.held > memory // 2:
            ways.append("save it as a plain PNG, which is read a few rows at a time")
        raise OutOfMemory(
            f"reading {width}x{height} pixels at {size[1]}x{size[0]} takes {_megabytes(peak)} of memory, and "
            f"{_megabytes(memory)} are allowed; {', or '.join(ways)}"
        )


def check_claim(size: tuple[int, int], *, length: int, most: int) -> None:
    """Refuse a file that is too short for the pixels its head claims, before any room is made for them.

    Args:
        size: (H, W) as the head has it.
        length: bytes of the file that may hold pixels.
        most: pixels that a byte of its format can stand for.

    Raises:
        PictureError: it is.
    """
    height, width = size
    if height * width > most * length:
        raise PictureError(
            f"its head says {width}x{height} pixels, and its {length:,} bytes cannot hold them; copy or export it again"
        )


def _megabytes(count: int) -> str:
    """Format a number of bytes in MB, rounded up."""
    return f"{-(-count // 10**6)} MB"
