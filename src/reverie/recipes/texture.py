"""Texture synthesis: from noise alone, a surface that continues the one in a picture.

Source: Gatys, Ecker & Bethge (2015). We differ: Wasserstein-2 between moments, coarse to fine, and on request seamless.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, get_args

from pydantic import Field
from torch import Tensor

from reverie.canvas import PixelCanvas
from reverie.choices import ColourMode
from reverie.crafts.craft import craft
from reverie.crafts.kinds import Alpha, Many, Painting, Still
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
from reverie.engine import Synthesis
from reverie.networks import Network
from reverie.objectives import Objective, total_variation
from reverie.pictures import check_colour_mode, opaque_colours, size_of
from reverie.recipes.parts.at_once import alpha_of_each
from reverie.recipes.parts.finish import Finish
from reverie.recipes.parts.losses import LOSSES, Loss
from reverie.recipes.parts.networks import network_for
from reverie.recipes.parts.starts import noise
from reverie.recipes.parts.subjects import parse_weighted
from reverie.recipes.style import StyleSettings, optimiser_of, stages_of, weighted
from reverie.recipes.upscale import enlargement


class TextureSettings(RunSettings, TileSettings, UpscaleFragment, ColourSettings):
    """Settings of a texture."""

    size: Annotated[int, DIAL] = Field(default=768, ge=16, le=100_000, description="side of the square, pixels")
    scale: Annotated[float, DIAL] = Field(
        default=1.0, gt=0, le=10, description="size of its patterns, 1 as in the picture, pixel for pixel"
    )
    seamless: Annotated[bool, DIAL] = Field(default=False, description="the result tiles with itself, edge to edge")
    weights: Annotated[Numbers, DIAL] = Field(default=(), description="share of each picture, e.g. 2,1; default: equal")
    quality: Annotated[Quality, DIAL] = Field(
        default="normal", description="draft, normal or fine: fewer or more steps"
    )
    colour: Annotated[ColourMode, Panel("Colour")] = Field(
        default="palette",
        alias="color",
        description="painting: as it comes out; palette: drawn to the pictures' main colours",
    )
    colour_amount: Annotated[float, Panel("Colour")] = Field(
        default=0.5, ge=0, le=1, alias="color_amount", description="how far the colours are changed"
    )
    loss: Loss = Field(default="wasserstein", description=f"how features are compared: {', '.join(get_args(Loss))}")
    layers: Words = Field(default=(), description="layers, NAME or NAME:WEIGHT; default: the network's own choice")
    steps: int | None = Field(
        default=None, ge=1, le=10_000, description="steps at the smallest scale; default: by the quality"
    )


@craft(example="reverie texture mosaic --size 1024 --seamless -o tile.png", makes=Still)
def texture(
    picture: Annotated[
        Painting | Many[Painting], "a picture of the texture, or a sample style's name; several are mixed"
    ],
    settings: TextureSettings = TextureSettings(),
    *,
    picture_alpha: Many[Alpha | None] = (),
    network: Network | None = None,
) -> Synthesis:
    """Weave a texture like a picture, from noise, on request seamless.

    Args:
        picture: (1, 3, H, W) sRGB in [0, 1]; several are mixed.
        settings: how.
        picture_alpha: of each, (1, 1, H, W) in [0, 1], None where it has none: transparent places have no say, and
            the texture has no alpha. Empty: none has.
        network: your own, instead of the one that the settings name.
    Yields:
        An `Iterate` a step; the last one's image is the texture.
    Example:
        *_, last = rv.recipes.texture(bark, rv.TextureSettings(size=1024, seamless=True))
    """
    many = [picture] if isinstance(picture, Tensor) else list(picture)
    return texture_synthesis(many, settings, opaque=picture_alpha, network=network)


def texture_synthesis(
    pictures: list[Tensor],
    settings: TextureSettings,
    *,
    opaque: Sequence[Tensor | None] = (),
    network: Network | None = None,
) -> Synthesis:
    """Declare the run of a texture synthesis; see `texture`."""
    check_colour_mode(settings.colour, photo=False, paintings=len(pictures))
    network = network_for(settings, network, seamless=settings.seamless, pooling="average")
    opaque = alpha_of_each(opaque, pictures)
    colours = [opaque_colours(*each) for each in zip(pictures, opaque, strict=True)]
    size = (settings.size, settings.size)
    size = even(size, network) if settings.seamless else size
    how = StyleSettings(
        size=settings.size,
        seamless=settings.seamless,
        quality=settings.quality,
        steps=settings.steps,
    )
    return Synthesis(
        objective_of(pictures, settings, network.style_layers, size, opaque),
        network,
        PixelCanvas(
            noise(size, settings.seed, like=colours),
            finish=Finish(colours, mode=settings.colour, amount=settings.colour_amount, periodic=settings.seamless),
            periodic=settings.seamless,
        ),
        stages_of(size, network, how),
        optimiser_of(how),
        average=0.9,
        seed=settings.seed,
        enlarge=enlargement(settings, seamless=settings.seamless),
    )


def objective_of(
    pictures: list[Tensor],
    settings: TextureSettings,
    layers: tuple[str, ...],
    size: tuple[int, int],
    opaque: Sequence[Tensor | None],
) -> Objective:
    """Build the texture's objective; patterns keep their size in pixels, whatever the sizes of the pictures."""
    named = {w.name: w.weight for w in map(parse_weighted, settings.layers or layers)}
    height, width = size_of(pictures[0])
    stroke = settings.scale * (height * width / (size[0] * size[1])) ** 0.5
    like = weighted(pictures, settings.weights)
    return 10 * LOSSES[settings.loss](named, like=like, stroke=stroke, of=list(opaque)) + 0.5 * total_variation()
