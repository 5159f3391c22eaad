"""Roughness of a picture: the statistic and its term, total variation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor

from reverie.objectives.algebra import Binding, Term
from reverie.objectives.places import PICTURE, Size, Window
from reverie.objectives.statistics import Measure, Statistic

if TYPE_CHECKING:
    from reverie.networks import Network


def total_variation() -> Term:
    """Roughness of the picture: mean squared differences to the eight neighbours.

    Source: K. Crowson's nine-point stencil (2021), 2 * (dh/3 + dv/3 + diagonals/12).
    """
    return TotalVariation()


@dataclass(frozen=True)
class TotalVariation(Term):
    name: str = field(default="total variation", init=False)
    linear: ClassVar[bool] = True

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        statistic = Roughness(PICTURE)

        def value(measured: Mapping[Statistic, Tensor]) -> Tensor:
            right, down, falling, rising = measured[statistic].mean(0)
            roughness: Tensor = 2 * ((right + down) / 3 + (falling + rising) / 12)
            return roughness

        return (statistic,), value

    def __str__(self) -> str:
        return "total_variation()"


@dataclass(frozen=True)
class Roughness(Statistic):
    """Mean squared differences to the right, lower, lower right and lower left neighbour: (B, 4)."""

    layer: str = PICTURE
    reach: int = 1

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        return _Differences.apply(features, window.height, window.width)[0] / window.positions  # type: ignore[no-any-return, no-untyped-call]


class _Differences(torch.autograd.Function):
    """Sums of squared differences to four neighbours, (B, 4), of the first height x width positions."""

    @staticmethod
    def forward(x: Tensor, height: int, width: int) -> tuple[Tensor, ...]:
        differences = [b - a for a, b in _neighbours(x, height, width)]
        return torch.stack([d.flatten(1).pow(2).sum(1) for d in differences], 1) / x.shape[1], *differences

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, ...]) -> None:
        ctx.mark_non_differentiable(*output[1:])
        ctx.set_materialize_grads(False)
        ctx.save_for_backward(*output[1:])
        ctx.shape, ctx.window = inputs[0].shape, inputs[1:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor | None) -> tuple[Tensor | None, None, None]:
        differences = ctx.saved_tensors
        if gradients[0] is None:
            return None, None, None
        out = differences[0].new_zeros(ctx.shape)
        slopes = gradients[0] * (2 / ctx.shape[1])
        for (a, b), d, slope in zip(_neighbours(out, *ctx.window), differences, slopes.unbind(1), strict=True):
            step = d * slope[:, None, None, None]
            a -= step
            b += step
        return out, None, None


def _neighbours(x: Tensor, h: int, w: int) -> list[tuple[Tensor, Tensor]]:
    """Yield views of each position and of its right, lower, lower right and lower left neighbour, where both exist."""
    inner = min(w, x.shape[-1] - 1)
    top = x[..., : min(h, x.shape[-2] - 1), :]
    low = x[..., 1 : h + 1, :]
    return [
        (x[..., :h, :inner], x[..., :h, 1 : inner + 1]),
        (top[..., :w], low[..., :w]),
        (top[..., :inner], low[..., 1 : inner + 1]),
        (top[..., 1 : inner + 1], low[..., :inner]),
    ]
