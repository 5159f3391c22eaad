"""Feed-forward painting of any size: map by map, each in tiles, its statistics summed over them.

A map's affine change needs the statistics of the whole map, so one pass ends where another begins: the maps between
the stages are kept whole, all else is a tile at a time. Tiles read the halo of one stage only, and give what the
whole map gives, to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from reverie.engine.grids import Grid, Place, grid_for, owned, weights_at, window_of
from reverie.engine.pieces import part
from reverie.feedforward.instant import HALOS, KEPT, LAYERS, STRIDE, Instant
from reverie.feedforward.matching import (
    COLOUR_RIDGE,
    RIDGE,
    Affine,
    Gaussian,
    Target,
    colour_map,
    gaussian,
    moved,
    target_of,
    transport_map,
    whitening_map,
)
from reverie.networks import Network
from reverie.networks.widest import exact, widest
from reverie.objectives import PICTURE
from reverie.objectives.statistics import Moments, raw_moments
from reverie.pictures import size_of

StyleStatistics = Mapping[str, Gaussian]
"""A painting as the decoder knows it: the statistics of its colours (``PICTURE``) and of ``LAYERS``."""
TargetStatistics = Mapping[str, Target]
"""Statistics that a picture's colours and maps are to take on, by the same names."""
_BAND = 256  # rows of a picture recoloured at once


class Sums:
    """Sums of features and of their products over the tiles of a map, in float64."""

    def __init__(self) -> None:
        """Start with empty sums."""
        self._first: Tensor | float = 0.0
        self._second: Tensor | float = 0.0
        self._count = 0.0

    def add(self, x: Tensor, weights: Tensor | None = None) -> None:
        """Add what one tile owns, (1, C, h, w), weighted by position, (1, 1, h, w); without weights, all alike."""
        x, weights = (x, None) if weights is None else _counted(x, weights)
        found = exact(raw_moments(x, weights))
        self._first = self._first + found[:, -1]
        self._second = self._second + found[:, :-1]
        positions = x.shape[2] * x.shape[3]
        self._count += positions if weights is None else float(weights.sum(dtype=widest(x.device)))

    def gaussian(self) -> Gaussian:
        """Return the statistics of the whole map, in float64: inverse roots multiply their rounding.

        They lie on the host, which has float64 whatever the map's device has.
        """
        first, second = (torch.as_tensor(x).cpu().double() for x in (self._first, self._second))
        return gaussian(first, second, self._count)


def _counted(x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor | None]:
    """Cut off a map's borders that do not count; no weights are left where all else counts alike, which is cheap."""
    rows, columns = _span(weights.sum((0, 1, 3))), _span(weights.sum((0, 1, 2)))
    x, weights = x[..., rows, columns], weights[..., rows, columns]
    return x, None if bool((weights == 1).all()) else weights


def _span(counts: Tensor) -> slice:
    """Return the range from the first to the last positive value."""
    found = counts.nonzero().flatten()
    return slice(int(found[0]), int(found[-1]) + 1) if len(found) else slice(0, 0)


@dataclass(frozen=True, eq=False)
class ClipStatistics:
    """Statistics of a clip's frames, as if they were one picture.

    Attributes:
        seen: of the layers of the frames.
        made: of the maps that the decoder makes of them: those given to its third and fourth stage, and its pictures.
    """

    seen: StyleStatistics
    made: Sequence[Gaussian]


@dataclass(frozen=True, eq=False)
class Encoded:
    """A picture's maps, whole, of the layers that are painted, and the statistics of those asked for."""

    maps: Mapping[str, Tensor]
    seen: Mapping[str, Gaussian]


