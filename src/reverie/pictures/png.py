"""PNG: its chunks, and a row-streaming writer.

Source: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", 2025.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import DTypeLike

from reverie.errors import PictureError
from reverie.pictures.raster import Array

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RECIPE_KEYWORD = b"reverie"
_LEVEL = 4  # of zlib: of photos 3 % larger than its usual 6, in less than half the time
_PIECE = 1 << 20  # bytes read at once while a chunk's sum is checked
ROWS = 64
"""Rows filtered at once while writing."""

_DEPTHS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}  # by colour type


@dataclass(frozen=True)
class Header:
    """The first chunk of a PNG: size in pixels, bits a sample, colour type, and whether it comes in seven passes."""

    width: int
    height: int
    depth: int
    colours: int
    interlaced: bool = False


def read_header(file: BinaryIO) -> Header:
    """Read the first chunk of a PNG.

    Raises:
        PictureError: the file ends before it, or it says what no PNG does.
    """
    file.seek(len(SIGNATURE))
    data = file.read(21)
    if len(data) < 21 or data[4:8] != b"IHDR":
        raise PictureError("a PNG begins with its size, and this one does not; export it again")
    width, height, depth, colours = struct.unpack(">IIBB", data[8:18])
    header = Header(width, height, depth, colours, interlaced=data[20] == 1)
    if header.depth not in _DEPTHS.get(header.colours, ()) or data[18:20] != b"\0\0" or data[20] > 1:
        raise PictureError("its head says what no PNG does; export it again")
    return header


def read_recipe_text(file: BinaryIO) -> str | None:
    """Read the recipe of a PNG, from its uncompressed iTXt chunk named ``reverie``."""
    for name, length in _chunks(file):
        if name == b"iTXt" and file.read(8) == _RECIPE_KEYWORD + b"\0":
            body = file.read(length - 8)
            if body[:1] == b"\0":  # not compressed
                return body[2:].split(b"\0", 2)[2].decode("utf-8")
    return None


def write_png(
    file: BinaryIO,
    strips: Iterable[Array],
    shape: tuple[int, int, int],
    dtype: DTypeLike,
    *,
    profile: bytes,
    recipe: str | None = None,
) -> None:
    """Write a PNG as its rows come; only a few of them are held.

    Args:
        file: open for writing.
        strips: (rows, W, 3 or 4) of ``dtype``, from the top; ``ROWS`` at a time are a good number.
        shape: (H, W, 3 or 4) of them all, RGB or RGBA.
        dtype: uint8 or uint16.
        profile: ICC profile to embed.
        recipe: text to keep in an iTXt chunk.
    """
    height, width, channels = shape
    bits, colours = 8 * np.dtype(dtype).itemsize, 2 if channels == 3 else 6
    file.write(SIGNATURE)
    _write_chunk(file, b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colours, 0, 0, 0))
    _write_chunk(file, b"iCCP", b"sRGB\0\0" + zlib.compress(profile, 9))
    if recipe is not None:
        _write_chunk(file, b"iTXt", _RECIPE_KEYWORD + b"\0\0\0\0\0" + recipe.encode("utf-8"))
    packer = zlib.compressobj(_LEVEL, strategy=zlib.Z_FILTERED)
    for rows in _filtered(strips):
        if packed := packer.compress(rows.tobytes()):
            _write_chunk(file, b"IDAT", packed)
    _write_chunk(file, b"IDAT", packer.flush())
    _write_chunk(file, b"IEND", b"")


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Yield name and length of each chunk up to the end, the file positioned at the chunk's data."""
    position = len(SIGNATURE)
    while True:
        file.seek(position)
        head = file.read(8)
        if len(head) < 8:
            raise PictureError("a PNG ends with an IEND chunk, and this one is cut short; copy it "
                               "again")  # fmt: skip
        length, name = struct.unpack(">I4s", head)
        yield name, length
        if name == b"IEND":
            return
        position += 12 + length


def check_chunks(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Yield name, position and length of the data of each chunk of a PNG.

    Raises:
        PictureError: it lacks its end, or a chunk with a part in its pixels does not have its check sum.
    """
    for name, length in _chunks(file):
        place = file.tell()
        if name in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            total = zlib.crc32(name)
            for start in range(0, length, _PIECE):
                total = zlib.crc32(file.read(min(_PIECE, length - start)), total)
            if file.read(4) != struct.pack(">I", total):
                raise PictureError(f"the {name.decode()} chunk of this PNG is damaged or cut short; copy it again")
        yield name, place, length


def _filtered(strips: Iterable[Array]) -> Iterator[Array]:
    """Yield filtered rows, each led by its filter's number, a strip at a time."""
    above: Array | None = None
    for strip in strips:
        big_endian = np.ascontiguousarray(strip).astype(strip.dtype.newbyteorder(">"), copy=False)
        raw = big_endian.view(np.uint8).reshape(len(strip), -1)
        above = np.zeros_like(raw[:1]) if above is None else above
        yield _best_filters(raw, np.concatenate([above, raw[:-1]]), strip.shape[2] * strip.dtype.itemsize)
        above = raw[-1:]


def _best_filters(raw: Array, above: Array, step: int) -> Array:
    """Filter each row by the filter (left, above, Paeth) of smallest sum. Source: section 12.7."""
    left, corner = np.zeros_like(raw), np.zeros_like(raw)
    left[:, step:], corner[:, step:] = raw[:, :-step], above[:, :-step]
    candidates = np.stack([raw - left, raw - above, raw - _paeth(left, above, corner)])
    sums = np.minimum(candidates, 0 - candidates).sum(axis=2, dtype=np.int64)
    best = sums.argmin(axis=0)
    numbers = np.array([1, 2, 4], np.uint8)[best]
    return np.column_stack([numbers, candidates[best, np.arange(len(raw))]])


def _paeth(left: Array, above: Array, corner: Array) -> Array:
    """Return the neighbour nearest to left + above - corner. Source: section 9.4."""
    a, b, c = (part.astype(np.int16) for part in (left, above, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where(to_b <= to_c, above, corner)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, nearest)


def _write_chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name + data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))
