"""Style transfer: a photo is repainted until its features' statistics are a painting's.

Source: Gatys, Ecker & Bethge (2016). We differ: Wasserstein-2 between moments instead of Gram matrices, coarse to
fine with Adam and averaged iterates (K. Crowson 2021), each layer relative to the painting's own strength.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, Literal, get_args

from pydantic import Field
from torch import Tensor

from reverie.canvas import PixelCanvas
from reverie.crafts.craft import craft
from reverie.crafts.kinds import Alpha, Gallery, Many, Map, Mask, Painting, Photo, Still
from reverie.crafts.settings import (
    DIAL,
    ColourSettings,
    Numbers,
    Panel,
    Quality,
    RunSettings,
    TileSettings,
    UpscaleFragment,
    Words,
    even,
)
from reverie.engine import Stage, Synthesis
from reverie.errors import PictureError, RecipeError
from reverie.finding import Describer, suitable
from reverie.networks import Network, load
from reverie.objectives import Objective, content, self_similarity, total_variation
from reverie.optimisers import LBFGS, Adam, Optimiser
from reverie.pictures import (
    check_colour_mode,
    check_mask_shape,
    coloured,
    fit,
    mask_of,
    opaque_colours,
    periodic_part,
    read_image,
    scaled,
    size_of,
)
from reverie.recipes.parts.at_once import alpha_of_each, alpha_weights
from reverie.recipes.parts.losses import LOSSES, Loss
from reverie.recipes.parts.networks import network_for
from reverie.recipes.parts.regions import PaintedRegion, find_regions, intersect, read_regions, with_strengths
from reverie.recipes.parts.starts import FIRST_SCALES, Start, noise, painted_at_once, scales
from reverie.recipes.parts.subjects import parse_weighted
from reverie.recipes.upscale import enlargement

LARGE = 3000  # pixels of the longer side, from which the optimiser's memory is halved


REGIONS = Panel("Regions")


class StyleSettings(RunSettings, TileSettings, UpscaleFragment, ColourSettings):
    """Settings of a style transfer."""

    strength: Annotated[float, DIAL] = Field(default=1.0, gt=0, le=100, description="weight of the style")
    stroke: Annotated[float, DIAL] = Field(
        default=1.0, gt=0, le=10, description="size of the strokes, 1 as in the painting"
    )
    size: Annotated[int, DIAL] = Field(default=512, ge=16, le=100_000, description="longer side of the result, pixels")
    weights: Annotated[Numbers, DIAL] = Field(
        default=(), description="share of each painting, e.g. 2,1; default: equal"
    )
    quality: Annotated[Quality, DIAL] = Field(
        default="normal", description="draft, normal or fine: fewer or more steps"
    )
    seamless: Annotated[bool, DIAL] = Field(default=False, description="the result tiles with itself, edge to edge")
    loss: Loss = Field(default="wasserstein", description=f"how features are compared: {', '.join(get_args(Loss))}")
    structure: bool = Field(default=False, description="keep the photo's self-similarity rather than its features")
    layers: Words = Field(
        default=(),
        description="layers whose statistics are the style, NAME or NAME:WEIGHT; default: the network's own choice",
    )
    start: Start | None = Field(
        default=None,
        description="start from an instant painting, the photo, noise, or colours: noise in the paintings' colours;"
        " default: instant, but the photo for regions, structure and seamless results",
    )
    auto_regions: Annotated[int, REGIONS] = Field(
        default=0, ge=0, le=8, description="number of regions to find automatically, each painted like its match"
    )
    region_strengths: Annotated[Numbers, REGIONS] = Field(
        default=(), description="strength of each region, the lightest of the map first"
    )
    region_strokes: Annotated[Numbers, REGIONS] = Field(default=(), description="size of the strokes in each region")
    steps: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="steps at the smallest scale; default, times the quality:"
        f" {FIRST_SCALES['instant'].steps} from instant, else {FIRST_SCALES['photo'].steps}",
    )
    optimiser: Literal["adam", "lbfgs"] = Field(
        default="adam",
        alias="optimizer",
        description="adam, or lbfgs, which keeps 48 pictures in memory where adam keeps 5",
    )


@dataclass(frozen=True, eq=False)
class StyleInputs:
    """Pictures that a style transfer takes besides the photo and the paintings.

    Attributes:
        mask: (1, 1, H, W) as `read_mask` gives it, or a picture, white where to paint; the photo stays where it is
            black.
        photo_map: the photo's regions in flat colours.
        painting_maps: the painting's regions in the same colours.
        begin: a picture to begin with.
        opaque: (1, 1, H, W), the photo's alpha; what is transparent is not painted.
        paintings_opaque: the alpha of each painting, (1, 1, h, w), None where it has none: transparent places have no
            say in the style. Empty: none has.
    """

    mask: Tensor | None = None
    photo_map: Tensor | None = None
    painting_maps: Sequence[Tensor] = ()
    begin: Tensor | None = None
    opaque: Tensor | None = None
    paintings_opaque: Sequence[Tensor | None] = ()


@craft(
    example="reverie style cat.jpg night-strokes mosaic --weights 2,1 -o painted.png",
    makes=Still,
    either=("painting", "find_painting"),
)
def style(
    photo: Annotated[Photo, "the picture to paint"],
    painting: Painting | Many[Painting] = (),
    settings: StyleSettings = StyleSettings(),
    *,
    find_painting: Annotated[
        Gallery | None, "instead: a folder, of which the painting is taken that suits the photo"
    ] = None,
    mask: Annotated[Mask | None, "where to paint: white; where it is black the photo stays"] = None,
    photo_map: Annotated[
        Map | None, "regions of the photo in flat colours: one painting for each, the lightest colour first"
    ] = None,
    painting_map: Annotated[Map | None, "regions of the one painting, in the same colours"] = None,
    begin: Annotated[Photo | None, "a picture to start from instead of the photo"] = None,
    photo_alpha: Alpha | None = None,
    painting_alpha: Many[Alpha | None] = (),
    network: Network | None = None,
) -> Synthesis:
    """Paint a photo in the manner of one or several paintings.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1].
        painting: one or several pictures, any sizes.
        settings: how; the defaults suit any photo at any size.
        find_painting: instead of a painting, a folder from which the one that suits the photo is taken.
        mask: (1, 1, H, W), white where to paint; the photo stays where it is black.
        photo_map: the photo's regions in flat colours.
        painting_map: the painting's regions in the same colours.
        begin: a picture to begin with.
        photo_alpha: (1, 1, H, W); what is transparent is not painted.
        painting_alpha: of each painting, (1, 1, h, w), None where it has none: transparent places have no say in the
            style. Empty: none has.
        network: your own, instead of the one that the settings name.
    Yields:
        An `Iterate` a step; the last one's image is the painting.
    Raises:
        RecipeError: as many weights as paintings are needed.
        PictureError: a mask, map or alpha of another shape than its picture.
    Example:
        *_, last = rv.recipes.style(photo, painting, rv.StyleSettings(size=512, strength=2))
    """
    many = [painting] if isinstance(painting, Tensor) else list(painting)
    if find_painting is not None:
        many.append(read_image(suitable(photo, find_painting, Describer(load()))))
    if not many:
        raise RecipeError("style paints like a painting, and none came; give one.")
    maps = () if painting_map is None else (painting_map,)
    inputs = StyleInputs(mask, photo_map, maps, begin, photo_alpha, painting_alpha)
    return style_synthesis(photo, many, settings, inputs=inputs, network=network)


def style_synthesis(
    photo: Tensor,
    paintings: list[Tensor],
    settings: StyleSettings,
    *,
    inputs: StyleInputs | None = None,
    network: Network | None = None,
) -> Synthesis:
    """Declare the run of a style transfer; see `style`."""
    check_colour_mode(settings.colour, photo=True, paintings=len(paintings))
    network = network_for(settings, network, seamless=settings.seamless, pooling="average")
    inputs = checked_inputs(inputs or StyleInputs(), photo, paintings)
    parts = painted_regions(network, photo, paintings, settings, inputs)
    parts = with_strengths(parts, strengths=settings.region_strengths, strokes=settings.region_strokes)
    size = fit(size_of(photo), longer=settings.size)
    if settings.seamless:  # also what is kept of the photo, and its colours, go on round the edges
        size = even(size, network)
        photo = periodic_part(scaled(photo, size)).clamp_(0, 1)
    start = start_of(settings, inputs, regions=len(parts))
    stages = stages_of(size, network, settings, start=start)
    first = inputs.begin
    if first is None:
        first = initial_picture(start, photo, paintings, settings, stages, inputs)
    return Synthesis(
        objective_of(network, photo, weighted(paintings, settings.weights), parts, settings, inputs.paintings_opaque),
        network,
        canvas_of(scaled(first, size), photo, paintings, settings, inputs),
        stages,
        optimiser_of(settings),
        average=None if settings.optimiser == "lbfgs" else 0.9,
        seed=settings.seed,
        enlarge=enlargement(settings, seamless=settings.seamless),
    )


def checked_inputs(inputs: StyleInputs, photo: Tensor, paintings: Sequence[Tensor]) -> StyleInputs:
    """Return the inputs checked against their pictures: the mask (1, 1, H, W), an alpha or None for each painting.

    Raises:
        PictureError: a mask, map or alpha of another shape than its picture, or a mask all of one value.
        RecipeError: not as many alphas as paintings.
    """
    of = size_of(photo)
    if inputs.photo_map is not None:
        check_mask_shape(size_of(inputs.photo_map), of, name="the photo's map")
    return replace(
        inputs,
        mask=None if inputs.mask is None else mask_of(inputs.mask, of=of),
        opaque=alpha_weights(inputs.opaque, of=photo, size=of),
        paintings_opaque=alpha_of_each(inputs.paintings_opaque, paintings),
    )


def objective_of(
    network: Network,
    photo: Tensor,
    paintings: list[tuple[Tensor, float]],
    parts: Sequence[PaintedRegion],
    settings: StyleSettings,
    opaque: Sequence[Tensor | None],
) -> Objective:
    """Build the objective that the painting minimises.

    Args:
        network: whose features are compared.
        photo: what is kept.
        paintings: with their weights.
        parts: the regions to paint.
        settings: how.
        opaque: each painting's alpha.
    """
    layer = network.content_layer
    kept = 12 * self_similarity(layer, like=photo) if settings.structure else content(layer, like=photo)
    styles = [
        10 * settings.strength * part.strength * part.share * _style(network, paintings, part, settings, opaque)
        for part in parts
    ]
    return sum(styles, start=kept + 2 * total_variation())


def weighted(paintings: Sequence[Tensor], weights: Sequence[float]) -> list[tuple[Tensor, float]]:
    """Pair each painting with its weight; without weights, all are equal.

    Raises:
        RecipeError: not as many weights as paintings.
    """
    weights = weights or (1.0,) * len(paintings)
    if len(weights) != len(paintings):
        raise RecipeError(f"weights are one for each painting; got {len(weights)} for {len(paintings)}.")
    return list(zip(paintings, weights, strict=True))


def _style(
    network: Network,
    paintings: list[tuple[Tensor, float]],
    part: PaintedRegion,
    settings: StyleSettings,
    opaque: Sequence[Tensor | None],
) -> Objective:
    like, of = paintings, list(opaque)
    if part.painting is not None:
        like, of = [(paintings[part.painting][0], 1.0)], [intersect(part.of, opaque[part.painting])]
    layers = {w.name: w.weight for w in map(parse_weighted, settings.layers or network.style_layers)}
    return LOSSES[settings.loss](layers, like=like, stroke=settings.stroke * part.stroke, where=part.where, of=of)


def painted_regions(
    network: Network, photo: Tensor, paintings: Sequence[Tensor], settings: StyleSettings, inputs: StyleInputs
) -> list[PaintedRegion]:
    """Return the regions to paint: drawn, found, or the opaque parts of the whole photo.

    Raises:
        RecipeError: regions both drawn and found, drawn with weights, or found with several paintings.
    """
    if inputs.photo_map is not None and settings.auto_regions:
        raise RecipeError("regions are drawn or found; leave --photo-map or --auto-regions out.")
    if inputs.photo_map is None and inputs.painting_maps:
        raise RecipeError("a map of the painting needs one of the photo; give --photo-map.")
    if inputs.photo_map is not None and settings.weights:
        raise RecipeError(
            "weights mix paintings, and a map gives each region one; leave --weights out, or give --region-strengths."
        )
    if inputs.photo_map is not None:
        return read_regions(inputs.photo_map, inputs.painting_maps, paintings=len(paintings))
    if not settings.auto_regions:
        return [PaintedRegion(where=inputs.opaque)]
    if len(paintings) != 1:
        raise RecipeError(f"regions are found in one painting; got {len(paintings)}: draw maps instead.")
    return find_regions(network, photo, paintings[0], settings.auto_regions, opaque=inputs.paintings_opaque[0])


def canvas_of(
    first: Tensor, photo: Tensor, paintings: Sequence[Tensor], settings: StyleSettings, inputs: StyleInputs
) -> PixelCanvas:
    """Build a pixel canvas that starts as ``first``, at its size, with the colours that the settings ask for."""
    base = scaled(photo, size_of(first))
    coloured_like = [opaque_colours(p, alpha) for p, alpha in zip(paintings, inputs.paintings_opaque, strict=True)]
    finish = colour_transfer(base, coloured_like, settings)
    if inputs.mask is None:
        return PixelCanvas(first, finish=finish, periodic=settings.seamless)
    return PixelCanvas(
        first,
        base=base,
        mask=inputs.mask,
        straight=settings.optimiser != "lbfgs",  # whose line search needs the true slope
        finish=finish,
        keeps_base=settings.colour == "photo",
        periodic=settings.seamless,
    )


def colour_transfer(
    photo: Tensor | None, paintings: Sequence[Tensor], settings: StyleSettings
) -> Callable[[Tensor], Tensor] | None:
    """Return the function that transfers the colours asked for; None if they are the paintings' anyway."""
    if settings.colour == "painting" or not settings.colour_amount:
        return None
    return partial(coloured, photo=photo, paintings=paintings, mode=settings.colour, amount=settings.colour_amount)


