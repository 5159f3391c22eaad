"""DeepDream: a network is shown a picture and the picture becomes more of what the network sees in it.

Source: Mordvintsev, Olah & Tyka (2015), "Inceptionism". We differ: the mean activation instead of its square, the
gradient in Laplacian bands of equal strength, and a colour that does not drift.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from pydantic import Field
from torch import Tensor

from reverie.canvas import PixelCanvas
from reverie.engine import Iterate, Stage, Synthesis, WholeExecutor, bind, octaves
from reverie.engine.evaluate import value
from reverie.engine.precision import with_precision
from reverie.errors import RecipeError
from reverie.networks import Network, load
from reverie.objectives import Objective, energy, guide, logit
from reverie.optimisers import Normalised
from reverie.pictures import fit, scaled, size_of
from reverie.recipes.settings import Settings
from reverie.views import jitter


@dataclass(frozen=True)
class Pace:
    """How many steps an octave takes, and the root mean square of a step in sRGB values."""

    steps: int
    rate: float


ON_PHOTO = Pace(16, 0.012)
FROM_NOISE = Pace(32, 0.014)  # there is nothing to keep: more steps, shorter ones


class DreamSettings(Settings):
    """How to dream."""

    layers: tuple[str, ...] = Field(
        (),
        description="layers to dream with, each given the same say; default: the network's own choice",
    )
    class_name: str | None = Field(
        None,
        alias="class",
        description="dream of this class: an ImageNet name, part of it, or its number",
    )
    size: int = Field(768, ge=16, le=100_000, description="longer side of the result, pixels")
    octaves: int = Field(4, ge=1, le=20, description="scales, coarse to fine")
    ratio: float = Field(1.4, gt=1, le=4, description="between one octave and the next")
    steps: int | None = Field(
        None, ge=1, le=10_000, description="steps per octave; default: 16 on a photo, 32 from noise"
    )
    strength: float = Field(1.0, gt=0, le=20, description="how far each step goes")
    jitter: int = Field(24, ge=0, le=512, description="random shift before each step, pixels")
    bands: int = Field(4, ge=1, le=10, description="Laplacian bands of equal strength in the gradient")


def dream(
    photo: Tensor | None = None,
    settings: DreamSettings | None = None,
    *,
    like: Tensor | None = None,
) -> Iterator[Iterate]:
    """Dream on a photo, or from noise.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1]; None begins with noise.
        settings: how; the defaults suit any photo.
        like: a guide picture whose features the dream should take up, (1, 3, H, W) in [0, 1].
    Yields:
        An `Iterate` a step; the last one's image is the dream.
    Raises:
        LayerNotFound: a layer or class that the network lacks.
        OutOfMemory: the picture does not fit into the memory allowed, however it is cut.
    Example:
        *_, last = rv.recipes.dream(photo, rv.DreamSettings(size=512, layers=("relu5_2",)))
    """
    settings = settings or DreamSettings()
    what = dreaming(photo, settings, like=like)
    return what.run(executor=settings.plan(what).executor())


def dreaming(photo: Tensor | None, settings: DreamSettings, *, like: Tensor | None = None) -> Synthesis:
    """The run of a dream, declared."""
    network = with_precision(load(settings.network, padding="replicate"), settings.precision)
    start = noise(settings) if photo is None else scaled(photo, fit(size_of(photo), longer=settings.size))
    size = size_of(start)
    pace = ON_PHOTO if photo is not None else FROM_NOISE
    scales = octaves(size, count=settings.octaves, ratio=settings.ratio, steps=settings.steps or pace.steps)
    stages = large_enough(network, scales, settings)
    first = scaled(start, stages[0].size)
    return Synthesis(
        wish(network, first, settings, like),
        network,
        PixelCanvas(first, base=None if photo is None else start, natural=True),
        stages,
        Normalised(rate=pace.rate * settings.strength, bands=settings.bands),
        view=jitter(settings.jitter),
        seed=settings.seed,
    )


def large_enough(network: Network, stages: tuple[Stage, ...], settings: DreamSettings) -> tuple[Stage, ...]:
    """The octaves in which the network's layers have at least one feature; always the last."""
    layers = settings.layers or network.dream_layers
    least = max(network.smallest(layer) for layer in layers)
    return tuple(s for s in stages[:-1] if min(s.size) >= least) + stages[-1:]


def wish(network: Network, first: Tensor, settings: DreamSettings, like: Tensor | None) -> Objective:
    """What the dream minimises: minus a class, minus a guide's best matches, or minus the energy of layers."""
    if settings.class_name is not None and (settings.layers or like is not None):
        raise RecipeError("a dream has one wish: a class, or layers with or without a guide; give --class alone.")
    if settings.class_name is not None:
        return -logit(settings.class_name, against=0.2)
    layers = settings.layers or network.dream_layers
    if like is not None:
        return equalised([guide(layer, like=like) for layer in layers], network, first)
    return equalised([energy(layer) for layer in layers], network, first)


def equalised(terms: list[Objective], network: Network, picture: Tensor) -> Objective:
    """Minus the sum of the terms, each divided by its value now, so that none drowns the others."""
    executor = WholeExecutor()
    bound = bind(sum(terms, start=0 * terms[0]), network, size_of(picture), executor)
    with torch.no_grad():
        now = [abs(float(v)) for v in value(bound, network, picture, executor)[1].values()]
    return -sum(
        (term / max(size, 1e-6) for term, size in zip(terms, now, strict=True)),
        start=0 * terms[0],
    )


def noise(settings: DreamSettings) -> Tensor:
    """A square of soft grey noise with a natural spectrum."""
    generator = torch.Generator().manual_seed(settings.seed)
    side = settings.size
    x = torch.zeros(1, 3, side, side)
    for cells in (4, 8, 16, 32, side):
        x += F.interpolate(torch.randn(1, 3, cells, cells, generator=generator), (side, side), mode="bilinear")
    return (0.48 + 0.04 * x).clamp(0, 1)
