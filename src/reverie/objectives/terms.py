"""The terms: what a picture can be asked to have. Each returns its natural value; signs and weights stand outside."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
from torch import Tensor

from reverie.errors import LayerNotFound, PictureError, RecipeError
from reverie.networks import find_class
from reverie.objectives.algebra import Term, Value
from reverie.objectives.distances import Distance, mse, relative, wasserstein2
from reverie.objectives.statistics import (
    PICTURE,
    At,
    BestMatches,
    Means,
    MeanSquares,
    Measure,
    Moments,
    Projections,
    Roughness,
    SquaredError,
    Statistic,
)
from reverie.pictures import resize, scaled

if TYPE_CHECKING:
    from reverie.networks import Network

Size = tuple[int, int]
Binding = tuple[tuple[Statistic, ...], Value]


def content(layer: str, *, like: Tensor) -> Term:
    """How far the features of one layer are from those of a picture, place by place.

    Mean squared difference over the mean square of the picture's own features: 0 is the same, 1 is nothing in common.

    Args:
        layer: a layer of the network, e.g. "relu4_2".
        like: (1, 3, H, W) sRGB in [0, 1]; resized to each stage.
    Source: Gatys, Ecker & Bethge (2016), eq. 1. We differ: divided by the target's mean square, so that one weight
        suits every network and size.
    """
    return Content(layer, _picture(like))


def style(
    layers: str | Sequence[str] | Mapping[str, float],
    *,
    like: Tensor | Sequence[tuple[Tensor, float]],
    statistic: Literal["moments", "gram"] = "moments",
    distance: Distance | None = None,
    stroke: float = 1.0,
) -> Term:
    """How far the statistics of some layers are from those of a painting, wherever things are.

    Args:
        layers: layers of the network, or a mapping to their weights (made to sum to 1).
        like: a painting (1, 3, H, W) in [0, 1], or several with weights (made to sum to 1).
        statistic: "moments" (means and second moments) or "gram" (second moments alone).
        distance: between the statistics; by default relative Wasserstein-2 of moments, relative mean square of Grams.
        stroke: size of the strokes: the painting is scaled to cover `stroke` times the picture's width, never
            enlarged beyond its own size.
    Raises:
        RecipeError: no layer, no painting, or weights that sum to nothing.
    Source: Gatys, Ecker & Bethge (2016), eq. 5; several paintings by mixing their moments.
    """
    paintings = [(like, 1.0)] if isinstance(like, Tensor) else list(like)
    layers = (layers,) if isinstance(layers, str) else layers
    weights = dict(layers) if isinstance(layers, Mapping) else dict.fromkeys(layers, 1.0)
    if not 0 < stroke < math.inf:
        raise RecipeError(f"stroke must be above 0; got {stroke}.")
    if statistic not in ("moments", "gram"):
        raise RecipeError(f"statistic is moments or gram; got '{statistic}'.")
    shares = _shares([w for _, w in paintings], "painting")
    return Style(
        tuple(zip(weights, _shares(list(weights.values()), "style layer"), strict=True)),
        tuple((_picture(p), w) for (p, _), w in zip(paintings, shares, strict=True)),
        statistic,
        distance or relative(wasserstein2 if statistic == "moments" else mse),
        stroke,
    )


def total_variation() -> Term:
    """Roughness of the picture: mean squared differences to the eight neighbours.

    Source: K. Crowson's nine-point stencil (2021), 2 * (dh/3 + dv/3 + diagonals/12).
    """
    return TotalVariation()


def energy(layers: str | Sequence[str], *, power: Literal[1, 2] = 1) -> Term:
    """Mean activation of whole layers (or mean square): minus it is the DeepDream.

    Source: Mordvintsev, Olah & Tyka (2015) use the square; the plain mean brings out more structures at once.
    """
    names = (layers,) if isinstance(layers, str) else tuple(layers)
    if not names:
        raise RecipeError("energy needs at least one layer; got none.")
    if power not in (1, 2):
        raise RecipeError(f"the power of an energy is 1 or 2; got {power}.")
    return Energy(names, power)


def channel(layer: str, index: int) -> Term:
    """Mean activation of one channel. Source: Olah, Mordvintsev & Schubert (2017)."""
    return Channel(layer, index)


def neuron(layer: str, index: int, *, at: tuple[int, int] | None = None) -> Term:
    """Activation of one channel at one position (row, column) of the layer's map; the centre by default."""
    return Neuron(layer, index, at)


def direction(layer: str, vector: Tensor, *, power: float = 2.0) -> Term:
    """How much of a direction (C,) the layer holds: dot product times cosine^power, averaged over positions.

    Source: Olah et al. (2017); the cosine keeps large, unrelated activations out (Carter et al. 2019).
    """
    if vector.dim() != 1:
        raise RecipeError(f"a direction is a vector (C,); got shape {tuple(vector.shape)}.")
    if not 0 < float(vector.detach().norm()) < math.inf:
        raise RecipeError("a direction is finite and not all zeros.")
    return Direction(layer, vector.detach(), power)


def logit(name: str | int, *, against: float = 0.0) -> Term:
    """The score of a class, minus `against` times the log-sum-exp of all classes.

    Args:
        name: the class's name, part of it, or its index.
        against: 0 is the bare logit, 1 the log probability.
    """
    return Logit(name, against)


def guide(layer: str, *, like: Tensor, vectors: int = 2048) -> Term:
    """Mean best dot product of each position with any feature of a guide picture: dream of *that*.

    Args:
        like: (1, 3, H, W) in [0, 1], used at its own size.
        vectors: the guide's features are thinned evenly to at most this many, which bounds memory.
    Source: Mordvintsev, Olah & Tyka (2015), "Controlling dreams".
    """
    if vectors < 1:
        raise RecipeError(f"a guide keeps at least 1 vector; got {vectors}.")
    return Guide(layer, _picture(like), vectors)


