"""Distributions of features along directions: histograms that add up, and the optimal transport between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from reverie.networks.widest import widest
from reverie.objectives.distances import Distance, FromTarget
from reverie.objectives.places import Region, Window
from reverie.objectives.statistics import Statistic, full, rows_of

COUNT = 256  # knots along each direction
MARGIN = 0.25  # of the reference's range, added at both ends
OUTSIDE = MARGIN / (1 + 2 * MARGIN) * (COUNT - 1)  # the same in knots: from the reference's extremes to the end knots
BLOCK = 8192  # positions counted at once: what stays in a processor's cache


@dataclass(frozen=True, eq=False)
class Binning:
    """The bins of histograms along D directions: equally spaced knots on each.

    Attributes:
        directions: (C, D) of length 1, or None for the channels themselves.
        low: (D,), where the first knots lie.
        width: (D,), from one knot to the next.
    """

    directions: Tensor | None
    low: Tensor
    width: Tensor

    @staticmethod
    def over(samples: Tensor, directions: Tensor | None) -> Binning:
        """Return the bins that cover some features (P, C), with a margin at both ends."""
        directions = None if directions is None else directions.to(samples)
        along = samples if directions is None else samples @ directions
        low, high = along.aminmax(dim=0)
        least = 1e-3 * along.pow(2).mean().sqrt() + 1e-6  # a painting of one colour has no range at all
        spare = (least - (high - low)).clamp_min(0) / 2
        reach = high - low + 2 * spare
        return Binning(directions, low - spare - MARGIN * reach, (1 + 2 * MARGIN) * reach / (COUNT - 1))

    def coordinates(self, rows: Tensor) -> Tensor:
        """Project features (n, C) onto the directions, in knots: (n, D)."""
        low, width = self.low.to(rows), self.width.to(rows)
        if self.directions is None:
            return (rows - low) / width
        return torch.addmm(-low / width, rows, self.directions.to(rows) / width)

    def gradient(self, g: Tensor, dtype: torch.dtype) -> Tensor:
        """Return the gradient of features from that of their coordinates: (n, D) to (n, C)."""
        g = g / self.width.to(g)
        return g.to(dtype) if self.directions is None else g.to(dtype) @ self.directions.to(g).to(dtype).T


@dataclass(frozen=True, eq=False)
class Histograms(Statistic):
    """Distributions of the features along the directions of a binning: (B, D, COUNT + 1).

    A feature between two knots is shared between them by its distance to each. One beyond the ends counts as the end
    knot, and the last column tells how much farther all such must be carried to the reference's nearest: the mean of
    e^2 + 2 OUTSIDE e, e in knots.
    """

    layer: str
    binning: Binning
    region: Region | None = None

    @property
    def saved(self) -> int:  # type: ignore[override]
        """Cells kept for the backward pass, one for each direction."""
        return len(self.binning.low)

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        weights = None if self.region is None else self.region.at(window, features).flatten()
        return _Histograms.apply(features, weights, self.binning, 1 / window.positions)  # type: ignore[no-any-return, no-untyped-call]


def transport(binning: Binning) -> Distance:
    """Squared 2-Wasserstein distance along each direction, summed, over the target's own mean square.

    The features are atoms at the knots, the target is spread evenly around each knot; then the distance is a sum over
    the borders between knots, 2 * int (Q(q) - border) dq from the target's mass below the border to the features', Q
    the target's quantile function. It is 0 where the histograms are equal, and its slope from one knot to the next is
    2 (x - T(x)), T the optimal transport.

    Args:
        binning: along which the histograms were taken.
    Returns:
        A function of the target's histograms (1, D, COUNT + 1), giving a function (B, D, COUNT + 1) -> (B,).
    Source: Bonneel et al. (2015), "Sliced and Radon Wasserstein barycenters"; for style, Heitz et al. (2021). We
        differ: histograms instead of sorting, because they add up.
    """

    def from_target(target: Tensor) -> FromTarget:
        dtype = widest(target.device)
        masses = target[0, :, :-1].to(dtype)
        low, width = (x.to(masses)[:, None] for x in (binning.low, binning.width))
        places = low + width * torch.arange(COUNT, dtype=dtype, device=target.device)
        scale = width[:, 0].pow(2) / (masses * places.pow(2)).sum().clamp_min(1e-12)
        quantiles = _Quantiles.of(masses)
        borders = torch.arange(COUNT - 1, dtype=dtype, device=target.device) + 0.5
        below = quantiles.below[:, :-1]
        least = quantiles.integral(below[None]) - borders * below

        def distance(value: Tensor) -> Tensor:
            mass = value[..., :-1].to(dtype).cumsum(-1)[..., :-1]
            carried = 2 * (quantiles.integral(mass) - borders * mass - least).sum(-1)
            # relu: no slope where there is as much beyond the ends in the target
            beyond = (value[..., -1] - target[..., -1]).to(dtype).relu()
            return ((carried + beyond) * scale).sum(-1).to(value.dtype)

        return distance

    return from_target


@dataclass(frozen=True, eq=False)
class _Quantiles:
    """Quantile functions of masses (D, K), each spread evenly over [k - 1/2, k + 1/2]."""

    below: Tensor
    means: Tensor
    inverse: Tensor
    ends: tuple[Tensor, Tensor]

    @staticmethod
    def of(masses: Tensor) -> _Quantiles:
        knots = torch.arange(masses.shape[1], dtype=masses.dtype, device=masses.device)
        solid = masses > 1e-9
        inverse = torch.where(solid, 1 / masses.clamp_min(1e-9), 0)
        first = solid.int().argmax(1, keepdim=True)
        last = masses.shape[1] - 1 - solid.int().flip(1).argmax(1, keepdim=True)
        return _Quantiles(masses.cumsum(1), (masses * knots).cumsum(1), inverse, (first, last))

    def integral(self, levels: Tensor) -> Tensor:
        """Integrate each quantile function from 0 to some levels, (B, D, L)."""
        shape = (len(levels), *self.below.shape)
        place = torch.searchsorted(self.below.expand(shape).contiguous(), levels.detach().contiguous())
        place = torch.minimum(torch.maximum(place, self.ends[0]), self.ends[1])
        before, means, inverse = (
            x.expand(shape).gather(2, place) for x in (_shifted(self.below), _shifted(self.means), self.inverse)
        )
        step = levels - before
        return means + step * (place - 0.5) + step.pow(2) * inverse / 2


def _shifted(x: Tensor) -> Tensor:
    """Return the columns shifted by one: what was reached before each."""
    return torch.cat([torch.zeros_like(x[:, :1]), x[:, :-1]], 1)


class _Histograms(torch.autograd.Function):
    """Counts without a graph; the gradient of a position is looked up: the slope between its two knots."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, weights: Tensor | None, binning: Binning, scale: float) -> Tensor:
        rows = rows_of(features)
        depth, d = len(rows), len(binning.low)
        cells = torch.empty(depth, rows.shape[1], d, dtype=torch.int32, device=rows.device)
        dtype = full(rows[:, :0]).dtype
        sums = torch.zeros(depth, d, COUNT + 1, dtype=dtype, device=rows.device)
        outside = []
        for b, part in _blocks(depth, rows.shape[1], rows.device):
            places = binning.coordinates(full(rows[b, part]))
            by = None if weights is None else weights[part]
            outside.append(_beyond(places))
            _count(places.clamp_(0, COUNT - 1), by, cells[b, part], sums[b, :, :-1])
            _add_beyond(sums[b, :, -1], outside[-1], by)
        ctx.save_for_backward(cells, weights)
        ctx.args = (features.shape, features.dtype, binning, scale, outside)
        return sums * scale

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None, None]:
        cells, weights = ctx.saved_tensors
        (depth, c, h, w), dtype, binning, scale, outside = ctx.args
        g = gradients[0] * scale
        slopes = torch.zeros_like(g[..., :-1])
        slopes[..., :-1] = g[..., 1:-1] - g[..., :-2]
        out = torch.empty(depth, h * w, c, dtype=dtype, device=g.device)
        for (b, part), beyond in zip(_blocks(depth, h * w, g.device), outside, strict=True):
            here = slopes[b].flatten().index_select(0, cells[b, part].flatten()).view(-1, g.shape[1])
            for (row, column), far in beyond:
                here[row, column] = g[b, column, -1] * 2 * (far + OUTSIDE * far.sign())
            here = here if weights is None else here * weights[part, None]
            out[b, part] = binning.gradient(here, dtype)
        return out.view(depth, h, w, c).permute(0, 3, 1, 2), None, None, None


