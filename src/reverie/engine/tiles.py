"""Exact tiles: statistics and gradients of a picture, a piece at a time.

Tiles own *features*; what a tile's features need of the neighbours is read again (the halo), and the gradient that
falls there is added to the neighbours' pixels. So the halo is the forward receptive field only, and the result is
the whole picture's, to rounding.
"""

from __future__ import annotations

import gc
import math
from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, TypeVar

import torch
from torch import Tensor

from reverie.engine.executors import Executor, Gradients, References, Statistics, WholeExecutor
from reverie.engine.grids import Size, grid_for, owned
from reverie.engine.pieces import Known, Piece, backward, part, pieces, shares, work
from reverie.errors import OutOfMemory, RecipeError
from reverie.files import mapped
from reverie.networks import Network
from reverie.networks.widest import exact
from reverie.objectives import PICTURE, Statistic, Window
from reverie.pictures import size_of

MAPPED = 256 * 2**20  # bytes of a reference's features above which they lie on disk
SMALLEST = 128  # pixels; a tile that does not fit at this size will not fit smaller
TWICE = 1.45  # an evaluation with its forward pass done twice, over one evaluation
T = TypeVar("T")


@dataclass
class TilePass:
    """Result of a pass over the tiles.

    Attributes:
        sums: of each statistic's shares, in the order wanted.
        gradient: of the picture, where the statistics' gradients were known.
        kept: maps between the pieces of the network, for the way back.
    """

    sums: tuple[Tensor, ...]
    gradient: Tensor | None = None
    kept: list[Tensor] = field(default_factory=list)

    @property
    def picture_gradient(self) -> Tensor:
        """The gradient, of a pass that was to give it."""
        if self.gradient is None:
            raise RuntimeError("a pass that knew the statistics' gradients gave none of the picture")
        return self.gradient


class TilingExecutor(Executor):
    """An executor that cuts pictures into tiles and adds up their shares; subclasses decide where the tiles are run.

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

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.tile})"

    def measure(
        self, network: Network, picture: Tensor, wanted: Statistics, gradients_of: Gradients | None = None
    ) -> tuple[Tensor, ...]:
        if len(grid_for(network, wanted, size_of(picture), self.tile)) == 1:
            return self._whole.measure(network, picture, wanted)
        return tuple(_Tiled.apply(picture, self, network, wanted, gradients_of))  # type: ignore[no-untyped-call]

    @abstractmethod
    def sweep(self, picture: Tensor, network: Network, wanted: Statistics, gradients_of: Gradients | None) -> TilePass:
        """Return the sums of all tiles' shares and, if the statistics' gradients are known, the picture's gradient.

        Shares and gradients are added in the order of the tiles, wherever they were run, so that the sums are the same.
        """

    @abstractmethod
    def backpropagate(
        self,
        picture: Tensor,
        network: Network,
        wanted: Statistics,
        gradients: Sequence[Tensor | None],
        kept: list[Tensor],
    ) -> Tensor:
        """Return the picture's gradient, from those of the statistics and what the sweep kept."""

    @abstractmethod
    def forget(self) -> None:
        """Drop what is kept by tile: tiles are about to become smaller."""

    def shrink(self, size: Size) -> bool:
        """Halve the tiles, or a picture that is smaller than they are; False if they would be too small."""
        half = min(self.tile, max(size)) // 2
        if half < SMALLEST:
            return False
        self.tile = half
        self.forget()
        return True

    def fitting(self, attempt: Callable[[], T]) -> T:
        """Return the attempt's result; whenever memory runs out, halve the tile and try again.

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


class TiledExecutor(TilingExecutor):
    """Statistics of a picture cut into tiles; the same as the whole picture's, in a tile's memory.

    Args:
        tile: side of the pixels a tile owns, rounded down to the network's deepest stride.
        cut: whether to run the network in pieces, each over all tiles, where that is less work: a tile then reads
            the halo of a piece only. Between the pieces lie a few bytes per pixel.
        home: the device that pictures, and the maps between the pieces, are kept on, where that is not the network's:
            "cpu" for pictures larger than an accelerator's memory.
    Source: two passes, Galerne et al. (2022). We differ: tiles own features, so half their halo is exact; the network
        is cut, so that a third of that is; where the objective is linear in the statistics its gradient is known
        beforehand, and one pass may do.
    """

    def __init__(self, tile: int = 512, *, cut: bool = True, home: torch.device | str | None = None) -> None:
        super().__init__(tile)
        self.cut = cut
        self._home = None if home is None else torch.device(home)
        self._references = References()

    def home(self, network: Network) -> torch.device:
        """Return the device that pictures are kept on."""
        return self._home or network.device

    def sweep(self, picture: Tensor, network: Network, wanted: Statistics, gradients_of: Gradients | None) -> TilePass:
        """Run one piece after the other, one tile after the other."""
        run = _Run(self.pieces(network, wanted, size_of(picture), once=gradients_of is not None), self.tile, wanted)
        run.reference_of = partial(self._reference, network, run)
        kept = run.forward(picture, all_pieces=gradients_of is None)
        if gradients_of is None:
            return TilePass(run.totals(), kept=kept)
        gradient = run.backward(picture, kept, _once(wanted, run.sums, gradients_of), sums_of_last=True)
        return TilePass(run.totals(), gradient)

    def backpropagate(
        self,
        picture: Tensor,
        network: Network,
        wanted: Statistics,
        gradients: Sequence[Tensor | None],
        kept: list[Tensor],
    ) -> Tensor:
        """Run the pieces backwards, each from the map before it."""
        run = _Run(self.pieces(network, wanted, size_of(picture), once=False), self.tile, wanted)
        run.reference_of = partial(self._reference, network, run)
        known = dict(zip(wanted, gradients, strict=True))
        return run.backward(picture, kept, lambda _: known)

    def forget(self) -> None:
        """Do nothing: nothing is kept by tile."""

    def pieces(self, network: Network, wanted: Statistics, size: Size, *, once: bool) -> tuple[Piece, ...]:
        """Cut the network unless one pass over wider tiles is less work than two over narrower ones."""
        cut = pieces(network, wanted, cut=self.cut)
        if not once or len(cut) == 1:
            return cut
        one = pieces(network, wanted, cut=False)
        return one if work(one, size, self.tile) < TWICE * work(cut, size, self.tile) else cut

    def _reference(self, network: Network, run: _Run, statistic: Statistic, window: Window) -> Tensor | None:
        """Return the reference's features in a window; those of the whole reference are computed once, and kept."""
        if statistic.reference is None:
            return None
        kept, along = self._references.setdefault(statistic, {}), () if self.cut else run.wanted
        grid = grid_for(network, along, size_of(statistic.reference), self.tile) if along else None
        if grid not in kept:
            with torch.no_grad():
                kept[grid] = features_of(network, statistic.reference, statistic.layer, self.tile, along=along)
        return part(kept[grid], window).to(network.device)


