"""Enlarge a picture twice, three or four times, keeping its edges crisp.

Source: Shi et al. 2016, "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel
Convolutional Neural Network"; Lim et al. 2017, "Enhanced Deep Residual Networks".

>>> large = upscale(photo, UpscaleSettings(factor=2))
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from reverie.choices import Precision, Variant
from reverie.crafts.craft import craft
from reverie.crafts.kinds import Photo, Still
from reverie.crafts.settings import DIAL, MACHINE, Memory, PrecisionSettings, UpscaleFragment
from reverie.engine import Enlargement
from reverie.engine.grids import Grid, Place, window_of
from reverie.engine.memory import Tiling
from reverie.engine.needs import WRITTEN
from reverie.engine.runs import OnePass, Part
from reverie.errors import PictureError
from reverie.feedforward.superres import Superres, load_superres
from reverie.networks import NetworkUsed
from reverie.pictures import size_of
from reverie.recipes.parts.networks import dtype_of, resolved

LARGEST, SMALLEST = 512, 32  # pixels; larger tiles are no faster, smaller ones read mostly halo
FINISHER: Variant = "faithful"
"""Variant that enlarges another craft's finished picture."""
LAST = 256  # pixels; the tiles in which a craft's picture is enlarged, whatever is free: the same pixels each time
_MAPS = 5  # feature maps that a tile holds at once, what convolutions rearrange counted in


class UpscaleSettings(PrecisionSettings):
    """Settings of an enlargement."""

    factor: Annotated[int, DIAL] = Field(default=2, ge=2, le=4, description="times as wide and as high")
    variant: Annotated[Variant, DIAL] = Field(
        default="faithful", description="faithful, with the smallest error, or sharp, which also cleans what JPEG left"
    )
    seamless: Annotated[bool, DIAL] = Field(
        default=False, description="the picture tiles with itself, and the result too"
    )
    memory: Annotated[Memory, MACHINE] = Field(
        default=None, description="most memory to use, e.g. 2GB; default: what is free"
    )
    tile: Annotated[int | None, MACHINE] = Field(
        default=None,
        ge=1,
        description="side of the tiles it works in, pixels of the photo; default: what fits, up to 512",
    )


@craft(
    example="reverie upscale cat.jpg --factor 4 -o large.png",
    makes=Still,
    label=lambda settings: f"x{settings.factor}",
)
def upscale(
    photo: Annotated[Photo, "the picture to enlarge"],
    settings: UpscaleSettings = UpscaleSettings(),
    *,
    network: Superres | None = None,
) -> OnePass:
    """Enlarge a picture twice, three or four times, its edges crisp.

    Args:
        photo: (B, 3, H, W) sRGB in [0, 1].
        settings: twice, if there are none.
        network: another than the variant's.

    Returns:
        (B, 3, factor H, factor W) sRGB in [0, 1].

    Raises:
        PictureError: it is no such tensor.
        OutOfMemory: the result, or the smallest tile, does not fit into memory.
        WeightsError: there is no such variant in the package.

    Example:
        >>> upscale(torch.rand(1, 3, 48, 64), UpscaleSettings(factor=3)).shape
        torch.Size([1, 3, 144, 192])
    """
    _check(photo)
    network = _network(settings, network)
    height, width = (side * settings.factor for side in size_of(photo))

    def draw(tile: int) -> Iterator[Part]:
        return upscaling(photo, settings.model_copy(update={"tile": tile, "memory": None}), network=network)

    return OnePass(
        (height, width),
        draw,
        tiling(photo, settings.factor, network),
        networks=[used(settings.variant)],
        precision=str(network.dtype).removeprefix("torch."),
        device=str(network.device),
        least=SMALLEST,
    )


def _network(settings: UpscaleSettings, own: Superres | None) -> Superres:
    """Return the caller's network where it lies, or the variant's, in the settings' precision.

    Raises:
        RecipeError: these are not here.
    """
    if own is not None and settings.device == "auto":
        return own if settings.precision == "auto" else own.with_precision(dtype_of(settings.precision))
    fixed = resolved(settings)
    return (own or load_superres(settings.variant)).to(fixed.device).with_precision(dtype_of(fixed.precision))


