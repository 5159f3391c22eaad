"""Square roots of covariances by matrix products only, since ONNX has no eigendecomposition."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from reverie.feedforward.matching import RIDGE, Affine, Gaussian, Target

_LOW = 1e-4  # the least singular value, as a share of the norm, that is certain to come out right
_ROUNDING = 0.25  # of the least unit, added to the diagonal: eigenvalues rounded below 0 would run away
_SPARE = 1e-3  # of the target's mean variance, as in `feedforward.matching.transport_map`


def moments(x: Tensor) -> Gaussian:
    """Compute mean and covariance of maps (1, C, h, w) in float32; centred first, which keeps rounding small."""
    rows = x.flatten(2)
    mean = rows.mean(-1)
    about = rows - mean[:, :, None]
    return Gaussian(mean, about @ about.mT / rows.shape[2])


def target_of(g: Gaussian, ridge: float = RIDGE) -> Target:
    """Do the same as ``feedforward.matching.target_of``."""
    return Target(g.mean, roots(_ridged(g.covariance, ridge * _spread(g.covariance) + 1e-9))[0])


def transport_map(source: Gaussian, target: Target) -> Affine:
    """Compute the optimal transport between two Gaussians, as ``feedforward.matching.transport_map``."""
    wanted = target.root.pow(2).sum(-1).mean(-1)
    seen = _ridged(source.covariance, RIDGE * _spread(source.covariance) + _SPARE * wanted + 1e-9)
    middle = target.root @ seen @ target.root
    return Affine(target.root @ roots((middle + middle.mT) / 2)[1] @ target.root, source.mean, target.mean)


def moved(x: Tensor, by: Affine) -> Tensor:
    """Apply an affine map to maps (1, C, h, w)."""
    rows = by.matrix @ (x.flatten(2) - by.centre[:, :, None]) + by.shift[:, :, None]
    return rows.view(x.shape)


def roots(m: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the square root and inverse root (B, C, C) of positive definite matrices.

    The coupled Newton-Schulz iteration, each step scaled for the smallest singular value that may be left: half as
    many steps.

    Source: Higham 2008, "Functions of matrices", 6.7; the scaling is Chen & Chow's, 2014.
    """
    norm = m.square().sum((-2, -1), keepdim=True).sqrt()
    eye = torch.eye(m.shape[-1], dtype=m.dtype, device=m.device).expand_as(m)
    y, z = m / norm + _ROUNDING * torch.finfo(m.dtype).eps * eye, eye
    for scale in scales(_LOW):
        t = 1.5 * scale * eye - 0.5 * scale**3 * (z @ y)
        y, z = y @ t, t @ z
    return y * norm.sqrt(), z / norm.sqrt()


@cache
def scales(low: float) -> tuple[float, ...]:
    """Compute the scale of each Newton-Schulz step, for singular values from ``low`` to 1."""
    found = []
    while low < 1 - 1e-6:
        scale = (3 / (1 + low + low * low)) ** 0.5
        found.append(scale)
        low = 0.5 * scale * low * (3 - scale * scale * low * low)
    return (*found, 1.0)


def _spread(covariance: Tensor) -> Tensor:
    """Compute the mean variance, (B,)."""
    return covariance.diagonal(dim1=-2, dim2=-1).mean(-1)


def _ridged(covariance: Tensor, ridge: Tensor) -> Tensor:
    return covariance + ridge[:, None, None] * torch.eye(covariance.shape[-1], dtype=covariance.dtype)
