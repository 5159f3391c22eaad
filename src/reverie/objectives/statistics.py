"""Additive statistics: what an objective may know of a picture.

Each is a mean over positions, measured as a sum over the positions in a window divided by the number of positions
of the whole map. So the shares of disjoint windows add up to the statistic of the whole: tiles, regions and several
machines combine by addition.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

PICTURE = "picture"  # the layer that is the picture itself


@dataclass(frozen=True)
class Window:
    """Where a piece of a feature map lies in the whole map, in positions of that map."""

    top: int
    left: int
    height: int
    width: int
    of: tuple[int, int]

    @staticmethod
    def whole(features: Tensor) -> Window:
        """The window that is the map itself."""
        h, w = features.shape[-2:]
        return Window(0, 0, h, w, (h, w))

    @property
    def positions(self) -> int:
        """Positions of the whole map."""
        return self.of[0] * self.of[1]


class Statistic(ABC):
    """A mean over the positions of one layer.

    Attributes:
        layer: the network's layer, or PICTURE.
        reference: a picture of the same size whose features at that layer the executor lays beside, or None.
        reach: how many positions to the right and below a window the statistic looks at.
    """

    layer: str
    reference: Tensor | None = None
    reach: int = 0

    @abstractmethod
    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        """This window's share of the statistic, (B, ...), in float32 or better."""


Measure = Callable[[Tensor, tuple[Statistic, ...]], tuple[Tensor, ...]]


@dataclass(frozen=True)
class Moments(Statistic):
    """Second raw moments and means of the channels: (B, C+1, C), the last row the means.

    Second moments say which features occur together, wherever they are (the Gram matrix over h*w).
    Source: Gatys, Ecker & Bethge (2016), eq. 3; raw moments add where covariances do not.
    """

    layer: str

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        return _Moments.apply(features, 1 / window.positions)  # type: ignore[no-any-return, no-untyped-call]


@dataclass(frozen=True)
class Means(Statistic):
    """Mean of each channel: (B, C)."""

    layer: str

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        return _full(features).sum((2, 3)) / window.positions


@dataclass(frozen=True)
class MeanSquares(Statistic):
    """Mean square of each channel: (B, C)."""

    layer: str

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        return _full(features).pow(2).sum((2, 3)) / window.positions


@dataclass(frozen=True, eq=False)
class SquaredError(Statistic):
    """Mean squared difference from the reference's features at the same positions: (B,)."""

    layer: str
    reference: Tensor

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        if reference is None:
            raise ValueError("SquaredError needs the features of its reference")
        error = features - reference.to(features)
        return _full(error).pow(2).mean(1).sum((1, 2)) / window.positions


@dataclass(frozen=True)
class At(Statistic):
    """The channels at one position: (B, C)."""

    layer: str
    row: int
    column: int

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        row, column = self.row - window.top, self.column - window.left
        if 0 <= row < window.height and 0 <= column < window.width:
            return _full(features[:, :, row, column])
        return _full(features[:, :, :1, :1].sum((2, 3))) * 0


@dataclass(frozen=True, eq=False)
class Projections(Statistic):
    """Mean over positions of v.f * max(cos(v, f), 0.1)^power: how much of a direction there is: (B,)."""

    layer: str
    vector: Tensor
    power: float

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        f = _full(features)
        v = self.vector.to(f)
        dot = torch.einsum("bchw,c->bhw", f, v)
        if self.power:
            cosine = dot / (v.norm() * f.pow(2).sum(1).add(1e-12).sqrt())
            dot = dot * cosine.clamp_min(0.1).pow(self.power)
        return dot.sum((1, 2)) / window.positions


@dataclass(frozen=True, eq=False)
class BestMatches(Statistic):
    """Mean over positions of the best dot product with any of the guide's features, (N, C): (B,).

    Source: the guided dreams of Mordvintsev, Olah & Tyka (2015).
    """

    layer: str
    guide: Tensor

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        f = _rows(features)
        guide = self.guide.to(f)
        with torch.no_grad():
            best = torch.cat([(part @ guide.T).argmax(-1) for part in torch.split(f, 8192, dim=1)], 1)
        return _full(f * guide[best]).sum((1, 2)) / window.positions


@dataclass(frozen=True)
class Roughness(Statistic):
    """Mean squared differences to the right, lower, lower right and lower left neighbour: (B, 4)."""

    layer: str = PICTURE
    reach: int = 1

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        return _Differences.apply(features, window.height, window.width) / window.positions  # type: ignore[no-any-return, no-untyped-call]


