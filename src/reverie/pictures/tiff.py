"""TIFF: 16 bits, floats and planes by tifffile; everything else by Pillow."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterable
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import DTypeLike
from PIL import Image, ImageFile

from reverie.errors import PictureError
from reverie.pictures.bands import bands
from reverie.pictures.raster import Array, Raster, check_size, numbers

ROWS = 64
"""Rows of a strip while writing."""

SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION, _DESCRIPTION, _SOFTWARE, _PROFILE = 274, 270, 305, 34675
_GREY_INVERTED, _RGB = 0, 2
_PREMULTIPLIED, _STRAIGHT = 1, 2
# Pillow's unpackers for the high and the low byte of samples that libtiff hands over.
_HIGH, _LOW = ("16L", "16B") if sys.byteorder == "little" else ("16B", "16L")


def decode_tiff(file: BinaryIO, *, max_pixels: int) -> Raster | ImageFile.ImageFile:
    """A TIFF of more than 8 bits as a raster; any other as an open Pillow picture.

    Raises:
        PictureError: damaged, cut short, more than one plane deep, or too many pixels.
    """
    with tifffile.TiffFile(file) as tiff:
        page = tiff.pages.first
        check_size(page.imagelength, page.imagewidth, max_pixels=max_pixels)
        _check_segments(file, page)
        deep = page.dtype is not None and page.dtype.kind in "uf" and page.dtype.itemsize > 1
        if deep and page.photometric <= _RGB and page.imagedepth == 1:
            return _decode_deep(file, page)
    return _open(file)


def write_tiff(
    file: BinaryIO,
    strips: Iterable[Array],
    shape: tuple[int, int, int],
    dtype: DTypeLike,
    *,
    profile: bytes,
    recipe: str | None = None,
) -> None:
    """Write a deflated TIFF as its strips come; only one of them is held.

    Args:
        file: open for writing.
        strips: (``ROWS``, W, 3 or 4) of ``dtype``, from the top; the last may be shorter.
        shape: (H, W, 3 or 4) of them all, RGB or RGBA.
        dtype: uint8 or uint16.
        profile: ICC profile to embed.
        recipe: text to keep as the ImageDescription.
    """
    tifffile.imwrite(
        file,
        map(_packed, strips),
        shape=shape,
        dtype=dtype,
        byteorder="<",
        photometric="rgb",
        extrasamples=["unassalpha"] if shape[2] == 4 else None,
        planarconfig="contig",
        compression="zlib",
        predictor=True,
        rowsperstrip=ROWS,
        iccprofile=profile,
        description=None if recipe is None else recipe.encode("utf-8"),
        software="Reverie" if recipe is not None else False,
        metadata=None,
    )


def _packed(strip: Array) -> bytes:
    """A strip deflated, each sample less its left neighbour. Source: TIFF 6.0, section 14."""
    differences = strip.copy()
    differences[:, 1:] -= strip[:, :-1]
    return zlib.compress(differences.astype(strip.dtype.newbyteorder("<"), copy=False).tobytes())


def read_recipe_text(file: BinaryIO) -> str | None:
    """The recipe of a TIFF, where Reverie wrote it."""
    with tifffile.TiffFile(file) as tiff:
        tags = tiff.pages.first.tags
        text = tags.valueof(_DESCRIPTION)
        if tags.valueof(_SOFTWARE) != "Reverie":
            return None
    return text.decode("utf-8") if isinstance(text, bytes) else text


def _open(file: BinaryIO) -> ImageFile.ImageFile:
    file.seek(0)
    return Image.open(file, formats=["TIFF"])


def _check_segments(file: BinaryIO, page: Any) -> None:
    """Refuse a TIFF whose strips or tiles reach past the end of the file, or are missing."""
    end = file.seek(0, 2)
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    inside = all(offset > 0 and count > 0 and offset + count <= end for offset, count in segments)
    if not segments or not inside:
        raise PictureError("a TIFF holds all its strips, and this one is cut short; copy it again")


def _decode_deep(file: BinaryIO, page: Any) -> Raster:
    try:
        values = page.asarray()
        orientation = page.tags.valueof(_ORIENTATION, default=1)
    except ValueError as error:
        if page.dtype != np.uint16 or "imagecodecs" not in str(error):
            raise
        values, orientation = _decode_by_libtiff(file), 1  # Pillow has turned it already
    if page.planarconfig == 2 and values.ndim == 3 and values.shape[0] == page.samplesperpixel:
        values = np.moveaxis(values, 0, 2)
    values = values.reshape(*values.shape[:2], -1)
    colours, alpha = _without_alpha(values, page)
    if page.photometric == _GREY_INVERTED:
        colours = (np.iinfo(colours.dtype).max if colours.dtype.kind == "u" else 1) - colours
    return Raster(colours, alpha, page.tags.valueof(_PROFILE), int(orientation or 1))


def _without_alpha(values: Array, page: Any) -> tuple[Array, Array | None]:
    """Colours apart from alpha, and no longer multiplied by it."""
    count = 3 if page.photometric == _RGB else 1
    kinds = tuple(page.extrasamples or ())
    if values.shape[2] <= count or not kinds or kinds[0] not in (_PREMULTIPLIED, _STRAIGHT):
        return values[..., :count], None
    colours, alpha = values[..., :count], values[..., count]
    return (_straight(colours, alpha) if kinds[0] == _PREMULTIPLIED else colours), alpha


def _straight(colours: Array, alpha: Array) -> Array:
    """Colours divided by their alpha."""
    integer = colours.dtype.kind == "u"
    most = np.iinfo(colours.dtype).max if integer else 1.0
    result = np.empty_like(colours)
    for rows in bands(*alpha.shape):
        share = np.maximum(alpha[rows, :, None] / most, 1e-9)
        straight = np.minimum(colours[rows] / share, most)
        result[rows] = straight.round() if integer else straight
    return result


def _decode_by_libtiff(file: BinaryIO) -> Array:
    """16 bits through Pillow, for compressions that tifffile leaves to another package (LZW).

    Pillow keeps one byte of each sample; asked twice, with another unpacker, it gives both.
    """
    image = _open(file)
    if image.mode not in ("RGB", "RGBA"):
        return numbers(image, lambda band: np.asarray(band).astype(np.uint16))
    values = _unpacked(image, f"{image.mode};{_HIGH}", shift=8)
    values |= _unpacked(_open(file), f"{image.mode};{_LOW}")
    return values


def _unpacked(image: ImageFile.ImageFile, unpacker: str, *, shift: int = 0) -> Array:
    """Pixels of an open picture, by another of Pillow's unpackers than the one it chose."""
    kept = [tile.args[1:] if isinstance(tile.args, tuple) else () for tile in image.tile]
    image.tile = [tile._replace(args=(unpacker, *rest)) for tile, rest in zip(image.tile, kept, strict=True)]
    wide = np.uint16 if shift else np.uint8
    return numbers(image, lambda band: np.left_shift(np.asarray(band), shift, dtype=wide))
