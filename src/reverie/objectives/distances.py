"""Distances from the statistics of a reference: `distance(target)` is a function of a picture's statistics."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reverie.errors import RecipeError
from reverie.networks.widest import has_float64

FromTarget = Callable[[Tensor], Tensor]
Distance = Callable[[Tensor], FromTarget]

RIDGE = 1e-2  # of the target's mean variance, added to both covariances: those of few positions have no full rank
_LEAST = 1e-7  # of the largest eigenvalue, what float32 tells from nothing
_FLAT = 1e-5  # of its mean square, the least ridge: a painting of one colour has no variance at all


def mse(target: Tensor) -> FromTarget:
    """Mean squared difference over all entries: (B, ...) -> (B,)."""
    return lambda value: (value - target).pow(2).flatten(1).mean(1)


def wasserstein2(target: Tensor, *, single: bool = False) -> FromTarget:
    """Squared 2-Wasserstein distance of two Gaussians, given as moments.

    ``|m - m*|^2 + tr(C + C* - 2 (C*^1/2 C C*^1/2)^1/2)``, C the covariance.

    Args:
        target: (1, C+1, C) as `Moments` measures them: raw second moments, then a row of means.
        single: find eigenvalues in float32, in half the time: for moments of features in low precision, whose own
            rounding is larger.
    Returns:
        A function (B, C+1, C) -> (B,), in the square of the features' unit.
    Source: Dowson & Landau (1982); for style, K. Crowson (2021). We differ: the gradient of the trace is taken in
        closed form from the inverse root, so nothing is differentiated through an iteration.
    """
    if target.shape[-2] != target.shape[-1] + 1:
        raise RecipeError("wasserstein2 compares moments; for Gram matrices take mse.")
    target = _wide(target)
    target_mean, target_covariance = _mean_and_covariance(target)
    least = (_FLAT * _trace(target[:, :-1])).clamp_min(1e-12)
    ridge = (
        torch.maximum(RIDGE * _trace(target_covariance), least)[:, None, None] * _identity(target) / target.shape[-1]
    )
    target_covariance = target_covariance + ridge
    root = roots(_symmetric(target_covariance))[0]

    def distance(value: Tensor) -> Tensor:
        mean, covariance = _mean_and_covariance(_wide(value))
        covariance = covariance + ridge
        overlap: Tensor = _Overlap.apply(covariance, root, value.dtype, single)[0]  # type: ignore[no-untyped-call]
        traces = _trace(covariance) + _trace(target_covariance)
        return ((mean - target_mean).pow(2).sum(1) + traces - 2 * overlap).to(value)

    return distance


def relative(distance: Distance) -> Distance:
    """Divide a distance by the target's own distance from zero: 1 means that nothing of the target is there.

    Makes layers, networks, sizes and paintings comparable.
    """
    return _Relative(distance)


@dataclass(frozen=True)
class _Relative:
    distance: Distance

    def __call__(self, target: Tensor) -> FromTarget:
        to = self.distance(target)
        scale = to(torch.zeros_like(target)).clamp_min(1e-12)
        return lambda value: to(value) / scale


def _mean_and_covariance(moments: Tensor) -> tuple[Tensor, Tensor]:
    second, mean = moments[:, :-1], moments[:, -1]
    return mean, second - mean[:, :, None] * mean[:, None, :]


def _wide(moments: Tensor) -> Tensor:
    """Convert to float64, on the host where the device has none.

    Eigenvalues of a product of covariances span more than float32 holds.
    """
    return moments.double() if has_float64(moments.device) else moments.cpu().double()


def _trace(m: Tensor) -> Tensor:
    return m.diagonal(dim1=-2, dim2=-1).sum(-1)


def _identity(like: Tensor) -> Tensor:
    return torch.eye(like.shape[-1], dtype=like.dtype, device=like.device)


def _symmetric(m: Tensor) -> Tensor:
    return (m + m.mT) / 2


def roots(m: Tensor) -> tuple[Tensor, Tensor]:
    """Square root and inverse square root of symmetric positive definite matrices (B, C, C).

    By eigenvalues on a CPU, where LAPACK is faster; by Newton-Schulz on accelerators, where eigenvalues are slow.
    """
    if m.device.type != "cpu":
        return newton_schulz(m)
    values, vectors = torch.linalg.eigh(m)
    values = values.clamp_min(1e-12 * values.max()).sqrt()[:, None, :]
    return (vectors * values) @ vectors.mT, (vectors / values) @ vectors.mT


def newton_schulz(m: Tensor, steps: int = 28) -> tuple[Tensor, Tensor]:
    """Square root and inverse square root by the coupled Newton-Schulz iteration: matrix products only.

    A step lifts the smallest eigenvalues 2.25 times: 28 steps are enough for condition numbers of 10^8. Those of a
    painting's layers reach 10^7, and 12 steps would leave the inverse root wrong by its own size.
    """
    norm = m.flatten(1).norm(dim=1)[:, None, None]
    eye = torch.eye(m.shape[-1], dtype=m.dtype, device=m.device).expand_as(m)
    y, z = m / norm, eye
    for _ in range(steps):
        t = 1.5 * eye - 0.5 * (z @ y)
        y, z = y @ t, t @ z
    return y * norm.sqrt(), z / norm.sqrt()


class _Overlap(torch.autograd.Function):
    """tr((R C R)^1/2), (B,), R the symmetric root of the target; its gradient, R (R C R)^-1/2 R / 2, in `dtype`."""

    generate_vmap_rule = True

    @staticmethod
    def forward(covariance: Tensor, root: Tensor, dtype: torch.dtype, single: bool) -> tuple[Tensor, Tensor]:
        m = _symmetric(root @ covariance @ root)
        if m.device.type != "cpu":
            middle, inverse = newton_schulz(m)
            return _trace(middle), root @ inverse @ root
        values, vectors = torch.linalg.eigh(m.float() if single else m)
        values = values.clamp_min((_LEAST if single else 1e-12) * values.amax(-1, keepdim=True)).sqrt()
        across = root.to(dtype) @ (vectors * values[:, None, :].rsqrt()).to(dtype)  # wider for eigenvalues alone
        slope = across @ across.mT
        if not single:
            return values.sum(-1), slope
        # Heron's step for the root: what the least eigenvalues were raised by counts twice as little, and less
        return (values.sum(-1) + (slope * covariance).sum((-2, -1))) / 2, slope

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        (slope,) = ctx.saved_tensors
        return gradients[0][:, None, None] * slope / 2, None, None, None
