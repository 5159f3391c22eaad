"""The terms of style: which features occur in a painting, wherever they are, by one statistic or another."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.errors import RecipeError
from reverie.objectives.algebra import Binding, Term
from reverie.objectives.distances import Distance, FromTarget, mse, relative, wasserstein2
from reverie.objectives.inputs import Mask, check_shape, laid_on, mask, picture, region, shares, weighted
from reverie.objectives.matching import NearestCosines
from reverie.objectives.places import Region, Size, map_of
from reverie.objectives.statistics import Measure, Moments, Samples, Statistic, spread
from reverie.objectives.transport import Binning, Histograms, transport
from reverie.pictures import painting_size, resize, size_of

if TYPE_CHECKING:
    from reverie.networks import Network

Layers = str | Sequence[str] | Mapping[str, float]
Paintings = Tensor | Sequence[Tensor] | Sequence[tuple[Tensor, float]]
Parts = Tensor | Sequence[Tensor | None] | None  # masks of the paintings
Kind = Callable[[str, Region | None], Statistic]  # of a layer, in a region of it
RANGED = 4096  # positions of a painting that tell the range of its features


def style(
    layers: Layers,
    *,
    like: Paintings,
    statistic: Literal["moments", "gram"] = "moments",
    distance: Distance | None = None,
    stroke: float = 1.0,
    where: Tensor | None = None,
    of: Parts = None,
) -> Term:
    """Distance of the statistics of some layers from those of a painting, wherever things are.

    Several regions are a sum: `sum([float(m.mean()) * style(layers, like=p, where=m) for m, p in regions], ZERO)`.

    Args:
        layers: layers of the network, or a mapping to their weights (made to sum to 1).
        like: a painting (1, 3, H, W) in [0, 1]; several, which share alike; or several with weights, (painting,
            weight), made to sum to 1.
        statistic: "moments" (means and second moments) or "gram" (second moments alone).
        distance: between the statistics; by default relative Wasserstein-2 of moments, relative mean square of Grams.
        stroke: size of the strokes: the painting is scaled to cover `stroke` times the picture's width, never
            enlarged beyond its own size.
        where: a soft mask (1, 1, H, W) of the region to paint; the statistics are those of the region.
        of: a soft mask (1, 1, h, w) of the part of the painting to take, such as its alpha; of several paintings a
            list, None for all of one.
    Raises:
        RecipeError: no layer, no painting, weights that sum to nothing, or an empty mask.
    Source: Gatys, Ecker & Bethge (2016), eq. 5; several paintings by mixing their moments; regions by Gatys et al.
        (2017), "Controlling perceptual factors".
    """
    if statistic not in ("moments", "gram"):
        raise RecipeError(f"statistic is moments or gram; got '{statistic}'.")
    return Style(weighted(layers, "style"), Source.of(like, stroke, where, of), statistic, distance)


def sliced_wasserstein(
    layers: Layers,
    *,
    like: Paintings,
    directions: int = 64,
    seed: int = 0,
    stroke: float = 1.0,
    where: Tensor | None = None,
    of: Parts = None,
) -> Term:
    """Distance of the whole distribution of some layers' features from a painting's, not of its moments alone.

    Squared Wasserstein-2 distance along some directions, relative to the painting's own distance from nothing.

    Args:
        layers, like, stroke, where, of: as `style` takes them.
        directions: at most so many for each layer, at right angles; half of them lean to where the painting's features
            vary most.
        seed: of the directions.
    Raises:
        RecipeError: as `style`; or no directions.
    Example:
        rv.content("relu4_2", like=photo) + 10 * rv.sliced_wasserstein(network.style_layers, like=painting)
    Source: Heitz et al. (2021), "A sliced Wasserstein loss for neural texture synthesis". We differ: the directions
        are fixed and not all random, and histograms stand for sorting, so that tiles add up.
    """
    if directions < 1:
        raise RecipeError(f"sliced_wasserstein needs 1 direction or more; got {directions}.")
    return Distributions(weighted(layers, "style"), Source.of(like, stroke, where, of), directions, seed)


def histograms(
    layers: Layers,
    *,
    like: Paintings,
    stroke: float = 1.0,
    where: Tensor | None = None,
    of: Parts = None,
) -> Term:
    """Distance of each channel's histogram from a painting's; PICTURE is a layer too, its channels the colours.

    Args:
        layers, like, stroke, where, of: as `style` takes them.
    Raises:
        RecipeError: as `style`.
    Source: Risser, Wilmot & Barnes (2017), "Stable and controllable neural texture synthesis and style transfer using
        histogram losses". We differ: optimal transport instead of a remapping held fixed.
    """
    return Distributions(weighted(layers, "histogram"), Source.of(like, stroke, where, of), None, 0, "histograms")


def nearest_neighbours(
    layers: Layers,
    *,
    like: Paintings,
    vectors: int = 2048,
    stroke: float = 1.0,
    where: Tensor | None = None,
    of: Parts = None,
) -> Term:
    """Distance of each position from the most similar one of a painting: mean cosine distance, 0 to 2.

    Cost grows with positions times vectors: choose layers from a stride of 4 on.

    Args:
        layers, like, stroke, where, of: as `style` takes them; several paintings share the vectors by their weights.
        vectors: the painting's features are thinned evenly to at most this many.
    Raises:
        RecipeError: as `style`; or fewer than 2 vectors.
    Source: Kolkin et al. (2022), "Neural Neighbor Style Transfer".
    """
    if vectors < 2:
        raise RecipeError(f"nearest_neighbours needs 2 vectors or more; got {vectors}.")
    return Neighbours(weighted(layers, "style"), Source.of(like, stroke, where, of), vectors)


# --- what a style is taken from --------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Painting:
    """A painting, its share of the style, and the part of it to take; None is all of it."""

    pixels: Tensor
    share: float
    part: Mask | None

    def at(self, size: Size, stroke: float) -> Painting:
        """Return the painting at a picture's scale (same area), times the stroke, never enlarged."""
        return replace(self, pixels=resize(self.pixels, self.size_at(size, stroke)).clamp(0, 1))

    def size_at(self, size: Size, stroke: float) -> Size:
        """Return the (H, W) it has at that scale."""
        return painting_size(size_of(self.pixels), size[0] * size[1], stroke)

    def region(self, network: Network, layer: str) -> Region | None:
        """Return the part as a region of a layer's map."""
        return laid_on(self.part, network, layer, size_of(self.pixels))


