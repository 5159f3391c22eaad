"""Colour spaces: sRGB, linear light, OKLab (all differentiable), and the edge of the sRGB gamut."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from reverie.errors import PictureError

# Ottosson's matrices for linear sRGB (D65) to cone responses, and for their cube roots to Lab.
_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_OKLAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
# Inverted here rather than copied rounded, so that there and back is the identity.
_FROM_CONES = np.linalg.inv(_CONES)
_FROM_OKLAB = np.linalg.inv(_OKLAB)

_NEAR_BLACK = 1e-6  # below the first step of 16-bit sRGB, where the cube root is made straight
_ROUNDING = 1e-4  # of linear light: what lies so little outside the gamut is clipped unseen
_HALVINGS = 12  # of a line to the edge of the gamut: a few thousandths of a step of 8 bits


def srgb_to_linear(x: Tensor) -> Tensor:
    """Convert sRGB values to linear light; the straight part goes on below 0, the curve above 1.

    Args:
        x: any shape, sRGB [0, 1].

    Source: IEC 61966-2-1.
    """
    curve = ((x.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(x <= 0.04045, x / 12.92, curve)


def linear_to_srgb(x: Tensor) -> Tensor:
    """Convert linear light to sRGB values; the straight part goes on below 0, the curve above 1.

    Args:
        x: any shape, linear light [0, 1].

    Source: IEC 61966-2-1.
    """
    curve = 1.055 * x.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(x <= 0.0031308, 12.92 * x, curve)


def srgb_to_oklab(x: Tensor) -> Tensor:
    """Convert sRGB to OKLab: lightness L in [0, 1], then a (green to red) and b (blue to yellow).

    Args:
        x: (B, 3, H, W) sRGB [0, 1].

    Returns:
        (B, 3, H, W); white is (1, 0, 0).

    Source: Björn Ottosson, "A perceptual color space for image processing", 2020.
    We differ: below 1e-6 of linear light the cube root is a straight line, so that black has a
    finite gradient.

    Example:
        >>> srgb_to_oklab(torch.ones(1, 3, 1, 1)).flatten().round(decimals=3).abs()
        tensor([1., 0., 0.])
    """
    return _mix(_OKLAB, _cube_root(_mix(_CONES, srgb_to_linear(_rgb(x)))))


def oklab_to_srgb(lab: Tensor) -> Tensor:
    """Convert OKLab to sRGB, the exact inverse of ``srgb_to_oklab``; not clipped.

    Args:
        lab: (B, 3, H, W) as ``srgb_to_oklab`` gives it.

    Returns:
        (B, 3, H, W) sRGB; colours outside the sRGB gamut lie outside [0, 1].
    """
    return linear_to_srgb(_mix(_FROM_CONES, _cube(_mix(_FROM_OKLAB, _rgb(lab)))))


def in_gamut(lab: Tensor) -> Tensor:
    """Mark the OKLab colours that sRGB can show, (B, 1, H, W) of booleans; a rounding error outside counts as inside.

    Args:
        lab: (B, 3, H, W) OKLab.
    """
    light = _mix(_FROM_CONES, _cube(_mix(_FROM_OKLAB, _rgb(lab))))
    return ((light > -_ROUNDING) & (light < 1 + _ROUNDING)).all(dim=1, keepdim=True)


def nearest_in_gamut(anchor: Tensor, wanted: Tensor) -> Tensor:
    """Find the colours nearest ``wanted`` that sRGB can show, on straight lines from colours it can show.

    Args:
        anchor: (B, 3, H, W) OKLab, inside the gamut.
        wanted: (B, 3, H, W) OKLab.

    Returns:
        (B, 3, H, W) OKLab; ``wanted`` itself where it is inside.
    """
    outside = ~in_gamut(wanted)[:, 0]
    if not bool(outside.any()):
        return wanted
    start, end = (part.movedim(1, -1)[outside].T[None, :, None] for part in (anchor, wanted))
    low, high = torch.zeros_like(start[:, :1]), torch.ones_like(start[:, :1])
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        inside = in_gamut(start + middle * (end - start))
        low, high = torch.where(inside, middle, low), torch.where(inside, high, middle)
    result = wanted.movedim(1, -1).clone()
    result[outside] = (start + low * (end - start))[0, :, 0].T
    return result.movedim(-1, 1)


def into_gamut(lab: Tensor) -> Tensor:
    """Reduce the chroma of colours that sRGB cannot show, at their own lightness and hue, until it can.

    Args:
        lab: (B, 3, H, W) OKLab.

    Returns:
        (B, 3, H, W) OKLab, lightness in [0, 1].
    """
    lightness = lab[:, :1].clamp(0, 1)
    grey = torch.cat([lightness, torch.zeros_like(lab[:, 1:])], dim=1)
    return nearest_in_gamut(grey, torch.cat([lightness, lab[:, 1:]], dim=1))


def _rgb(x: Tensor) -> Tensor:
    if x.ndim != 4 or x.shape[1] != 3:
        raise PictureError(f"a picture is a (B, 3, H, W) tensor; got {tuple(x.shape)}; read it with read_image")
    return x


def _mix(matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]], x: Tensor) -> Tensor:
    weights = torch.as_tensor(matrix, dtype=x.dtype, device=x.device)
    return torch.einsum("ij,bjhw->bihw", weights, x)


def _cube_root(x: Tensor) -> Tensor:
    magnitude = x.abs()
    curve = x.sign() * magnitude.clamp(min=_NEAR_BLACK) ** (1 / 3)
    return torch.where(magnitude < _NEAR_BLACK, x * _NEAR_BLACK ** (-2 / 3), curve)


def _cube(y: Tensor) -> Tensor:
    return torch.where(y.abs() < _NEAR_BLACK ** (1 / 3), y * _NEAR_BLACK ** (2 / 3), y**3)
