"""Style transfer: a photo is repainted until its features' statistics are a painting's.

Source: Gatys, Ecker & Bethge (2016). We differ: Wasserstein-2 between moments instead of Gram matrices, coarse to
fine with Adam and averaged iterates (K. Crowson 2021), each layer relative to the painting's own strength.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from pydantic import Field
from torch import Tensor

from reverie.canvas import PixelCanvas
from reverie.engine import Iterate, Synthesis, pyramid
from reverie.engine.precision import with_precision
from reverie.errors import RecipeError
from reverie.networks import Network, load
from reverie.objectives import Objective, content, total_variation
from reverie.objectives import style as style_term
from reverie.optimisers import LBFGS, Adam
from reverie.pictures import fit, scaled, size_of
from reverie.recipes.settings import Settings


class StyleSettings(Settings):
    """How to paint."""

    weights: tuple[float, ...] = Field((), description="share of each painting, e.g. 2,1; default: equal")
    layers: tuple[str, ...] = Field(
        (), description="layers whose statistics are the style; default: the network's own choice"
    )
    size: int = Field(512, ge=16, le=100_000, description="longer side of the result, pixels")
    strength: float = Field(1.0, gt=0, le=100, description="of the style against the photo")
    stroke: float = Field(1.0, gt=0, le=10, description="size of the strokes, 1 as in the painting")
    steps: int = Field(60, ge=1, le=10_000, description="steps at the smallest scale; larger scales take fewer")
    optimiser: Literal["adam", "lbfgs"] = Field("adam", alias="optimizer", description="adam or lbfgs")


def style(
    photo: Tensor, paintings: Tensor | Sequence[Tensor], settings: StyleSettings | None = None
) -> Iterator[Iterate]:
    """Paint a photo like one or several paintings.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1].
        paintings: one or several pictures, any sizes.
        settings: how; the defaults suit any photo at any size.
    Yields:
        An `Iterate` a step; the last one's image is the painting.
    Raises:
        RecipeError: as many weights as paintings are needed.
    Example:
        *_, last = rv.recipes.style(photo, painting, rv.StyleSettings(size=512, strength=2))
    """
    settings = settings or StyleSettings()
    what = painting(photo, [paintings] if isinstance(paintings, Tensor) else list(paintings), settings)
    return what.run(executor=settings.plan(what).executor())


def painting(photo: Tensor, paintings: list[Tensor], settings: StyleSettings) -> Synthesis:
    """The run of a style transfer, declared."""
    network = with_precision(load(settings.network, pooling="average", padding="replicate"), settings.precision)
    size = fit(size_of(photo), longer=settings.size)
    return Synthesis(
        wish(network, photo, paintings, settings),
        network,
        PixelCanvas(scaled(photo, size)),
        pyramid(size, steps=settings.steps, growth=0.75, least=min(12, settings.steps)),
        LBFGS() if settings.optimiser == "lbfgs" else Adam(rate=0.03),
        average=None if settings.optimiser == "lbfgs" else 0.9,
        seed=settings.seed,
    )


def wish(network: Network, photo: Tensor, paintings: list[Tensor], settings: StyleSettings) -> Objective:
    """What the painting minimises."""
    weights = settings.weights or (1.0,) * len(paintings)
    if len(weights) != len(paintings):
        raise RecipeError(f"weights are one for each painting; got {len(weights)} for {len(paintings)}.")
    layers = settings.layers or network.style_layers
    return (
        content(network.content_layer, like=photo)
        + 10
        * settings.strength
        * style_term(layers, like=list(zip(paintings, weights, strict=True)), stroke=settings.stroke)
        + 2 * total_variation()
    )
