"""Magnifying about a point, exactly: the geometry of a zoom that goes on for thousands of frames."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from reverie.errors import PictureError

_REACH = 3  # pixels that the kernel reads on each side


def magnified(x: Tensor, factor: float, *, at: tuple[float, float] = (0.5, 0.5)) -> Tensor:
    """Magnify a picture about a point that stays where it is; the size stays too, what leaves it is lost.

    Positions are never rounded, so that magnifying n times by f is magnifying once by f**n, but for sharpness.

    Args:
        x: (B, C, H, W) floating point.
        factor: above 0; below 1 the picture shrinks, without aliasing, and its border is repeated.
        at: the point, (across, down) as shares of the width and height in [0, 1].
    Returns:
        (B, C, H, W), not clamped.
    Raises:
        PictureError: no picture, a factor that is none, or a point outside the picture.
    Example:
        >>> magnified(photo, 1.04, at=(0.5, 0.3)).shape == photo.shape
        True

    Source: Keys (1981), "Cubic convolution interpolation", section VI: the kernel of fourth order. Lanczos kernels
        are as sharp, but do not keep straight ramps straight: in forty frames they drift by a twentieth.
    """
    if x.ndim != 4 or not x.is_floating_point() or 0 in x.shape:
        raise PictureError(f"a picture is a floating (B, C, H, W) tensor; got {tuple(x.shape)} of {x.dtype}.")
    if not 0 < factor < math.inf or not all(0 <= share <= 1 for share in at):
        raise PictureError(f"a picture is magnified by a factor above 0 at shares from 0 to 1; got {factor} at {at}.")
    return _along(_along(x, 2, factor, at[1]), 3, factor, at[0])


def _along(x: Tensor, axis: int, factor: float, share: float) -> Tensor:
    """Magnify along one axis: each row is a weighted sum of a few."""
    places, weights = _taps(x.shape[axis], factor, share)
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    out = torch.zeros_like(x)
    for place, weight in zip(places.unbind(1), weights.unbind(1), strict=True):
        out.addcmul_(x.index_select(axis, place.to(x.device)), weight.to(x).view(shape))
    return out


def _taps(length: int, factor: float, share: float) -> tuple[Tensor, Tensor]:
    """Return the rows that each new row reads, (length, taps), and their weights, of sum 1; computed in float64."""
    centre = share * length
    source = centre + (torch.arange(length, dtype=torch.float64) + 0.5 - centre) / factor - 0.5
    stretch = max(1.0, 1 / factor)
    reach = math.ceil(_REACH * stretch)
    places = source.floor().long()[:, None] + torch.arange(1 - reach, reach + 1)
    weights = _kernel(((places - source[:, None]) / stretch).abs())
    return places.clamp(0, length - 1), weights / weights.sum(1, keepdim=True)


def _kernel(d: Tensor) -> Tensor:
    """Evaluate Keys's kernel of fourth order at these distances."""
    near = 4 / 3 * d**3 - 7 / 3 * d**2 + 1
    middle = -7 / 12 * d**3 + 3 * d**2 - 59 / 12 * d + 5 / 2
    far = 1 / 12 * d**3 - 2 / 3 * d**2 + 7 / 4 * d - 3 / 2
    return torch.where(d < 1, near, torch.where(d < 2, middle, torch.where(d < 3, far, 0.0)))
