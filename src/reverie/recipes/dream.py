"""DeepDream: a network is shown a picture and the picture becomes more of what the network sees in it.

Source: Mordvintsev, Olah & Tyka (2015), "Inceptionism". We differ: the mean activation instead of its square, the
gradient in Laplacian bands of equal strength, and a colour that does not drift.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

import torch
import torch.nn.functional as F
from pydantic import BeforeValidator, Field
from torch import Tensor

from reverie.canvas import PixelCanvas
from reverie.crafts.craft import craft
from reverie.crafts.kinds import Many, Mask, Photo, Still
from reverie.crafts.settings import (
    DIAL,
    QUALITY,
    Panel,
    Quality,
    RunSettings,
    TileSettings,
    UpscaleFragment,
    Words,
    even,
    listed,
)
from reverie.engine import Stage, Synthesis, octaves
from reverie.errors import LayerNotFound, RecipeError
from reverie.networks import Network, descriptions, said_of
from reverie.objectives import Objective
from reverie.optimisers import Normalised
from reverie.pictures import fit, mask_of, periodic_part, resize_seamless, scaled, size_of
from reverie.recipes.parts.finish import DreamFinish
from reverie.recipes.parts.networks import network_for
from reverie.recipes.parts.subjects import Subjects, by_octave, objective_of, parse_channel, parse_weighted
from reverie.recipes.parts.variety import FAINT, can_vary, with_variety
from reverie.recipes.upscale import enlargement
from reverie.views import jitter

Size = tuple[int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class OctaveDefaults:
    """Number of steps in an octave, and their size as root mean square in sRGB values."""

    steps: int
    rate: float


ON_PHOTO = OctaveDefaults(16, 0.012)
FROM_NOISE = OctaveDefaults(32, 0.014)  # there is nothing to keep: more steps, shorter ones
PLACED_JITTER = 8  # pixels; a subject that has a place would be smeared over more


Share = Annotated[float, Field(ge=0, le=1)]
Counts = Annotated[tuple[Annotated[int, Field(ge=1, le=10_000)], ...], BeforeValidator(listed)]
Strengths = Annotated[tuple[Annotated[float, Field(gt=0, le=20)], ...], Field(min_length=1), BeforeValidator(listed)]


SUBJECTS, OCTAVES = Panel("Subjects"), Panel("Octaves and steps")


class DreamSettings(RunSettings, TileSettings, UpscaleFragment):
    """Settings of a dream."""

    class_name: Annotated[Words, DIAL] = Field(
        default=(),
        alias="class",
        description="classes to dream of, NAME or NAME:WEIGHT: an ImageNet name, part of it, its number,"
        " or a kind such as birds",
    )
    layers: Annotated[Words, DIAL] = Field(
        default=(),
        description="layers to dream with, NAME or NAME:WEIGHT; / parts the lists of octaves, coarse to fine;"
        " default: the network's own choice",
    )
    channels: Annotated[Words, SUBJECTS] = Field(
        default=(),
        description="single channels, LAYER:CHANNEL or LAYER:CHANNEL:WEIGHT; 11+42-7 is a direction of three,"
        " 11@0.3/0.5 one neuron, so far down and across",
    )
    avoid: Annotated[Words, SUBJECTS] = Field(
        default=(), description="classes to keep away from, likewise, e.g. dogs,spiders:2"
    )
    variety: Annotated[float, SUBJECTS] = Field(
        default=0.5,
        ge=0,
        le=1,
        description="of a dream with no other subject: 0 is the layers' own everywhere, more lets each place become"
        " what it looks like, 1 as chance has it",
    )
    octaves: Annotated[int, OCTAVES] = Field(default=4, ge=1, le=20, description="scales, coarse to fine")
    ratio: Annotated[float, OCTAVES] = Field(default=1.4, gt=1, le=4, description="size ratio of successive octaves")
    quality: Annotated[Quality, OCTAVES] = Field(
        default="normal", description="draft, normal or fine: fewer or more steps"
    )
    steps: Annotated[Counts, OCTAVES] = Field(
        default=(),
        description="steps per octave, or a list, coarse to fine; default: 16 on a photo, 32 from noise, times the"
        " quality",
    )
    strength: Annotated[Strengths, DIAL] = Field(
        default=(1.0,), description="size of each step, up to 20, or a list, coarse to fine"
    )
    size: Annotated[int, DIAL] = Field(default=768, ge=16, le=100_000, description="longer side of the result, pixels")
    jitter: Annotated[int, OCTAVES] = Field(
        default=24, ge=0, le=512, description="random shift before each step, pixels"
    )
    bands: int = Field(default=4, ge=1, le=10, description="Laplacian bands of equal strength in the gradient")
    keep_colours: Annotated[float, DIAL] = Field(
        default=0.0, ge=0, le=1, alias="keep_colors", description="how much of the photo's own colour to keep"
    )
    seamless: Annotated[bool, DIAL] = Field(default=False, description="the result tiles with itself, edge to edge")
    leak: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="gradient let through units that are off: 0.02 to 0.05 wakes silent channels, more coarsens lines",
    )


@dataclass(frozen=True, eq=False)
class DreamInputs:
    """Pictures that a dream takes besides the photo.

    Attributes:
        guide: a picture whose features the dream takes up, (1, 3, H, W) in [0, 1].
        like, avoid_like: pictures of whose common features there is to be more, or less.
        mask: (1, 1, H, W) as `read_mask` gives it, or a picture, white where to dream; the photo stays where it is
            black.
        region: masks likewise, one for each subject in the order classes, channels, layers, like; the last one goes on.
            One that is white all over means everywhere.
    """

    guide: Tensor | None = None
    like: Sequence[Tensor] = ()
    avoid_like: Sequence[Tensor] = ()
    mask: Tensor | None = None
    region: Sequence[Tensor] = ()


def noise(settings: DreamSettings) -> Tensor:
    """Draw a square of soft grey noise with a natural spectrum."""
    generator = torch.Generator().manual_seed(settings.seed)
    side = settings.size
    x = torch.zeros(1, 3, side, side)
    for cells in (4, 8, 16, 32, side):
        drawn = torch.randn(1, 3, cells, cells, generator=generator)
        x += _enlarged(drawn, side, seamless=settings.seamless)
    return (0.48 + 0.04 * x).clamp(0, 1)


@craft(example="reverie dream cat.jpg --class macaw --size 1024", makes=Still, noise=noise)
def dream(
    photo: Annotated[Photo | None, "the picture to dream on"],
    settings: DreamSettings = DreamSettings(),
    *,
    guide: Annotated[Photo | None, "a picture whose features the dream takes up, each place the nearest"] = None,
    like: Annotated[Many[Photo], "dream more of what these pictures share"] = (),
    avoid_like: Annotated[Many[Photo], "dream less of what these pictures share"] = (),
    mask: Annotated[Mask | None, "where to dream: white; where it is black the photo stays"] = None,
    region: Annotated[
        Many[Mask],
        "where a subject is dreamt, a mask for each of classes, channels, layers, --like; the last goes on",
    ] = (),
    network: Network | None = None,
) -> Synthesis:
    """Dream on a photo, or from noise: it becomes what the network sees in it.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1]; None begins with noise.
        settings: how; the defaults suit any photo.
        guide: a picture whose features the dream takes up, (1, 3, h, w) in [0, 1].
        like, avoid_like: pictures of whose common features there is to be more, or less.
        mask: (1, 1, H, W), white where to dream; the photo stays where it is black.
        region: masks, one for each subject in the order classes, channels, layers, like; the last one goes on.
        network: your own, instead of the one that the settings name.
    Yields:
        An `Iterate` a step; the last one's image is the dream.
    Raises:
        LayerNotFound: a layer or class that the network lacks.
        PictureError: a mask of another shape than the photo.
        RecipeError: lists that are longer than the octaves, or subjects that make no sense.
        OutOfMemory: the picture does not fit into the memory allowed, however it is cut.
    Example:
        *_, last = rv.recipes.dream(photo, rv.DreamSettings(size=512, layers=("relu5_2",)))
    """
    return dream_synthesis(photo, settings, inputs=DreamInputs(guide, like, avoid_like, mask, region), network=network)


def dream_synthesis(
    photo: Tensor | None,
    settings: DreamSettings,
    *,
    inputs: DreamInputs | None = None,
    network: Network | None = None,
) -> Synthesis:
    """Declare the run of a dream.

    Args:
        photo, settings, inputs, network: as `dream` takes them.
    Raises:
        PictureError: a mask of another shape than the photo.
        LayerNotFound: classes of a network that has none.
        RecipeError: lists that are longer than the octaves, or subjects that make no sense.
    """
    network = network_for(settings, network, seamless=settings.seamless, leak=settings.leak)
    check_classes(network, settings)
    inputs = with_masks(inputs or DreamInputs(), photo)
    start = initial_picture(photo, settings, network)
    defaults = FROM_NOISE if photo is None else ON_PHOTO
    wished = [s.completed(network) for s in subjects_of(settings, inputs)]
    placed = wished[-1].placed
    varies = settings.variety and not (settings.layers or settings.seamless)  # a wish's place would be an edge
    if varies and can_vary(wished[-1], network):
        varied = with_variety(wished[-1], network, start, variety=settings.variety, seed=settings.seed)
        wished = [varied] * len(wished)
    if not all(each.deep(network) for each in wished):
        raise LayerNotFound(f"{network.name} says no layers to dream with; name some by --layers.")
    scales = large_enough(stages_of(size_of(start), settings, network, defaults), wished, network)
    objectives = objectives_of([subjects for _, subjects in scales], network, scaled(start, scales[0][0].size))
    stages = [replace(stage, objective=each) for (stage, _), each in zip(scales, objectives, strict=True)]
    return Synthesis(
        objectives[-1],
        network,
        canvas_of(start, settings, inputs, size=stages[0].size, bare=photo is None),
        tuple(stages),
        Normalised(rate=defaults.rate, bands=settings.bands, periodic=settings.seamless),
        view=jitter(min(settings.jitter, PLACED_JITTER) if placed else settings.jitter),
        seed=settings.seed,
        enlarge=enlargement(settings, seamless=settings.seamless),
        notes=[*notes_on(network, wished[-1]), *faint_wishes(network, settings)],
    )


def notes_on(network: Network, wished: Subjects) -> list[str]:
    """Say which classes the words mean, where they are not the classes' own names."""
    words = [each.name for each in (*wished.classes, *wished.avoid)]
    meant = [(word, said_of(network, word)) for word in words]
    other = [f"'{word}' is {said}." for word, said in meant if not said.lower().startswith(f"{word.lower()} (")]
    return other


