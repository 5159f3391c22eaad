"""Style transfer: a photo is repainted until its features' statistics are a painting's.

Source: Gatys, Ecker & Bethge (2016). We differ: Wasserstein-2 between moments instead of Gram matrices, coarse to
fine with Adam and averaged iterates (K. Crowson 2021), each layer relative to the painting's own strength.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType
from typing import Any, Literal, get_args

from pydantic import Field
from torch import Tensor

from reverie.canvas import PixelCanvas
from reverie.engine import Iterate, Stage, Synthesis
from reverie.engine.precision import with_precision
from reverie.errors import PictureError, RecipeError
from reverie.networks import Network, load
from reverie.objectives import (
    PICTURE,
    Objective,
    content,
    histograms,
    nearest_neighbours,
    self_similarity,
    sliced_wasserstein,
    total_variation,
)
from reverie.objectives import style as moments
from reverie.optimisers import LBFGS, Adam, Optimiser
from reverie.pictures import (
    check_colour_mode,
    coloured,
    fit,
    mask_of,
    periodic_part,
    scaled,
    size_of,
)
from reverie.recipes.regions import Part, drawn, found
from reverie.recipes.settings import ColourAmount, Numbers, Quality, Settings, WhoseColours, Words, even
from reverie.recipes.starts import PACES, Start, noise, painted_at_once, scales
from reverie.recipes.upscale import enlargement
from reverie.recipes.wishes import parse_wish

Loss = Literal["wasserstein", "gram", "sliced", "histogram", "neighbours"]
LARGE = 3000  # pixels of the longer side, from which the optimiser's memory is halved


class StyleSettings(Settings):
    """How to paint."""

    weights: Numbers = Field((), description="share of each painting, e.g. 2,1; default: equal")
    size: int = Field(512, ge=16, le=100_000, description="longer side of the result, pixels")
    strength: float = Field(1.0, gt=0, le=100, description="of the style against the photo")
    stroke: float = Field(1.0, gt=0, le=10, description="size of the strokes, 1 as in the painting")
    colour: WhoseColours = "painting"
    colour_amount: ColourAmount = 1.0
    loss: Loss = Field("wasserstein", description=f"how features are compared: {', '.join(get_args(Loss))}")
    structure: bool = Field(False, description="keep what is like what in the photo, not the features themselves")
    layers: Words = Field(
        (),
        description="layers whose statistics are the style, NAME or NAME:WEIGHT; default: the network's own choice",
    )
    start: Start | None = Field(
        None,
        description="begin with what instant paints, the photo, noise, or colours: noise in the paintings' colours;"
        " default: instant, but the photo for regions, structure and seamless results",
    )
    auto_regions: int = Field(
        0, ge=0, le=8, description="paint so many kinds of places like the painting's own, found by themselves"
    )
    region_strengths: Numbers = Field((), description="strength of each region, the lightest of the map first")
    region_strokes: Numbers = Field((), description="size of the strokes in each region")
    seamless: bool = Field(False, description="the result tiles with itself, edge to edge")
    quality: Quality = Field("normal", description="draft, normal or fine: fewer or more steps")
    steps: int | None = Field(
        None,
        ge=1,
        le=10_000,
        description=f"steps at the smallest scale; default, times the quality: {PACES['instant'].steps} from instant,"
        f" else {PACES['photo'].steps}",
    )
    optimiser: Literal["adam", "lbfgs"] = Field(
        "adam", alias="optimizer", description="adam, or lbfgs, which keeps 48 pictures in memory where adam keeps 5"
    )


@dataclass(frozen=True, eq=False)
class Guides:
    """The pictures that a style takes besides the photo and the paintings.

    Attributes:
        mask: (1, 1 or 3, H, W), white where to paint; the photo stays where it is black.
        photo_map: the photo's regions in flat colours.
        painting_maps: the painting's regions in the same colours.
        begin: a picture to begin with.
        opaque: (1, 1, H, W), where the photo is not transparent; the rest is not painted.
    """

    mask: Tensor | None = None
    photo_map: Tensor | None = None
    painting_maps: Sequence[Tensor] = ()
    begin: Tensor | None = None
    opaque: Tensor | None = None


def style(
    photo: Tensor,
    paintings: Tensor | Sequence[Tensor],
    settings: StyleSettings | None = None,
    *,
    guides: Guides | None = None,
) -> Iterator[Iterate]:
    """Paint a photo like one or several paintings.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1].
        paintings: one or several pictures, any sizes.
        settings: how; the defaults suit any photo at any size.
        guides: masks, maps of regions, a picture to begin with.
    Yields:
        An `Iterate` a step; the last one's image is the painting.
    Raises:
        RecipeError: as many weights as paintings are needed.
    Example:
        *_, last = rv.recipes.style(photo, painting, rv.StyleSettings(size=512, strength=2))
    """
    settings = settings or StyleSettings()
    what = painting(photo, [paintings] if isinstance(paintings, Tensor) else list(paintings), settings, guides=guides)
    return what.run(executor=settings.plan(what).executor())


def painting(
    photo: Tensor, paintings: list[Tensor], settings: StyleSettings, *, guides: Guides | None = None
) -> Synthesis:
    """The run of a style transfer, declared."""
    guides = guides or Guides()
    check_colour_mode(settings.colour, photo=True, paintings=len(paintings))
    network = with_precision(
        load(settings.network, pooling="average", padding="circular" if settings.seamless else "replicate"),
        settings.precision,
    )
    parts = dialled(parts_of(network, photo, paintings, settings, guides), settings)
    size = fit(size_of(photo), longer=settings.size)
    if guides.mask is not None:
        guides = replace(guides, mask=mask_of(guides.mask, size=size_of(photo)))
    if settings.seamless:  # also what is kept of the photo, and its colours, go on round the edges
        size = even(size, network)
        photo = periodic_part(scaled(photo, size)).clamp_(0, 1)
    start = start_of(settings, guides, regions=len(parts))
    stages = stages_of(size, network, settings, start=start)
    first = guides.begin
    if first is None:
        first = beginning(start, photo, paintings, settings, stages, guides.opaque)
    return Synthesis(
        wish(network, photo, paintings, parts, settings),
        network,
        canvas_of(scaled(first, size), photo, paintings, settings, guides),
        stages,
        optimiser_of(settings),
        average=None if settings.optimiser == "lbfgs" else 0.9,
        seed=settings.seed,
        enlarge=enlargement(settings, seamless=settings.seamless),
    )


def wish(
    network: Network, photo: Tensor, paintings: list[Tensor], parts: Sequence[Part], settings: StyleSettings
) -> Objective:
    """What the painting minimises."""
    layer = network.content_layer
    kept = 12 * self_similarity(layer, like=photo) if settings.structure else content(layer, like=photo)
    mixed = weighted(paintings, settings.weights)
    styles = [
        10 * settings.strength * part.strength * part.share * _style(network, mixed, part, settings) for part in parts
    ]
    return sum(styles, start=kept + 2 * total_variation())


def weighted(paintings: Sequence[Tensor], weights: Sequence[float]) -> list[tuple[Tensor, float]]:
    """Each painting with its weight; without any, all are equal.

    Raises:
        RecipeError: not as many weights as paintings.
    """
    weights = weights or (1.0,) * len(paintings)
    if len(weights) != len(paintings):
        raise RecipeError(f"weights are one for each painting; got {len(weights)} for {len(paintings)}.")
    return list(zip(paintings, weights, strict=True))


def _style(network: Network, paintings: list[tuple[Tensor, float]], part: Part, settings: StyleSettings) -> Objective:
    like = paintings if part.painting is None else [(paintings[part.painting][0], 1.0)]
    layers = {w.name: w.weight for w in map(parse_wish, settings.layers or network.style_layers)}
    return LOSSES[settings.loss](layers, like=like, stroke=settings.stroke * part.stroke, where=part.where, of=part.of)


def _with_histograms(layers: Mapping[str, float], **more: Any) -> Objective:
    """Moments, and the histograms of the colours and of the middle layers."""
    return moments(layers, **more) + 0.5 * histograms([PICTURE, *list(layers)[1:3]], **more)


def _with_neighbours(layers: Mapping[str, float], **more: Any) -> Objective:
    """Moments, and the nearest features of the coarser layers: at fine ones, positions times vectors are too many."""
    return moments(layers, **more) + 0.3 * nearest_neighbours(list(layers)[2:4] or list(layers)[-1:], **more)


def _sliced(layers: Mapping[str, float], **more: Any) -> Objective:
    """The whole distributions, with a weight that makes them as strong as moments."""
    return 3 * sliced_wasserstein(layers, **more)


LOSSES: Mapping[Loss, Callable[..., Objective]] = MappingProxyType(
    {
        "wasserstein": moments,
        "gram": partial(moments, statistic="gram"),
        "sliced": _sliced,
        "histogram": _with_histograms,
        "neighbours": _with_neighbours,
    }
)


def parts_of(
    network: Network, photo: Tensor, paintings: Sequence[Tensor], settings: StyleSettings, guides: Guides
) -> list[Part]:
    """The regions to paint: drawn, found, or the whole photo as far as it is opaque.

    Raises:
        RecipeError: regions both drawn and found, or found with several paintings.
    """
    if guides.photo_map is not None and settings.auto_regions:
        raise RecipeError("regions are drawn or found; leave --photo-map or --auto-regions out.")
    if guides.photo_map is None and guides.painting_maps:
        raise RecipeError("a map of the painting needs one of the photo; give --photo-map.")
    if guides.photo_map is not None:
        return drawn(guides.photo_map, guides.painting_maps, paintings=len(paintings))
    if not settings.auto_regions:
        return [Part(where=guides.opaque)]
    if len(paintings) != 1:
        raise RecipeError(f"regions are found in one painting; got {len(paintings)}: draw maps instead.")
    return found(network, photo, paintings[0], settings.auto_regions)


def canvas_of(
    first: Tensor, photo: Tensor, paintings: Sequence[Tensor], settings: StyleSettings, guides: Guides
) -> PixelCanvas:
    """Pixels that begin as ``first``, at its size, and are drawn in the colours asked for."""
    base = scaled(photo, size_of(first))
    finish = finishing(base, paintings, settings)
    if guides.mask is None:
        return PixelCanvas(first, finish=finish, periodic=settings.seamless)
    return PixelCanvas(first, base=base, mask=guides.mask, finish=finish, periodic=settings.seamless)


def finishing(
    photo: Tensor | None, paintings: Sequence[Tensor], settings: StyleSettings
) -> Callable[[Tensor], Tensor] | None:
    """What gives a picture the colours asked for; None where they are the paintings' anyway."""
    if settings.colour == "painting" or not settings.colour_amount:
        return None
    return partial(coloured, photo=photo, paintings=paintings, mode=settings.colour, amount=settings.colour_amount)


