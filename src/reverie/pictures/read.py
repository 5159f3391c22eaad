"""Reading pictures: any common file to float32 sRGB in [0, 1], upright, with its alpha aside."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from reverie.pictures.formats import AnyPath
from reverie.pictures.opening import opened
from reverie.pictures.profiles import converter
from reverie.pictures.raster import Array, check_range, unit
from reverie.pictures.resize import fit
from reverie.pictures.sinks import Reduced, Sink, Whole, upright
from reverie.pictures.source import Source

MAX_PIXELS = 512_000_000
"""Most pixels of a picture that is read, unless the call says otherwise."""

LARGE = 16_000_000
"""Pixels up to which a picture is read whole, however few are wanted of it: what is read so is what ever was."""

_SPARE = 2  # times the size that is wanted, each way: the resize that follows decides how the picture looks


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as read from a file.

    Args:
        pixels: (1, 3, H, W) float32 sRGB in [0, 1].
        alpha: (1, 1, H, W) float32 in [0, 1], 1 where opaque; None where the file has none.
        depth: bits a channel of the file: 8, or 16 for anything deeper.
        name: the file's name, suffix included.
        reduced: whether the file has more pixels than were read.
    """

    pixels: Tensor
    alpha: Tensor | None
    depth: int
    name: str
    reduced: bool = False

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return int(self.pixels.shape[2]), int(self.pixels.shape[3])


@dataclass(frozen=True)
class Head:
    """The header of a picture file, read before any of its pixels are decoded.

    Args:
        size: (H, W) in which it is read, upright.
        alpha: whether it has alpha.
        peak: bytes that reading it takes at its peak, the result included.
        undecoded: of these, the bytes that a plain PNG would not take, which is read a few rows at a time.
        name: the file's name, suffix included.
    """

    size: tuple[int, int]
    alpha: bool
    peak: int
    undecoded: int
    name: str


def read_head(path: AnyPath, *, max_pixels: int = MAX_PIXELS, longer: int | None = None) -> Head:
    """Look at a picture file without reading its pixels.

    Args:
        path, max_pixels, longer: as for ``read_picture``.

    Raises:
        PictureError: missing, empty, not a picture, too large.

    Example:
        >>> read_head("cat.jpg").size
        (480, 640)
    """
    with opened(path, max_pixels=max_pixels) as source:
        source, stored = _at(source, longer)
        size = upright(stored, source.orientation)
        return Head(size, source.alpha, source.peak(stored), source.held, Path(path).name)


def read_picture(
    path: AnyPath, *, max_pixels: int = MAX_PIXELS, memory: int | None = None, longer: int | None = None
) -> Picture:
    """Read a picture: turned upright, converted to sRGB, alpha aside, 16 bits kept.

    The content decides the format, not the suffix. Of an animation or a file of pages the first
    picture is read. A ``.npy`` file holds (H, W, 3), (3, H, W) or (1, 3, H, W) in [0, 1].

    Args:
        path: a PNG, JPEG, WebP, TIFF, GIF, BMP or ``.npy`` file.
        max_pixels: refuse more pixels than this, from the header alone.
        memory: bytes that reading may take at its peak, the result included; None for no limit.
        longer: the longer side, in pixels, in which the picture is wanted. One of more than ``LARGE`` pixels is read at
            twice the (H, W) that ``fit`` gives for it, averaged over areas, and where its format allows it was never
            whole in memory. None for all of its pixels.

    Returns:
        The picture.

    Raises:
        PictureError: missing, empty, damaged, cut short, not a picture, too large.
        OutOfMemory: reading it takes more than ``memory``.

    Example:
        >>> cat = read_picture("cat.jpg")
        >>> cat.pixels.shape, cat.alpha, cat.depth
        (torch.Size([1, 3, 480, 640]), None, 8)
    """
    with opened(path, max_pixels=max_pixels) as source:
        full = source.size
        source, size = _at(source, longer)
        source.check_memory(size, memory=memory)
        pixels, alpha = _decoded(source, full, size)
    return Picture(pixels, alpha, source.depth, Path(path).name, reduced=size != full)


def read_image(path: AnyPath, *, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Read the pixels of a picture file, (1, 3, H, W) float32 sRGB in [0, 1]; see ``read_picture``.

    Transparent places show whatever colour the file keeps there.

    Raises:
        PictureError: as for ``read_picture``.
    """
    return read_picture(path, max_pixels=max_pixels).pixels


def _at(source: Source, longer: int | None) -> tuple[Source, tuple[int, int]]:
    """Return a source as it is decoded for a longer side, and the (H, W) to read of it, before turning."""
    size = upright(_wanted(upright(source.size, source.orientation), longer), source.orientation)
    if size != source.size and source.smaller is not None:
        return source.smaller(size), size
    return source, size


def _wanted(size: tuple[int, int], longer: int | None) -> tuple[int, int]:
    """Return the (H, W) to read of a picture of a size, both upright."""
    if longer is None or size[0] * size[1] <= LARGE:
        return size
    height, width = (_SPARE * side for side in fit(size, longer=longer))
    return (height, width) if height < size[0] and width < size[1] else size


def _decoded(source: Source, full: tuple[int, int], size: tuple[int, int]) -> tuple[Tensor, Tensor | None]:
    """Decode pixels and alpha of a picture, upright, as its strips come.

    Args:
        source: the picture.
        full: (H, W) of all of it before turning.
        size: (H, W) of the result before turning: the same, or a smaller one.
    """
    pixels = _sink(source, full, size, 3)
    alpha = _sink(source, full, size, 1) if source.alpha else None
    convert = converter(source.profile, source.channels)
    for strip in source.strips():
        check_range(strip.values)
        pixels.put(strip.rows, strip.columns, convert(_native(strip.values)))
        if alpha is not None and strip.alpha is not None:
            alpha.put(strip.rows, strip.columns, unit(_native(strip.alpha[..., None])))
    return pixels.result(), None if alpha is None else alpha.result()


def _sink(source: Source, full: tuple[int, int], size: tuple[int, int], channels: int) -> Sink:
    if size == source.size:
        return Whole(size, channels, source.orientation)
    return Reduced(full, size, channels, source.orientation, scale=source.scale)


def _native(values: Array) -> Array:
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