@dataclass(frozen=True, eq=False)
class Source:
    """Paintings, how large their strokes are, and the region of the picture that becomes like them."""

    paintings: tuple[Painting, ...]
    stroke: float
    where: Mask | None

    @staticmethod
    def of(like: Paintings, stroke: float, where: Tensor | None, parts: Parts) -> Source:
        several = list(like) if isinstance(like, list | tuple) else [like]
        many = [each if isinstance(each, tuple) else (each, 1.0) for each in several]
        weights = shares([w for _, w in many], "painting")
        if not 0 < stroke < math.inf:
            raise RecipeError(f"stroke must be above 0; got {stroke}.")
        each = zip((p for p, _ in many), weights, _parts(parts, len(many)), strict=True)
        paintings = tuple(Painting(picture(p), w, mask(part)) for p, w, part in each if w)
        for painting in paintings:
            check_shape(painting.part, size_of(painting.pixels))
        return Source(paintings, stroke, mask(where))

    def scaled(self, size: Size) -> list[Painting]:
        """Return the paintings at the scale of a picture of this size."""
        return [painting.at(size, self.stroke) for painting in self.paintings]

    def largest(self, size: Size) -> int:
        """Count the pixels of the largest painting at a picture's scale."""
        return max(math.prod(each.size_at(size, self.stroke)) for each in self.paintings)


def _parts(parts: Parts, count: int) -> Sequence[Tensor | None]:
    """Return a mask, or None, for each painting."""
    if isinstance(parts, Tensor) and count > 1:
        raise RecipeError(f"a part of a painting is of one painting; got {count}: give a list of parts.")
    each = [parts] * count if parts is None or isinstance(parts, Tensor) else list(parts)
    if len(each) != count:
        raise RecipeError(f"parts are one for each painting, None for all of it; got {len(each)} for {count}.")
    return each


@dataclass(frozen=True, eq=False)
class FromPaintings(Term):
    """A term of a statistic and a distance for each layer, the targets measured on paintings."""

    layers: tuple[tuple[str, float], ...]
    source: Source

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        statistics, distances = self.targets(network, size, measure)
        weights = [w for _, w in self.layers]

        def value(measured: Mapping[Statistic, Tensor]) -> Tensor:
            each = zip(weights, distances, statistics, strict=True)
            return torch.stack([w * to(measured[s]).mean() for w, to, s in each]).sum()

        return statistics, value

    @abstractmethod
    def targets(
        self, network: Network, size: Size, measure: Measure
    ) -> tuple[tuple[Statistic, ...], Sequence[FromTarget]]:
        """Return the statistic of each layer, and its distance to the paintings'."""

    def wanted(self, network: Network, size: Size, kinds: Sequence[Kind]) -> tuple[Statistic, ...]:
        """Return the picture's statistics, one of a kind for each layer, in the region to paint."""
        regions = [region(self.source.where, network, layer, size) for layer, _ in self.layers]
        return self._each(kinds, regions)

    def mixed(self, network: Network, size: Size, measure: Measure, kinds: Sequence[Kind]) -> list[Tensor]:
        """Measure the paintings' statistics, one of a kind for each layer, mixed by their shares."""
        totals: list[Tensor] = []
        for painting in self.source.scaled(size):
            regions = [painting.region(network, layer) for layer, _ in self.layers]
            parts = [painting.share * x for x in measure(painting.pixels, self._each(kinds, regions))]
            totals = [t + p for t, p in zip(totals, parts, strict=True)] if totals else parts
        return totals

    def samples(self, network: Network, size: Size, measure: Measure, count: int) -> list[Tensor]:
        """Sample the paintings' features by layer, (P, C): each its share of `count` positions, spread evenly."""
        found: list[list[Tensor]] = [[] for _ in self.layers]
        for painting in self.source.scaled(size):
            most, extent = max(1, round(painting.share * count)), size_of(painting.pixels)
            places = [
                spread(map_of(network, layer, extent), most, painting.region(network, layer))
                for layer, _ in self.layers
            ]
            wanted = tuple(Samples(layer, *at) for (layer, _), at in zip(self.layers, places, strict=True))
            for kept, features in zip(found, measure(painting.pixels, wanted), strict=True):
                kept.append(features[0])
        return [torch.cat(parts) for parts in found]

    def _each(self, kinds: Sequence[Kind], regions: Sequence[Region | None]) -> tuple[Statistic, ...]:
        each = zip(kinds, self.layers, regions, strict=True)
        return tuple(kind(layer, where) for kind, (layer, _), where in each)

    def __str__(self) -> str:
        return f"{self.name.replace(' ', '_')}({', '.join(layer for layer, _ in self.layers)})"