@torch.no_grad()
def encode(
    network: Network,
    picture: Tensor,
    layers: Iterable[str],
    tile: int,
    *,
    keep: Sequence[str] = KEPT,
    opaque: Tensor | None = None,
    pooled: Mapping[str, Sums] | None = None,
) -> Encoded:
    """Encode a picture: measure the statistics of its layers, and keep its deepest maps.

    Args:
        network: dreamnet, as the decoder was trained with it.
        picture: (1, 3, H, W) sRGB in [0, 1].
        layers: names; ``PICTURE`` are the colours.
        tile: side of the tiles, in pixels; 0 takes the picture whole.
        keep: the layers whose maps are wanted.
        opaque: (1, 1, H, W) in [0, 1], how much each pixel counts; None: all alike.
        pooled: sums of other pictures, by layer, to which this one's are added.
    """
    asked, size = tuple(dict.fromkeys(layers)), size_of(picture)
    run = tuple(dict.fromkeys([layer for layer in asked if layer != PICTURE] + list(keep)))
    extents = {layer: size if layer == PICTURE else network.extent(layer, size) for layer in (*asked, *keep)}
    shapes = {layer: (1, network.channels(layer), *extents[layer]) for layer in keep}
    picture = picture.to(network.device)
    dtype, device, layout = network.dtype, network.device, torch.channels_last
    kept = {k: torch.empty(shape, dtype=dtype, device=device, memory_format=layout) for k, shape in shapes.items()}
    weights = {layer: weights_at(opaque, extents[layer]) for layer in asked}
    sums = dict(pooled) if pooled is not None else {layer: Sums() for layer in asked}
    grid = grid_for(network, tuple(map(Moments, run)), size, tile or max(size))
    for place in grid:
        crop = grid.crop(picture, place)
        maps = {PICTURE: crop, **(network(crop, run) if run else {})}
        for layer, total in sums.items():
            window, region = owned(network, layer, size, place)
            counts = weights[layer]
            total.add(maps[layer][(..., *region)], None if counts is None else part(counts, window))
        for layer, whole in kept.items():
            window, region = owned(network, layer, size, place)
            part(whole, window).copy_(maps[layer][(..., *region)])
    return Encoded(kept, {layer: total.gaussian() for layer, total in sums.items()})


def targets_of(style: StyleStatistics) -> TargetStatistics:
    """Return the target statistics of a style."""
    return {layer: target_of(g, COLOUR_RIDGE if layer == PICTURE else RIDGE) for layer, g in style.items()}


@torch.no_grad()
def decode(
    decoder: Instant,
    found: Encoded,
    targets: TargetStatistics,
    noises: Sequence[Tensor],
    tile: int,
    *,
    opaque: Tensor | None = None,
    clip: ClipStatistics | None = None,
) -> Tensor:
    """Decode a photo's deepest maps into a picture, in the colours of the targets; clamped.

    Args:
        decoder: in the maps' precision.
        found: the photo's maps of ``KEPT``, of (h, w) and (2 h, 2 w), and their statistics.
        targets: statistics that the maps and colours are to take on.
        noises: as `noises_for` makes them for (h, w), on any device.
        tile: side of the tiles, in pixels of the picture; 0 takes the maps whole.
        opaque: (1, 1, 16 h, 16 w) in [0, 1], how much each pixel counts; None: all alike.
        clip: statistics of the clip that the photo belongs to, in place of its own.
    """
    known = () if clip is None else clip.made
    found = found if clip is None else Encoded(found.maps, clip.seen)
    made, sums = _run(decoder, found, targets, noises, tile, opaque, known, len(LAYERS))
    return _changed(made, colour_map(known[-1] if known else sums.gaussian(), targets[PICTURE]))


@torch.no_grad()
def clip_statistics(
    network: Network,
    decoder: Instant,
    frames: Callable[[], Iterable[Tensor]],
    layers: Iterable[str],
    targets_for: Callable[[StyleStatistics], TargetStatistics],
    noises: Callable[[Encoded], Sequence[Tensor]],
    tile: int,
) -> ClipStatistics:
    """Measure the frames of a clip as if they were one picture: stage by stage, frame by frame, in constant memory.

    Args:
        network, decoder: as of `encode` and `decode`.
        frames: from nothing to the frames, (1, 3, H, W) with sides of whole strides; called for every stage.
        layers: whose statistics are measured.
        targets_for: from the frames' statistics to those they are to take on.
        noises: of a frame.
        tile: side of the tiles, in pixels; 0 takes each frame whole.
    """
    pooled = {layer: Sums() for layer in dict.fromkeys(layers)}
    for frame in frames():
        encode(network, frame, pooled, tile, keep=(), pooled=pooled)
    seen = {layer: total.gaussian() for layer, total in pooled.items()}
    targets, made = targets_for(seen), list[Gaussian]()
    for stages in range(len(KEPT), len(LAYERS) + 1):
        total = Sums()
        for frame in frames():
            found = Encoded(encode(network, frame, (), tile).maps, seen)
            _run(decoder, found, targets, noises(found), tile, None, made, stages, total)
        made.append(total.gaussian())
    return ClipStatistics(seen, made)


