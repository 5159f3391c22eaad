"""Additive statistics: all that an objective may know of a picture.

Each is a mean over positions, measured as a sum over the positions in a window divided by the number of positions
of the whole map. So the shares of disjoint windows add up to the statistic of the whole: tiles, regions and several
machines combine by addition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.errors import RecipeError
from reverie.networks.aligned import aligned
from reverie.objectives.places import Region, Window, wide

if TYPE_CHECKING:
    from reverie.objectives.view_draw import ViewDraw


_LOOKED_AT = 4096  # positions that tell about where a map's mean lies


class Statistic(ABC):
    """A mean over the positions of one layer.

    Attributes:
        layer: the network's layer, or PICTURE.
        reference: a picture of the same size whose features at that layer the executor supplies, or None.
        named: the name of such a picture, or of a batch of them, that the executor knows; it stands for a reference.
        reach: how many positions to the right and below a window the statistic looks at.
        saved: float32 numbers for each position that it keeps for the backward pass, besides the features.
    """

    layer: str
    reference: Tensor | None = None
    named: str = ""
    reach: int = 0
    saved: int = 0

    @abstractmethod
    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        """Return this window's share of the statistic, (B, ...), in float32 or better."""

    def seen(self, draw: ViewDraw) -> Statistic:
        """Return the statistic of the picture seen through a view: its region and its reference go with the picture.

        Raises:
            RecipeError: it cannot follow a view.
        """
        moved: dict[str, Any] = {}
        if (region := getattr(self, "region", None)) is not None:
            moved["region"] = draw.region(region, self.layer)
        if self.reference is not None:
            moved["reference"] = draw.picture(self.reference)
        if not moved:
            return self
        if not is_dataclass(self):
            raise RecipeError(
                f"a view moves what {type(self).__name__} looks at: make it a dataclass, or write seen()."
            )
        return replace(self, **moved)

    def __init_subclass__(cls) -> None:
        """Show statistics by their layer, not by the tensors in them."""
        super().__init_subclass__()
        if "__repr__" not in vars(cls):
            cls.__repr__ = Statistic.__repr__  # type: ignore[method-assign]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.layer})"


