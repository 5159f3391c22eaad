"""DeepDream: a network is shown a picture and the picture becomes more of what the network sees in it.

Source: Mordvintsev, Olah & Tyka (2015), "Inceptionism". We differ: the mean activation instead of its square, the
gradient in Laplacian bands of equal strength, and a colour that does not drift.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated, TypeVar

import torch
import torch.nn.functional as F
from pydantic import BeforeValidator, Field
from torch import Tensor

from reverie.canvas import PixelCanvas
from reverie.engine import Iterate, Stage, Synthesis, octaves
from reverie.engine.precision import with_precision
from reverie.errors import PictureError, RecipeError
from reverie.networks import Network, Padding, load
from reverie.objectives import Objective
from reverie.optimisers import Normalised
from reverie.pictures import fit, keep_colours, periodic_part, resize_seamless, scaled, size_of
from reverie.recipes.settings import QUALITY, Quality, Settings, Words, even, listed
from reverie.recipes.upscale import enlargement
from reverie.recipes.wishes import Subjects, by_octave, objective_of, parse_channel, parse_wish
from reverie.views import jitter

Size = tuple[int, int]
T = TypeVar("T")


@dataclass(frozen=True)
class Pace:
    """How many steps an octave takes, and the root mean square of a step in sRGB values."""

    steps: int
    rate: float


ON_PHOTO = Pace(16, 0.012)
FROM_NOISE = Pace(32, 0.014)  # there is nothing to keep: more steps, shorter ones
ZOOMING = 5  # pictures: the first frame, the last one, it magnified, and two on the way to the steadied one
PLACED_JITTER = 8  # pixels; a wish that has a place would be smeared over more


Counts = Annotated[tuple[Annotated[int, Field(ge=1, le=10_000)], ...], BeforeValidator(listed)]
Strengths = Annotated[tuple[Annotated[float, Field(gt=0, le=20)], ...], Field(min_length=1), BeforeValidator(listed)]


class DreamSettings(Settings):
    """How to dream."""

    layers: Words = Field(
        (),
        description="layers to dream with, NAME or NAME:WEIGHT; / parts the lists of octaves, coarse to fine;"
        " default: the network's own choice",
    )
    channels: Words = Field(
        (),
        description="single channels, LAYER:CHANNEL or LAYER:CHANNEL:WEIGHT; 11+42-7 is a direction of three,"
        " 11@0.3/0.5 one neuron, so far down and across",
    )
    class_name: Words = Field(
        (),
        alias="class",
        description="classes to dream of, NAME or NAME:WEIGHT: an ImageNet name, part of it, its number,"
        " or a kind such as birds",
    )
    avoid: Words = Field((), description="classes to keep away from, likewise, e.g. dogs,spiders:2")
    size: int = Field(768, ge=16, le=100_000, description="longer side of the result, pixels")
    octaves: int = Field(4, ge=1, le=20, description="scales, coarse to fine")
    ratio: float = Field(1.4, gt=1, le=4, description="between one octave and the next")
    quality: Quality = Field("normal", description="draft, normal or fine: fewer or more steps")
    steps: Counts = Field(
        (),
        description="steps per octave, or a list, coarse to fine; default: 16 on a photo, 32 from noise, times the"
        " quality",
    )
    strength: Strengths = Field((1.0,), description="how far each step goes, up to 20, or a list, coarse to fine")
    jitter: int = Field(24, ge=0, le=512, description="random shift before each step, pixels")
    bands: int = Field(4, ge=1, le=10, description="Laplacian bands of equal strength in the gradient")
    keep_colours: float = Field(
        0.0, ge=0, le=1, alias="keep_colors", description="how much of the photo's own colour stays"
    )
    seamless: bool = Field(False, description="the result tiles with itself, edge to edge")
    leak: float = Field(
        0.0,
        ge=0,
        le=1,
        description="gradient let through units that are off: 0.02 to 0.05 wakes silent channels, more coarsens lines",
    )
    zoom: int = Field(0, ge=0, le=1_000_000, description="zoom into the dream for so many frames, into a folder")
    zoom_rate: float = Field(1.04, gt=1, le=2, description="from one frame to the next")
    zoom_at: Annotated[tuple[float, ...], Field(min_length=2, max_length=2), BeforeValidator(listed)] = Field(
        (0.5, 0.5), description="where to, as shares of the width and height"
    )
    zoom_steps: int = Field(4, ge=1, le=10_000, description="steps per octave of a frame after the first")

    @property
    def kept(self) -> int:
        return ZOOMING if self.zoom else 0


@dataclass(frozen=True, eq=False)
class Beside:
    """The pictures that a dream takes besides the photo.

    Attributes:
        guide: a picture whose features the dream takes up, (1, 3, H, W) in [0, 1].
        like, avoid_like: pictures of whose common features there is to be more, or less.
        mask: (1, 3, H, W) or (1, 1, H, W), white where to dream; the photo stays where it is black.
        region: masks, one for each wish in the order classes, channels, layers, like; the last one goes on.
    """

    guide: Tensor | None = None
    like: Sequence[Tensor] = ()
    avoid_like: Sequence[Tensor] = ()
    mask: Tensor | None = None
    region: Sequence[Tensor] = ()


def dream(
    photo: Tensor | None = None,
    settings: DreamSettings | None = None,
    *,
    like: Tensor | None = None,
    beside: Beside | None = None,
) -> Iterator[Iterate]:
    """Dream on a photo, or from noise.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1]; None begins with noise.
        settings: how; the defaults suit any photo.
        like: a guide picture whose features the dream should take up, (1, 3, H, W) in [0, 1].
        beside: further pictures: what to be like or not, and where to dream; its guide goes before `like`.
    Yields:
        An `Iterate` a step; the last one's image is the dream.
    Raises:
        LayerNotFound: a layer or class that the network lacks.
        OutOfMemory: the picture does not fit into the memory allowed, however it is cut.
    Example:
        *_, last = rv.recipes.dream(photo, rv.DreamSettings(size=512, layers=("relu5_2",)))
    """
    settings = settings or DreamSettings()
    what = dreaming(photo, settings, beside=beside or Beside(guide=like))
    return what.run(executor=settings.plan(what).executor())


def dreaming(photo: Tensor | None, settings: DreamSettings, *, beside: Beside | None = None) -> Synthesis:
    """The run of a dream, declared.

    Raises:
        PictureError: a mask of another shape than the photo.
        RecipeError: lists that are longer than the octaves, or wishes that make no sense.
    """
    if settings.zoom and settings.seamless:
        raise RecipeError("a zoom loses the edges that a seamless picture joins; leave out one of the two.")
    if settings.zoom and settings.upscale > 1:
        raise RecipeError("a zoom goes on from each frame as it is, so none is enlarged; leave out --upscale.")
    beside = beside or Beside()
    network = network_of(settings)
    start = beginning(photo, settings, network)
    pace = FROM_NOISE if photo is None else ON_PHOTO
    wished = [s.completed(network) for s in subjects_of(settings, beside)]
    scales = large_enough(stages_of(size_of(start), settings, network, pace), wished, network)
    objectives = declared([subjects for _, subjects in scales], network, scaled(start, scales[0][0].size))
    stages = [replace(stage, objective=each) for (stage, _), each in zip(scales, objectives, strict=True)]
    return Synthesis(
        objectives[-1],
        network,
        canvas_of(start, settings, beside, size=stages[0].size, bare=photo is None),
        tuple(stages),
        Normalised(rate=pace.rate, bands=settings.bands, periodic=settings.seamless),
        view=jitter(min(settings.jitter, PLACED_JITTER) if wished[-1].placed else settings.jitter),
        seed=settings.seed,
        enlarge=enlargement(settings, seamless=settings.seamless),
    )


def network_of(settings: DreamSettings) -> Network:
    """The network that dreams."""
    padding: Padding = "circular" if settings.seamless else "replicate"
    return with_precision(load(settings.network, padding=padding, leak=settings.leak), settings.precision)


def beginning(photo: Tensor | None, settings: DreamSettings, network: Network) -> Tensor:
    """What the dream begins with, at its size: the photo or noise; seamless where the dream is to be."""
    picture = noise(settings) if photo is None else photo
    if not settings.seamless:
        return picture if photo is None else scaled(picture, fit(size_of(picture), longer=settings.size))
    size = even(fit(size_of(picture), longer=settings.size), network)
    if photo is None:
        return resize_seamless(picture, size)
    return periodic_part(scaled(picture, size)).clamp_(0, 1)


def stages_of(size: Size, settings: DreamSettings, network: Network, pace: Pace) -> tuple[Stage, ...]:
    """Every octave with its size, steps and strength; lists go coarse to fine, the last value goes on."""
    usual = round(pace.steps * QUALITY[settings.quality])
    steps = _each("steps", settings.steps or (usual,), settings.octaves)
    strengths = _each("strength", settings.strength, settings.octaves)
    plain = octaves(size, count=settings.octaves, ratio=settings.ratio)
    sizes = [even(stage.size, network) if settings.seamless else stage.size for stage in plain]
    return tuple(Stage(*each) for each in zip(sizes, steps, strengths, strict=True))


def subjects_of(settings: DreamSettings, beside: Beside) -> list[Subjects]:
    """What each octave is to dream of."""
    rest = Subjects(
        channels=tuple(map(parse_channel, settings.channels)),
        classes=tuple(map(parse_wish, settings.class_name)),
        avoid=tuple(map(parse_wish, settings.avoid)),
        guide=beside.guide,
        like=tuple(beside.like),
        unlike=tuple(beside.avoid_like),
        regions=tuple(map(grey, beside.region)),
    )
    return [replace(rest, layers=layers) for layers in by_octave(settings.layers, settings.octaves)]


def large_enough(stages: Sequence[Stage], wished: Sequence[Subjects], network: Network) -> list[tuple[Stage, Subjects]]:
    """The octaves in which the layers they read have at least one feature; always the last."""
    pairs = list(zip(stages, wished, strict=True))
    fits = [min(stage.size) >= max(map(network.smallest, each.deep(network))) for stage, each in pairs]
    return [pair for pair, enough in zip(pairs[:-1], fits, strict=False) if enough] + pairs[-1:]


def declared(wished: Sequence[Subjects], network: Network, first: Tensor) -> list[Objective]:
    """The objective of each octave; those that wish for the same share it."""
    made = {each.layers: objective_of(each, network, first) for each in {s.layers: s for s in wished}.values()}
    return [made[each.layers] for each in wished]


def canvas_of(start: Tensor, settings: DreamSettings, beside: Beside, *, size: Size, bare: bool) -> PixelCanvas:
    """Pixels on the photo, masked and in its colours as far as was asked.

    Args:
        start: what the dream begins with, at its last size.
        size: (H, W) of the first octave.
        bare: whether it begins with noise, of which nothing is kept.
    """
    mask = None if beside.mask is None else _masking(beside.mask, start, bare=bare)
    keep = partial(keep_colours, photo=start, amount=settings.keep_colours) if settings.keep_colours else None
    first = resize_seamless(start, size).clamp(0, 1) if settings.seamless else scaled(start, size)
    base = None if bare else start
    return PixelCanvas(first, base=base, natural=True, mask=mask, finish=keep, periodic=settings.seamless)


def noise(settings: DreamSettings) -> Tensor:
    """A square of soft grey noise with a natural spectrum."""
    generator = torch.Generator().manual_seed(settings.seed)
    side = settings.size
    x = torch.zeros(1, 3, side, side)
    for cells in (4, 8, 16, 32, side):
        drawn = torch.randn(1, 3, cells, cells, generator=generator)
        x += _enlarged(drawn, side, seamless=settings.seamless)
    return (0.48 + 0.04 * x).clamp(0, 1)


def grey(picture: Tensor) -> Tensor:
    """A mask (1, 1, H, W) from a picture (1, 1 or 3, H, W): 1 is white."""
    return picture.mean(1, keepdim=True)


def _enlarged(cells: Tensor, side: int, *, seamless: bool) -> Tensor:
    if seamless:
        return resize_seamless(cells, (side, side), filter="bilinear")
    return F.interpolate(cells, (side, side), mode="bilinear")


def _masking(mask: Tensor, start: Tensor, *, bare: bool) -> Tensor:
    if bare:
        raise RecipeError("a mask keeps parts of a photo; a dream from noise has none.")
    (h, w), (height, width) = size_of(mask), size_of(start)
    if abs(h * width - w * height) > max(h, w, height, width):
        raise PictureError(f"a mask has the photo's shape, {width}x{height} or alike; got {w}x{h}.")
    return grey(mask)


def _each(name: str, values: Sequence[T], count: int) -> list[T]:
    if len(values) > count:
        raise RecipeError(f"{name} has {len(values)} values for {count} octaves; leave some out, or raise --octaves.")
    return [values[min(i, len(values) - 1)] for i in range(count)]