def faint_wishes(network: Network, settings: DreamSettings) -> list[str]:
    """Say which of the classes that the user names come out faint."""
    wishes = [said_of(network, parse_weighted(each).name) for each in settings.class_name]
    faint = [name for name in FAINT if any(said.startswith(f"{name} (") for said in wishes)]
    return [f"'{name}' is seldom recognised in dreams: another network hardly ever sees it." for name in faint]


def check_classes(network: Network, settings: DreamSettings) -> None:
    """Refuse classes as subjects of a network that has none.

    Raises:
        LayerNotFound: it has none; the message names networks that have.
    """
    if network.class_layer is None and (settings.class_name or settings.avoid):
        others = ", ".join(name for name, known in descriptions().items() if known.classes)
        raise LayerNotFound(f"{network.name} has no classes to dream of; {others} have. Name one by --network.")


def with_masks(inputs: DreamInputs, photo: Tensor | None) -> DreamInputs:
    """Return the pictures with every mask checked and converted to (1, 1, H, W).

    Raises:
        PictureError: one of another shape than the photo, or all of one value.
        RecipeError: a mask of noise.
    """
    if photo is None and inputs.mask is not None:
        raise RecipeError("a mask keeps parts of a photo; a dream from noise has none.")
    of = (1, 1) if photo is None else size_of(photo)  # noise is square
    mask = None if inputs.mask is None else mask_of(inputs.mask, of=of)
    region = [mask_of(each, of=of, everywhere=True, name="the region") for each in inputs.region]
    return replace(inputs, mask=mask, region=region)