def used(variant: Variant) -> NetworkUsed:
    """Return the enlarging network as it stands in a record."""
    return NetworkUsed(f"superres-{variant}", load_superres(variant).sha256)


def enlargement(settings: UpscaleFragment, *, seamless: bool = False) -> Enlargement | None:
    """Return the enlargement that a craft's settings ask for at the end; None if they ask for none.

    Args:
        settings: of any craft.
        seamless: whether its picture goes on round its edges.

    Example:
        >>> enlargement(DreamSettings(upscale=2)).size((60, 80))
        (120, 160)
    """
    if settings.upscale == 1:
        return None
    precision: Precision = getattr(settings, "precision", "auto")
    how = UpscaleSettings(factor=settings.upscale, seamless=seamless, variant=FINISHER, tile=LAST, precision=precision)
    working = tile_bytes(LAST, how.factor, load_superres(how.variant))
    return Enlargement(how.factor, working, partial(_whole, settings=how), (used(how.variant),))


def _whole(picture: Tensor, settings: UpscaleSettings) -> Tensor:
    """Enlarge a picture where it lies."""
    *_, last = upscaling(picture, settings.model_copy(update={"device": str(picture.device)}))
    return last.image


def upscaling(
    picture: Tensor, settings: UpscaleSettings | None = None, *, network: Superres | None = None
) -> Iterator[Part]:
    """Enlarge a picture tile by tile; see ``upscale``.

    A tile reads as far into its neighbours as the network sees (12 pixels), so that the tiles give
    what the whole picture gives, to rounding. Beyond its borders the picture's outermost pixels go on,
    or, where it is seamless, its other side.

    Yields:
        The picture after every tile; the last is the whole.
    """
    settings = settings or UpscaleSettings()
    network = _network(settings, network)
    _check(picture)
    tile = tile_for(picture, settings, network)
    grid = Grid(size_of(picture), step=1, halo=network.halo, tile=tile, periodic=settings.seamless)
    height, width = (side * settings.factor for side in grid.size)
    image = torch.full((picture.shape[0], 3, height, width), 0.5, dtype=torch.float32, device=picture.device)
    for number, place in enumerate(grid, 1):
        _enlarge_tile(picture, image, grid, place, network)
        yield Part(number, len(grid), image)


@torch.inference_mode()
def _enlarge_tile(picture: Tensor, image: Tensor, grid: Grid, place: Place, network: Superres) -> None:
    """Write one tile of the enlarged picture."""
    factor = image.shape[-1] // picture.shape[-1]
    rows, columns = (slice(span.own[0] * factor, span.own[1] * factor) for span in place)
    window = grid.crop(picture, place) if grid.periodic else window_of(picture, place, grid.halo)
    image[..., rows, columns] = network.enlarge(window, factor).clamp_(0, 1)


def tile_for(picture: Tensor, settings: UpscaleSettings, network: Superres) -> int:
    """Choose the side of the tiles: as set, or the largest that fits beside the picture and its result.

    Raises:
        OutOfMemory: not even the smallest does.
    """
    return tiling(picture, settings.factor, network).fit(settings.memory, settings.tile).tile


def tiling(picture: Tensor, factor: int, network: Superres) -> Tiling:
    """Describe the tiles in which a picture can be enlarged, and their memory."""
    count, (height, width) = picture.shape[0], size_of(picture)
    result = count * height * width * factor**2 * WRITTEN
    return Tiling(
        lambda side: result + count * tile_bytes(side, factor, network),
        largest=min(LARGEST, max(height, width)),
        smallest=SMALLEST,
        doing=f"enlarging {factor} times",
        dial="--factor",
    )


def tile_bytes(side: int, factor: int, network: Superres) -> int:
    """Estimate the bytes that a tile of this side takes while it is processed."""
    seen = (side + 2 * network.halo) ** 2
    return seen * (_MAPS * network.width * network.dtype.itemsize + 4 * 4 * 3 * factor**2)


def _check(picture: Tensor) -> None:
    if picture.ndim != 4 or picture.shape[1] != 3 or picture.dtype != torch.float32 or 0 in picture.shape:
        raise PictureError(
            f"a picture is a float32 (B, 3, H, W) tensor, and {tuple(picture.shape)} of {picture.dtype} came;"
            " read it with read_image."
        )