def _run(
    decoder: Instant,
    found: Encoded,
    targets: TargetStatistics,
    noises: Sequence[Tensor],
    tile: int,
    opaque: Tensor | None,
    known: Sequence[Gaussian],
    stages: int,
    total: Sums | None = None,
) -> tuple[Tensor, Sums]:
    """Run the first stages; return the map that the last of them makes, and its sums.

    Args:
        known: statistics of the maps given to the third stage and those after it; where they are missing, their own.
        stages: how many.
        total: to which the last one's sums are added; None: new ones.
    """
    made, sums = found.maps[KEPT[0]], Sums()
    for number, layer in enumerate(LAYERS[:stages]):
        if layer in KEPT:
            change = transport_map(found.seen[layer], targets[layer])
            given = StageInput(found.maps[layer], change, made if number else None)
        else:
            its = known[number - len(KEPT)] if number - len(KEPT) < len(known) else sums.gaussian()
            given = StageInput(made, whitening_map(its, targets[layer]))
        sums = total if total is not None and number + 1 == stages else Sums()
        noise = noises[number].to(decoder.device)
        made = _stage(decoder, number, given, noise, tile * 2**number // STRIDE, opaque, sums)
    return made, sums


def noises_for(shape: tuple[int, int], seed: int, amount: float) -> list[Tensor]:
    """Draw noise for each stage, of its input's size for a deepest map of (h, w), with the deviation ``amount``."""
    generator = torch.Generator().manual_seed(seed)
    sides = [(shape[0] * 2**k, shape[1] * 2**k) for k in range(len(LAYERS))]
    return [torch.randn(1, 1, *side, generator=generator).mul_(amount) for side in sides]


class StageInput(NamedTuple):
    """The input of a stage: a map, the change applied to it, and what is then added to it."""

    map: Tensor
    change: Affine
    added: Tensor | None = None

    def window(self, place: Place, halo: int) -> Tensor:
        """Return a piece of the input with the positions around it."""
        x = moved(window_of(self.map, place, halo), self.change).relu_()
        return (x if self.added is None else x.add_(window_of(self.added, place, halo))).to(self.map.dtype)


def _stage(
    decoder: Instant, number: int, given: StageInput, noise: Tensor, tile: int, opaque: Tensor | None, sums: Sums
) -> Tensor:
    """Run one stage over a whole map; return the map it makes, and add to its sums."""
    height, width = size_of(given.map)
    halo, weights = HALOS[number], weights_at(opaque, (2 * height, 2 * width))
    out: Tensor | None = None
    for place in Grid((height, width), step=1, halo=halo, tile=tile or max(height, width)):
        made = decoder.stage(number, given.window(place, halo), window_of(noise, place, halo))
        rows, columns = (slice(2 * span.own[0], 2 * span.own[1]) for span in place)
        if number:  # what the first makes is only added to another map
            sums.add(made, None if weights is None else weights[..., rows, columns])
        out = _empty(number, made, (2 * height, 2 * width)) if out is None else out
        out[..., rows, columns] = made
    return torch.empty(0) if out is None else out


def _empty(number: int, like: Tensor, size: tuple[int, int]) -> Tensor:
    """Allocate a stage's whole map; the last one's is a picture."""
    shape = (1, like.shape[1], *size)
    if number + 1 == len(LAYERS):
        return torch.empty(shape, dtype=torch.float32, device=like.device)
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=torch.channels_last)


def _changed(picture: Tensor, change: Affine) -> Tensor:
    """Recolour the picture in place, some rows at a time."""
    for top in range(0, picture.shape[2], _BAND):
        band = picture[:, :, top : top + _BAND]
        band.copy_(moved(band, change).clamp_(0, 1))
    return picture