class _Run:
    """A measurement in progress: the pieces, the tile, and the sums of the shares so far."""

    def __init__(self, parts: Sequence[Piece], tile: int, wanted: Statistics) -> None:
        self.parts, self.tile, self.wanted = parts, tile, wanted
        self.sums: dict[Statistic, Tensor] = {}
        self.reference_of: Callable[[Statistic, Window], Tensor | None] = lambda _, __: None
        self._kinds: dict[Statistic, torch.dtype] = {}

    def forward(self, picture: Tensor, *, all_pieces: bool) -> list[Tensor]:
        """Return the maps between the pieces; the last piece is left for later unless its sums are asked for now."""
        maps = [picture.detach()]
        for piece in self.parts if all_pieces else self.parts[:-1]:
            handed = self._through(piece, maps[-1])
            if handed is not None:
                maps.append(handed)
        return maps[1:]

    def backward(self, picture: Tensor, kept: list[Tensor], known: Known, *, sums_of_last: bool = False) -> Tensor:
        """Return the picture's gradient."""
        maps = [picture.detach(), *kept]
        above = self._down(self.parts[-1], maps[-1], known, None, collect=sums_of_last)
        for piece, before in reversed(list(zip(self.parts[:-1], maps[:-1], strict=True))):
            above = self._down(piece, before, known, above, collect=False)
        return above

    def totals(self) -> tuple[Tensor, ...]:
        """Return the sums in the order wanted."""
        return tuple(self.sums[s].to(self._kinds[s]) for s in self.wanted)

    def _through(self, piece: Piece, before: Tensor) -> Tensor | None:
        """Run a piece forwards: add its shares, and return its last map."""
        grid = piece.grid(size_of(before), self.tile)
        handed: Tensor | None = None
        for place in grid:
            found, own = shares(piece, grid.crop(before, place), grid, place, self.reference_of)
            self._add(found)
            if own is not None and piece.out is not None:
                handed = _blank(piece, piece.out, before, own) if handed is None else handed
                part(handed, owned(piece.network, piece.out, grid.size, place)[0]).copy_(own)
        return handed

    def _down(self, piece: Piece, before: Tensor, known: Known, above: Tensor | None, *, collect: bool) -> Tensor:
        """Run a piece backwards: return the gradient in the map before it."""
        grid = piece.grid(size_of(before), self.tile)
        gradient = torch.zeros_like(before)
        for place in grid:
            found, own = backward(piece, grid.crop(before, place), grid, place, self.reference_of, known, above)
            grid.add(gradient, place, own)
            if collect:
                self._add(found)
        return gradient

    def _add(self, found: Mapping[Statistic, Tensor]) -> None:
        """Add shares to the sums, in float64."""
        for s, share in found.items():
            self._kinds[s] = share.dtype
            self.sums[s] = self.sums[s].add_(share) if s in self.sums else exact(share)