def start_of(settings: StyleSettings, guides: Guides, *, regions: int) -> Start:
    """What the painting begins with, where no picture is given; one that is given is worked on as a photo is.

    Raises:
        PictureError: two beginnings.
    """
    if guides.begin is not None:
        if settings.start is not None:
            raise PictureError(f"a painting begins with a picture or with {settings.start}; give one of them.")
        return "photo"
    if settings.start is not None:
        return settings.start
    return "photo" if settings.seamless or settings.structure or regions > 1 else "instant"  # which knows none of them


def beginning(
    start: Start,
    photo: Tensor,
    paintings: Sequence[Tensor],
    settings: StyleSettings,
    stages: Sequence[Stage],
    opaque: Tensor | None,
) -> Tensor:
    """The picture it begins with: the photo, what instant makes of it at the first scale, or noise at the last."""
    if start == "photo":
        return photo
    if start == "instant":
        how = {
            name: getattr(settings, name) for name in ("weights", "strength", "stroke", "seed", "precision", "memory")
        }
        return painted_at_once(photo, paintings, size=stages[0].size, opaque=opaque, **how)
    return noise(stages[-1].size, settings.seed, like=paintings if start == "colours" else ())


def stages_of(
    size: tuple[int, int], network: Network, settings: StyleSettings, *, start: Start = "photo"
) -> tuple[Stage, ...]:
    """The scales, coarse to fine."""
    stages = scales(size, start=start, quality=settings.quality, steps=settings.steps)
    return tuple(replace(s, size=even(s.size, network)) for s in stages) if settings.seamless else stages


def optimiser_of(settings: StyleSettings) -> Optimiser:
    """Adam or L-BFGS."""
    if settings.optimiser == "lbfgs":
        return LBFGS()
    return Adam(rate=0.03, periodic=settings.seamless, lean=settings.size >= LARGE)


def dialled(parts: list[Part], settings: StyleSettings) -> list[Part]:
    """The regions with their own strengths and strokes.

    Raises:
        RecipeError: more of them than regions, or not above 0.
    """
    count, lists = len(parts), {"strengths": settings.region_strengths, "strokes": settings.region_strokes}
    for name, values in lists.items():
        if len(values) > count or any(not 0 < v < float("inf") for v in values):
            raise RecipeError(f"region {name} are above 0, one for each of {count} regions; got {list(values)}.")
    strengths, strokes = ([*values, *[1.0] * (count - len(values))] for values in lists.values())
    return [
        replace(part, strength=strength, stroke=stroke)
        for part, strength, stroke in zip(parts, strengths, strokes, strict=True)
    ]
