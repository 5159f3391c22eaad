"""Texture synthesis: from noise alone, a surface that goes on like the one in a picture.

Source: Gatys, Ecker & Bethge (2015). We differ: Wasserstein-2 between moments, coarse to fine, and on request seamless.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import get_args

from pydantic import Field
from torch import Tensor

from reverie.canvas import PixelCanvas
from reverie.engine import Iterate, Synthesis
from reverie.engine.precision import with_precision
from reverie.networks import Padding, load
from reverie.objectives import Objective, total_variation
from reverie.pictures import ColourMode, check_colour_mode, size_of
from reverie.recipes.settings import Numbers, Quality, Settings, Words, even
from reverie.recipes.starts import noise
from reverie.recipes.style import LOSSES, Loss, StyleSettings, finishing, optimiser_of, stages_of, weighted
from reverie.recipes.upscale import enlargement
from reverie.recipes.wishes import parse_wish


class TextureSettings(Settings):
    """How to weave."""

    weights: Numbers = Field(default=(), description="share of each picture, e.g. 2,1; default: equal")
    size: int = Field(default=768, ge=16, le=100_000, description="side of the square, pixels")
    scale: float = Field(
        default=1.0, gt=0, le=10, description="size of its patterns, 1 as in the picture, pixel for pixel"
    )
    seamless: bool = Field(default=False, description="the result tiles with itself, edge to edge")
    colour: ColourMode = Field(
        default="palette",
        alias="color",
        description="painting: as it comes out; palette: drawn to the pictures' main colours",
    )
    colour_amount: float = Field(default=0.5, ge=0, le=1, alias="color_amount", description="how far")
    loss: Loss = Field(default="wasserstein", description=f"how features are compared: {', '.join(get_args(Loss))}")
    layers: Words = Field(default=(), description="layers, NAME or NAME:WEIGHT; default: the network's own choice")
    quality: Quality = Field(default="normal", description="draft, normal or fine: fewer or more steps")
    steps: int | None = Field(
        default=None, ge=1, le=10_000, description="steps at the smallest scale; default: by the quality"
    )


def texture(pictures: Tensor | list[Tensor], settings: TextureSettings | None = None) -> Iterator[Iterate]:
    """Weave a texture like one or several pictures.

    Args:
        pictures: (1, 3, H, W) sRGB in [0, 1] each; several are mixed.
        settings: how.
    Yields:
        An `Iterate` a step; the last one's image is the texture.
    Example:
        *_, last = rv.recipes.texture(bark, rv.TextureSettings(size=1024, seamless=True))
    """
    settings = settings or TextureSettings()
    what = weaving([pictures] if isinstance(pictures, Tensor) else pictures, settings)
    return what.run(executor=settings.plan(what).executor())


def weaving(pictures: list[Tensor], settings: TextureSettings) -> Synthesis:
    """The run of a texture synthesis, declared."""
    check_colour_mode(settings.colour, photo=False, paintings=len(pictures))
    padding: Padding = "circular" if settings.seamless else "replicate"
    network = with_precision(load(settings.network, pooling="average", padding=padding), settings.precision)
    size = (settings.size, settings.size)
    size = even(size, network) if settings.seamless else size
    how = StyleSettings(
        size=settings.size,
        seamless=settings.seamless,
        quality=settings.quality,
        steps=settings.steps,
        colour=settings.colour,
        colour_amount=settings.colour_amount,
    )
    return Synthesis(
        wish(pictures, settings, network.style_layers, size),
        network,
        PixelCanvas(
            noise(size, settings.seed, like=pictures),
            finish=finishing(None, pictures, how),
            periodic=settings.seamless,
        ),
        stages_of(size, network, how),
        optimiser_of(how),
        average=0.9,
        seed=settings.seed,
        enlarge=enlargement(settings, seamless=settings.seamless),
    )


def wish(
    pictures: list[Tensor], settings: TextureSettings, layers: tuple[str, ...], size: tuple[int, int]
) -> Objective:
    """What the texture minimises; patterns keep their size in pixels, whatever the sizes of the pictures."""
    named = {w.name: w.weight for w in map(parse_wish, settings.layers or layers)}
    height, width = size_of(pictures[0])
    stroke = settings.scale * (height * width / (size[0] * size[1])) ** 0.5
    like = weighted(pictures, settings.weights)
    return 10 * LOSSES[settings.loss](named, like=like, stroke=stroke) + 0.5 * total_variation()
