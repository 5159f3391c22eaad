"""Feed-forward painting of any size: map by map, each in tiles, its statistics summed over them.

A map's affine change needs the statistics of the whole map, so one pass ends where another begins: the maps between
the stages are kept whole, all else is a tile at a time. Tiles read the halo of one stage only, and give what the
whole map gives, to rounding.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.engine.grids import Grid, grid_for, owned, weights_at, window_of
from reverie.engine.pieces import part
from reverie.networks import Network
from reverie.networks.instant import HALOS, LAYERS, STRIDE, Instant
from reverie.networks.matching import (
    COLOUR_RIDGE,
    RIDGE,
    Affine,
    Gaussian,
    Target,
    gaussian,
    moved,
    recoloured,
    rows_of,
    target_of,
    transported,
    whitened,
)
from reverie.objectives import PICTURE
from reverie.objectives.statistics import Moments
from reverie.pictures import size_of

Manner = Mapping[str, Gaussian]
"""What a painting is to the decoder: the statistics of its colours (``PICTURE``) and of ``LAYERS``."""
Goal = Mapping[str, Target]
"""What a picture's maps are given, by the same names."""
_BAND = 256  # rows of a picture recoloured at once


class Sums:
    """Sums of features and of their products over the tiles of a map, in float64."""

    def __init__(self) -> None:
        """Nothing summed yet."""
        self._first: Tensor | float = 0.0
        self._second: Tensor | float = 0.0
        self._count = 0.0

    def add(self, x: Tensor, weights: Tensor | None = None) -> None:
        """What one tile owns, (1, C, h, w), and how much each position counts, (1, 1, h, w): once, without."""
        rows = rows_of(x)
        counted = rows if weights is None else rows * rows_of(weights)
        self._first = self._first + counted.sum(1).double()
        self._second = self._second + (counted.mT @ rows).double()
        self._count += rows.shape[1] if weights is None else float(weights.sum(dtype=torch.float64))

    def gaussian(self) -> Gaussian:
        """The statistics of the whole map, in float64: inverse roots multiply their rounding."""
        return gaussian(torch.as_tensor(self._first), torch.as_tensor(self._second), self._count)


@dataclass(frozen=True, eq=False)
class Encoded:
    """A picture's deepest map, whole, and the statistics asked for."""

    deep: Tensor
    seen: Mapping[str, Gaussian]


@torch.no_grad()
def encode(
    network: Network,
    picture: Tensor,
    layers: Iterable[str],
    tile: int,
    *,
    deep: bool = True,
    opaque: Tensor | None = None,
) -> Encoded:
    """Statistics of a picture's layers, and its map of the deepest.

    Args:
        network: dreamnet, as the decoder was trained with it.
        picture: (1, 3, H, W) sRGB in [0, 1].
        layers: names; ``PICTURE`` are the colours.
        tile: side of the tiles, in pixels; 0 takes the picture whole.
        deep: whether the map is wanted.
        opaque: (1, 1, H, W) in [0, 1], how much each pixel counts; None: all alike.
    """
    asked = tuple(dict.fromkeys(layers))
    run = tuple(dict.fromkeys([layer for layer in asked if layer != PICTURE] + [LAYERS[0]] * deep))
    size, sums = size_of(picture), {layer: Sums() for layer in asked}
    shape = network.extent(LAYERS[0], size)
    kept = picture.new_empty(1, network.channels(LAYERS[0]), *shape, dtype=network.dtype) if deep else picture[..., :0]
    extents = {layer: size if layer == PICTURE else network.extent(layer, size) for layer in asked}
    weights = {layer: weights_at(opaque, extent) for layer, extent in extents.items()}
    grid = grid_for(network, tuple(map(Moments, run)), size, tile or max(size))
    for place in grid:
        crop = grid.crop(picture, place)
        maps = {PICTURE: crop, **(network(crop, run) if run else {})}
        for layer, total in sums.items():
            window, region = owned(network, layer, size, place)
            counts = weights[layer]
            total.add(maps[layer][(..., *region)], None if counts is None else part(counts, window))
        if deep:
            window, region = owned(network, LAYERS[0], size, place)
            part(kept, window).copy_(maps[LAYERS[0]][(..., *region)])
    return Encoded(kept, {layer: total.gaussian() for layer, total in sums.items()})


