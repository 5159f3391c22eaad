"""Decoding a PNG a few rows at a time, at every depth, and in seven passes, too.

Python inflates as much as a band takes, and Pillow's C code undoes the filters of these rows: they are handed over as a
small PNG stream of their own, led by the row before, which they build on.

Source: W3C, "Portable Network Graphics (PNG) Specification (Third Edition)", 2025, sections 7 to 9.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from reverie.errors import PictureError
from reverie.pictures.bands import band_pixels, bands
from reverie.pictures.png import Header, check_chunks, read_header
from reverie.pictures.raster import Array, check_size, orientation_of
from reverie.pictures.source import Source, Strip

_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # of a pixel, by colour type
_PALETTE = 3
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}  # of Pillow's, by bytes of a pixel
_DEFLATED = 1032  # bytes that one byte of a deflate stream yields at most
_APART = 32  # bytes for each pixel of a band in one of several passes, since it lies apart from its neighbours
_SMALL = 1 << 20  # bytes of a chunk beside the pixels that is read at all
# Where the seven passes begin and step. Source: section 8.1.
_PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


@dataclass(frozen=True)
class _Chunks:
    """The chunks of a PNG other than its header.

    Args:
        pieces: place and length of each part of the pixels.
        few: the small chunks PLTE, tRNS and eXIf, by name, as far as they are there.
    """

    pieces: tuple[tuple[int, int], ...]
    few: dict[bytes, bytes]


def open_png(file: BinaryIO, *, max_pixels: int) -> Source:
    """Open a PNG of any kind.

    Raises:
        PictureError: damaged, cut short, shorter than its size can be, or more than ``max_pixels`` pixels.
    """
    header = read_header(file)
    check_size(header.height, header.width, max_pixels=max_pixels)
    chunks = _chunks_of(file, header)
    profile, orientation = _told(file, chunks)
    return Source(
        (header.height, header.width),
        channels=3 if header.colours in (2, 3, 6) else 1,
        alpha=header.colours >= 4 or b"tRNS" in chunks.few,
        depth=16 if header.depth == 16 else 8,
        strips=lambda: _strips(file, header, chunks),
        held=_APART * band_pixels(header.width) if header.interlaced else 0,
        profile=profile,
        orientation=orientation,
    )


def _chunks_of(file: BinaryIO, header: Header) -> _Chunks:
    pieces, few = [], dict[bytes, bytes]()
    for name, place, length in check_chunks(file):
        if name == b"IDAT":
            pieces.append((place, length))
        elif name in (b"PLTE", b"tRNS", b"eXIf") and length <= _SMALL:
            file.seek(place)
            few[name] = file.read(length)
    needed = sum(_row_bytes(header, len(columns)) * len(rows) for rows, columns in _passes(header))
    if needed > _DEFLATED * sum(length for _, length in pieces):
        raise PictureError(
            f"its head says {header.width}x{header.height} pixels, and its data cannot hold them; "
            "copy or export it again"
        )
    if header.colours == _PALETTE and not few.get(b"PLTE"):
        raise PictureError("a PNG of few colours names them, and this one does not; export it again")
    return _Chunks(tuple(pieces), few)


def _told(file: BinaryIO, chunks: _Chunks) -> tuple[bytes | None, int]:
    """Return profile and orientation, as Pillow reads them from chunks before the pixels; and from eXIf anywhere."""
    file.seek(0)
    image = Image.open(file, formats=["PNG"])
    if b"eXIf" in chunks.few:
        image.info["exif"] = b"Exif\0\0" + chunks.few[b"eXIf"]
    elif "Raw profile type exif" not in image.info:
        image.info["exif"] = b""  # or else Pillow decodes the whole picture to look behind it
    return image.info.get("icc_profile"), orientation_of(image)


def _passes(header: Header) -> Iterator[tuple[range, range]]:
    """Return rows and columns of each pass that has any; the whole picture if it comes in one."""
    for top, left, down, across in _PASSES if header.interlaced else ((0, 0, 1, 1),):
        rows, columns = range(top, header.height, down), range(left, header.width, across)
        if rows and columns:
            yield rows, columns


def _row_bytes(header: Header, width: int) -> int:
    """Return the bytes of a row of pixels, including the one of its filter."""
    return 1 + (width * _SAMPLES[header.colours] * header.depth + 7) // 8


def _strips(file: BinaryIO, header: Header, chunks: _Chunks) -> Iterator[Strip]:
    inflater = _Inflater(file, chunks.pieces)
    step = max(1, _SAMPLES[header.colours] * header.depth // 8)
    for rows, columns in _passes(header):
        length = _row_bytes(header, len(columns))
        above = np.zeros((1, length - 1), np.uint8)
        for band in bands(len(rows), len(columns)):
            part = rows[band]
            raw = np.frombuffer(inflater.read(len(part) * length), np.uint8).reshape(len(part), length)
            plain = _unfiltered(raw, above, step)
            above = plain[-1:].copy()
            values, alpha = _coloured(_samples(plain, header, len(columns)), header, chunks.few)
            yield Strip(_slice(part), _slice(columns), values, alpha)


class _Inflater:
    """Reads the inflated data of a PNG, as much at once as is asked for."""

    def __init__(self, file: BinaryIO, pieces: tuple[tuple[int, int], ...]) -> None:
        self._file, self._pieces, self._engine = file, iter(pieces), zlib.decompressobj()
        self._place, self._left = 0, 0

    def read(self, count: int) -> bytearray:
        """Read this many bytes.

        Raises:
            PictureError: there are fewer.
        """
        result = bytearray()
        while len(result) < count:
            packed, before = self._engine.unconsumed_tail or self._packed(), len(result)
            result += self._engine.decompress(packed, count - before)
            if len(result) == before and (not packed or self._engine.eof):  # nothing more was held back, either
                raise PictureError("a PNG holds all its rows, and this one is cut short; copy it again")
        return result

    def _packed(self) -> bytes:
        """Read some more bytes of the file; none at the end."""
        while not self._left:
            piece = next(self._pieces, None)
            if piece is None:
                return b""
            self._place, self._left = piece
        self._file.seek(self._place)
        packed = self._file.read(min(self._left, 1 << 16))
        self._place, self._left = self._place + len(packed), self._left - len(packed)
        return packed


def _unfiltered(rows: Array, above: Array, step: int) -> Array:
    """Return the plain bytes of filtered rows, by way of Pillow.

    Args:
        rows: (n, 1 + length) of uint8, the filter's number first.
        above: (1, length), the plain row before them.
        step: bytes of a pixel, 1 to 8; every ``step``-th byte is filtered apart from the others.
    """
    if not rows[:, 0].any():
        return rows[:, 1:]
    lanes = 2 if step > 4 else 1  # of Pillow's pixels, which have at most 4 bytes
    filtered = np.concatenate([np.concatenate([np.zeros_like(above[:, :1]), above], axis=1), rows])
    result = np.empty((len(rows), rows.shape[1] - 1), np.uint8)
    for lane in range(lanes):
        part = np.concatenate([filtered[:, :1], filtered[:, 1 + lane :: lanes]], axis=1)
        mode, width = _MODES[step // lanes], (part.shape[1] - 1) * lanes // step
        packed = zlib.compress(part.tobytes(), 0)
        image = Image.frombytes(mode, (width, len(part)), packed, "zip", mode, 0)
        result[:, lane::lanes] = np.asarray(image).reshape(len(part), -1)[1:]
    return result


def _samples(plain: Array, header: Header, width: int) -> Array:
    """Return (rows, width, samples) of uint8 or uint16 from the bytes of rows."""
    if header.depth == 16:
        plain = plain.view(">u2") if plain.flags.c_contiguous else np.ascontiguousarray(plain).view(">u2")
    elif header.depth < 8:
        places = np.arange(8 - header.depth, -1, -header.depth, dtype=np.uint8)
        plain = (plain[..., None] >> places & np.uint8((1 << header.depth) - 1)).reshape(len(plain), -1)[:, :width]
    return plain.reshape(len(plain), width, -1)


def _coloured(samples: Array, header: Header, few: dict[bytes, bytes]) -> tuple[Array, Array | None]:
    """Split samples into grey or RGB, and alpha."""
    if header.colours == _PALETTE:
        table = _palette(few)
        return table[samples[..., 0], :3], table[samples[..., 0], 3] if b"tRNS" in few else None
    if header.colours >= 4:
        return samples[..., :-1], samples[..., -1]
    alpha = _key(samples, few[b"tRNS"]) if b"tRNS" in few else None
    return samples * np.uint8(255 // ((1 << header.depth) - 1)) if header.depth < 8 else samples, alpha


def _palette(few: dict[bytes, bytes]) -> Array:
    """Return (256, 4) of RGBA; black where a file names fewer."""
    table = np.zeros((256, 4), np.uint8)
    table[:, 3] = 255
    colours = np.frombuffer(few[b"PLTE"][: len(few[b"PLTE"]) // 3 * 3], np.uint8).reshape(-1, 3)[:256]
    table[: len(colours), :3] = colours
    alpha = np.frombuffer(few.get(b"tRNS", b""), np.uint8)[:256]
    table[: len(alpha), 3] = alpha
    return table


def _key(samples: Array, key: bytes) -> Array:
    """Return the alpha of a picture that has one colour declared to be transparent."""
    if len(key) < 2 * samples.shape[2]:
        raise PictureError("its transparent colour is damaged; export it again")
    different: Array = (samples != np.frombuffer(key, ">u2", samples.shape[2])).any(axis=2)
    opaque = np.uint16(65535) if samples.dtype.itemsize == 2 else np.uint8(255)
    return different * opaque


def _slice(part: range) -> slice:
    return slice(part.start, part.stop, part.step)
