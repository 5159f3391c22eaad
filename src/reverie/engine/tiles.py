"""Exact tiles: statistics and gradients of a picture, a piece at a time.

Tiles own *features*; what a tile's features need of the neighbours is read again (the halo), and the gradient that
falls there is added to the neighbours' pixels. So the halo is the forward receptive field only, and the result is
the whole picture's, to rounding.
"""

from __future__ import annotations

import gc
import tempfile
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from reverie.engine.executors import Executor, Slopes, Statistics, WholeExecutor, layers_of, read
from reverie.errors import OutOfMemory, RecipeError
from reverie.networks import Network
from reverie.objectives import PICTURE, Statistic, Window

Size = tuple[int, int]
MAPPED = 256 * 2**20  # bytes of cached references above which they lie on disk
SMALLEST = 128  # pixels; a tile that does not fit at this size will not fit smaller
T = TypeVar("T")


@dataclass(frozen=True)
class Span:
    """One tile along one axis: the pixels it owns and those it reads, as half-open ranges."""

    own: tuple[int, int]
    seen: tuple[int, int]


Place = tuple[Span, Span]


@dataclass(frozen=True)
class Grid:
    """How a picture is cut.

    Attributes:
        size: (H, W) of the picture.
        step: tile origins are multiples of it: the deepest stride.
        halo: pixels read beyond the owned ones on each side, a multiple of step.
        tile: owned pixels each way, a multiple of step.
        origin: (row, column) where the pixels at hand begin; not (0, 0) where they are a part of the picture.
    """

    size: Size
    step: int
    halo: int
    tile: int
    origin: Size = (0, 0)

    def spans(self, length: int) -> list[Span]:
        """The tiles along an axis of this many pixels, of nearly equal lengths, no pixel left out."""
        count = max(1, -(-length // self.tile))
        even = -(-length // (count * self.step)) * self.step
        starts = range(0, length, even)
        return [
            Span(
                (a, min(a + even, length)),
                (max(0, a - self.halo), min(length, a + even + self.halo)),
            )
            for a in starts
        ]

    def __iter__(self) -> Iterator[Place]:
        for rows in self.spans(self.size[0]):
            for columns in self.spans(self.size[1]):
                yield rows, columns

    def __len__(self) -> int:
        return len(self.spans(self.size[0])) * len(self.spans(self.size[1]))

    def crop(self, pixels: Tensor, place: Place) -> Tensor:
        """A view of the pixels that a tile reads, out of those at hand."""
        (top, bottom), (left, right) = place[0].seen, place[1].seen
        down, across = self.origin
        return pixels[..., top - down : bottom - down, left - across : right - across]


def grid_for(network: Network, wanted: Statistics, size: Size, tile: int) -> Grid:
    """The grid on which these statistics are exact.

    Raises:
        RecipeError: a layer may see the whole picture, so no tile is enough.
    """
    deep = [network.geometry(layer) for layer in layers_of(wanted) if layer != PICTURE]
    step = max((g.stride for g in deep), default=1)
    reach = max([g.halo for g in deep] + [s.reach for s in wanted])
    return Grid(size, step, -(-reach // step) * step, max(step, tile // step * step))


class Cutter(Executor):
    """An executor that cuts pictures into tiles and adds up what the tiles give; its kinds say who works them off.

    Args:
        tile: side of the pixels a tile owns, rounded down to the network's deepest stride.
    Raises:
        RecipeError: the tile has no pixel.
    """

    def __init__(self, tile: int) -> None:
        if tile < 1:
            raise RecipeError(f"a tile is at least 1 pixel; got {tile}.")
        self.tile = tile
        self._whole = WholeExecutor()

    def measure(
        self, network: Network, picture: Tensor, wanted: Statistics, slopes: Slopes | None = None
    ) -> tuple[Tensor, ...]:
        size = (int(picture.shape[-2]), int(picture.shape[-1]))
        if len(grid_for(network, wanted, size, self.tile)) == 1:
            return self._whole.measure(network, picture, wanted)
        return tuple(_Tiled.apply(picture, self, network, wanted, slopes))  # type: ignore[no-untyped-call]

    @abstractmethod
    def sweep(
        self, picture: Tensor, network: Network, wanted: Statistics, slopes: Slopes | None, *, again: bool = False
    ) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """The sums of all tiles' shares, and where the statistics' gradients are known, the picture's gradient.

        Shares and gradients are added in the order of the tiles, whoever gives them, so that the sums are the same.
        Where it is done again, for the gradient alone, the sums may be left out.
        """

    @abstractmethod
    def forget(self) -> None:
        """Drop what is kept of tiles: they are about to become smaller."""

    def fitting(self, attempt: Callable[[], T]) -> T:
        """The attempt's result; where memory runs out, the tile is halved and the attempt made again.

        Raises:
            OutOfMemory: not even the smallest tile fits.
        """
        while True:
            try:
                return attempt()
            except RuntimeError as error:
                if not out_of_memory(error):
                    raise
                if self.tile // 2 < SMALLEST:
                    raise OutOfMemory(
                        f"a tile of {self.tile} px does not fit; free some memory or try a smaller size."
                    ) from None
            self.tile //= 2  # outside the except block, whose traceback pins the tensors
            self.forget()
            gc.collect()


class TiledExecutor(Cutter):
    """Statistics of a picture cut into tiles; the same as the whole picture's, in a tile's memory.

    Args:
        tile: side of the pixels a tile owns, rounded down to the network's deepest stride.
    Source: two passes, Galerne et al. (2022). We differ: tiles own features, so half their halo is exact; where the
        objective is linear in the statistics its gradient is known beforehand, and one pass does.
    """

    def __init__(self, tile: int = 512) -> None:
        super().__init__(tile)
        self._references: WeakKeyDictionary[Statistic, dict[int, Tensor]] = WeakKeyDictionary()

    def sweep(
        self, picture: Tensor, network: Network, wanted: Statistics, slopes: Slopes | None, *, again: bool = False
    ) -> tuple[tuple[Tensor, ...], Tensor | None]:
        """One tile after the other."""
        grid = grid_for(network, wanted, (int(picture.shape[-2]), int(picture.shape[-1])), self.tile)
        gradient = torch.zeros_like(picture) if slopes else None
        sums: list[Tensor] = []
        for number, place in enumerate(grid):
            crop = grid.crop(picture, place).detach()
            shares, part = self.visit(crop, network, wanted, grid, number, place, slopes)
            sums = added(sums, shares)
            if gradient is not None and part is not None:
                grid.crop(gradient, place).add_(part)
        return tuple(x.to(share.dtype) for x, share in zip(sums, shares, strict=True)), gradient

    def forget(self) -> None:
        """Drop the references' features."""
        self._references.clear()

    def visit(
        self,
        crop: Tensor,
        network: Network,
        wanted: Statistics,
        grid: Grid,
        number: int,
        place: Place,
        slopes: Slopes | None,
    ) -> tuple[list[Tensor], Tensor | None]:
        """One tile's shares; where the statistics' gradients are known, also the gradient of the pixels it reads."""
        if slopes is None:
            with torch.no_grad():
                return self.shares(network, crop, wanted, grid, number, place), None
        with torch.enable_grad():
            crop.requires_grad_(True)
            shares = self.shares(network, crop, wanted, grid, number, place)
            pairs = [(x, g) for x, g in zip(shares, slopes(shares), strict=True) if x.requires_grad and g is not None]
            (gradient,) = torch.autograd.grad([x for x, _ in pairs], crop, [g for _, g in pairs])
        return [x.detach() for x in shares], gradient

    def shares(
        self,
        network: Network,
        crop: Tensor,
        wanted: Statistics,
        grid: Grid,
        number: int,
        place: Place,
    ) -> list[Tensor]:
        """One tile's share of each statistic."""
        maps = read(network, crop, layers_of(wanted))
        out = []
        for s in wanted:
            stride, whole = _map_of(network, s.layer, grid.size)
            window, piece = _owned(maps[s.layer], stride, whole, grid.size, place, s.reach)
            out.append(s.measure(piece, window, self._reference(network, s, grid, number, place, crop)))
        return out

    def _reference(
        self, network: Network, s: Statistic, grid: Grid, number: int, place: Place, beside: Tensor
    ) -> Tensor | None:
        """The reference's features that this tile owns, computed once where the tile is, and kept."""
        if s.reference is None:
            return None
        kept = self._references.setdefault(s, {})
        if number not in kept:
            with torch.no_grad():
                pixels = grid.crop(s.reference, place).to(beside.device)
                features = read(network, pixels, (s.layer,))[s.layer]
            piece = _owned(features, *_map_of(network, s.layer, grid.size), grid.size, place, 0)[1]
            total = piece.numel() * piece.element_size() * len(grid)
            copy = _on_disk(piece) if total > MAPPED else piece.clone(memory_format=torch.preserve_format)
            kept[number] = copy
        return kept[number]


class _Tiled(torch.autograd.Function):
    """Pass 1 sums the shares without a graph; pass 2 back-propagates tile by tile."""

    @staticmethod
    def forward(
        ctx: Any,
        picture: Tensor,
        executor: Cutter,
        network: Network,
        wanted: Statistics,
        slopes: Slopes | None,
    ) -> tuple[Tensor, ...]:
        ctx.args = (executor, network, wanted)
        ctx.save_for_backward(picture)
        known = slopes if ctx.needs_input_grad[0] else None
        sums, ctx.gradient = executor.fitting(lambda: executor.sweep(picture, network, wanted, known))
        return sums

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (picture,) = ctx.saved_tensors
        total = ctx.gradient
        if total is None:
            executor, network, wanted = ctx.args
            _, total = executor.fitting(
                lambda: executor.sweep(picture, network, wanted, lambda _: gradients, again=True)
            )
        return total, None, None, None, None


def out_of_memory(error: BaseException) -> bool:
    """Whether PyTorch says that it could not get memory, on a CPU or an accelerator."""
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in said or "not enough memory" in said


def added(sums: list[Tensor], shares: Sequence[Tensor]) -> list[Tensor]:
    """The sums with one more tile's shares, in float64."""
    wide = [x.double() for x in shares]
    return [a.add_(b) for a, b in zip(sums, wide, strict=True)] if sums else wide


def _map_of(network: Network, layer: str, size: Size) -> tuple[int, Size]:
    """Stride and (h, w) of a layer's whole map; the picture is a layer too."""
    return (1, size) if layer == PICTURE else (network.stride(layer), network.extent(layer, size))


def _owned(features: Tensor, stride: int, whole: Size, size: Size, place: Place, reach: int) -> tuple[Window, Tensor]:
    """The window of the whole map that a tile owns, and those features (and `reach` beyond) out of its own map."""
    ranges = []
    for span, length, pixels in zip(place, whole, size, strict=True):
        first = span.own[0] // stride
        last = length if span.own[1] == pixels else min(length, span.own[1] // stride)
        ranges.append((first, max(first, last), first - span.seen[0] // stride))
    (top, bottom, y), (left, right, x) = ranges
    window = Window(top, left, bottom - top, right - left, whole)
    return window, features[..., y : y + bottom - top + reach, x : x + right - left + reach]


def _on_disk(x: Tensor) -> Tensor:
    """The tensor in an unlinked temporary file, mapped into memory when it is read."""
    with tempfile.NamedTemporaryFile(prefix="reverie-") as file:
        stored = torch.from_file(file.name, shared=True, size=x.numel(), dtype=x.dtype)
    return stored.view(x.shape).copy_(x)