Measure = Callable[[Tensor, tuple[Statistic, ...]], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Moments(Statistic):
    """Second raw moments and means of the channels: (B, C+1, C), the last row the means.

    Second moments say which features occur together, wherever they are (the Gram matrix over h*w).
    Source: Gatys, Ecker & Bethge (2016), eq. 3; raw moments add where covariances do not. In a region: Gatys et al.
        (2017), "Controlling perceptual factors", eq. 5, divided by the region's weight.
    """

    layer: str
    region: Region | None = None

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        weights = None if self.region is None else self.region.at(window, features)
        return raw_moments(features, weights, 1 / window.positions)


@dataclass(frozen=True)
class Means(Statistic):
    """Mean of each channel: (B, C)."""

    layer: str
    region: Region | None = None

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        return share(full(features), window, self.region)


@dataclass(frozen=True)
class MeanSquares(Statistic):
    """Mean square of each channel: (B, C)."""

    layer: str
    region: Region | None = None

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        return share(full(features).pow(2), window, self.region)


@dataclass(frozen=True, eq=False)
class SquaredError(Statistic):
    """Mean squared difference from the reference's features at the same positions: (B,)."""

    layer: str
    reference: Tensor | None
    region: Region | None = None
    named: str = ""

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        weights = None if self.region is None else self.region.at(window, features)
        squares = _Squares.apply(features, _found(reference, self).to(features), weights)  # type: ignore[no-untyped-call]
        found: Tensor = squares / (features.shape[1] * window.positions)
        return found


@dataclass(frozen=True, eq=False)
class ReferenceSquares(Statistic):
    """Mean square of each channel of a reference, here mostly a named one: (B, C); the same whatever the picture is."""

    layer: str
    named: str
    region: Region | None = None
    reference: Tensor | None = None

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        return share(full(_found(reference, self)).pow(2), window, self.region)


@dataclass(frozen=True)
class At(Statistic):
    """The channels at one position: (B, C)."""

    layer: str
    row: int
    column: int

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        row, column = self.row - window.top, self.column - window.left
        if 0 <= row < window.height and 0 <= column < window.width:
            return full(features[:, :, row, column])
        return full(features[:, :, :1, :1].sum((2, 3))) * 0

    def seen(self, draw: ViewDraw) -> Statistic:
        return Means(self.layer, draw.place(self.layer, self.row, self.column))


@dataclass(frozen=True, eq=False)
class Samples(Statistic):
    """The channels at some positions: (B, P, C), zero for those outside the window.

    Attributes:
        rows, columns: (P,) of the positions in the whole map.
    """

    layer: str
    rows: Tensor
    columns: Tensor

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        row, column = self.rows.to(features.device) - window.top, self.columns.to(features.device) - window.left
        (here,) = ((row >= 0) & (row < window.height) & (column >= 0) & (column < window.width)).nonzero(as_tuple=True)
        found = full(features[:, :, row[here], column[here]]).mT
        return found.new_zeros(len(features), len(row), features.shape[1]).index_add(1, here, found)

    def seen(self, draw: ViewDraw) -> Statistic:
        raise RecipeError(f"places of {self.layer} are compared one by one and cannot follow a view; leave it out.")


def _found(reference: Tensor | None, statistic: Statistic) -> Tensor:
    """Return a reference's features; refuse if the reference picture is not known."""
    if reference is None:
        raise RecipeError(
            f"the picture '{statistic.named}' is compared with and not known here: names stand for pictures where a"
            " network is fitted to batches; elsewhere give the picture itself, like=picture."
        )
    return reference


def spread(extent: tuple[int, int], count: int, region: Region | None = None) -> tuple[Tensor, Tensor]:
    """Return rows and columns of at most `count` positions spread evenly over a map, or over the core of a region.

    Every position where there are no more; else the golden section's steps through them in reading order, which no
    period of the picture can follow.
    """
    h, w = extent
    if region is None:
        inside, total = None, h * w
    else:
        inside = (region.weights.flatten() >= region.weights.max() / 2).nonzero()[:, 0]
        total = len(inside)
    chosen = torch.arange(total)
    if total > count:
        steps = torch.arange(1, count + 1, dtype=torch.float64) * ((5**0.5 - 1) / 2) % 1
        chosen = torch.unique((steps * total).long())
    places = chosen if inside is None else inside.to(chosen.device)[chosen]
    return places // w, places % w


def share(values: Tensor, window: Window, region: Region | None) -> Tensor:
    """Return the window's share of the mean over positions, or over a region: (B, C, h, w) -> (B, C)."""
    weighted = values if region is None else values * region.at(window, values)
    return weighted.sum((2, 3)) / window.positions


def raw_moments(features: Tensor, weights: Tensor | None = None, scale: float = 1.0) -> Tensor:
    """Sum products and features over positions: (B, C, h, w) -> (B, C+1, C), in float32 or better.

    Args:
        features: of any precision.
        weights: of the positions, (1, 1, h, w); None: all count alike.
        scale: of the sums.
    """
    each = None if weights is None else weights.flatten(1)[..., None]
    return _Moments.apply(features, each, scale)[0]  # type: ignore[no-any-return, no-untyped-call]


def full(x: Tensor) -> Tensor:
    """Return the tensor in float32 or better."""
    return x.to(wide(x.dtype))


def rows_of(features: Tensor) -> Tensor:
    """View (B, C, h, w) as (B, h*w, C): a copy unless the features are channels_last and lie as PyTorch lays them."""
    return aligned(features.permute(0, 2, 3, 1).flatten(1, 2))


class _Squares(torch.autograd.Function):
    """Sums of squared differences, (B,), in float32; going back, one product in the features' own precision."""

    generate_vmap_rule = True

    @staticmethod
    def forward(features: Tensor, reference: Tensor, weights: Tensor | None) -> Tensor:
        squares = full(features - reference).pow(2)
        return (squares if weights is None else squares * weights).sum((1, 2, 3))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        features, reference, weights = ctx.saved_tensors
        slopes = 2 * gradients[0][:, None, None, None]
        slopes = slopes if weights is None else slopes * weights
        slopes = slopes.squeeze() if slopes.numel() == 1 else slopes  # one number does not widen the features
        return ((features - reference) * slopes).to(features.dtype), None, None


class _Moments(torch.autograd.Function):
    """Moments by one matrix product each way, in the features' own precision.

    Low precision is first shifted by the mean, and multiplied in blocks that are added in float32: a covariance is
    the small difference of a second moment and a squared mean, and would drown in the rounding of either. Weights
    of a region enter by their roots, one on each side of the product; what is left of the mean takes them exactly.
    """

    @staticmethod
    def forward(features: Tensor, weights: Tensor | None, scale: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        rows = rows_of(features)
        dtype, ones = wide(rows.dtype), rows.new_ones(len(rows), rows.shape[1], 1)
        mass = max(rows.shape[1], 1) if weights is None else weights.sum().clamp_min(1e-12)
        shift = rows.new_zeros(len(rows), 1, rows.shape[2])
        if rows.dtype != dtype:
            shift = _rough_mean(rows, weights).to(rows.dtype)
            rows = _shifted(rows, shift, features.shape[3])
        roots = ones if weights is None else weights.sqrt().to(rows.dtype) * ones
        rows = rows if weights is None else rows * roots
        wide_shift = shift.to(dtype)
        sums = _products(roots, rows, dtype) + mass * wide_shift
        cross = wide_shift.mT @ (sums - mass / 2 * wide_shift)
        moments = torch.cat([_products(rows, rows, dtype) + cross + cross.mT, sums], 1) * scale
        return moments, rows, shift, roots

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        features, weights, ctx.scale = inputs
        _, rows, shift, roots = output
        ctx.mark_non_differentiable(rows, shift, roots)
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(rows, shift, None if weights is None else roots)
        ctx.shape = features.shape

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None, None]:
        rows, shift, roots = ctx.saved_tensors
        if gradients[0] is None:  # nothing is made of zeros for what is not differentiated
            return None, None, None
        g = gradients[0] * ctx.scale
        second, mean = g[:, :-1], g[:, -1:]
        symmetric = second + second.mT
        bias = (mean + shift.to(g.dtype) @ symmetric).to(rows.dtype)
        b, c, h, w = ctx.shape
        if b == 1 and roots is None and rows.dtype != g.dtype:  # a convolution adds its bias on the way
            maps = rows.view(b, h, w, c).permute(0, 3, 1, 2)
            return F.conv2d(maps, symmetric[0, :, :, None, None].to(rows.dtype), bias.flatten()), None, None
        out = torch.baddbmm(bias if roots is None else roots * bias, rows, symmetric.to(rows.dtype))
        out = out if roots is None else out.mul_(roots)
        return out.view(b, h, w, c).permute(0, 3, 1, 2), None, None


def _rough_mean(rows: Tensor, weights: Tensor | None) -> Tensor:
    """Mean of (B, n, C) over positions, (B, 1, C), in float32: without weights, over some thousands of them."""
    if weights is not None:
        return (full(rows) * weights).sum(1, keepdim=True) / weights.sum().clamp_min(1e-12)
    step = max(1, rows.shape[1] // _LOOKED_AT) | 1  # odd: no power of two's columns alone
    return full(rows[:, ::step]).sum(1, keepdim=True) / max(1, -(-rows.shape[1] // step))


def _shifted(rows: Tensor, shift: Tensor, width: int) -> Tensor:
    """Subtract (B, 1, C) from each position of (B, h * width, C), a row of the map at a time: channels are few."""
    b, n, c = rows.shape
    lines = rows.reshape(b, n // max(width, 1), width * c)
    return (lines - shift.repeat(1, 1, width)).view(b, n, c)


def _products(left: Tensor, right: Tensor, dtype: torch.dtype) -> Tensor:
    """Sum the outer products of (B, n, C) and (B, n, D) over positions: (B, C, D).

    Low precision in blocks of positions that are added in float32.
    """
    if right.dtype == dtype:
        return torch.bmm(left.mT, right)
    b, n, c = right.shape
    blocks = max(1, min(64, n // max(512, 2 * c)))
    cut = n - n % blocks
    first, second = (x[:, :cut].reshape(b * blocks, cut // blocks, x.shape[2]) for x in (left, right))
    parts = torch.bmm(first.mT, second)
    out = parts.view(b, blocks, *parts.shape[1:]).sum(1, dtype=dtype)
    return out if cut == n else out + torch.bmm(left[:, cut:].to(dtype).mT, right[:, cut:].to(dtype))
