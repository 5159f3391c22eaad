"""Pictures that Pillow decodes at once: JPEG, WebP, GIF, BMP, and the TIFFs left to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageFile

from reverie.pictures import jpeg
from reverie.pictures.bands import bands
from reverie.pictures.profiles import cmyk_to_rgb, lab_to_rgb
from reverie.pictures.raster import Array, check_size, orientation_of
from reverie.pictures.source import Source, Strip, check_claim

FORMATS = ("JPEG", "WEBP", "GIF", "BMP")
_COLOURS = {"1": 1, "L": 1, "P": 1}  # bytes of a pixel as Pillow holds it; 4 of all others
_WEBP = 12  # bytes of a pixel that libwebp holds beside: two frames and their copy
_DENSEST = {"GIF": 4096, "BMP": 1024}  # pixels that a byte can stand for: a GIF's codes name strings of up to 4096

Convert = Callable[[Image.Image], Image.Image | Array]


def open_by_pillow(file: BinaryIO, *, max_pixels: int) -> Source:
    """Open a JPEG, WebP, GIF or BMP.

    Raises:
        PictureError: too short for the size its head claims, or more than ``max_pixels`` pixels.
        UnidentifiedImageError: none of these.
    """
    frame = jpeg.read_frame(file) if file.read(2) == b"\xff\xd8" else None
    file.seek(0)
    image = Image.open(file, formats=FORMATS)
    check_size(image.height, image.width, max_pixels=max_pixels)
    if image.format in _DENSEST:
        check_claim((image.height, image.width), length=file.seek(0, 2), most=_DENSEST[image.format])
    return source_of(image, frame=frame)


def source_of(
    image: ImageFile.ImageFile, *, frame: jpeg.Frame | None = None, scale: int = 1, beside: int = 0
) -> Source:
    """Wrap an open picture of Pillow's, of 8 bits or less and any mode; ``beside``: further bytes its decoder holds."""
    orientation = 1 if image.format == "TIFF" else orientation_of(image)  # Pillow turns TIFFs
    profile: bytes | None = image.info.get("icc_profile")
    grey, ours = image.mode in ("1", "L", "LA"), image.mode in ("CMYK", "LAB")
    pixels = image.height * image.width
    held = pixels * (_COLOURS.get(image.mode, 4) + (_WEBP if image.format == "WEBP" else 0))
    return Source(
        (image.height, image.width),
        channels=1 if grey else 3,
        alpha=image.has_transparency_data and not ours,
        depth=8,
        strips=lambda: _strips(image, _converted(image, profile)),
        held=held + beside + (frame.coefficients if frame else 0),
        profile=None if ours else profile,
        orientation=orientation,
        scale=scale,
        smaller=(lambda size: _drafted(image, frame, size)) if image.format in ("JPEG", "MPO") else None,
    )


def _drafted(image: ImageFile.ImageFile, frame: jpeg.Frame | None, size: tuple[int, int]) -> Source:
    """Decode a JPEG at a half, a quarter or an eighth: its low frequencies alone, which costs that much less."""
    width = image.width
    drafted = image.draft(image.mode, (size[1], size[0]))
    return source_of(image, frame=frame, scale=round(width / drafted[1][2]) if drafted else 1)


def _converted(image: Image.Image, profile: bytes | None) -> Convert:
    """Return the function that converts bands of a mode to grey, RGB or RGBA."""
    if image.mode == "CMYK":
        return lambda band: cmyk_to_rgb(band, profile)
    if image.mode == "LAB":
        return lab_to_rgb
    if image.has_transparency_data:
        return lambda band: band.convert("RGBA")
    mode = "L" if image.mode in ("1", "L", "LA") else "RGB"
    return lambda band: band.convert(mode)


def _strips(image: ImageFile.ImageFile, convert: Convert) -> Iterator[Strip]:
    """Yield bands of a decoded picture: of a whole one ``np.asarray`` makes two copies, each conversion one more."""
    grey = image.mode in ("1", "L", "LA")
    image.load()
    for rows in bands(image.height, image.width):
        band = np.asarray(convert(image.crop((0, rows.start, image.width, rows.stop))))
        band = band.reshape(*band.shape[:2], -1)
        alpha = band[..., 3] if band.shape[2] == 4 else None
        yield Strip(rows, slice(0, image.width), band[..., : 1 if grey else 3], alpha)
