"""Reading pictures: any common file to float32 sRGB in [0, 1], upright, with its alpha aside."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError
from torch import Tensor

from reverie.errors import PictureError
from reverie.pictures import png, tiff
from reverie.pictures.bands import bands
from reverie.pictures.files import open_picture
from reverie.pictures.formats import AnyPath
from reverie.pictures.profiles import cmyk_to_rgb, converter, lab_to_rgb
from reverie.pictures.raster import (
    Array,
    Raster,
    check_range,
    check_size,
    numbers,
    orientation_of,
    quiet_pillow,
    unit,
)

MAX_PIXELS = 512_000_000
"""Most pixels of a picture that is read, unless the call says otherwise."""

_READABLE = "PNG, JPEG, WebP, TIFF, GIF, BMP or .npy"


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as read from a file.

    Args:
        pixels: (1, 3, H, W) float32 sRGB in [0, 1].
        alpha: (1, 1, H, W) float32 in [0, 1], 1 where opaque; None where the file has none.
        depth: bits a channel of the file: 8, or 16 for anything deeper.
        name: the file's name, suffix included.
    """

    pixels: Tensor
    alpha: Tensor | None
    depth: int
    name: str

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) in pixels."""
        return int(self.pixels.shape[2]), int(self.pixels.shape[3])


def read_picture(path: AnyPath, *, max_pixels: int = MAX_PIXELS) -> Picture:
    """Read a picture: turned upright, converted to sRGB, alpha aside, 16 bits kept.

    The content decides the format, not the suffix. Of an animation or a file of pages the first
    picture is read. A ``.npy`` file holds (H, W, 3), (3, H, W) or (1, 3, H, W) in [0, 1].

    Args:
        path: a PNG, JPEG, WebP, TIFF, GIF, BMP or ``.npy`` file.
        max_pixels: refuse more pixels than this, from the header alone.

    Returns:
        The picture.

    Raises:
        PictureError: missing, empty, damaged, cut short, not a picture, too large.

    Example:
        >>> cat = read_picture("cat.jpg")
        >>> cat.pixels.shape, cat.alpha, cat.depth
        (torch.Size([1, 3, 480, 640]), None, 8)
    """
    with open_picture(path) as file, quiet_pillow():
        try:
            raster = _decode(file, Path(path), max_pixels=max_pixels).upright()
            check_range(raster.values)
            pixels = _tensor(raster.values, 3, converter(raster.profile, raster.values.shape[2]))
            alpha = None if raster.alpha is None else _tensor(raster.alpha[..., None], 1, unit)
            return Picture(pixels, alpha, raster.depth, Path(path).name)
        except UnidentifiedImageError as error:
            raise PictureError(
                f"cannot read '{path}': it is not a whole picture of a known kind; use {_READABLE}"
            ) from error
        except PictureError as error:
            raise PictureError(f"cannot read '{path}': {error}") from error
        except MemoryError:
            raise
        except Exception as error:  # whatever a decoder makes of a damaged file
            reason = " ".join(str(error).split()) or type(error).__name__
            raise PictureError(
                f"cannot read '{path}': it is damaged, cut short or of an unknown kind ({reason}); "
                "copy or export it again"
            ) from error


def read_image(path: AnyPath, *, max_pixels: int = MAX_PIXELS) -> Tensor:
    """The pixels of a picture file, (1, 3, H, W) float32 sRGB in [0, 1]; see ``read_picture``.

    Transparent places show whatever colour the file keeps there.

    Raises:
        PictureError: as for ``read_picture``.
    """
    return read_picture(path, max_pixels=max_pixels).pixels


def _decode(file: BinaryIO, path: Path, *, max_pixels: int) -> Raster:
    start = file.read(8)
    file.seek(0)
    if start[:6] == b"\x93NUMPY":
        return _decode_numpy(path, max_pixels=max_pixels)
    decoded: Raster | Image.Image
    if start == png.SIGNATURE:
        decoded = png.decode_png(file, max_pixels=max_pixels)
    elif start[:4] in tiff.SIGNATURES:
        decoded = tiff.decode_tiff(file, max_pixels=max_pixels)
    else:
        decoded = Image.open(file, formats=["JPEG", "WEBP", "GIF", "BMP"])
    if isinstance(decoded, Raster):
        return decoded
    check_size(decoded.height, decoded.width, max_pixels=max_pixels)
    return _from_pillow(decoded)


def _from_pillow(image: Image.Image) -> Raster:
    """An open picture of 8 bits or less, of any mode."""
    orientation = 1 if image.format == "TIFF" else orientation_of(image)  # Pillow turns TIFFs
    profile: bytes | None = image.info.get("icc_profile")
    image.load()
    if image.mode == "CMYK":
        return Raster(numbers(image, lambda band: cmyk_to_rgb(band, profile)), orientation=orientation)
    if image.mode == "LAB":
        return Raster(numbers(image, lab_to_rgb), orientation=orientation)
    grey = image.mode in ("1", "L", "LA")
    if not image.has_transparency_data:
        values = numbers(image, lambda band: band.convert("L" if grey else "RGB"))
        return Raster(values, None, profile, orientation)
    values = numbers(image, lambda band: band.convert("RGBA"))
    return Raster(values[..., : 1 if grey else 3], values[..., 3], profile, orientation)


def _decode_numpy(path: Path, *, max_pixels: int) -> Raster:
    mapped: Array = np.load(path, mmap_mode="r", allow_pickle=False)
    shape = mapped.shape[1:] if mapped.ndim == 4 and mapped.shape[0] == 1 else mapped.shape
    values = mapped.reshape(shape)
    if len(shape) == 3 and shape[2] != 3 and shape[0] == 3:
        values = values.transpose(1, 2, 0)
    if values.ndim != 3 or values.shape[2] != 3 or values.dtype.kind not in "uf":
        raise PictureError(
            f"an array is (H, W, 3), (3, H, W) or (1, 3, H, W) of floats in [0, 1], and "
            f"{mapped.shape} of {mapped.dtype} came; save it that way"
        )
    check_size(*values.shape[:2], max_pixels=max_pixels)
    return Raster(values)


def _tensor(values: Array, channels: int, convert: Callable[[Array], Array]) -> Tensor:
    """(H, W, C) numbers of a file, converted band by band, to a (1, channels, H, W) float32 picture."""
    height, width = values.shape[:2]
    result = torch.empty((1, channels, height, width), dtype=torch.float32)
    for rows in bands(height, width):
        band = values[rows]
        native = np.ascontiguousarray(band, dtype=band.dtype.newbyteorder("="))
        result[0, :, rows] = torch.from_numpy(convert(native)).permute(2, 0, 1)
    return result
