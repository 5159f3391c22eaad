"""Decoding a TIFF a strip or tile at a time; by tifffile where it can, at once by Pillow's libtiff where not.

Source: Adobe, "TIFF Revision 6.0", 1992.
"""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
import tifffile
from PIL import Image, ImageFile

from reverie.errors import PictureError
from reverie.pictures.bands import bands
from reverie.pictures.by_pillow import source_of
from reverie.pictures.raster import Array, check_size
from reverie.pictures.source import Source, Strip, check_claim

_ORIENTATION, _PROFILE = 274, 34675
_GREY_INVERTED, _RGB = 0, 2
_PREMULTIPLIED, _STRAIGHT = 1, 2
_SEPARATE = 2
_RAW, _PACKBITS, _DEFLATE = 1, 32773, (8, 32946)
_OURS = {_RAW, _PACKBITS, *_DEFLATE}  # compressions that tifffile undoes by itself
# Pixels that a byte can stand for: deflate gives 1032, LZW names strings of 4096, packed faxes whole rows.
_DENSEST = {_RAW: 8, _PACKBITS: 8 * 64, **dict.fromkeys(_DEFLATE, 8 * 1032), 5: 8 * 4096, 7: 512}
# Pillow's unpackers for the high and the low byte of samples that libtiff hands over.
_HIGH, _LOW = ("16L", "16B") if sys.byteorder == "little" else ("16B", "16L")


def open_tiff(file: BinaryIO, *, max_pixels: int) -> Source:
    """Open the first picture of a TIFF.

    Raises:
        PictureError: damaged, cut short, shorter than its size can be, more than one plane deep, or too many pixels.
    """
    tiff = tifffile.TiffFile(file)  # not closed: the file is the caller's, and strips are read from it later
    page = tiff.pages.first
    size = page.imagelength, page.imagewidth
    check_size(*size, max_pixels=max_pixels)
    length = _check_segments(file, page)
    if page.compression in _DENSEST:
        check_claim(size, length=length, most=_DENSEST[page.compression])
    if page.dtype is None or page.dtype.kind not in "uif" or page.photometric > _RGB or page.imagedepth != 1:
        return _at_once(file, page, length)
    if page.bitspersample == 8 * page.dtype.itemsize and page.compression in _OURS:
        return _of(file, page, held=_segment_bytes(page))
    if page.dtype.kind in "uf" and page.dtype.itemsize > 1:
        return _by_libtiff(file, page)
    return _at_once(file, page, length)


def _at_once(file: BinaryIO, page: Any, length: int) -> Source:
    """Decode by Pillow, which has the packed data in memory, too, and makes a copy when it turns a picture."""
    image = _open(file)
    copy = 4 * image.height * image.width if _orientation(page) > 1 else 0
    return source_of(image, beside=length + copy)


def _of(file: BinaryIO, page: Any, *, held: int) -> Source:
    return Source(
        (page.imagelength, page.imagewidth),
        channels=_colours(page),
        alpha=_has_alpha(page),
        depth=8 if page.dtype == np.uint8 else 16,
        strips=lambda: _strips(file, page),
        held=held,
        profile=page.tags.valueof(_PROFILE),
        orientation=_orientation(page),
    )


def _colours(page: Any) -> int:
    return 3 if page.photometric == _RGB else 1


def _has_alpha(page: Any) -> bool:
    kinds = tuple(page.extrasamples or ())
    return page.samplesperpixel > _colours(page) and bool(kinds) and kinds[0] in (_PREMULTIPLIED, _STRAIGHT)


def _orientation(page: Any) -> int:
    value = page.tags.valueof(_ORIENTATION, default=1)
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _check_segments(file: BinaryIO, page: Any) -> int:
    """Refuse a TIFF whose strips or tiles reach past the end of the file, or are missing; else sum their bytes."""
    end = file.seek(0, 2)
    segments = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    inside = all(offset > 0 and count > 0 and offset + count <= end for offset, count in segments)
    if not segments or not inside or len(segments) < _count(page):
        raise PictureError("a TIFF holds all its strips, and this one is cut short; copy it again")
    return _length(page)