def features_of(network: Network, picture: Tensor, layer: str, tile: int, *, along: Statistics = ()) -> Tensor:
    """Compute a layer's whole map in tiles; on disk, mapped into memory, if it is large.

    Args:
        along: statistics whose tiles it is computed in, by the uncut network: with the bits that a tile finds.
    """
    if layer == PICTURE:
        return picture
    parts = (Piece(network, (), layer, 1, aligned_with=along),) if along else pieces(network, (), out=layer)
    return _Run(parts, tile, ()).forward(picture, all_pieces=True)[-1]


def _blank(piece: Piece, out: str, before: Tensor, like: Tensor) -> Tensor:
    """Allocate the map that a piece hands on; in a file without a name if it is large and kept for long."""
    height, width = piece.network.extent(out, size_of(before))
    shape = (len(like), height, width, like.shape[1])
    if piece.wanted or math.prod(shape) * like.element_size() <= MAPPED:
        return like.new_empty(shape, device=before.device).permute(0, 3, 1, 2)
    stored = torch.frombuffer(mapped(math.prod(shape) * like.element_size()), dtype=like.dtype)
    return stored.view(shape).permute(0, 3, 1, 2)


def _once(wanted: Statistics, sums: Mapping[Statistic, Tensor], gradients_of: Gradients) -> Known:
    """Ask for the gradients of a linear objective once: they depend on the statistics' shapes only."""
    known: dict[Statistic, Tensor | None] = {}

    def gradients(found: Mapping[Statistic, Tensor]) -> Mapping[Statistic, Tensor | None]:
        if not known:
            like = [found[s] if s in found else sums[s].to(next(iter(found.values())).dtype) for s in wanted]
            known.update(zip(wanted, gradients_of(like), strict=True))
        return known

    return gradients


class _Tiled(torch.autograd.Function):
    """Pass 1 sums the shares without a graph; pass 2 back-propagates tile by tile."""

    @staticmethod
    def forward(
        ctx: Any,
        picture: Tensor,
        executor: TilingExecutor,
        network: Network,
        wanted: Statistics,
        gradients_of: Gradients | None,
    ) -> tuple[Tensor, ...]:
        known = gradients_of if ctx.needs_input_grad[0] else None
        found = executor.fitting(lambda: executor.sweep(picture, network, wanted, known))
        ctx.args, ctx.gradient, ctx.kept = (executor, network, wanted), found.gradient, found.kept
        if found.gradient is None and ctx.needs_input_grad[0]:
            ctx.save_for_backward(picture)
        return found.sums

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        total, ctx.gradient = ctx.gradient, None
        if total is None:
            (picture,) = ctx.saved_tensors
            executor, network, wanted = ctx.args
            total = executor.fitting(lambda: executor.backpropagate(picture, network, wanted, gradients, ctx.kept))
        return total, None, None, None, None


def out_of_memory(error: BaseException) -> bool:
    """True if PyTorch reports that it could not get memory, on a CPU or an accelerator."""
    said = str(error)
    return isinstance(error, torch.OutOfMemoryError) or "allocate memory" in said or "not enough memory" in said


def added(sums: list[Tensor], shares: Sequence[Tensor]) -> list[Tensor]:
    """Add one more tile's shares to the sums, in float64."""
    wide = [exact(x) for x in shares]
    return [a.add_(b) for a, b in zip(sums, wide, strict=True)] if sums else wide
