"""Projections: the nearest picture within a set, as functions picture -> picture."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from reverie.errors import RecipeError

Projection = Callable[[Tensor], Tensor]


def box(low: float = 0.0, high: float = 1.0) -> Projection:
    """Every value within [low, high]."""
    return lambda x: x.clamp(low, high)


def linf(centre: Tensor, radius: float) -> Projection:
    """No value further than `radius` from the centre's. Source: Madry et al. (2018)."""
    _positive(radius)
    return lambda x: x.clamp(min=centre - radius, max=centre + radius)


def l2(centre: Tensor, radius: float) -> Projection:
    """The Euclidean distance from the centre at most `radius`, picture by picture."""
    _positive(radius)

    def project(x: Tensor) -> Tensor:
        away = x - centre
        norm = away.flatten(1).norm(dim=1)[:, None, None, None]
        inside: Tensor = centre + away * (radius / norm.clamp_min(1e-12)).clamp_max(1)
        return inside

    return project


def _positive(radius: float) -> None:
    if radius <= 0:
        raise RecipeError(f"the radius of a ball is above 0; got {radius}.")
