"""PNG: its chunks, 16 bits a channel (which Pillow reads as 8), and a row-streaming writer.

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
from PIL import Image, ImageFile

from reverie.errors import PictureError
from reverie.pictures.raster import Array, Raster, check_size, numbers, orientation_of

SIGNATURE = b"\x89PNG\r\n\x1a\n"
_RECIPE_KEYWORD = b"reverie"
_PIECE = 1 << 20  # bytes read at once while a chunk's sum is checked
ROWS = 64
"""Rows filtered at once while writing."""

# Which of Pillow's unpackers give the first and the second byte of each 16-bit sample.
_HIGH_AND_LOW = {2: ("RGB;16B", "RGB;16L"), 6: ("RGBA;16B", "RGBA;16L")}


@dataclass(frozen=True)
class Header:
    """The first chunk of a PNG: size in pixels, bits a sample, and colour type."""

    width: int
    height: int
    depth: int
    colours: int


def decode_png(file: BinaryIO, *, max_pixels: int) -> Raster | ImageFile.ImageFile:
    """A 16-bit PNG as a raster; any other as an open Pillow picture.

    Raises:
        PictureError: damaged, cut short, or more than ``max_pixels`` pixels.
    """
    header = read_header(file)
    check_size(header.height, header.width, max_pixels=max_pixels)
    _check_chunks(file)
    image = _open(file)
    return image if header.depth < 16 else _decode_16(file, image, header.colours)


def read_header(file: BinaryIO) -> Header:
    """Size, depth and colour type of a PNG.

    Raises:
        PictureError: the file ends before them.
    """
    file.seek(len(SIGNATURE))
    data = file.read(21)
    if len(data) < 21 or data[4:8] != b"IHDR":
        raise PictureError("a PNG begins with its size, and this one does not; export it again")
    return Header(*struct.unpack(">IIBB", data[8:18]))


def read_recipe_text(file: BinaryIO) -> str | None:
    """The recipe of a PNG, from its uncompressed iTXt chunk named ``reverie``."""
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
    packer = zlib.compressobj(6, strategy=zlib.Z_FILTERED)
    for rows in _filtered(strips):
        if packed := packer.compress(rows.tobytes()):
            _write_chunk(file, b"IDAT", packed)
    _write_chunk(file, b"IDAT", packer.flush())
    _write_chunk(file, b"IEND", b"")


def _open(file: BinaryIO) -> ImageFile.ImageFile:
    file.seek(0)
    return Image.open(file, formats=["PNG"])


def _chunks(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Name and length of each chunk up to the end, the file standing at the chunk's data."""
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


def _check_chunks(file: BinaryIO) -> None:
    """Refuse a PNG that lacks its end or whose pixels do not have their check sum."""
    for name, length in _chunks(file):
        if name not in (b"IHDR", b"PLTE", b"IDAT", b"IEND"):
            continue
        total = zlib.crc32(name)
        for start in range(0, length, _PIECE):
            total = zlib.crc32(file.read(min(_PIECE, length - start)), total)
        if file.read(4) != struct.pack(">I", total):
            raise PictureError(f"the {name.decode()} chunk of this PNG is damaged or cut short; "
                               "copy it again")  # fmt: skip


def _decode_16(file: BinaryIO, image: ImageFile.ImageFile, colours: int) -> Raster:
    """All 16 bits of grey, RGB, grey and alpha, or RGBA."""
    values: Array
    if colours == 0:
        values = numbers(image, lambda band: np.asarray(band, dtype=np.uint16))
    elif colours == 4:  # both bytes of both samples pass as four channels of 8 bits
        values = _unpacked(image, "RGBA").view(">u2")
    else:
        high, low = _HIGH_AND_LOW[colours]
        values = _unpacked(image, high, shift=8)
        values |= _unpacked(_open(file), low)
    alpha = values[..., -1] if colours in (4, 6) else _key(values, image)
    values = values[..., :-1] if colours in (4, 6) else values
    return Raster(values, alpha, image.info.get("icc_profile"), orientation_of(image))


def _unpacked(image: ImageFile.ImageFile, unpacker: str, *, shift: int = 0) -> Array:
    """Pixels of an open picture, by another of Pillow's unpackers than the one it chose."""
    image.tile = [tile._replace(args=unpacker) for tile in image.tile]
    wide = np.uint16 if shift else np.uint8
    return numbers(image, lambda band: np.left_shift(np.asarray(band), shift, dtype=wide))


def _key(values: Array, image: ImageFile.ImageFile) -> Array | None:
    """The alpha of a picture that has one colour declared to be transparent."""
    key = image.info.get("transparency")
    if key is None:
        return None
    different: Array = values != np.asarray(key, dtype=np.uint16).reshape(-1)
    return np.where(different.any(axis=2), np.uint16(65535), np.uint16(0))


def _filtered(strips: Iterable[Array]) -> Iterator[Array]:
    """Filtered rows, each led by its filter's number, a strip at a time."""
    above: Array | None = None
    for strip in strips:
        big_endian = np.ascontiguousarray(strip).astype(strip.dtype.newbyteorder(">"), copy=False)
        raw = big_endian.view(np.uint8).reshape(len(strip), -1)
        above = np.zeros_like(raw[:1]) if above is None else above
        yield _best_filters(raw, np.concatenate([above, raw[:-1]]), strip.shape[2] * strip.dtype.itemsize)
        above = raw[-1:]


def _best_filters(raw: Array, above: Array, step: int) -> Array:
    """Each row by the filter (left, above, Paeth) of smallest sum. Source: section 12.7."""
    left, corner = np.zeros_like(raw), np.zeros_like(raw)
    left[:, step:], corner[:, step:] = raw[:, :-step], above[:, :-step]
    candidates = np.stack([raw - left, raw - above, raw - _paeth(left, above, corner)])
    sums = np.minimum(candidates, 0 - candidates).sum(axis=2, dtype=np.int64)
    best = sums.argmin(axis=0)
    numbers = np.array([1, 2, 4], np.uint8)[best]
    return np.column_stack([numbers, candidates[best, np.arange(len(raw))]])


def _paeth(left: Array, above: Array, corner: Array) -> Array:
    """Whichever neighbour is nearest to left + above - corner. Source: section 9.4."""
    a, b, c = (part.astype(np.int16) for part in (left, above, corner))
    to_a, to_b, to_c = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where(to_b <= to_c, above, corner)
    return np.where((to_a <= to_b) & (to_a <= to_c), left, nearest)


def _write_chunk(file: BinaryIO, name: bytes, data: bytes) -> None:
    file.write(struct.pack(">I", len(data)) + name + data)
    file.write(struct.pack(">I", zlib.crc32(data, zlib.crc32(name))))