def goal_of(manner: Manner) -> Goal:
    """What a manner gives to a picture's maps."""
    return {layer: target_of(g, COLOUR_RIDGE if layer == PICTURE else RIDGE) for layer, g in manner.items()}


@torch.no_grad()
def decode(
    decoder: Instant,
    deep: Tensor,
    seen: Gaussian,
    goal: Goal,
    noises: Sequence[Tensor],
    tile: int,
    *,
    opaque: Tensor | None = None,
) -> Tensor:
    """The picture that the decoder makes of the deepest map, in the colours of its goal; clamped.

    Args:
        decoder: in the map's precision.
        deep: (1, C, h, w).
        seen: the map's statistics.
        goal: what the maps and colours are given.
        noises: (1, 1, h, w), (1, 1, 2 h, 2 w) and (1, 1, 4 h, 4 w).
        tile: side of the tiles, in pixels of the picture; 0 takes the maps whole.
        opaque: (1, 1, 8 h, 8 w) in [0, 1], how much each pixel counts; None: all alike.
    """
    x, change = deep, transported(seen, goal[LAYERS[0]])
    for number in range(len(LAYERS)):
        x, seen = _stage(decoder, number, x, change, noises[number], tile * 2**number // STRIDE, opaque)
        if number + 1 < len(LAYERS):
            change = whitened(seen, goal[LAYERS[number + 1]])
    return _changed(x, recoloured(seen, goal[PICTURE]))


def noises_for(shape: tuple[int, int], seed: int, amount: float) -> list[Tensor]:
    """Noise for the three stages of a deepest map of this (h, w), with the deviation ``amount``."""
    generator = torch.Generator().manual_seed(seed)
    sides = [(shape[0] * 2**k, shape[1] * 2**k) for k in range(len(LAYERS))]
    return [torch.randn(1, 1, *side, generator=generator).mul_(amount) for side in sides]


def _stage(
    decoder: Instant, number: int, x: Tensor, change: Affine, noise: Tensor, tile: int, opaque: Tensor | None
) -> tuple[Tensor, Gaussian]:
    """One stage over a whole map that is changed first: the map it makes, and its statistics."""
    height, width = size_of(x)
    halo, sums, weights = HALOS[number], Sums(), weights_at(opaque, (2 * height, 2 * width))
    out: Tensor | None = None
    for place in Grid((height, width), step=1, halo=halo, tile=tile or max(height, width)):
        window = moved(window_of(x, place, halo), change).relu_().to(x.dtype)
        made = decoder.stage(number, window, window_of(noise, place, halo))
        rows, columns = (slice(2 * span.own[0], 2 * span.own[1]) for span in place)
        sums.add(made, None if weights is None else weights[..., rows, columns])
        out = _empty(number, made, (2 * height, 2 * width)) if out is None else out
        out[..., rows, columns] = made
    return torch.empty(0) if out is None else out, sums.gaussian()


def _empty(number: int, like: Tensor, size: tuple[int, int]) -> Tensor:
    """Room for a stage's whole map; the last one's is a picture."""
    dtype, layout = (torch.float32, torch.contiguous_format) if number == 2 else (like.dtype, torch.channels_last)
    return torch.empty(1, like.shape[1], *size, dtype=dtype, memory_format=layout)


def _changed(picture: Tensor, change: Affine) -> Tensor:
    """The picture in its last colours, in place, some rows at a time."""
    for top in range(0, picture.shape[2], _BAND):
        band = picture[:, :, top : top + _BAND]
        band.copy_(moved(band, change).clamp_(0, 1))
    return picture