def _length(page: Any) -> int:
    """Return the bytes of all strips or tiles, packed."""
    return int(sum(page.databytecounts))


def _count(page: Any) -> int:
    """Return the number of strips or tiles that a picture of its size has."""
    height, width = _segment(page)
    return int(-(-page.imagelength // height) * -(-page.imagewidth // width) * _planes(page))


def _planes(page: Any) -> int:
    """Count the planes, each with strips of its own, that the samples of a pixel lie in."""
    return int(page.samplesperpixel) if page.planarconfig == _SEPARATE else 1


def _segment(page: Any) -> tuple[int, int]:
    """Return the (H, W) of a tile or a whole strip."""
    if page.is_tiled:
        height, width = page.tilelength, page.tilewidth
    else:
        height, width = min(page.rowsperstrip, page.imagelength), page.imagewidth
    if height < 1 or width < 1:
        raise PictureError("a TIFF comes in strips or tiles, and those of this one have no size; export it again")
    return height, width


def _segment_bytes(page: Any) -> int:
    """Return the bytes of the strips or tiles held at once, packed and not."""
    if _is_bare(page):
        return 0
    height, width = _segment(page)
    return 3 * height * width * int(page.samplesperpixel * page.dtype.itemsize)


def _is_bare(page: Any) -> bool:
    """True if samples are stored uncompressed, so that rows can be read from within a strip."""
    return page.compression == _RAW and page.predictor == 1 and not page.is_tiled and page.fillorder == 1


def _strips(file: BinaryIO, page: Any) -> Iterator[Strip]:
    height, width = _segment(page)
    planes = _planes(page)
    across = -(-page.imagewidth // width)
    for number in range(_count(page) // planes):
        top, left = number // across * height, number % across * width
        bottom, right = min(top + height, page.imagelength), min(left + width, page.imagewidth)
        for rows, values in _segment_values(file, page, number, (bottom - top, right - left)):
            colours, alpha = _without_alpha(values, page)
            if page.photometric == _GREY_INVERTED:
                colours = (np.iinfo(colours.dtype).max if colours.dtype.kind in "ui" else 1) - colours
            yield Strip(slice(top + rows.start, top + rows.stop), slice(left, right), colours, alpha)


def _segment_values(file: BinaryIO, page: Any, number: int, size: tuple[int, int]) -> Iterator[tuple[slice, Array]]:
    """Yield rows within a strip or tile, and their (rows, W, samples), all planes together."""
    count, planes = _count(page), _planes(page)
    numbers = range(number, count, count // planes)
    if _is_bare(page):
        for rows in bands(*size):
            parts = [_bare(file, page, n, rows, size[1]) for n in numbers]
            yield rows, np.concatenate(parts, axis=2) if len(parts) > 1 else parts[0]
        return
    whole = [_unpacked(file, page, n)[: size[0], : size[1]] for n in numbers]
    values = np.concatenate(whole, axis=2) if len(whole) > 1 else whole[0]
    if values.shape[:2] != size:
        raise PictureError("a TIFF holds all its rows, and this one is cut short; copy it again")
    for rows in bands(*size):
        yield rows, values[rows]


def _bare(file: BinaryIO, page: Any, number: int, rows: slice, width: int) -> Array:
    """Read some rows of a strip that is not compressed."""
    samples = 1 if page.planarconfig == _SEPARATE else page.samplesperpixel
    length = width * samples * page.dtype.itemsize
    if rows.stop * length > page.databytecounts[number]:
        raise PictureError("a TIFF holds all its rows, and this one is cut short; copy it again")
    file.seek(page.dataoffsets[number] + rows.start * length)
    data = file.read((rows.stop - rows.start) * length)
    dtype = page.dtype.newbyteorder(page.parent.byteorder)
    values: Array = np.frombuffer(data, dtype)
    return values.reshape(rows.stop - rows.start, width, samples)


def _unpacked(file: BinaryIO, page: Any, number: int) -> Array:
    """Decode a strip or tile, (H, W, samples)."""
    file.seek(page.dataoffsets[number])
    data = file.read(page.databytecounts[number])
    if page.compression in _DEFLATE:
        data = _inflated(data, page)
    values, _, _ = page.decode(data, number)
    plane: Array = np.asarray(values[0])
    return plane


def _inflated(data: bytes, page: Any) -> bytes:
    """Inflate a strip or tile to no more bytes than its size has, as a stream that is no longer packed."""
    height, width = _segment(page)
    most = height * width * page.samplesperpixel * page.dtype.itemsize
    return zlib.compress(zlib.decompressobj().decompress(data, most + 1), 0)


def _without_alpha(values: Array, page: Any) -> tuple[Array, Array | None]:
    """Separate colours from alpha, no longer multiplied by it."""
    count = _colours(page)
    if values.shape[2] < count:
        raise PictureError(f"a pixel has {count} samples at least; got {values.shape[2]}; export it again")
    if not _has_alpha(page):
        return values[..., :count], None
    colours, alpha = values[..., :count], values[..., count]
    premultiplied = page.extrasamples[0] == _PREMULTIPLIED
    return (_straight(colours, alpha) if premultiplied else colours), alpha


def _straight(colours: Array, alpha: Array) -> Array:
    """Divide colours by their alpha."""
    integer = colours.dtype.kind in "ui"
    most = np.iinfo(colours.dtype).max if integer else 1.0
    straight: Array = np.minimum(colours / np.maximum(alpha[..., None] / most, 1e-9), most)
    result: Array = (straight.round() if integer else straight).astype(colours.dtype)
    return result


def _open(file: BinaryIO) -> ImageFile.ImageFile:
    file.seek(0)
    return Image.open(file, formats=["TIFF"])


def _by_libtiff(file: BinaryIO, page: Any) -> Source:
    """Decode 16 bits by Pillow, for compressions that tifffile leaves to another package (LZW).

    Pillow keeps one byte of each sample; asked twice, with another unpacker, it gives both.
    """
    image = _open(file)
    if page.dtype != np.uint16 or page.planarconfig == _SEPARATE:
        raise PictureError(f"16 bits are read of this compression; got {page.dtype}; save it uncompressed")
    return Source(
        (image.height, image.width),  # turned, as its strips will be
        channels=_colours(page),
        alpha=_has_alpha(page),
        depth=16,
        strips=lambda: _deep_strips(file, page),
        held=2 * _length(page) + image.height * image.width * (8 if page.samplesperpixel > 1 else 4),
        profile=page.tags.valueof(_PROFILE),
    )


def _deep_strips(file: BinaryIO, page: Any) -> Iterator[Strip]:
    images = [_open(file)]
    deep = images[0].mode in ("RGB", "RGBA")
    if deep:
        images.append(_open(file))
        for image, part in zip(images, (_HIGH, _LOW), strict=True):
            _choose(image, f"{image.mode};{part}")
            image.load()
    images[0].load()
    height, width = images[0].height, images[0].width
    for rows in bands(height, width):
        box = (0, rows.start, width, rows.stop)
        parts = [np.asarray(image.crop(box)).astype(np.uint16) for image in images]
        values = parts[0] << 8 | parts[1] if deep else parts[0]
        colours, alpha = _without_alpha(values.reshape(*values.shape[:2], -1), page)
        yield Strip(rows, slice(0, width), colours, alpha)


def _choose(image: ImageFile.ImageFile, unpacker: str) -> None:
    """Have an open picture decoded by another of Pillow's unpackers than the one it chose."""
    kept = [tile.args[1:] if isinstance(tile.args, tuple) else () for tile in image.tile]
    image.tile = [tile._replace(args=(unpacker, *rest)) for tile, rest in zip(image.tile, kept, strict=True)]
