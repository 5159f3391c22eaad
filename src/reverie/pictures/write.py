"""Writing pictures: sRGB profile inside, recipe inside, never half a file."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reverie.errors import PictureError
from reverie.pictures.files import atomic_path
from reverie.pictures.formats import AnyPath, Format, format_of
from reverie.pictures.png import write_png
from reverie.pictures.profiles import srgb_profile
from reverie.pictures.raster import Array
from reverie.pictures.recipe import check_recipe, exif_with
from reverie.pictures.tiff import write_tiff


@dataclass(frozen=True, eq=False)
class _Page:
    """What is written: (H, W, 3 or 4) numbers of the file's type, and the settings."""

    values: Array
    recipe: str | None
    quality: int


def write_image(
    path: AnyPath,
    pixels: Tensor,
    *,
    alpha: Tensor | None = None,
    recipe: str | None = None,
    depth: int = 8,
    quality: int = 95,
) -> None:
    """Write a picture; the suffix decides between PNG, JPEG, WebP, TIFF and ``.npy``.

    An existing file is replaced only once the new one is whole and on the disk. Values outside
    [0, 1] are clipped; the rest is rounded to the nearest step.

    Args:
        path: where to; ``.png``, ``.jpg``, ``.jpeg``, ``.webp``, ``.tif``, ``.tiff`` or ``.npy``.
        pixels: (1, 3, H, W) sRGB, nominally [0, 1]; any floating type and device.
        alpha: (1, 1, H, W) in [0, 1], 1 where opaque. JPEG and ``.npy`` keep none: the picture is
            laid on white.
        recipe: JSON text to keep inside (``read_recipe``); ``.npy`` keeps none.
        depth: 8, or 16 bits a channel for PNG and TIFF; ``.npy`` is always float32 (H, W, 3).
        quality: 1 to 100, for JPEG (4:4:4) and WebP; 100 is lossless WebP.

    Raises:
        PictureError: a NaN, a wrong shape, an unknown suffix, a depth or size the format lacks, a
            full disk, a missing folder.

    Example:
        >>> write_image("dream.png", torch.rand(1, 3, 480, 640), depth=16)
    """
    colours = _checked(pixels, 3, "pixels")
    format_ = check_output(path, depth=depth, size=colours.shape[:2], quality=quality)
    if recipe is not None:
        check_recipe(recipe, format_)
    page = _Page(_values(colours, alpha, format_, depth), recipe, quality)
    with atomic_path(path) as partial:
        _encode(partial, page, format_)


def check_output(path: AnyPath, *, depth: int = 8, size: tuple[int, ...] | None = None, quality: int = 95) -> Format:
    """Refuse a path, depth, size or quality that could not be written, before any work is done.

    Args:
        path: the file that will be written.
        depth: bits a channel.
        size: (H, W) in pixels, where it is known already.
        quality: 1 to 100.

    Returns:
        The format that the suffix asks for.

    Raises:
        PictureError: unknown suffix, missing folder, or a setting the format does not have.
    """
    format_ = format_of(path)
    folder = Path(path).parent
    if not folder.is_dir():
        raise PictureError(f"cannot write '{path}': there is no folder '{folder}'; make it")
    if depth not in format_.depths:
        allowed = " or ".join(map(str, format_.depths))
        raise PictureError(
            f"{format_.name} has {allowed} bits a channel, and depth {depth} came; write .png or .tif for 16"
        )
    if not 1 <= quality <= 100:
        raise PictureError(f"quality lies in 1 to 100, and {quality} came; 95 is a good one")
    if size is not None and max(size) > format_.longest:
        raise PictureError(
            f"{format_.name} holds at most {format_.longest:,} pixels a side, and "
            f"{size[1]}x{size[0]} came; write .png or .tif"
        )
    return format_


def _checked(x: Tensor, channels: int, name: str) -> Array:
    """A picture tensor as (H, W, channels) float32 in [0, 1]."""
    if x.ndim != 4 or x.shape[:2] != (1, channels) or 0 in x.shape or not x.is_floating_point():
        raise PictureError(
            f"{name} to write are one floating (1, {channels}, H, W) tensor, and "
            f"{tuple(x.shape)} of {x.dtype} came; write pictures one by one"
        )
    plain = x.detach().to(device="cpu", dtype=torch.float32)[0].permute(1, 2, 0)
    if not bool(torch.isfinite(plain).all()):
        count = int((~torch.isfinite(plain)).sum())
        raise PictureError(
            f"{name} to write are finite, and {count} of {plain.numel()} values are NaN or "
            "infinite; nothing was written, lower the step size"
        )
    clipped: Array = plain.clamp(0, 1).numpy()
    return clipped


def _values(colours: Array, alpha: Tensor | None, format_: Format, depth: int) -> Array:
    """The numbers that go into the file, with alpha where the format keeps it."""
    if alpha is not None:
        opaque = _checked(alpha, 1, "alpha")
        if opaque.shape[:2] != colours.shape[:2]:
            raise PictureError(
                f"alpha has the size of its picture, and {opaque.shape[:2]} came for {colours.shape[:2]}; resize it"
            )
        kept = format_.alpha
        colours = np.concatenate([colours, opaque], axis=2) if kept else colours * opaque + (1 - opaque)
    if format_.name == "NumPy":
        return np.ascontiguousarray(colours)
    if depth == 16:
        return np.rint(colours * np.float32(65535)).astype(np.uint16)
    return np.rint(colours * np.float32(255)).astype(np.uint8)


def _encode(partial: Path, page: _Page, format_: Format) -> None:
    try:
        if format_.name == "PNG":
            with partial.open("wb") as file:
                write_png(file, page.values, profile=srgb_profile(), recipe=page.recipe)
        elif format_.name == "TIFF":
            write_tiff(partial, page.values, profile=srgb_profile(), recipe=page.recipe)
        elif format_.name == "NumPy":
            with partial.open("wb") as file:
                _write_numpy(file, page.values)
        else:
            partial.write_bytes(_by_pillow(page, format_))
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise PictureError(f"cannot write this as {format_.name}: {reason}; write .png") from error


def _write_numpy(file: BinaryIO, values: Array) -> None:
    """As ``np.save``, whose own errors do not say that the disk is full."""
    np.lib.format.write_array_header_1_0(file, np.lib.format.header_data_from_array_1_0(values))
    file.write(values.data)


def _by_pillow(page: _Page, format_: Format) -> bytes:
    """A JPEG or WebP, made in memory so that a full disk is told apart from a failed encoder."""
    options: dict[str, Any] = {"quality": page.quality, "icc_profile": srgb_profile()}
    if page.recipe is not None:
        options["exif"] = exif_with(page.recipe)
    if format_.name == "JPEG":
        options["subsampling"] = 0
    else:
        options |= {"exact": True, "lossless": page.quality == 100}
    memory = io.BytesIO()
    try:
        Image.fromarray(page.values).save(memory, format=format_.name, **options)
    except OSError as error:  # in memory this can only be the encoder
        raise ValueError(str(error)) from error
    return memory.getvalue()