_Beyond = list[tuple[tuple[Tensor, ...], Tensor]]  # at most one: (rows, columns), and how far beyond the ends


def _blocks(depth: int, n: int, device: torch.device) -> Iterator[tuple[int, slice]]:
    """Yield blocks of rows; accelerators take more at once."""
    step = BLOCK if device.type == "cpu" else 64 * BLOCK
    return ((b, slice(a, min(a + step, n))) for b in range(depth) for a in range(0, n, step))


def _count(places: Tensor, weights: Tensor | None, cells: Tensor, sums: Tensor) -> None:
    """Add places (n, D) within the ends to the sums (D, COUNT), and write down the cell of each: its lower knot."""
    d = places.shape[1]
    lower = places.int().clamp_(0, COUNT - 2)  # NaN too has a cell, and fills it with NaN
    above = places.sub_(lower)
    torch.add(lower, torch.arange(0, d * COUNT, COUNT, dtype=torch.int32, device=places.device), out=cells)
    flat = cells.flatten()
    each = None if weights is None else weights[:, None].expand_as(above).flatten()
    above = above if weights is None else above * weights[:, None]
    upper = torch.bincount(flat, above.flatten(), minlength=d * COUNT).view(d, COUNT)
    whole = torch.bincount(flat, each, minlength=d * COUNT).view(d, COUNT)
    sums += whole - upper
    sums[:, 1:] += upper[:, :-1]


def _beyond(places: Tensor) -> _Beyond:
    """Find the places (n, D) beyond the ends, and their distance."""
    if not places.numel():
        return []
    least, most = places.aminmax()
    if least >= 0 and most <= COUNT - 1:
        return []
    where = ((places < 0) | (places > COUNT - 1)).nonzero(as_tuple=True)
    found = places[where]
    return [(where, found - found.clamp(0, COUNT - 1))]


def _add_beyond(sums: Tensor, beyond: _Beyond, weights: Tensor | None) -> None:
    """Add what lies beyond the ends to the sums (D,)."""
    for (row, column), far in beyond:
        cost = far.pow(2) + 2 * OUTSIDE * far.abs()
        sums.index_add_(0, column, cost if weights is None else cost * weights[row])