def initial_picture(photo: Tensor | None, settings: DreamSettings, network: Network) -> Tensor:
    """Prepare the initial picture at the result's size: the photo or noise, made seamless on request."""
    picture = noise(settings) if photo is None else photo
    if not settings.seamless:
        return picture if photo is None else scaled(picture, fit(size_of(picture), longer=settings.size))
    size = even(fit(size_of(picture), longer=settings.size), network)
    if photo is None:
        return resize_seamless(picture, size)
    return periodic_part(scaled(picture, size)).clamp_(0, 1)


def stages_of(size: Size, settings: DreamSettings, network: Network, defaults: OctaveDefaults) -> tuple[Stage, ...]:
    """Build the stage of every octave; lists go coarse to fine, and the last value is repeated."""
    usual = round(defaults.steps * QUALITY[settings.quality])
    steps = _each("steps", settings.steps or (usual,), settings.octaves)
    strengths = _each("strength", settings.strength, settings.octaves)
    plain = octaves(size, count=settings.octaves, ratio=settings.ratio)
    sizes = [even(stage.size, network) if settings.seamless else stage.size for stage in plain]
    return tuple(Stage(*each) for each in zip(sizes, steps, strengths, strict=True))


def subjects_of(settings: DreamSettings, inputs: DreamInputs) -> list[Subjects]:
    """Return the subjects of each octave."""
    rest = Subjects(
        channels=tuple(map(parse_channel, settings.channels)),
        classes=tuple(map(parse_weighted, settings.class_name)),
        avoid=tuple(map(parse_weighted, settings.avoid)),
        guide=inputs.guide,
        like=tuple(inputs.like),
        unlike=tuple(inputs.avoid_like),
        regions=tuple(inputs.region),
    )
    return [replace(rest, layers=layers) for layers in by_octave(settings.layers, settings.octaves)]


