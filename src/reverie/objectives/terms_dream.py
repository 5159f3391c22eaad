"""The terms of dreams: what a picture should hold more of. A minus sign at the call site asks for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor

from reverie.errors import LayerNotFound, RecipeError
from reverie.networks import find_class
from reverie.objectives.algebra import Binding, Term
from reverie.objectives.inputs import Mask, channel_of, mask, picture, region
from reverie.objectives.inputs import pictures as many
from reverie.objectives.matching import BestMatches, Projections
from reverie.objectives.places import Size, map_of
from reverie.objectives.statistics import At, Means, MeanSquares, Measure, Samples, Statistic, full, spread
from reverie.pictures import fit, scaled, size_of

if TYPE_CHECKING:
    from reverie.networks import Network

EXAMPLE = 512  # pixels, the longer side of pictures that show what to dream of


def energy(layers: str | Sequence[str], *, power: Literal[1, 2] = 1, where: Tensor | None = None) -> Term:
    """Mean activation of whole layers (or mean square): minus it is the DeepDream.

    Args:
        layers: layers of the network, each given the same weight.
        power: 1 for the mean, 2 for the mean square.
        where: a soft mask (1, 1, H, W) of the region to dream in; the mean is over it. Times the mask's own mean it
            is a map of strengths.
    Source: Mordvintsev, Olah & Tyka (2015) use the square; the plain mean brings out more structures at once.
    """
    names = (layers,) if isinstance(layers, str) else tuple(layers)
    if not names:
        raise RecipeError("energy needs at least one layer; got none.")
    if power not in (1, 2):
        raise RecipeError(f"the power of an energy is 1 or 2; got {power}.")
    return Energy(names, power, mask(where))


def channel(layer: str, index: int, *, where: Tensor | None = None) -> Term:
    """Mean activation of one channel, or of it in a region. Source: Olah, Mordvintsev & Schubert (2017)."""
    return Channel(layer, index, mask(where))


def neuron(layer: str, index: int, *, at: tuple[int, int] | tuple[float, float] = (0.5, 0.5)) -> Term:
    """Activation of one channel at one position of the layer's map; the centre by default.

    Args:
        at: (row, column) as whole numbers, or as shares of the map's height and width in [0, 1).
    """
    return Neuron(layer, index, at)


def direction(layer: str, vector: Tensor, *, power: float = 2.0, where: Tensor | None = None) -> Term:
    """Activation along a direction (C,) of the layer: dot product times cosine^power, averaged over positions.

    Args:
        vector: (C,), of any length but 0.
        power: of the cosine; 0 is the plain dot product.
        where: a soft mask (1, 1, H, W) of the region to average over.
    Source: Olah et al. (2017); the cosine keeps large, unrelated activations out (Carter et al. 2019).
    """
    if vector.dim() != 1:
        raise RecipeError(f"a direction is a vector (C,); got shape {tuple(vector.shape)}.")
    if not 0 < float(vector.detach().norm()) < math.inf:
        raise RecipeError("a direction is finite and not all zeros.")
    return Direction(layer, vector.detach(), power, mask(where))


def logit(name: str | int, *, against: float = 0.0, where: Tensor | None = None) -> Term:
    """The score of a class, minus `against` times the log-sum-exp of all classes.

    Args:
        name: the class's name, part of it, or its index.
        against: 0 is the bare logit, 1 the log probability.
        where: a soft mask (1, 1, H, W): the scores are averaged over this region.
    """
    return Logit(name, against, mask(where))


def guide(layer: str, *, like: Tensor, vectors: int = 2048, where: Tensor | None = None) -> Term:
    """Mean best dot product of each position with any feature of a guide picture: dream of *that*.

    Args:
        like: (1, 3, H, W) in [0, 1], used at its own size.
        vectors: the guide's features are thinned evenly to at most this many, which bounds memory.
        where: a soft mask (1, 1, H, W) of the region to dream in.
    Source: Mordvintsev, Olah & Tyka (2015), "Controlling dreams".
    """
    if vectors < 1:
        raise RecipeError(f"a guide keeps at least 1 vector; got {vectors}.")
    return Guide(layer, picture(like), vectors, mask(where))


def likeness(
    layers: str | Sequence[str],
    *,
    like: Tensor | Sequence[Tensor],
    unlike: Tensor | Sequence[Tensor] = (),
    power: float = 2.0,
    where: Tensor | None = None,
) -> Term:
    """Likeness to what some pictures share: 1 is as much as they have themselves.

    Minus it dreams of them; plus it avoids them.

    Args:
        layers: layers of the network, each given the same weight.
        like: one or several pictures (1, 3, H, W) in [0, 1], any sizes.
        unlike: pictures whose common features do not count: what is left is what tells the others from them.
        power: of the cosine, as in `direction`.
        where: a soft mask (1, 1, H, W) of the region to average over.
    Raises:
        RecipeError: no layer, or no picture.
    Example:
        -rv.likeness(network.dream_layers, like=[rose, tulip]) + 0.5 * rv.likeness("relu5_3", like=dogs, unlike=cats)
    """
    names = (layers,) if isinstance(layers, str) else tuple(layers)
    if not names:
        raise RecipeError("likeness needs at least one layer; got none.")
    others = (unlike,) if isinstance(unlike, Tensor) else tuple(unlike)
    pictures = many(like, "likeness")
    return Likeness(names, pictures, tuple(picture(x) for x in others), power, mask(where))


def shared_features(
    network: Network, layer: str, *, like: Tensor | Sequence[Tensor], unlike: Tensor | Sequence[Tensor] = ()
) -> Tensor:
    """Return the direction of a layer's features that some pictures share: (C,), for `direction`.

    Their mean features, less what lies along the mean features of the pictures it should not be like.

    Args:
        network: whose features they are.
        layer: one of its layers.
        like: one or several pictures (1, 3, H, W) in [0, 1]; larger than 512 px they are shrunk.
        unlike: pictures to be told from; none by default.
    Raises:
        RecipeError: no picture, or no difference between the two kinds.
    Example:
        -rv.direction("relu5_2", rv.shared_features(network, "relu5_2", like=[rose, tulip]))
    Source: differences of means as directions, Kim et al. (2018), "TCAV". We differ: the part at right angles to the
        other mean, which is the same however strong either is.
    """
    shared = _mean_features(network, layer, many(like, "shared_features"))
    others = (unlike,) if isinstance(unlike, Tensor) else tuple(unlike)
    if not others:
        return shared
    common = _mean_features(network, layer, many(others, "shared_features"))
    left = shared - common * (shared @ common) / common.pow(2).sum().clamp_min(1e-12)
    if float(left.norm()) <= 1e-4 * float(shared.norm()):
        raise RecipeError(f"the pictures to be like and unlike have the same features at {layer}; give others.")
    return left


def _mean_features(network: Network, layer: str, pictures: Sequence[Tensor]) -> Tensor:
    """Average the mean features of pictures: (C,)."""
    with torch.no_grad():
        maps = [network(_small(x), (layer,))[layer] for x in pictures]
    return torch.stack([full(x).mean((0, 2, 3)) for x in maps]).mean(0)


def _small(x: Tensor) -> Tensor:
    return scaled(x, fit(size_of(x), longer=min(EXAMPLE, max(size_of(x)))))


# --- the terms -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Energy(Term):
    layers: tuple[str, ...]
    power: Literal[1, 2]
    where: Mask | None
    name: str = field(default="energy", init=False)
    linear: ClassVar[bool] = True

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        kind = Means if self.power == 1 else MeanSquares
        statistics = tuple(kind(layer, region(self.where, network, layer, size)) for layer in self.layers)
        return statistics, lambda m: torch.stack([m[s].mean() for s in statistics]).mean()

    def __str__(self) -> str:
        return f"energy({', '.join(self.layers)})"


@dataclass(frozen=True)
class Channel(Term):
    layer: str
    index: int
    where: Mask | None
    name: str = field(default="channel", init=False)
    linear: ClassVar[bool] = True

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        index = channel_of(network, self.layer, self.index)
        statistic = Means(self.layer, region(self.where, network, self.layer, size))
        return (statistic,), lambda m: m[statistic][:, index].mean()

    def __str__(self) -> str:
        return f"channel({self.layer}, {self.index})"


@dataclass(frozen=True)
class Neuron(Term):
    layer: str
    index: int
    at: tuple[int, int] | tuple[float, float]
    name: str = field(default="neuron", init=False)
    linear: ClassVar[bool] = True

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        index, (h, w) = channel_of(network, self.layer, self.index), network.extent(self.layer, size)
        row, column = (int(a * n) if isinstance(a, float) else a for a, n in zip(self.at, (h, w), strict=True))
        if not (0 <= row < h and 0 <= column < w):
            raise RecipeError(f"position ({row}, {column}) is outside the {h}x{w} map of {self.layer} at {size}.")
        statistic = At(self.layer, row, column)
        return (statistic,), lambda m: m[statistic][:, index].mean()

    def __str__(self) -> str:
        return f"neuron({self.layer}, {self.index})"


@dataclass(frozen=True, eq=False)
class Direction(Term):
    layer: str
    vector: Tensor
    power: float
    where: Mask | None
    name: str = field(default="direction", init=False)
    linear: ClassVar[bool] = True

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        if (channels := network.channels(self.layer)) != len(self.vector):
            raise RecipeError(f"{self.layer} has {channels} channels; the direction has {len(self.vector)}.")
        vector = self.vector.to(network.device)
        statistic = Projections(self.layer, vector, self.power, region(self.where, network, self.layer, size))
        return (statistic,), lambda m: m[statistic].mean()

    def __str__(self) -> str:
        return f"direction({self.layer})"


@dataclass(frozen=True)
class Logit(Term):
    target: str | int
    against: float
    where: Mask | None
    name: str = field(default="logit", init=False)
    linear: ClassVar[bool] = False

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        if network.class_layer is None:
            raise LayerNotFound(f"{network.name} has no classes; dreamnet, googlenet or resnet50 have.")
        index = find_class(network, str(self.target))
        statistic = Means(network.class_layer, region(self.where, network, network.class_layer, size))

        def value(measured: Mapping[Statistic, Tensor]) -> Tensor:
            logits = measured[statistic]
            return (logits[:, index] - self.against * logits.logsumexp(1)).mean()

        return (statistic,), value

    def __str__(self) -> str:
        return f"logit({self.target!r})"


@dataclass(frozen=True, eq=False)
class Guide(Term):
    layer: str
    like: Tensor
    vectors: int
    where: Mask | None
    name: str = field(default="guide", init=False)
    linear: ClassVar[bool] = True

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        places = spread(map_of(network, self.layer, size_of(self.like)), self.vectors)
        (features,) = measure(self.like, (Samples(self.layer, *places),))
        statistic = BestMatches(self.layer, features[0], region(self.where, network, self.layer, size))
        return (statistic,), lambda m: m[statistic].mean()

    def __str__(self) -> str:
        return f"guide({self.layer})"


@dataclass(frozen=True, eq=False)
class Likeness(Term):
    layers: tuple[str, ...]
    pictures: tuple[Tensor, ...]
    others: tuple[Tensor, ...]
    power: float
    where: Mask | None
    name: str = field(default="likeness", init=False)
    linear: ClassVar[bool] = True

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        vectors = [shared_features(network, x, like=self.pictures, unlike=self.others) for x in self.layers]
        alone = tuple(Projections(x, v, self.power) for x, v in zip(self.layers, vectors, strict=True))
        own = [torch.stack(measure(_small(x), alone)).mean(1) for x in self.pictures]
        scales = torch.stack(own).mean(0).clamp_min(1e-12)
        within = [region(self.where, network, x, size) for x in self.layers]
        statistics = tuple(replace(s, region=r) for s, r in zip(alone, within, strict=True))
        return statistics, lambda m: (torch.stack([m[s].mean() for s in statistics]) / scales).mean()

    def __str__(self) -> str:
        return f"likeness({', '.join(self.layers)})"