def start_of(settings: StyleSettings, inputs: StyleInputs, *, regions: int) -> Start:
    """Choose the kind of start; a picture given to begin with is treated like a photo.

    Raises:
        PictureError: two beginnings.
    """
    if inputs.begin is not None:
        if settings.start is not None:
            raise PictureError(f"a painting begins with a picture or with {settings.start}; give one of them.")
        return "photo"
    if settings.start is not None:
        return settings.start
    return "photo" if settings.seamless or settings.structure or regions > 1 else "instant"  # which knows none of them


def initial_picture(
    start: Start,
    photo: Tensor,
    paintings: Sequence[Tensor],
    settings: StyleSettings,
    stages: Sequence[Stage],
    inputs: StyleInputs,
) -> Tensor:
    """Return the initial picture: the photo, its instant painting at the first scale, or noise at the last."""
    if start == "photo":
        return photo
    if start == "instant":
        names = ("weights", "strength", "stroke", "seed", "precision", "device", "memory")
        how = {name: getattr(settings, name) for name in names}
        alpha, theirs = inputs.opaque, inputs.paintings_opaque
        return painted_at_once(photo, paintings, size=stages[0].size, opaque=alpha, paintings_opaque=theirs, **how)
    each = zip(paintings, inputs.paintings_opaque, strict=True)
    return noise(stages[-1].size, settings.seed, like=[opaque_colours(*p) for p in each] if start == "colours" else ())


def stages_of(
    size: tuple[int, int], network: Network, settings: StyleSettings, *, start: Start = "photo"
) -> tuple[Stage, ...]:
    """Return the scales as stages, coarse to fine."""
    stages = scales(size, start=start, quality=settings.quality, steps=settings.steps)
    return tuple(replace(s, size=even(s.size, network)) for s in stages) if settings.seamless else stages


def optimiser_of(settings: StyleSettings) -> Optimiser:
    """Build Adam or L-BFGS."""
    if settings.optimiser == "lbfgs":
        return LBFGS()
    return Adam(rate=0.03, periodic=settings.seamless, lean=settings.size >= LARGE)
