"""Presence of some classes anywhere in a picture: what a dream can be told to avoid."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch
from torch import Tensor

from reverie.errors import LayerNotFound, RecipeError
from reverie.networks import find_classes
from reverie.objectives.algebra import Binding, Term
from reverie.objectives.inputs import Mask, mask, region
from reverie.objectives.places import Region, Size, Window
from reverie.objectives.statistics import Measure, Statistic, full, share

if TYPE_CHECKING:
    from reverie.networks import Network


def presence(names: str | int | Sequence[str | int], *, where: Tensor | None = None) -> Term:
    """Presence of some classes in a picture: minus the log probability that a position shows none, averaged.

    Unlike a logit it is near 0 where nothing of the kind is to be seen, and so is its gradient: `+ presence("dogs")`
    takes dogs away where they begin to show, and `-presence("dogs")` makes more of them there; the rest is left alone.

    Args:
        names: classes, by name or index, or kinds of them such as "dogs" or "birds".
        where: a soft mask (1, 1, H, W) of the region to look at.
    Raises:
        RecipeError: no class.
    """
    several = (names,) if isinstance(names, str | int) else tuple(names)
    if not several:
        raise RecipeError("presence needs at least one class; got none.")
    return Presence(tuple(map(str, several)), mask(where))


@dataclass(frozen=True, eq=False)
class Absences(Statistic):
    """Mean over positions of -log(1 - p), p the probability of the chosen channels under a softmax: (B,)."""

    layer: str
    chosen: Tensor
    region: Region | None = None

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        scores = full(features)
        others = scores.index_fill(1, self.chosen.to(scores.device), -torch.inf)
        surprise = scores.logsumexp(1, keepdim=True) - others.logsumexp(1, keepdim=True)
        return share(surprise, window, self.region)[:, 0]


@dataclass(frozen=True, eq=False)
class Presence(Term):
    names: tuple[str, ...]
    where: Mask | None
    name: str = field(default="presence", init=False)
    linear: ClassVar[bool] = True

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        if network.class_layer is None:
            raise LayerNotFound(f"{network.name} has no classes; dreamnet, googlenet or resnet50 have.")
        chosen = sorted({index for name in self.names for index in find_classes(network, name)})
        if len(chosen) == network.channels(network.class_layer):
            raise RecipeError(f"presence needs a class left that is none of {', '.join(self.names)}.")
        where = region(self.where, network, network.class_layer, size)
        statistic = Absences(network.class_layer, torch.tensor(chosen, device=network.device), where)
        return (statistic,), lambda m: m[statistic].mean()

    def __str__(self) -> str:
        return f"presence({', '.join(self.names)})"
