"""Writing pictures: with an sRGB profile and the recipe inside, and never half a file."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reverie.errors import PictureError
from reverie.files import Draft, Placing, replacing
from reverie.pictures import png, tiff
from reverie.pictures.bands import bands
from reverie.pictures.formats import AnyPath, Format, format_of
from reverie.pictures.profiles import srgb_profile
from reverie.pictures.raster import Array
from reverie.pictures.recipe import check_recipe, exif_with

_ROWS = 64  # converted at once for encoders that take no strips


@dataclass(frozen=True, eq=False)
class _Page:
    """The samples to write, in the file's type, made a few rows at a time.

    Args:
        colours: (1, 3, H, W) floating, on any device.
        alpha: (1, 1, H, W), or None.
        keeps_alpha: whether the file has a place for it; if not, the picture is laid on white.
        dtype: of the file's numbers: uint8, uint16 or float32.
        recipe: text to keep.
        quality: 1 to 100.
    """

    colours: Tensor
    alpha: Tensor | None
    keeps_alpha: bool
    dtype: Any
    recipe: str | None
    quality: int

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape (H, W, 3 or 4) of the file's numbers."""
        height, width = self.colours.shape[2:]
        return height, width, 3 if self.alpha is None or not self.keeps_alpha else 4

    def strips(self, rows: int) -> Iterator[Array]:
        """Yield the numbers from the top, (up to ``rows``, W, 3 or 4) at a time."""
        for start in range(0, self.shape[0], rows):
            yield self._numbers(slice(start, start + rows))

    def _numbers(self, rows: slice) -> Array:
        colours = _plain(self.colours, rows).clip(0, 1)
        if self.alpha is not None:
            opaque = _plain(self.alpha, rows).clip(0, 1)
            kept = self.keeps_alpha
            colours = np.concatenate([colours, opaque], axis=2) if kept else colours * opaque + (1 - opaque)
        if self.dtype != np.float32:
            colours = np.rint(colours * np.float32(np.iinfo(self.dtype).max))
        return np.ascontiguousarray(colours, dtype=self.dtype)


def write_image(
    path: AnyPath,
    pixels: Tensor,
    *,
    alpha: Tensor | None = None,
    recipe: str | None = None,
    depth: int = 8,
    quality: int = 95,
    into: Placing = replacing,
) -> Path:
    """Write a picture; the suffix decides between PNG, JPEG, WebP, TIFF and ``.npy``.

    An existing file is replaced only once the new one is whole and on the disk, or stays, as
    ``into`` says. Values outside [0, 1] are clipped; the rest is rounded to the nearest step. Rows
    are converted and packed a few at a time: beside the pixels PNG, TIFF and ``.npy`` take a few
    megabytes, JPEG and WebP the encoder's copy of 4 bytes a pixel.

    Args:
        path: where to; ``.png``, ``.jpg``, ``.jpeg``, ``.webp``, ``.tif``, ``.tiff`` or ``.npy``.
        pixels: (1, 3, H, W) sRGB, nominally [0, 1]; any floating type and device.
        alpha: (1, 1, H, W) in [0, 1], 1 where opaque. JPEG and ``.npy`` keep none: the picture is
            laid on white.
        recipe: JSON text to keep inside (``read_recipe``); ``.npy`` keeps none.
        depth: 8, or 16 bits a channel for PNG and TIFF; ``.npy`` is always float32 (H, W, 3).
        quality: 1 to 100, for JPEG (4:4:4) and WebP; 100 is lossless WebP.
        into: how the file comes to its place, one of the ways of `reverie.files`.

    Returns:
        Where it lies.

    Raises:
        PictureError: a NaN, a wrong shape, an unknown suffix, a depth or size the format lacks, a
            full disk, a missing folder.

    Example:
        >>> _ = write_image("dream.png", torch.rand(1, 3, 480, 640), depth=16)
    """
    _check(pixels, 3, "pixels")
    format_ = check_output(path, depth=depth, size=pixels.shape[2:], quality=quality)
    if recipe is not None:
        check_recipe(recipe, format_)
    if alpha is not None:
        _check_alpha(alpha, pixels)
    dtype = np.float32 if format_.name == "NumPy" else np.uint16 if depth == 16 else np.uint8
    page = _Page(pixels, alpha, format_.alpha, dtype, recipe, quality)
    with into(path) as draft:
        _encode(draft, page, format_)
    return draft.placed or Path(path)


def to_pil(x: Tensor) -> Image.Image:
    """Convert a picture (1, 3, H, W) or (3, H, W) in [0, 1] to a Pillow picture of 8 bits; values beyond are clipped.

    Raises:
        PictureError: another shape.
    """
    x = x[None] if x.dim() == 3 else x
    _check(x, 3, "picture")
    return _pasted(_Page(x, None, False, np.uint8, None, 100))


def jpeg_bytes(x: Tensor, *, quality: int = 85) -> bytes:
    """Encode a picture (1, 3, H, W) in [0, 1] as JPEG."""
    memory = io.BytesIO()
    to_pil(x).save(memory, format="JPEG", quality=quality)
    return memory.getvalue()