def large_enough(stages: Sequence[Stage], wished: Sequence[Subjects], network: Network) -> list[tuple[Stage, Subjects]]:
    """Keep the octaves large enough for the layers they read; always keep the last."""
    pairs = list(zip(stages, wished, strict=True))
    fits = [min(stage.size) >= max(map(network.smallest, each.deep(network))) for stage, each in pairs]
    return [pair for pair, enough in zip(pairs[:-1], fits, strict=False) if enough] + pairs[-1:]


def objectives_of(wished: Sequence[Subjects], network: Network, first: Tensor) -> list[Objective]:
    """Build the objective of each octave; octaves with the same subjects share one."""
    made = {each.layers: objective_of(each, network, first) for each in {s.layers: s for s in wished}.values()}
    return [made[each.layers] for each in wished]


def canvas_of(start: Tensor, settings: DreamSettings, inputs: DreamInputs, *, size: Size, bare: bool) -> PixelCanvas:
    """Build a pixel canvas on the photo, with its mask and its colours kept as the settings ask.

    Args:
        start: what the dream begins with, at its last size.
        settings: the dream's.
        inputs: with the mask, where there is one.
        size: (H, W) of the first octave.
        bare: whether it begins with noise, of which nothing is kept.
    """
    mask = None if inputs.mask is None else mask_of(inputs.mask)
    finish = DreamFinish(
        None if bare and not settings.keep_colours else start, settings.keep_colours, settings.seamless
    )
    first = resize_seamless(start, size).clamp(0, 1) if settings.seamless else scaled(start, size)
    base = None if bare else start
    return PixelCanvas(
        first, base=base, natural=True, mask=mask, finish=finish, keeps_base=True, periodic=settings.seamless
    )


def _enlarged(cells: Tensor, side: int, *, seamless: bool) -> Tensor:
    if seamless:
        return resize_seamless(cells, (side, side), filter="bilinear")
    return F.interpolate(cells, (side, side), mode="bilinear")


def _each(name: str, values: Sequence[T], count: int) -> list[T]:
    if len(values) > count:
        raise RecipeError(f"{name} has {len(values)} values for {count} octaves; leave some out, or raise --octaves.")
    return [values[min(i, len(values) - 1)] for i in range(count)]
