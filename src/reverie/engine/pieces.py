"""A network in pieces, and one tile of one piece: its shares of statistics, and its part of the gradient.

Between the pieces lie maps of few numbers, kept whole. A tile of a piece then reads only the halo of that piece, not
the whole network's, and the way back computes each piece once more from the map before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import torch
from torch import Tensor

from reverie.engine.executors import Statistics, layers_of, read
from reverie.engine.grids import Grid, Place, Region, Size, grid_for, owned
from reverie.errors import RecipeError
from reverie.networks import Network
from reverie.networks.aligned import aligned
from reverie.networks.ops import Conv, Pool, Relu
from reverie.objectives import PICTURE, Statistic, Window

CUT_FROM = 8  # the smallest stride at which a network is cut: before it, maps are larger than the picture
Reference = Callable[[Statistic, Window], Tensor | None]
"""The features of a statistic's reference in a window."""
Known = Callable[[Mapping[Statistic, Tensor]], Mapping[Statistic, Tensor | None]]
"""The gradients of the statistics, where a tile's shares show their shapes."""
MapGradients = dict[str, list[tuple[Region, Tensor]]]
"""Gradients of statistics in parts of a tile's maps, by layer."""


@dataclass(frozen=True)
class Piece:
    """A stretch of a network.

    Attributes:
        network: whose picture is the map before the stretch.
        wanted: the statistics of its layers.
        out: the layer it ends with and hands on; None at the end.
        unit: pixels of the picture between two positions of the map before it.
        aligned_with: statistics measured elsewhere, in whose tiles it is computed.
    """

    network: Network
    wanted: Statistics
    out: str | None
    unit: int
    aligned_with: Statistics = ()

    @cached_property
    def layers(self) -> tuple[str, ...]:
        """Layers to run to."""
        return tuple(dict.fromkeys([*layers_of(self.wanted), *([self.out] if self.out else [])]))

    @cached_property
    def density(self) -> dict[str, float]:
        """Features per position of the map before it, in each map that a run makes."""
        return self.network.density([layer for layer in self.layers if layer != PICTURE])

    def grid(self, size: Size, tile: int) -> Grid:
        """Return the grid on the map before it, of this (h, w), whose tiles own `tile` pixels of the picture a side."""
        return grid_for(self.network, (*self.wanted, *self.aligned_with), size, max(1, tile // self.unit), out=self.out)


def pieces(network: Network, wanted: Statistics, *, cut: bool = True, out: str | None = None) -> tuple[Piece, ...]:
    """Cut the network once at each stride from 8 on, where a map is smallest; leave it whole if it is not to be cut.

    Args:
        wanted: statistics to measure.
        out: a layer whose map the last piece hands on.
    """
    found: list[Piece] = []
    rest, unit, left = network, 1, wanted
    for layer in _cuts(network, (*layers_of(wanted), *([out] if out else []))) if cut else ():
        behind = rest.after(layer)
        here = tuple(s for s in left if s.layer not in behind.layers)
        found.append(Piece(rest, here, layer, unit))
        rest, unit, left = behind, network.stride(layer), tuple(s for s in left if s not in here)
    return (*found, Piece(rest, left, out, unit))


def grids(parts: Sequence[Piece], size: Size, tile: int) -> Iterator[tuple[Piece, Grid]]:
    """Yield each piece with the grid on the map before it, for a picture of this size."""
    for piece in parts:
        yield piece, piece.grid(size, tile)
        size = piece.network.extent(piece.out, size) if piece.out else size


def work(parts: Sequence[Piece], size: Size, tile: int) -> float:
    """Count the features that a pass over all tiles computes, those in halos included."""
    return sum(sum(piece.density.values()) * grid.seen[1] for piece, grid in grids(parts, size, tile))


def _cuts(network: Network, layers: tuple[str, ...]) -> list[str]:
    """Choose the layers to cut at: the narrowest at each stride, if anything follows."""
    narrowest: dict[int, str] = {}
    for layer in network.cuts():
        if not network.blueprint.is_local(layer):
            break
        stride = network.stride(layer)
        held = narrowest.get(stride)
        if stride >= CUT_FROM and (held is None or _width(network, layer) < _width(network, held)):
            narrowest[stride] = layer
    return [cut for cut in narrowest.values() if any(layer in network.after(cut).layers for layer in layers)]


def _width(network: Network, layer: str) -> float:
    try:
        return network.channels(layer)
    except RecipeError:  # only known once it is run
        return float("inf")


def shares(
    piece: Piece, crop: Tensor, grid: Grid, place: Place, reference_of: Reference
) -> tuple[dict[Statistic, Tensor], Tensor | None]:
    """Return one tile's share of each statistic, and what it owns of the map that is handed on.

    What it reads is copied: sums over a part of a larger picture may be rounded otherwise.
    """
    with torch.no_grad():
        maps = read(piece.network, _copied(crop, piece.network), piece.layers)
        found = {}
        for s in piece.wanted:
            window, region = owned(piece.network, s.layer, grid.size, place, reach=s.reach)
            found[s] = s.measure(maps[s.layer][(..., *region)], window, reference_of(s, window))
    if piece.out is None:
        return found, None
    return found, maps[piece.out][(..., *owned(piece.network, piece.out, grid.size, place)[1])]


def backward(
    piece: Piece, crop: Tensor, grid: Grid, place: Place, reference_of: Reference, known: Known, above: Tensor | None
) -> tuple[dict[Statistic, Tensor], Tensor]:
    """Return one tile's shares, and the gradient in what it reads, both on the network's device.

    Args:
        known: gradients of the statistics.
        above: gradient in the map that is handed on, whole.
    """
    with torch.enable_grad():
        crop = _copied(crop.detach(), piece.network).requires_grad_(True)
        maps = read(piece.network, crop, piece.layers)
        found, map_gradients = _statistics(piece, maps, grid, place, reference_of, known)
    if piece.out is not None and above is not None:
        window, region = owned(piece.network, piece.out, grid.size, place)
        map_gradients.setdefault(piece.out, []).append((region, part(above, window).to(crop.device)))
    return found, _back(piece.network, crop, maps, map_gradients)


def _statistics(
    piece: Piece, maps: Mapping[str, Tensor], grid: Grid, place: Place, reference_of: Reference, known: Known
) -> tuple[dict[Statistic, Tensor], MapGradients]:
    """Return a tile's shares, and their gradients in the maps."""
    leaves, found, regions = {}, {}, {}
    for s in piece.wanted:
        window, regions[s] = owned(piece.network, s.layer, grid.size, place, reach=s.reach)
        leaves[s] = maps[s.layer].detach()[(..., *regions[s])].requires_grad_(True)
        found[s] = s.measure(leaves[s], window, reference_of(s, window))
    gradients = known({s: x.detach() for s, x in found.items()})
    map_gradients: MapGradients = {}
    for s, share in found.items():
        gradient = gradients[s]
        if gradient is not None and share.requires_grad:
            (g,) = torch.autograd.grad(share, leaves[s], aligned(gradient.contiguous()))
            map_gradients.setdefault(s.layer, []).append((regions[s], g))
    return {s: x.detach() for s, x in found.items()}, map_gradients


def _back(network: Network, crop: Tensor, maps: Mapping[str, Tensor], map_gradients: MapGradients) -> Tensor:
    """Back-propagate to the crop: gradients of the last layers enter at once, others are added by hooks."""
    deep = [layer for layer in map_gradients if layer != PICTURE]
    passed = {node.name for layer in deep for node in network.blueprint.ancestors([layer]) if node.name != layer}
    ends = [layer for layer in deep if layer not in passed]
    for layer in deep:
        if layer in passed:
            hook = partial(_added, parts=map_gradients[layer], alone=_alone(network, layer))
            maps[layer].register_hook(hook)  # type: ignore[no-untyped-call]
    gradient = torch.zeros_like(crop)
    if ends:
        entering = [_added(torch.zeros_like(maps[layer]), map_gradients[layer], alone=True) for layer in ends]
        (gradient,) = torch.autograd.grad([maps[layer] for layer in ends], crop, entering)
    return _added(gradient, map_gradients.get(PICTURE, []), alone=True)


def _added(gradient: Tensor, parts: list[tuple[Region, Tensor]], *, alone: bool) -> Tensor:
    gradient = gradient if alone else gradient.clone()
    for region, g in parts:
        gradient[(..., *region)] += g
    return gradient


def _alone(network: Network, layer: str) -> bool:
    """True if the gradient that comes down to a layer is in memory of its own: sums pass theirs to several layers."""
    readers = (node for node in network.blueprint.nodes if layer in node.inputs)
    return all(isinstance(node.op, Conv | Pool | Relu) for node in readers)


def _copied(crop: Tensor, network: Network) -> Tensor:
    """Return a copy of a tile's pixels on the network's device."""
    return crop.clone() if crop.device == network.device else crop.to(network.device)


def part(whole: Tensor, window: Window) -> Tensor:
    """Return the window of a whole map: a view."""
    return whole[..., window.top : window.top + window.height, window.left : window.left + window.width]