# --- the terms -----------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Style(FromPaintings):
    statistic: Literal["moments", "gram"]
    distance: Distance | None
    name: str = field(default="style", init=False)
    linear: ClassVar[bool] = False

    def targets(
        self, network: Network, size: Size, measure: Measure
    ) -> tuple[tuple[Statistic, ...], Sequence[FromTarget]]:
        kinds = [Moments] * len(self.layers)
        distance = self.distance or relative(self._usual(network.dtype))
        distances = [self._to(target, distance) for target in self.mixed(network, size, measure, kinds)]
        return self.wanted(network, size, kinds), distances

    def _usual(self, dtype: torch.dtype) -> Distance:
        """Return the distance for features of a precision."""
        return mse if self.statistic == "gram" else partial(wasserstein2, single=dtype.itemsize < 4)

    def _to(self, target: Tensor, distance: Distance) -> FromTarget:
        to = distance(self._read(target))
        return lambda moments: to(self._read(moments))

    def _read(self, moments: Tensor) -> Tensor:
        return moments[:, :-1] if self.statistic == "gram" else moments


@dataclass(frozen=True, eq=False)
class Distributions(FromPaintings):
    directions: int | None
    seed: int
    name: str = "sliced wasserstein"
    linear: ClassVar[bool] = False

    def targets(
        self, network: Network, size: Size, measure: Measure
    ) -> tuple[tuple[Statistic, ...], Sequence[FromTarget]]:
        generator = torch.Generator().manual_seed(self.seed)
        samples = self.samples(network, size, measure, RANGED)
        binnings = [self._binning(x, generator) for x in samples]
        kinds = [_along(binning) for binning in binnings]
        targets = self.mixed(network, size, measure, kinds)
        distances = [transport(binning)(target) for binning, target in zip(binnings, targets, strict=True)]
        return self.wanted(network, size, kinds), distances

    def _binning(self, samples: Tensor, generator: torch.Generator) -> Binning:
        if self.directions is None:
            return Binning.over(samples, None)
        return Binning.over(samples, _directions(samples, self.directions, generator))


@dataclass(frozen=True, eq=False)
class Neighbours(FromPaintings):
    vectors: int
    name: str = field(default="nearest neighbours", init=False)
    linear: ClassVar[bool] = True

    def targets(
        self, network: Network, size: Size, measure: Measure
    ) -> tuple[tuple[Statistic, ...], Sequence[FromTarget]]:
        samples = self.samples(network, size, measure, self.vectors)
        kinds = [_nearest(x) for x in samples]
        return self.wanted(network, size, kinds), [lambda x: x] * len(kinds)


def _along(binning: Binning) -> Kind:
    return lambda layer, region: Histograms(layer, binning, region)


def _nearest(samples: Tensor) -> Kind:
    centre = samples.mean(0)
    vectors = F.normalize(samples - centre, dim=1)
    return lambda layer, region: NearestCosines(layer, vectors, centre, region)


def _directions(samples: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Draw orthogonal directions (C, D), the first half leaning to where the features (P, C) vary most.

    Of many channels random directions alone see little but averages.
    Source: the randomised range finder of Halko, Martinsson & Tropp (2011).
    """
    channels = samples.shape[1]
    drawn = torch.randn(channels, min(most, channels), generator=generator, dtype=torch.float64)
    centred = (samples - samples.mean(0)).cpu().double()  # not every accelerator has float64
    half = (drawn.shape[1] + 1) // 2
    leaning = centred.T @ (centred @ drawn[:, :half])
    drawn[:, :half] = leaning / leaning.norm().clamp_min(1e-12) + 1e-6 * drawn[:, :half]
    across: Tensor = torch.linalg.qr(drawn)[0]
    return across
