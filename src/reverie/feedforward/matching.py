"""Affine maps that give features another mean and covariance: the style, in a feed-forward network.

All of it sees only means and second moments, which add up over the pieces of a picture.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

RIDGE = 1e-2  # of the mean variance, added to covariances: those of few positions have no full rank
_SPARE = 1e-3  # of the target's mean variance: a flat picture's rounding is not blown up into a pattern
COLOUR_RIDGE = 1e-3  # of the mean variance, for colours: a grey painting stays grey
_NOISE = 1e-4  # variance of a colour (a spread of 0.01) below which it is noise
_STEPS, _COLOUR_STEPS = 9, 16  # of Newton-Schulz: variances down to 1/1500, and 1/430,000, of the total are whitened


class Gaussian(NamedTuple):
    """The mean (B, C) and covariance (B, C, C) of features over the positions of a map."""

    mean: Tensor
    covariance: Tensor


class Target(NamedTuple):
    """Target statistics of features: the mean (B, C) and the symmetric root (B, C, C) of their covariance."""

    mean: Tensor
    root: Tensor


class Affine(NamedTuple):
    """x becomes matrix (x - centre) + shift: (B, C, C), (B, C), (B, C)."""

    matrix: Tensor
    centre: Tensor
    shift: Tensor


def moments(x: Tensor) -> Gaussian:
    """Measure the mean and covariance of maps (B, C, h, w), in float32."""
    rows = rows_of(x)
    return gaussian(rows.sum(1), rows.mT @ rows, rows.shape[1])


def gaussian(first: Tensor, second: Tensor, positions: float) -> Gaussian:
    """Return mean and covariance from sums over positions, of the features (B, C) and of their products (B, C, C).

    Example:
        >>> rows = torch.rand(1, 50, 4)
        >>> gaussian(rows.sum(1), rows.mT @ rows, 50).covariance.shape
        torch.Size([1, 4, 4])
    """
    mean = first / positions
    return Gaussian(mean, second / positions - mean[:, :, None] * mean[:, None, :])


def blended(parts: Sequence[tuple[Gaussian, float]]) -> Gaussian:
    """Mix several by weights that sum to 1: means and covariances are averaged."""
    return Gaussian(sum_of([w * g.mean for g, w in parts]), sum_of([w * g.covariance for g, w in parts]))


def sum_of(terms: Sequence[Tensor]) -> Tensor:
    """Sum one or more tensors of one shape."""
    return torch.stack(list(terms)).sum(0)


def target_of(g: Gaussian, ridge: float = RIDGE) -> Target:
    """Return the mean and the root of the covariance, a share of the mean variance added to all variances."""
    values, vectors = torch.linalg.eigh(_ridged(g.covariance, ridge * _spread(g.covariance) + 1e-9))
    return Target(g.mean, (vectors * values.clamp_min(0).sqrt()[:, None, :]) @ vectors.mT)


def transport_map(source: Gaussian, target: Target) -> Affine:
    """Return the optimal transport between two Gaussians of one space of features: it moves them least.

    Of a Gaussian to itself it is the identity, nearly. No gradient flows through it.

    Source: Dowson & Landau 1982; T = R (R A R)^-1/2 R with R the target's root.
    """
    wanted = target.root.pow(2).sum(-1).mean(-1)
    ridge = RIDGE * _spread(source.covariance) + _SPARE * wanted + 1e-9
    root = target.root.double()  # variances of both are multiplied: float32 holds no such range
    middle = root @ _ridged(source.covariance, ridge).double() @ root
    values, vectors = torch.linalg.eigh((middle + middle.mT) / 2)
    least = 1e-12 * values.amax(1, keepdim=True)
    inverse = (vectors / values.maximum(least).sqrt()[:, None, :]) @ vectors.mT
    return Affine((root @ inverse @ root).to(source.covariance), source.mean, target.mean)


def whitening_map(source: Gaussian, target: Target) -> Affine:
    """Return the map that whitens, then colours by the target's root: for features of another space than the target's.

    Differentiable in the source.

    Source: Li et al. 2017, "Universal style transfer via feature transforms"; the inverse root by Newton-Schulz
        (Li et al. 2018, iSQRT-COV), so small variances stay small.
    """
    inverse = inverse_root(_ridged(source.covariance, RIDGE * _spread(source.covariance) + 1e-6), _STEPS)
    return Affine(target.root @ inverse, source.mean, target.mean)


def colour_map(source: Gaussian, target: Target) -> Affine:
    """Return the optimal transport between the colours of two pictures, differentiable in the source."""
    noisy = _ridged(source.covariance, torch.full_like(source.mean[:, 0], _NOISE))
    inverse = inverse_root(target.root @ noisy @ target.root, _COLOUR_STEPS)
    return Affine(target.root @ inverse @ target.root, source.mean, target.mean)


def inverse_root(m: Tensor, steps: int) -> Tensor:
    """Inverse square root (B, C, C) of a positive definite matrix by the coupled Newton-Schulz iteration."""
    total = m.diagonal(dim1=-2, dim2=-1).sum(-1)[:, None, None]
    eye = torch.eye(m.shape[-1], dtype=m.dtype, device=m.device).expand_as(m)
    y, z = m / total, eye
    for _ in range(steps):
        t = 1.5 * eye - 0.5 * (z @ y)
        y, z = y @ t, t @ z
    return z / total.sqrt()


def moved(x: Tensor, by: Affine) -> Tensor:
    """Apply an affine map to maps (B, C, h, w), channels last; in float32, or a single map in low precision as it is.

    The centre then goes into the shift: a convolution adds both in float32, without a copy of the map.
    """
    if len(x) == 1 and x.element_size() < 4:
        matrix = by.matrix.to(x.dtype)
        shift = by.shift - (matrix.to(by.centre.dtype) @ by.centre[:, :, None])[:, :, 0]
        return F.conv2d(x, matrix[0, :, :, None, None].to(x.device), shift[0].to(x.dtype).to(x.device))
    matrix, centre, shift = (part.float().to(x.device) for part in by)
    rows = torch.baddbmm(shift[:, None], rows_of(x) - centre[:, None], matrix.mT)
    return rows.view(len(x), x.shape[2], x.shape[3], -1).permute(0, 3, 1, 2)


def rows_of(x: Tensor) -> Tensor:
    """View maps (B, C, h, w) as a feature for each position, (B, h w, C), in float32."""
    return x.permute(0, 2, 3, 1).flatten(1, 2).float()


def _spread(covariance: Tensor) -> Tensor:
    """Return the mean variance, (B,)."""
    return covariance.diagonal(dim1=-2, dim2=-1).mean(-1)


def _ridged(covariance: Tensor, ridge: Tensor) -> Tensor:
    eye = torch.eye(covariance.shape[-1], dtype=covariance.dtype, device=covariance.device)
    return covariance + ridge[:, None, None] * eye
