"""Projections: the nearest picture within a set, as functions picture -> picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.errors import RecipeError
from reverie.pictures import resize, size_of

Projection = Callable[[Tensor], Tensor]


def box(low: float = 0.0, high: float = 1.0) -> Projection:
    """Project every value into [low, high]."""
    return _Box(low, high)


def linf(centre: Tensor, radius: float) -> Projection:
    """Project every value to within `radius` of the centre's; at another size, of the resized centre's.

    Source: Madry et al. (2018).
    """
    return _Linf(centre, _positive(radius))


def l2(centre: Tensor, radius: float) -> Projection:
    """Project each picture to within a Euclidean distance of `radius` from the centre.

    At another size the centre is resized, and the radius goes with the square root of the number of pixels.
    """
    return _L2(centre, _positive(radius))


@dataclass(frozen=True)
class _Box:
    low: float
    high: float

    def __call__(self, x: Tensor) -> Tensor:
        return x.clamp(self.low, self.high)

    def __repr__(self) -> str:
        return f"box({self.low:g}, {self.high:g})"


@dataclass(frozen=True, eq=False)
class _Linf:
    centre: Tensor
    radius: float

    def __call__(self, x: Tensor) -> Tensor:
        centre = _centre_for(x, self.centre)
        return x.clamp(min=centre - self.radius, max=centre + self.radius)

    def __repr__(self) -> str:
        return f"linf({self.radius:g})"


@dataclass(frozen=True, eq=False)
class _L2:
    centre: Tensor
    radius: float

    def __call__(self, x: Tensor) -> Tensor:
        centre = _centre_for(x, self.centre)
        radius = self.radius * (x[0].numel() / self.centre[0].numel()) ** 0.5
        away = x - centre
        norm = away.flatten(1).norm(dim=1)[:, None, None, None]
        inside: Tensor = centre + away * (radius / norm.clamp_min(1e-12)).clamp_max(1)
        return inside

    def __repr__(self) -> str:
        return f"l2({self.radius:g})"


@torch.no_grad()
def _centre_for(x: Tensor, centre: Tensor) -> Tensor:
    """Return the centre in the picture's size, on its device."""
    if size_of(x) != size_of(centre):
        centre = resize(centre, size_of(x)).clamp(0, 1)
    return centre.to(x)


def _positive(radius: float) -> float:
    if not radius > 0:
        raise RecipeError(f"the radius of a ball is above 0; got {radius}.")
    return radius
