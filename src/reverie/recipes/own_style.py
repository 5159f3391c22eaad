"""Paint photos with a style network of one's own: one pass, any size, in tiles that give what the whole gives.

Source: Johnson, Alahi & Li 2016. ``recipes.train_style`` makes such networks.

>>> picture = own_style(photo, read_johnson(Path("mine.safetensors")))
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.engine.memory import LOADED, fitting_tile, resident
from reverie.errors import PictureError, RecipeError
from reverie.feedforward.johnson import Johnson, check_size
from reverie.feedforward.stylise import stylise
from reverie.pictures import check_colour_mode, coloured, mask_of, resize, scaled, size_of
from reverie.recipes.instant import InstantSettings, counted, size_for

LARGEST, SMALLEST = 1536, 96  # pixels; larger tiles are no faster, smaller ones read mostly halo
_PICTURES = 40  # bytes per pixel of the photo, its copy, the result and what is mixed
_KEPT = 1.25  # features per pixel and channel at full resolution, of the maps kept whole
_WHOLE = 9.5  # the same, where the picture is painted whole: two to three times as fast, as no map is made twice
_TILE = 14  # the same, of a tile, while it is worked on
_OVER = 3  # times the size a network was trained for, from which its strokes look small


def own_style(
    photo: Tensor,
    network: Johnson,
    settings: InstantSettings | None = None,
    *,
    mask: Tensor | None = None,
    opaque: Tensor | None = None,
) -> Tensor:
    """Paint a photo by a network that knows one manner.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1]; 16 pixels or more each way, in the size in which it is painted.
        network: in float32.
        settings: how; no weights, and strokes of size 1. Strength mixes the result with the photo.
        mask: (1, 1 or 3, H, W), white where to paint; the photo stays where it is black.
        opaque: (1, 1, H, W) in [0, 1], the photo's alpha: transparent places have no say in the statistics.
    Returns:
        (1, 3, H', W') sRGB in [0, 1], of the photo's size unless another was asked for.
    Raises:
        RecipeError, PictureError: settings or pictures that do not suit.
        OutOfMemory: not even the smallest tiles fit.
    Example:
        >>> own_style(torch.rand(1, 3, 48, 64), draw_johnson()).shape
        torch.Size([1, 3, 48, 64])
    """
    return own_painter(network, settings).paint(photo, mask=mask, opaque=opaque)


def own_painter(network: Johnson, settings: InstantSettings | None = None) -> OwnPainter:
    """What paints photo after photo by one network.

    Raises:
        RecipeError, PictureError: settings that do not suit.
    """
    settings = (settings or InstantSettings()).resolved()
    if settings.weights:
        raise RecipeError("weights mix paintings, and a network of one's own knows one manner; leave --weights out.")
    if settings.stroke != 1:
        raise RecipeError(
            "a network's strokes are of the size it was trained with; ask for another --size, or train one with"
            " another --stroke."
        )
    check_colour_mode(settings.colour, photo=True, paintings=0)
    dtype = torch.bfloat16 if settings.precision == "bfloat16" else torch.float32
    return OwnPainter(network.with_precision(dtype), settings)


@dataclass(frozen=True, eq=False)
class OwnPainter:
    """A network, ready to paint.

    Attributes:
        network: in the settings' precision.
        settings: how, with no automatic precision.
    """

    network: Johnson
    settings: InstantSettings

    def paint(self, photo: Tensor, *, mask: Tensor | None = None, opaque: Tensor | None = None) -> Tensor:
        """A photo in this manner; see `own_style`."""
        if photo.shape[:1] != (1,) or photo.dtype != torch.float32:
            raise PictureError(
                f"a photo is a float32 (1, 3, H, W) tensor, and {tuple(photo.shape)} of {photo.dtype} came;"
                " read it with read_image."
            )
        check_size(photo, 1)  # what is painted, which may be larger, is checked by its own size
        settings, size = self.settings, size_for(photo, self.settings)
        own = scaled(photo, size)
        image = stylise(self.network, own, self.tile(size), opaque=counted(opaque, of=photo, size=size))
        if settings.strength < 1:
            image = torch.lerp(own, image, settings.strength)
        if settings.colour != "painting" and settings.colour_amount:
            image = coloured(image, photo=own, mode=settings.colour, amount=settings.colour_amount)
        if mask is None:
            return image
        return torch.lerp(own, image, resize(mask_of(mask, size=size_of(photo)), size).clamp(0, 1))

    def tile(self, size: tuple[int, int]) -> int:
        """The side of the tiles: as asked for, 0 where the whole fits, or the largest that fits beside the maps kept.

        Raises:
            OutOfMemory: not even the smallest does.
        """
        channels, held = int(self.network.tensors["down.0.weight"].shape[0]), resident() + LOADED
        width, pixels = channels * self.network.dtype.itemsize, size[0] * size[1]

        def needed(side: int) -> int:
            if not side:
                return int(held + (_PICTURES + _WHOLE * width) * pixels)
            tile = 4 * _TILE * channels * min(side, size[0]) * min(side, size[1])
            return int(held + (_PICTURES + _KEPT * width) * pixels + tile)

        return fitting_tile(
            needed,
            memory=self.settings.memory,
            tile=self.settings.tile,
            largest=LARGEST,
            smallest=SMALLEST,
            whole=True,
            floor=held,
            doing=f"painting {size[1]}x{size[0]} px",
            dial="--size",
        )

    def advice(self, size: tuple[int, int]) -> str:
        """What to tell who asks for a size far from the one the network was trained for; empty where all is well."""
        trained = self.network.facts.get("settings", {}).get("size")
        small = min(size) < self.network.least  # which is refused
        if not isinstance(trained, int) or small or max(size) <= _OVER * trained:
            return ""
        return (
            f"the network was trained for {trained} px, and {max(size)} px are painted: its strokes will look small;"
            f" --size {2 * trained} shows them larger."
        )
