"""Resizing, and the sizes that keep a picture's shape. Sizes are (H, W)."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional

from reverie.errors import PictureError, suggestion

Filter = Literal["bicubic", "bilinear", "area", "nearest"]
_NARROWEST = 32  # pixels of a side in which a painting is looked at
SPILL = 0.5  # beyond [0, 1] is still taken for a picture: filters overshoot, steps have not been clamped yet


def resize(x: Tensor, size: tuple[int, int], *, filter: Filter = "bicubic") -> Tensor:
    """Resample a picture, without aliasing when it shrinks; differentiable.

    Nothing is clamped: bicubic may overshoot [0, 1] by a few percent at hard edges.

    Args:
        x: (B, C, H, W) floating point.
        size: new (H, W), in pixels.
        filter: ``bicubic`` (Keys, a = -1/2) and ``bilinear`` widen when they shrink; ``area``
            averages boxes; ``nearest`` copies.

    Returns:
        (B, C, *size); ``x`` itself where the size does not change.

    Raises:
        PictureError: a size below one pixel, a tensor that is not a picture, an unknown filter.

    Example:
        >>> resize(torch.rand(1, 3, 64, 48), (32, 24)).shape
        torch.Size([1, 3, 32, 24])
    """
    if x.ndim != 4 or not torch.is_floating_point(x) or 0 in x.shape:
        raise PictureError(
            f"a picture is a floating (B, C, H, W) tensor; got {tuple(x.shape)} of {x.dtype}; read it with read_image"
        )
    if filter not in get_args(Filter):
        known = get_args(Filter)
        raise PictureError(f"filter is one of {', '.join(known)}; got '{filter}'.{suggestion(filter, known)}")
    height, width = _positive(size)
    if (height, width) == tuple(x.shape[-2:]):
        return x
    if filter in ("area", "nearest"):
        mode = "area" if filter == "area" else "nearest-exact"
        return functional.interpolate(x, size=(height, width), mode=mode)
    return functional.interpolate(x, size=(height, width), mode=filter, antialias=True, align_corners=False)


def size_of(x: Tensor) -> tuple[int, int]:
    """Return the (H, W) of a picture."""
    return int(x.shape[-2]), int(x.shape[-1])


def check_picture(x: object) -> None:
    """Refuse what is no picture: a float tensor (B, 3, H, W) in [0, 1], give or take what filters overshoot.

    Raises:
        PictureError: not a tensor, another shape or type, or values of another range.
    """
    if not isinstance(x, Tensor):
        raise PictureError(
            f"a picture is a float tensor (B, 3, H, W) in [0, 1]; got {type(x).__name__}."
            " torch.from_numpy() makes a tensor of an array, read_image() of a file."
        )
    if x.dim() != 4 or x.shape[1] != 3 or 0 in x.shape:
        raise PictureError(f"a picture is (B, 3, H, W) in [0, 1]; got {tuple(x.shape)}. read_image() makes one.")
    if not x.is_floating_point():
        raise PictureError(f"a picture is of floats in [0, 1]; got {x.dtype}: x.float() / 255 makes them of bytes.")
    low, high = (float(v) for v in x.detach().aminmax())
    if low < -SPILL or high > 1 + SPILL:
        raise PictureError(f"a picture is in [0, 1]; got values from {low:.3g} to {high:.3g}; bytes want x / 255.")


def fit(size: tuple[int, int], *, longer: int) -> tuple[int, int]:
    """Return the (H, W) of the same shape whose longer side is ``longer`` pixels; at least one each.

    Raises:
        PictureError: a side below one pixel.

    Example:
        >>> fit((3000, 4000), longer=512)
        (384, 512)
    """
    height, width = _positive(size)
    if longer < 1:
        raise PictureError(f"the longer side is at least 1 pixel; got {longer}; enlarge it")
    scale = longer / max(height, width)
    return _rounded(height * scale), _rounded(width * scale)


def scaled(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize a picture to (H, W), within [0, 1]; itself if it has that size, so large ones are in memory once."""
    return x if size_of(x) == size else resize(x, size).clamp_(0, 1)


def fit_area(size: tuple[int, int], *, pixels: int) -> tuple[int, int]:
    """Return the (H, W) of the same shape with about ``pixels`` pixels in all; at least one each side.

    Raises:
        PictureError: a side or area below one pixel.

    Example:
        >>> fit_area((3000, 4000), pixels=480_000)
        (600, 800)
    """
    height, width = _positive(size)
    if pixels < 1:
        raise PictureError(f"a picture has at least 1 pixel; got {pixels}; enlarge the area")
    scale = math.sqrt(pixels / (height * width))
    return _rounded(height * scale), _rounded(width * scale)


def painting_size(size: tuple[int, int], area: int, stroke: float = 1.0) -> tuple[int, int]:
    """Return the (H, W) a painting is measured at: the photo's area times the stroke's square, never enlarged.

    Args:
        size: (H, W) of the painting.
        area: of the photo, pixels.
        stroke: size of the strokes, above 0; 1 as in the painting.

    Returns:
        (H, W), each side 32 pixels or more, which the deepest layers of style need.

    Example:
        >>> painting_size((600, 800), 150 * 200)
        (150, 200)
    """
    factor = min(1.0, stroke * math.sqrt(area / (size[0] * size[1])))
    return max(_NARROWEST, round(size[0] * factor)), max(_NARROWEST, round(size[1] * factor))


def _rounded(side: float) -> int:
    return max(1, math.floor(side + 0.5))


def _positive(size: tuple[int, int]) -> tuple[int, int]:
    if len(size) != 2 or min(size) < 1:
        raise PictureError(f"a size is (H, W) of at least one pixel each; got {tuple(size)}; enlarge it")
    return int(size[0]), int(size[1])
