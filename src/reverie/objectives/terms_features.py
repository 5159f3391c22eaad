"""Two terms of feature visualisation that compare: with a picture's own features, or with each other's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch.nn.functional as F
from torch import Tensor

from reverie.errors import RecipeError
from reverie.objectives.algebra import Binding, Term
from reverie.objectives.inputs import Mask, mask, picture, region
from reverie.objectives.places import Region, Size, Window
from reverie.objectives.statistics import MeanSquares, Measure, Moments, Statistic, full, share
from reverie.pictures import scaled

if TYPE_CHECKING:
    from reverie.networks import Network


def caricature(layer: str, *, like: Tensor, power: float = 2.0, where: Tensor | None = None) -> Term:
    """Agreement with a picture's own features at each position: minus it exaggerates what a layer sees in it.

    Dot product times cosine^power with the picture's features at the same position, over their mean square: 1 is as
    much as the picture has itself.

    Args:
        layer: a layer of the network.
        like: (1, 3, H, W) sRGB in [0, 1]; resized to each stage.
        power: of the cosine; 0 is the plain dot product.
        where: a soft mask (1, 1, H, W) of the region to average over.
    Source: Carter et al. (2019), "Activation Atlas"; as caricatures, Schubert (2019), lucid.
    Example:
        -rv.caricature("relu4_2", like=photo)
    """
    return Caricature(layer, picture(like), power, mask(where))


def diversity(layer: str) -> Term:
    """Diversity of the pictures of a batch as a layer sees them: 1 less the mean cosine of their Gram matrices.

    0 is all alike. Subtract it, and a batch shows several things that please the rest of the objective.

    Args:
        layer: a layer of the network.
    Raises:
        RecipeError: when measured, a batch of one picture.
    Source: Olah, Mordvintsev & Schubert (2017), "Feature Visualization", the section on diversity.
    Example:
        -rv.channel("relu4_2", 7) - 0.5 * rv.diversity("relu4_2")
    """
    return Diversity(layer)


@dataclass(frozen=True, eq=False)
class Agreement(Statistic):
    """Mean over positions of f.r * max(cos(f, r), 0.1)^power, r the reference's features there: (B,)."""

    layer: str
    reference: Tensor | None
    power: float = 2.0
    region: Region | None = None

    def measure(self, features: Tensor, window: Window, reference: Tensor | None) -> Tensor:
        f = full(features)
        r = f.detach() if reference is None else full(reference.to(features))
        dot = (f * r).sum(1, keepdim=True)
        if self.power:
            lengths = (f.pow(2).sum(1, keepdim=True) * r.pow(2).sum(1, keepdim=True)).add(1e-12).sqrt()
            dot = dot * (dot / lengths).clamp_min(0.1).pow(self.power)
        return share(dot, window, self.region)[:, 0]


@dataclass(frozen=True, eq=False)
class Caricature(Term):
    layer: str
    like: Tensor
    power: float
    where: Mask | None
    name: str = field(default="caricature", init=False)
    linear: ClassVar[bool] = True

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        within, reference = region(self.where, network, self.layer, size), scaled(self.like, size)
        (squares,) = measure(reference, (MeanSquares(self.layer, within),))
        scale = squares.sum(1).clamp_min(1e-12)
        statistic = Agreement(self.layer, reference, self.power, within)
        return (statistic,), lambda m: (m[statistic] / scale).mean()

    def __str__(self) -> str:
        return f"caricature({self.layer})"


@dataclass(frozen=True)
class Diversity(Term):
    layer: str
    name: str = field(default="diversity", init=False)

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        statistic = Moments(self.layer)

        def value(measured: Mapping[Statistic, Tensor]) -> Tensor:
            moments = measured[statistic]
            if (count := len(moments)) < 2:
                raise RecipeError("diversity compares the pictures of a batch; got one: FourierCanvas(size, batch=4).")
            grams = F.normalize(moments[:, :-1].flatten(1), dim=1)
            return 1 - ((grams @ grams.T).sum() - count) / (count * (count - 1))

        return (statistic,), value

    def __str__(self) -> str:
        return f"diversity({self.layer})"