def jpeg_again(x: Tensor, *, quality: int = 90) -> Tensor:
    """Encode a picture (1, 3, H, W) in [0, 1] as a JPEG, and decode it: what is left of it.

    Args:
        x: the picture.
        quality: 1 to 100.
    """
    with Image.open(io.BytesIO(jpeg_bytes(x, quality=quality))) as image:
        values = torch.from_numpy(np.asarray(image.convert("RGB")).copy())
    return values.permute(2, 0, 1)[None].float().div_(255)


def png_bytes(x: Tensor) -> bytes:
    """Encode a picture (1, 3, H, W) in [0, 1] as a PNG file of 8 bits."""
    memory = io.BytesIO()
    to_pil(x).save(memory, format="PNG")
    return memory.getvalue()


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
        raise PictureError(f"{format_.name} has {allowed} bits a channel; got depth {depth}; write .png or .tif for 16")
    if not 1 <= quality <= 100:
        raise PictureError(f"quality lies in 1 to 100; got {quality}; 95 is a good one")
    if size is not None and max(size) > format_.longest:
        raise PictureError(
            f"{format_.name} holds at most {format_.longest:,} pixels a side; got "
            f"{size[1]}x{size[0]}; write .png or .tif"
        )
    return format_


def _check(x: Tensor, channels: int, name: str) -> None:
    """Refuse what is not one picture of finite numbers."""
    if x.ndim != 4 or x.shape[:2] != (1, channels) or 0 in x.shape or not x.is_floating_point():
        raise PictureError(
            f"{name} to write are one floating (1, {channels}, H, W) tensor; got "
            f"{tuple(x.shape)} of {x.dtype}; write pictures one by one"
        )
    wrong = sum(int((~np.isfinite(_plain(x, rows))).sum()) for rows in bands(*x.shape[2:]))
    if wrong:
        raise PictureError(
            f"{name} to write are finite, and {wrong} of {x.numel()} values are NaN or "
            "infinite; nothing was written, lower the step size"
        )


def _check_alpha(alpha: Tensor, pixels: Tensor) -> None:
    _check(alpha, 1, "alpha")
    if alpha.shape[2:] != pixels.shape[2:]:
        raise PictureError(
            f"alpha has the size of its picture; got {tuple(alpha.shape[2:])} for {tuple(pixels.shape[2:])}; resize it"
        )


def _plain(x: Tensor, rows: slice) -> Array:
    """Return some rows of a (1, C, H, W) tensor as a (rows, W, C) float32 array."""
    band: Array = x.detach()[0, :, rows].to(device="cpu", dtype=torch.float32).permute(1, 2, 0).numpy()
    return band


def _encode(draft: Draft, page: _Page, format_: Format) -> None:
    try:
        if format_.name == "PNG":
            strips = page.strips(png.ROWS)
            png.write_png(draft.file, strips, page.shape, page.dtype, profile=srgb_profile(), recipe=page.recipe)
        elif format_.name == "TIFF":
            strips = page.strips(tiff.ROWS)
            tiff.write_tiff(draft.file, strips, page.shape, page.dtype, profile=srgb_profile(), recipe=page.recipe)
        elif format_.name == "NumPy":
            _write_numpy(draft.file, page)
        else:
            draft.file.write(_by_pillow(page, format_))
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())
        raise PictureError(f"cannot write this as {format_.name}: {reason}; write .png") from error


def _write_numpy(file: BinaryIO, page: _Page) -> None:
    """Write as ``np.save`` does, whose own errors do not say that the disk is full."""
    header = {"descr": np.dtype(page.dtype).str, "fortran_order": False, "shape": page.shape}
    np.lib.format.write_array_header_1_0(file, header)
    for strip in page.strips(_ROWS):
        file.write(strip.data)


def _by_pillow(page: _Page, format_: Format) -> bytes:
    """Write a JPEG or WebP, encoded in memory so that a full disk is told apart from a failed encoder."""
    options: dict[str, Any] = {"quality": page.quality, "icc_profile": srgb_profile()}
    if page.recipe is not None:
        options["exif"] = exif_with(page.recipe)
    if format_.name == "JPEG":
        options["subsampling"] = 0
    else:
        options |= {"exact": True, "lossless": page.quality == 100}
    memory = io.BytesIO()
    try:
        _pasted(page).save(memory, format=format_.name, **options)
    except OSError as error:  # in memory this can only be the encoder
        raise ValueError(str(error)) from error
    return memory.getvalue()


def _pasted(page: _Page) -> Image.Image:
    """Fill a Pillow picture strip by strip: these encoders want the whole, once, in bytes."""
    height, width, channels = page.shape
    image = Image.new("RGB" if channels == 3 else "RGBA", (width, height))
    for number, strip in enumerate(page.strips(_ROWS)):
        image.paste(Image.fromarray(strip), (0, number * _ROWS))
    return image
