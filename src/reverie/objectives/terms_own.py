"""Custom terms, written in place: what to measure at each position, and what its mean is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch.nn.functional as F
from torch import Tensor

from reverie.errors import RecipeError
from reverie.objectives.algebra import Binding, Term
from reverie.objectives.inputs import Mask, mask, region
from reverie.objectives.places import Region, Size, Window
from reverie.objectives.statistics import Measure, Statistic, full, share

if TYPE_CHECKING:
    from reverie.networks import Network

Local = Callable[[Tensor], Tensor]  # (B, C, h + reach, w + reach) -> (B, K, h, w)
Worth = Callable[[Tensor], Tensor]  # (B, K) -> (B,) or a scalar


def term(
    name: str,
    layer: str,
    measure: Local,
    value: Worth,
    *,
    linear: bool = False,
    reach: int = 0,
    where: Tensor | None = None,
) -> Term:
    """Make a term from two functions: what is measured at each position of a layer, and what its mean is worth.

    Means over positions add up, so the term is the same in tiles as in the whole picture.

    Args:
        name: what its losses are reported under.
        layer: a layer of the network, or PICTURE.
        measure: from features (B, C, h + reach, w + reach) to numbers (B, K, h, w) at each position: it may look at
            `reach` positions to the right and below, the last of which repeat at the picture's edge, and at no others.
        value: from the means of those numbers (B, K) to the term's natural value, (B,) or a scalar.
        linear: whether the value is linear in the means, which saves a pass over tiles.
        reach: see `measure`.
        where: a soft mask (1, 1, H, W) of the region whose mean is taken.
    Raises:
        RecipeError: a negative reach; when measured, fewer numbers than positions.
    Example:
        red = torch.tensor([0.8, 0.1, 0.1])
        rv.term("redness", rv.objectives.PICTURE, lambda x: x, lambda mean: (mean - red.to(mean)).pow(2).sum(1))
    """
    if reach < 0:
        raise RecipeError(f"a term's reach is 0 or more positions; got {reach}.")
    return Own(name, layer, measure, value, linear, reach, mask(where))


@dataclass(frozen=True, eq=False)
class LocalMeans(Statistic):
    """Means over positions of what a function finds at each: (B, K)."""

    layer: str
    local: Local
    reach: int = 0
    region: Region | None = None

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        h, w = window.height, window.width
        right, below = w + self.reach - features.shape[-1], h + self.reach - features.shape[-2]
        if 0 in (h, w):  # a tile may own no position of a deep layer; its share still has a shape
            one = features.new_zeros(*features.shape[:2], 1 + self.reach, 1 + self.reach)
            return full(self.local(one)).sum((2, 3)) * 0
        around = F.pad(features, (0, right, 0, below), mode="replicate") if right or below else features
        found = self.local(around)
        if found.dim() != 4 or found.shape[-2] < h or found.shape[-1] < w:
            raise RecipeError(
                f"a term measures numbers (B, K, {h}, {w}), one for each position; got {tuple(found.shape)}."
            )
        return share(full(found[..., :h, :w]), window, self.region)


@dataclass(frozen=True, eq=False)
class Own(Term):
    name: str
    layer: str
    local: Local
    worth: Worth
    plain: bool
    reach: int
    where: Mask | None

    @property
    def linear(self) -> bool:  # type: ignore[override]  # each says it for itself
        return self.plain

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        statistic = LocalMeans(self.layer, self.local, self.reach, region(self.where, network, self.layer, size))

        def value(measured: Mapping[Statistic, Tensor]) -> Tensor:
            worth = self.worth(measured[statistic])
            return worth.mean() if worth.dim() < 2 else worth

        return (statistic,), value

    def __str__(self) -> str:
        return f"{self.name.replace(' ', '_')}({self.layer})"
