"""Statistics that compare each position with given features: a direction, or the nearest of many."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.objectives.places import Region, Window
from reverie.objectives.statistics import Statistic, full, rows_of, share

BLOCK = 4096  # positions matched at once: what bounds memory


@dataclass(frozen=True, eq=False)
class Projections(Statistic):
    """Mean over positions of v.f * max(cos(v, f), 0.1)^power: how much of a direction there is: (B,)."""

    layer: str
    vector: Tensor
    power: float
    region: Region | None = None

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        f = full(features)
        v = self.vector.to(f)
        dot = (f * v[:, None, None]).sum(1)  # a matrix times a vector is rounded by where both lie in memory
        if self.power:
            cosine = dot / (v.norm() * f.pow(2).sum(1).add(1e-12).sqrt())
            dot = dot * cosine.clamp_min(0.1).pow(self.power)
        return share(dot[:, None], window, self.region)[:, 0]


@dataclass(frozen=True, eq=False)
class BestMatches(Statistic):
    """Mean over positions of the best dot product with any of the guide's features, (N, C): (B,).

    Source: the guided dreams of Mordvintsev, Olah & Tyka (2015).
    """

    layer: str
    guide: Tensor
    region: Region | None = None

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        rows = rows_of(features)
        guide = self.guide.to(rows)
        products = full(rows * guide[nearest(rows, guide)]).sum(2)
        return share(_map_of(products, window), window, self.region)[:, 0]


@dataclass(frozen=True, eq=False)
class NearestCosines(Statistic):
    """Mean over positions of 1 - the greatest cosine with any of some features, both less a centre: (B,).

    Attributes:
        vectors: (N, C), already less the centre, of length 1.
        centre: (C,).
    Source: Kolkin et al. (2022), "Neural Neighbor Style Transfer", eq. 1. We differ: both sides are centred by the
        painting's mean, which is fixed, so that shares of windows add up.
    """

    layer: str
    vectors: Tensor
    centre: Tensor
    region: Region | None = None

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        rows = rows_of(features)
        vectors = self.vectors.to(rows)
        centred = full(rows)
        centred = centred - self.centre.to(centred)
        matches = vectors[nearest(centred.detach().to(rows.dtype), vectors)]
        lengths = centred.pow(2).sum(2).add(1e-12).sqrt()
        return share(_map_of(1 - (centred * matches).sum(2) / lengths, window), window, self.region)[:, 0]


def nearest(rows: Tensor, vectors: Tensor) -> Tensor:
    """Index of the vector (N, C) with the greatest dot product with each row: (B, n, C) -> (B, n)."""
    with torch.no_grad():
        parts = torch.split(rows, BLOCK, dim=1)
        return torch.cat([(part @ vectors.T).max(-1).indices for part in parts], 1)


def _map_of(values: Tensor, window: Window) -> Tensor:
    """Lay out (B, n) as (B, 1, h, w)."""
    return values.view(len(values), 1, window.height, window.width)