# --- the terms -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Content(Term):
    layer: str
    like: Tensor
    name: str = field(default="content", init=False)

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        reference = scaled(self.like, size)
        (squares,) = measure(reference, (MeanSquares(self.layer),))
        scale = squares.mean(1).clamp_min(1e-12)
        statistic = SquaredError(self.layer, reference)
        return (statistic,), lambda m: (m[statistic] / scale).mean()

    def __str__(self) -> str:
        return f"content({self.layer})"


@dataclass(frozen=True, eq=False)
class Style(Term):
    layers: tuple[tuple[str, float], ...]
    paintings: tuple[tuple[Tensor, float], ...]
    statistic: Literal["moments", "gram"]
    distance: Distance
    stroke: float
    name: str = field(default="style", init=False)
    linear: ClassVar[bool] = False

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        statistics = tuple(Moments(layer) for layer, _ in self.layers)
        totals: list[Tensor] = []
        for painting, weight in self.paintings:
            moments = measure(self._scaled(painting, size), statistics)
            parts = [weight * m for m in moments]
            totals = [t + p for t, p in zip(totals, parts, strict=True)] if totals else parts
        distances = [self.distance(self._read(t)) for t in totals]
        shares = [w for _, w in self.layers]

        def value(measured: Mapping[Statistic, Tensor]) -> Tensor:
            each = zip(shares, distances, statistics, strict=True)
            return torch.stack([w * to(self._read(measured[s])).mean() for w, to, s in each]).sum()

        return statistics, value

    def _read(self, moments: Tensor) -> Tensor:
        return moments[:, :-1] if self.statistic == "gram" else moments

    def _scaled(self, painting: Tensor, size: Size) -> Tensor:
        """The painting at the picture's scale (same area), times the stroke, never enlarged."""
        h, w = painting.shape[-2:]
        factor = min(1.0, self.stroke * (size[0] * size[1] / (h * w)) ** 0.5)
        return resize(painting, (max(32, round(h * factor)), max(32, round(w * factor)))).clamp(0, 1)

    def __str__(self) -> str:
        return f"style({', '.join(layer for layer, _ in self.layers)})"


@dataclass(frozen=True)
class TotalVariation(Term):
    name: str = field(default="total variation", init=False)

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
class Energy(Term):
    layers: tuple[str, ...]
    power: Literal[1, 2]
    name: str = field(default="energy", init=False)

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        kind = Means if self.power == 1 else MeanSquares
        statistics = tuple(kind(layer) for layer in self.layers)
        return statistics, lambda m: torch.stack([m[s].mean() for s in statistics]).mean()

    def __str__(self) -> str:
        return f"energy({', '.join(self.layers)})"


@dataclass(frozen=True)
class Channel(Term):
    layer: str
    index: int
    name: str = field(default="channel", init=False)

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        index, statistic = _channel(network, self.layer, self.index), Means(self.layer)
        return (statistic,), lambda m: m[statistic][:, index].mean()

    def __str__(self) -> str:
        return f"channel({self.layer}, {self.index})"


@dataclass(frozen=True)
class Neuron(Term):
    layer: str
    index: int
    at: tuple[int, int] | None
    name: str = field(default="neuron", init=False)

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        index, (h, w) = _channel(network, self.layer, self.index), network.extent(self.layer, size)
        row, column = self.at or (h // 2, w // 2)
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
    name: str = field(default="direction", init=False)

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        if (channels := network.channels(self.layer)) != len(self.vector):
            raise RecipeError(f"{self.layer} has {channels} channels; the direction has {len(self.vector)}.")
        statistic = Projections(self.layer, self.vector, self.power)
        return (statistic,), lambda m: m[statistic].mean()

    def __str__(self) -> str:
        return f"direction({self.layer})"


@dataclass(frozen=True)
class Logit(Term):
    target: str | int
    against: float
    name: str = field(default="logit", init=False)
    linear: ClassVar[bool] = False

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        if network.class_layer is None:
            raise LayerNotFound(f"{network.name} has no classes; dreamnet, googlenet or resnet50 have.")
        index, statistic = find_class(network, str(self.target)), Means(network.class_layer)

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
    name: str = field(default="guide", init=False)

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        with torch.no_grad():
            features = network(self.like, (self.layer,))[self.layer][0].flatten(1).T
        every = -(-len(features) // self.vectors)
        statistic = BestMatches(self.layer, features[::every].contiguous())
        return (statistic,), lambda m: m[statistic].mean()

    def __str__(self) -> str:
        return f"guide({self.layer})"


# --- what the user may pass ----------------------------------------------------------------------


def _picture(x: Tensor) -> Tensor:
    if x.dim() != 4 or x.shape[1] != 3 or 0 in x.shape:
        raise PictureError(f"a picture is (1, 3, H, W) in [0, 1]; got {tuple(x.shape)}. read_image() makes one.")
    return x.detach()


def _shares(weights: list[float], what: str) -> list[float]:
    if not weights:
        raise RecipeError(f"style needs at least one {what}; got none.")
    total = sum(weights)
    if not 0 < total < math.inf or any(w < 0 for w in weights):
        raise RecipeError(f"{what} weights are 0 or more and sum to more than 0; got {weights}.")
    return [w / total for w in weights]


def _channel(network: Network, layer: str, index: int) -> int:
    channels = network.channels(layer)
    if not 0 <= index < channels:
        raise LayerNotFound(f"{layer} of {network.name} has channels 0 to {channels - 1}; got {index}.")
    return index
