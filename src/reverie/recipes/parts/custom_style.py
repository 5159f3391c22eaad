"""Paint photos with a custom style network: one pass, any size, in tiles that match the whole.

Source: Johnson, Alahi & Li 2016. ``recipes.train_style`` makes such networks.

>>> picture = rv.recipes.instant(photo, network=rv.feedforward.read_johnson(Path("mine.safetensors")))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reverie.engine.memory import Tiling
from reverie.engine.runs import OnePass, Part
from reverie.errors import PictureError, RecipeError
from reverie.feedforward.johnson import Johnson, check_size
from reverie.feedforward.stylise import Change, changes_of, stylise
from reverie.networks import NetworkUsed
from reverie.pictures import check_colour_mode, coloured, mask_of, scaled, size_of
from reverie.recipes.parts.at_once import InstantSettings, alpha_weights, size_for
from reverie.recipes.parts.networks import dtype_of, resolved

LARGEST, SMALLEST = 1536, 96  # pixels; larger tiles are no faster, smaller ones read mostly halo
_PICTURES = 40  # bytes per pixel of the photo, its copy, the result and what is mixed
_KEPT = 1.25  # features per pixel and channel at full resolution, of the maps kept whole
_WHOLE = 9.5  # the same, where the picture is painted whole: two to three times as fast, as no map is made twice
_TILE = 14  # the same, of a tile, while it is worked on
_OVER = 3  # times the size a network was trained for, from which its strokes look small


CUSTOM = "custom style"
"""Name of custom style networks in records."""


def paint_custom(
    network: Johnson, photo: Tensor, settings: InstantSettings, *, mask: Tensor | None, opaque: Tensor | None
) -> OnePass:
    """Paint a photo with a network that knows a single style; see `instant`.

    Args:
        network: in float32.
        photo: (1, 3, H, W) sRGB in [0, 1]; 16 pixels or more each way, in the size in which it is painted.
        settings: no weights, and strokes of size 1; strength mixes the result with the photo.
        mask, opaque: as of `instant`.
    """
    manner = custom_painter(network, settings)
    size = size_for(photo, settings)

    def draw(tile: int) -> Iterator[Part]:
        fixed = replace(manner, settings=manner.settings.model_copy(update={"tile": tile, "memory": None}))
        yield Part(1, 1, fixed.paint(photo, mask=mask, opaque=opaque))

    advice = manner.advice(size)
    return OnePass(
        size,
        draw,
        manner.tiling(size),
        networks=[NetworkUsed(CUSTOM, network.sha256)],
        precision=manner.settings.precision,
        device=manner.settings.device,
        least=SMALLEST,
        notes=[advice] if advice else [],
    )


def custom_painter(network: Johnson, settings: InstantSettings) -> CustomPainter:
    """Prepare to paint many photos with one network.

    Raises:
        RecipeError, PictureError: settings that do not suit.
    """
    settings = resolved(settings)
    if settings.weights:
        raise RecipeError("weights mix paintings, and a custom style network has only one style; leave --weights out.")
    if settings.stroke != 1:
        raise RecipeError(
            "a network's strokes are of the size it was trained with; ask for another --size, or train one with"
            " another --stroke."
        )
    check_colour_mode(settings.colour, photo=True, paintings=0)
    return CustomPainter(network.with_precision(dtype_of(settings.precision)).to(settings.device), settings)


@dataclass(frozen=True, eq=False)
class CustomPainter:
    """A custom style network, ready to paint.

    Attributes:
        network: in the settings' precision.
        settings: how, with no automatic precision.
    """

    network: Johnson
    settings: InstantSettings

    def paint(
        self,
        photo: Tensor,
        *,
        mask: Tensor | None = None,
        opaque: Tensor | None = None,
        clip: Mapping[str, Change] | None = None,
    ) -> Tensor:
        """Paint a photo in this style; see `instant`. As a frame of a clip it takes the clip's `statistics`."""
        if photo.shape[:1] != (1,) or photo.dtype != torch.float32:
            raise PictureError(
                f"a photo is a float32 (1, 3, H, W) tensor, and {tuple(photo.shape)} of {photo.dtype} came;"
                " read it with read_image."
            )
        check_size(photo, 1)  # what is painted, which may be larger, is checked by its own size
        settings, size = self.settings, size_for(photo, self.settings)
        own = scaled(photo, size)
        weights = alpha_weights(opaque, of=photo, size=size)
        image = stylise(self.network, own, self.tile(size), opaque=weights, changes=clip)
        if settings.strength < 1:
            image = torch.lerp(own, image, settings.strength)
        if settings.colour != "painting" and settings.colour_amount:
            image = coloured(image, photo=own, mode=settings.colour, amount=settings.colour_amount)
        if mask is None:
            return image
        return torch.lerp(own, image, mask_of(mask, of=size_of(photo), size=size))

    def statistics(self, frames: Callable[[], Iterable[Tensor]], size: tuple[int, int]) -> dict[str, Change]:
        """Measure the frames of a clip as if they were one picture.

        Args:
            frames: from nothing to the frames, (1, 3, H, W).
            size: (H, W) of them all.
        """
        return changes_of(self.network, list(frames()), self.tile(size))

    def tile(self, size: tuple[int, int]) -> int:
        """Choose the side of the tiles: as set, 0 where the whole fits, or the largest that fits beside the maps.

        Raises:
            OutOfMemory: not even the smallest does.
        """
        return self.tiling(size).fit(self.settings.memory, self.settings.tile).tile

    def tiling(self, size: tuple[int, int]) -> Tiling:
        """Describe the tiles in which a photo of this (H, W) can be painted, and their memory."""
        channels = int(self.network.tensors["down.0.weight"].shape[0])
        width, pixels = channels * self.network.dtype.itemsize, size[0] * size[1]

        def working(side: int) -> float:
            if not side:
                return (_PICTURES + _WHOLE * width) * pixels
            tile = 4 * _TILE * channels * min(side, size[0]) * min(side, size[1])
            return (_PICTURES + _KEPT * width) * pixels + tile

        return Tiling(
            working,
            largest=LARGEST,
            smallest=SMALLEST,
            doing=f"painting {size[1]}x{size[0]} px",
            dial="--size",
            whole=True,
        )

    def advice(self, size: tuple[int, int]) -> str:
        """Warn about a size far from the one the network was trained for; empty if all is well."""
        trained = self.network.facts.get("settings", {}).get("size")
        small = min(size) < self.network.least  # which is refused
        if not isinstance(trained, int) or small or max(size) <= _OVER * trained:
            return ""
        return (
            f"the network was trained for {trained} px, and {max(size)} px are painted: its strokes will look small;"
            f" --size {2 * trained} shows them larger."
        )
