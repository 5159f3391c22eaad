"""Colour spaces and colour transfer: sRGB, linear light, OKLab. All differentiable."""

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
_RIDGE = 1e-5  # variance added to both pictures of a match, so that flat pictures stay defined


def srgb_to_linear(x: Tensor) -> Tensor:
    """sRGB values to linear light; the straight part goes on below 0, the curve above 1.

    Args:
        x: any shape, sRGB [0, 1].

    Source: IEC 61966-2-1.
    """
    curve = ((x.clamp(min=0.04045) + 0.055) / 1.055) ** 2.4
    return torch.where(x <= 0.04045, x / 12.92, curve)


def linear_to_srgb(x: Tensor) -> Tensor:
    """Linear light to sRGB values; the straight part goes on below 0, the curve above 1.

    Args:
        x: any shape, linear light [0, 1].

    Source: IEC 61966-2-1.
    """
    curve = 1.055 * x.clamp(min=0.0031308) ** (1 / 2.4) - 0.055
    return torch.where(x <= 0.0031308, 12.92 * x, curve)


def srgb_to_oklab(x: Tensor) -> Tensor:
    """sRGB to OKLab: lightness L in [0, 1], then a (green to red) and b (blue to yellow).

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
    """OKLab to sRGB, the exact inverse of ``srgb_to_oklab``; not clipped.

    Args:
        lab: (B, 3, H, W) as ``srgb_to_oklab`` gives it.

    Returns:
        (B, 3, H, W) sRGB; colours outside the sRGB gamut lie outside [0, 1].
    """
    return linear_to_srgb(_mix(_FROM_CONES, _cube(_mix(_FROM_OKLAB, _rgb(lab)))))


def with_lightness_of(x: Tensor, other: Tensor) -> Tensor:
    """The colours of ``x`` with the lightness of ``other``, in OKLab.

    Args:
        x, other: (B, 3, H, W) sRGB [0, 1], of the same height and width.

    Returns:
        (B, 3, H, W) sRGB, clipped to [0, 1].

    Raises:
        PictureError: the sizes differ.
    """
    if x.shape[-2:] != other.shape[-2:]:
        raise PictureError(
            f"two pictures that share colours have one size, and {tuple(x.shape[-2:])} and "
            f"{tuple(other.shape[-2:])} came; resize one"
        )
    lightness, colours = srgb_to_oklab(other)[:, :1], srgb_to_oklab(x)[:, 1:]
    batch = max(len(lightness), len(colours))
    parts = [part.expand(batch, -1, -1, -1) for part in (lightness, colours)]
    return oklab_to_srgb(torch.cat(parts, dim=1)).clamp(0, 1)


def with_colours_of(x: Tensor, other: Tensor) -> Tensor:
    """The lightness of ``x`` with the colours of ``other``: a restyled photo in its own colours.

    Args:
        x, other: (B, 3, H, W) sRGB [0, 1], of the same height and width.

    Returns:
        (B, 3, H, W) sRGB, clipped to [0, 1].

    Raises:
        PictureError: the sizes differ.

    Source: Gatys et al., "Preserving color in neural artistic style transfer", 2016, section 3.2.
    We differ: OKLab instead of YIQ, so that lightness and colour do not mix.
    """
    return with_lightness_of(other, x)


def match_colours(x: Tensor, like: Tensor) -> Tensor:
    """Shift and stretch the colours of ``x`` to the mean and covariance of those of ``like``.

    The map is the one that moves colours least (optimal transport between Gaussians), in sRGB.

    Args:
        x: (B, 3, H, W) sRGB [0, 1].
        like: (1 or B, 3, h, w) sRGB [0, 1], of any size.

    Returns:
        (B, 3, H, W) sRGB, clipped to [0, 1].

    Source: Gatys et al., "Preserving color in neural artistic style transfer", 2016, section 3.1;
    Pitié and Kokaram, "The linear Monge-Kantorovitch linear colour mapping", 2007, equation 5.
    """
    mean, covariance = _moments(_rgb(x))
    wanted_mean, wanted_covariance = _moments(_rgb(like))
    root, inverse_root = _square_roots(covariance)
    middle, _ = _square_roots(root @ wanted_covariance @ root)
    stretch = inverse_root @ middle @ inverse_root
    centred = x.flatten(2).to(mean.dtype) - mean
    matched = stretch @ centred + wanted_mean
    return matched.to(x.dtype).reshape(matched.shape[:2] + x.shape[2:]).clamp(0, 1)


def _rgb(x: Tensor) -> Tensor:
    if x.ndim != 4 or x.shape[1] != 3:
        raise PictureError(f"a picture is a (B, 3, H, W) tensor, and {tuple(x.shape)} came; read it with read_image")
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


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean (B, 3, 1) and covariance (B, 3, 3) of colours, in float64 where the device has it."""
    colours = x.flatten(2).to(torch.float32 if x.device.type == "mps" else torch.float64)
    mean = colours.mean(dim=2, keepdim=True)
    centred = colours - mean
    covariance = centred @ centred.mT / colours.shape[2]
    return mean, covariance + _RIDGE * torch.eye(3, dtype=mean.dtype, device=x.device)


def _square_roots(matrix: Tensor, *, steps: int = 48) -> tuple[Tensor, Tensor]:
    """Square root and inverse square root of (B, 3, 3) by the Newton-Schulz iteration.

    Unlike an eigendecomposition it has a gradient where eigenvalues coincide, as in grey pictures.
    """
    size = torch.linalg.matrix_norm(matrix, keepdim=True)
    identity = torch.eye(3, dtype=matrix.dtype, device=matrix.device).expand_as(matrix)
    root, inverse = matrix / size, identity
    for _ in range(steps):
        correction = 1.5 * identity - 0.5 * inverse @ root
        root, inverse = root @ correction, correction @ inverse
    return root * size.sqrt(), inverse / size.sqrt()
