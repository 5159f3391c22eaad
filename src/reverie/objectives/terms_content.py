"""The terms that keep a picture's content: what lies where, or how the places relate to each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

import torch.nn.functional as F
from torch import Tensor

from reverie.errors import RecipeError
from reverie.objectives.algebra import Binding, Term
from reverie.objectives.inputs import Mask, mask, picture, region
from reverie.objectives.places import Region, Size, map_of
from reverie.objectives.statistics import (
    MeanSquares,
    Measure,
    ReferenceSquares,
    Samples,
    SquaredError,
    Statistic,
    spread,
)
from reverie.pictures import scaled

if TYPE_CHECKING:
    from reverie.networks import Network


def content(layer: str, *, like: Tensor | str, where: Tensor | None = None) -> Term:
    """Distance of the features of one layer from those of a picture, position by position.

    Mean squared difference over the mean square of the picture's own features: 0 is the same, 1 is nothing in common.

    Args:
        layer: a layer of the network, e.g. "relu4_2".
        like: (1, 3, H, W) sRGB in [0, 1]; resized to each stage. Or a name, e.g. "photo": where a network is fitted
            to batches it stands for each batch's own pictures, and is looked up in the executor at every evaluation.
        where: a soft mask (1, 1, H, W) of the region to keep; the mean is over it. Times the mask's own mean it is a
            map of strengths.
    Source: Gatys, Ecker & Bethge (2016), eq. 1. We differ: divided by the target's mean square, so that one weight
        suits every network and size.
    """
    return Content(layer, like if isinstance(like, str) else picture(like), mask(where))


def self_similarity(layer: str, *, like: Tensor, samples: int = 256, where: Tensor | None = None) -> Term:
    """Distance between the self-similarities of two pictures: keeps the layout, leaves the look free.

    Cosine distances between the features at some fixed positions, each row divided by its sum; half the sum of
    absolute differences of two rows, averaged: 0 is the same, 1 is nothing in common.

    Args:
        layer: a layer of the network, e.g. "relu4_2".
        like: (1, 3, H, W) sRGB in [0, 1]; resized to each stage.
        samples: positions that are compared, spread evenly; cost grows with their square.
        where: a soft mask (1, 1, H, W); the positions lie in its core.
    Raises:
        RecipeError: fewer than 2 samples.
    Source: Kolkin, Salavon & Shakhnarovich (2019), "STROTSS", eq. 7. We differ: the positions are fixed.
    """
    if samples < 2:
        raise RecipeError(f"self_similarity compares 2 positions or more; got {samples}.")
    return SelfSimilarity(layer, picture(like), samples, mask(where))


@dataclass(frozen=True, eq=False)
class Content(Term):
    layer: str
    like: Tensor | str
    where: Mask | None
    name: str = field(default="content", init=False)

    @property
    def linear(self) -> bool:  # type: ignore[override]  # of a named picture the scale is a statistic, too
        return not isinstance(self.like, str)

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        within = region(self.where, network, self.layer, size)
        if isinstance(self.like, str):
            return self._relative(SquaredError(self.layer, None, within, self.like), within, self.like)
        reference = scaled(self.like, size)
        (squares,) = measure(reference, (MeanSquares(self.layer, within),))
        scale = squares.mean(1).clamp_min(1e-12)
        statistic = SquaredError(self.layer, reference, within)
        return (statistic,), lambda m: (m[statistic] / scale).mean()

    def _relative(self, error: SquaredError, within: Region | None, name: str) -> Binding:
        """Do the same if the picture is only known once the statistics are measured."""
        size = ReferenceSquares(self.layer, name, within)
        return (error, size), lambda m: (m[error] / m[size].mean(1).clamp_min(1e-12)).mean()

    def __str__(self) -> str:
        return f"content({self.layer})"


@dataclass(frozen=True, eq=False)
class SelfSimilarity(Term):
    layer: str
    like: Tensor
    samples: int
    where: Mask | None
    name: str = field(default="self-similarity", init=False)
    linear: ClassVar[bool] = False

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        extent = map_of(network, self.layer, size)
        within = region(self.where, network, self.layer, size)
        statistic = Samples(self.layer, *spread(extent, self.samples, within))
        target = _dissimilarities(measure(scaled(self.like, size), (statistic,))[0])

        def value(measured: Mapping[Statistic, Tensor]) -> Tensor:
            return (_dissimilarities(measured[statistic]) - target).abs().sum(2).mean() / 2

        return (statistic,), value

    def __str__(self) -> str:
        return f"self_similarity({self.layer})"


def _dissimilarities(features: Tensor) -> Tensor:
    """Cosine distances between all pairs (B, P, C) -> (B, P, P), each row summing to 1."""
    directions = F.normalize(features, dim=2, eps=1e-8)
    distances = (1 - directions @ directions.mT).clamp_min(0)
    return distances / distances.sum(2, keepdim=True).clamp_min(1e-8)
