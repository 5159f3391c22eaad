"""Grids that cut a picture, or a feature map, into tiles: what each owns and what it reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor
from torch.nn import functional as F

from reverie.engine.executors import Statistics, layers_of
from reverie.networks import Network
from reverie.objectives import PICTURE, Window

Size = tuple[int, int]


@dataclass(frozen=True)
class Span:
    """One tile along one axis: the pixels it owns and those it reads, as half-open ranges."""

    own: tuple[int, int]
    seen: tuple[int, int]


Place = tuple[Span, Span]
Region = tuple[slice, slice]


@dataclass(frozen=True)
class Grid:
    """The cutting of a picture into tiles.

    Attributes:
        size: (H, W) of the picture.
        step: tile origins are multiples of it: the deepest stride.
        halo: pixels read beyond the owned ones on each side, a multiple of step.
        tile: owned pixels each way, a multiple of step.
        origin: (row, column) where the pixels at hand begin; not (0, 0) where they are a part of the picture.
        periodic: whether the picture wraps round its edges; tiles then read there too.
    """

    size: Size
    step: int
    halo: int
    tile: int
    origin: Size = (0, 0)
    periodic: bool = False

    def spans(self, length: int) -> list[Span]:
        """Split an axis of this many pixels into tiles of nearly equal lengths, no pixel left out."""
        count = max(1, -(-length // self.tile))
        even = -(-length // (count * self.step)) * self.step
        owns = [(a, min(a + even, length)) for a in range(0, length, even)]
        low, high = (-self.halo, length + self.halo) if self.periodic else (0, length)
        return [Span((a, b), (max(low, a - self.halo), min(high, b + self.halo))) for a, b in owns]

    def __iter__(self) -> Iterator[Place]:
        for rows in self.spans(self.size[0]):
            for columns in self.spans(self.size[1]):
                yield rows, columns

    def __len__(self) -> int:
        return len(self.spans(self.size[0])) * len(self.spans(self.size[1]))

    @property
    def seen(self) -> tuple[int, int]:
        """Pixels that the largest tile reads, and that all tiles read together."""
        areas = [(r.seen[1] - r.seen[0]) * (c.seen[1] - c.seen[0]) for r, c in self]
        return max(areas), sum(areas)

    @property
    def shapes(self) -> int:
        """Number of different shapes of the pixels that tiles read."""
        sides = [{span.seen[1] - span.seen[0] for span in self.spans(length)} for length in self.size]
        return len(sides[0]) * len(sides[1])

    def crop(self, pixels: Tensor, place: Place) -> Tensor:
        """Return the pixels that a tile reads, out of those at hand: a view, or a copy if it reads round the edges."""
        parts = self._parts(place)
        if len(parts) == 1:
            return parts[0][1].of(pixels)
        out = pixels.new_empty(*pixels.shape[:2], *(span.seen[1] - span.seen[0] for span in place))
        for inside, outside in parts:
            inside.of(out).copy_(outside.of(pixels))
        return out

    def add(self, gradient: Tensor, place: Place, part: Tensor) -> None:
        """Add a tile's gradient to that of the pixels that it reads."""
        part = part.to(gradient.device)
        for inside, outside in self._parts(place):
            outside.of(gradient).add_(inside.of(part))

    def _parts(self, place: Place) -> list[tuple[_Box, _Box]]:
        """Yield the contiguous rectangles of a tile's pixels, in the tile and in the pixels at hand."""
        rows, columns = (
            _runs(span.seen, length, at) for span, length, at in zip(place, self.size, self.origin, strict=True)
        )
        return [(_Box(y, x), _Box(v, u)) for y, v in rows for x, u in columns]


@dataclass(frozen=True)
class _Box:
    """A rectangle of pixels."""

    rows: slice
    columns: slice

    def of(self, pixels: Tensor) -> Tensor:
        return pixels[..., self.rows, self.columns]


def _runs(seen: tuple[int, int], length: int, at: int) -> list[tuple[slice, slice]]:
    """Split a range that may lie beyond both ends of an axis into ranges within it: in itself, and from `at` on."""
    out, start = [], seen[0]
    while start < seen[1]:
        turn = start // length * length
        stop = min(seen[1], turn + length)
        out.append((slice(start - seen[0], stop - seen[0]), slice(start - turn - at, stop - turn - at)))
        start = stop
    return out


def grid_for(network: Network, wanted: Statistics, size: Size, tile: int, *, out: str | None = None) -> Grid:
    """Return the grid on which these statistics, and the map of the layer `out`, are exact.

    Raises:
        RecipeError: a layer may see the whole picture, so no tile is enough.
    """
    layers = [layer for layer in (*layers_of(wanted), *([out] if out else [])) if layer != PICTURE]
    if tile >= max(size) and not all(map(network.blueprint.is_local, layers)):
        return Grid(size, 1, 0, max(size))  # a single tile needs no geometry
    deep = [network.geometry(layer) for layer in layers]
    step = max((g.stride for g in deep), default=1)
    beyond = (_halo(network, s.layer) + s.reach * _stride(network, s.layer) for s in wanted)
    reach = max([0, *(g.halo for g in deep), *beyond])
    tile = max(step, tile // step * step)
    return Grid(size, step, -(-reach // step) * step, tile, periodic=network.periodic)


def _stride(network: Network, layer: str) -> int:
    return 1 if layer == PICTURE else network.stride(layer)


def _halo(network: Network, layer: str) -> int:
    return 0 if layer == PICTURE else network.geometry(layer).halo


def owned(network: Network, layer: str, size: Size, place: Place, *, reach: int = 0) -> tuple[Window, Region]:
    """Return the window of a layer's map that a tile owns, and its place, with `reach` beyond, in the tile's map."""
    stride = _stride(network, layer)
    whole = size if layer == PICTURE else network.extent(layer, size)
    ranges = []
    for span, length, pixels in zip(place, whole, size, strict=True):
        first = span.own[0] // stride
        last = length if span.own[1] == pixels else min(length, span.own[1] // stride)
        ranges.append((first, max(first, last), first - span.seen[0] // stride))
    (top, bottom, y), (left, right, x) = ranges
    region = slice(y, y + bottom - top + reach), slice(x, x + right - left + reach)
    return Window(top, left, bottom - top, right - left, whole), region


def weights_at(opaque: Tensor | None, size: Size) -> Tensor | None:
    """Weight each position of a map of this (h, w) by the opaque share of the pixels that it stands for.

    Args:
        opaque: (1, 1, H, W) in [0, 1], of the picture; None where all of it counts alike.
        size: of the map.
    """
    return None if opaque is None else F.interpolate(opaque, size=size, mode="area")


def window_of(pixels: Tensor, place: Place, halo: int) -> Tensor:
    """Cut out a tile of a map with its halo; beyond the map's borders its outermost positions are repeated."""
    rows, columns = place
    seen = pixels[..., slice(*rows.seen), slice(*columns.seen)]
    missing = [
        side
        for span in (columns, rows)
        for side in (span.seen[0] - span.own[0] + halo, span.own[1] + halo - span.seen[1])
    ]
    return F.pad(seen, missing, mode="replicate")