def _full(x: Tensor) -> Tensor:
    return x.float() if x.dtype in (torch.bfloat16, torch.float16) else x


def _rows(features: Tensor) -> Tensor:
    """(B, C, h, w) as (B, h*w, C): a view where the features are channels_last."""
    return features.permute(0, 2, 3, 1).flatten(1, 2)


class _Moments(torch.autograd.Function):
    """Moments by one matrix product each way, in the features' own precision.

    Low precision is first shifted by the mean, and multiplied in blocks that are added in float32: a covariance is
    the small difference of a second moment and a squared mean, and would drown in the rounding of either.
    """

    @staticmethod
    def forward(ctx: Any, features: Tensor, share: float) -> Tensor:
        rows = _rows(features)
        n, wide = rows.shape[1], _full(rows[:, :0]).dtype
        low = rows.dtype != wide
        shift = rows.new_zeros(len(rows), 1, rows.shape[2])
        shift = (_sums(rows, wide) / max(n, 1)).to(rows.dtype) if low else shift
        rows = rows - shift if low else rows
        ctx.save_for_backward(rows, shift)
        ctx.share, ctx.shape = share, features.shape
        shift = shift.to(wide)
        sums = _sums(rows, wide) + n * shift
        cross = shift.mT @ (sums - n / 2 * shift)
        return torch.cat([_products(rows, wide) + cross + cross.mT, sums], 1) * share

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        rows, shift = ctx.saved_tensors
        g = gradients[0] * ctx.share
        second, mean = g[:, :-1], g[:, -1:]
        symmetric = second + second.mT
        bias = mean + shift.to(g.dtype) @ symmetric
        out = torch.baddbmm(bias.to(rows.dtype), rows, symmetric.to(rows.dtype))
        b, c, h, w = ctx.shape
        return out.view(b, h, w, c).permute(0, 3, 1, 2), None


def _products(rows: Tensor, wide: torch.dtype) -> Tensor:
    """Sum over positions of the outer products: (B, C, C)."""
    return _by_blocks(rows, wide, lambda part: torch.bmm(part.mT, part))


def _sums(rows: Tensor, wide: torch.dtype) -> Tensor:
    """Sum over positions: (B, 1, C)."""
    return _by_blocks(rows, wide, lambda part: torch.bmm(part.new_ones(len(part), 1, part.shape[1]), part))


def _by_blocks(rows: Tensor, wide: torch.dtype, product: Callable[[Tensor], Tensor]) -> Tensor:
    """A product that sums over positions, low precision in blocks of them that are added in float32."""
    if rows.dtype == wide:
        return product(rows)
    b, n, c = rows.shape
    blocks = max(1, min(64, n // max(512, 2 * c)))
    cut = n - n % blocks
    parts = product(rows[:, :cut].reshape(b * blocks, cut // blocks, c))
    out = parts.view(b, blocks, *parts.shape[1:]).sum(1, dtype=wide)
    return out if cut == n else out + product(rows[:, cut:].to(wide))


class _Differences(torch.autograd.Function):
    """Sums of squared differences to four neighbours, (B, 4), of the first height x width positions."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, height: int, width: int) -> Tensor:
        pairs = _neighbours(x, height, width)
        differences = [b - a for a, b in pairs]
        ctx.save_for_backward(*differences)
        ctx.shape, ctx.window = x.shape, (height, width)
        return torch.stack([d.flatten(1).pow(2).sum(1) for d in differences], 1) / x.shape[1]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        differences = ctx.saved_tensors
        out = differences[0].new_zeros(ctx.shape)
        slopes = gradients[0] * (2 / ctx.shape[1])
        for (a, b), d, slope in zip(_neighbours(out, *ctx.window), differences, slopes.unbind(1), strict=True):
            step = d * slope[:, None, None, None]
            a -= step
            b += step
        return out, None, None


def _neighbours(x: Tensor, h: int, w: int) -> list[tuple[Tensor, Tensor]]:
    """Views of each position and of its right, lower, lower right and lower left neighbour, where both exist."""
    inner = min(w, x.shape[-1] - 1)
    top = x[..., : min(h, x.shape[-2] - 1), :]
    low = x[..., 1 : h + 1, :]
    return [
        (x[..., :h, :inner], x[..., :h, 1 : inner + 1]),
        (top[..., :w], low[..., :w]),
        (top[..., :inner], low[..., 1 : inner + 1]),
        (top[..., 1 : inner + 1], low[..., :inner]),
    ]
