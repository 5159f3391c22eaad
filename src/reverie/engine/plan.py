"""The planner: how much memory and time a run takes, and how to cut it so that it fits."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.engine.evaluate import bind, value
from reverie.engine.executors import Executor, WholeExecutor, layers_of
from reverie.engine.grids import Grid, grid_for
from reverie.engine.memory import be_frugal, free_memory, resident
from reverie.engine.pieces import Piece, grids, pieces, work
from reverie.engine.stages import Size
from reverie.engine.synthesize import Enlargement, Synthesis
from reverie.engine.tiles import SMALLEST, TWICE, TiledExecutor
from reverie.errors import OutOfMemory, RecipeError
from reverie.objectives import PICTURE, Bound
from reverie.pictures import size_of

TILES = (2048, 1536, 1024, 768, 512, 384, 256, SMALLEST)
BOUNDLESS = 2**62  # bytes: a limit that is none, as where the tile is given
OWN = 100 * 2**20  # bytes that libraries come to hold for themselves during a run
WRITTEN = 4 * 3 + 8  # bytes per pixel of a result that is written: the picture, its alpha, an encoder's copy
_TRIED = 128  # pixels of the side on which enlarging is timed
SLACK = 1.3  # measured peaks over the sum of the maps, over networks and sizes


@dataclass(frozen=True)
class Plan:
    """How a run will be done.

    Attributes:
        size: (H, W) it is computed at in the end.
        result: (H, W) of the result, which may be enlarged.
        tile: side of the tiles, pixels; 0 where the picture is done whole.
        peak: bytes of memory expected at the worst moment, this process as it is now included.
        limit: bytes it may use.
        step_seconds: expected for a step at the largest size.
        seconds: expected for the whole run, the last picture's enlargement included.
        disk: bytes of references kept in temporary files.
    """

    size: Size
    result: Size
    tile: int
    peak: int
    limit: int
    step_seconds: float
    seconds: float
    disk: int

    def executor(self) -> Executor:
        """What runs it."""
        if not self.tile:
            return WholeExecutor()
        be_frugal()
        return TiledExecutor(self.tile)

    def __str__(self) -> str:
        how = f"in tiles of {self.tile} px" if self.tile else "whole"
        how += "" if self.result == self.size else f", enlarged to {self.result[0]}x{self.result[1]}"
        disk = f", {_spoken(self.disk)} of disk" if self.disk else ""
        allowed = f" ({_spoken(self.limit)} allowed)" if self.limit < BOUNDLESS else ""
        pace = f"; {self.step_seconds:.2g} s a step at full size" if self.step_seconds else ""
        length = f"{',' if pace else ';'} about {_clock(self.seconds)} in all" if self.seconds else ""
        needs = f"{_spoken(self.peak)} of memory at most{allowed}{disk}"
        return f"{self.size[0]}x{self.size[1]} {how}: {needs}{pace}{length}"


def plan(what: Synthesis, *, memory: int | None = None, tile: int | None = None) -> Plan:
    """Choose the largest tile that fits, or the whole picture.

    Args:
        what: the run.
        memory: bytes this process may use; by default what is free, less a margin.
        tile: take this tile (0: whole) instead of choosing.
    Raises:
        OutOfMemory: not even the smallest tile fits; the message says what would.
    """
    last = max(what.stages, key=lambda s: s.size[0] * s.size[1])
    limit = free_memory() if memory is None else memory
    bound, pace = _probe(what)
    some = TILES if all(map(what.network.blueprint.is_local, _deep(bound))) else ()  # tiles that may be tried
    cuts = [_Cut(what, bound, last.size, t) for t in ((0, *some) if tile is None else (tile,))]
    fitting = [c for c in cuts if c.peak <= limit and c.counts] or (cuts if tile is not None else [])
    if not fitting:
        raise OutOfMemory(_too_much(cuts[-1], last.size, limit))
    chosen = fitting[0]
    pixels = sum(s.steps * s.size[0] * s.size[1] for s in what.stages)
    return Plan(
        size=last.size,
        result=last.size if what.enlarge is None else what.enlarge.size(last.size),
        tile=0 if chosen.whole else chosen.tile,
        peak=chosen.peak,
        limit=limit,
        step_seconds=pace * chosen.overhead * last.size[0] * last.size[1],
        seconds=pace * chosen.overhead * pixels + _enlarging_seconds(what.enlarge, last.size),
        disk=0 if chosen.whole else chosen.references,
    )


def _too_much(least: _Cut, size: Size, limit: int) -> str:
    """That not even the smallest tiles fit, in words."""
    enlarged = least.enlarging == least.peak
    how = "once it is enlarged" if enlarged else f"even in tiles of {SMALLEST} px"
    return (
        f"{size[0]}x{size[1]} px needs {_spoken(least.peak)} of memory {how}; {_spoken(limit)} are allowed."
        f" Raise --memory or lower {'--upscale' if enlarged else '--size'}."
    )


class _Cut:
    """One way to cut a run's largest picture, and what that costs.

    Attributes:
        whole: whether it is not cut at all.
        enlarging: bytes while the last picture is enlarged and written: then a tile's maps are gone.
        peak: bytes at the worst moment: the process now, what is as large as the picture, and one tile's maps.
        overhead: time of an evaluation over that of the whole picture at once.
        references: bytes of the features of references.
        counts: whether every map's numbers can be counted in 32 bits, beyond which backends fail or crawl.
    """

    def __init__(self, what: Synthesis, bound: Bound, size: Size, tile: int) -> None:
        self.tile = tile
        wanted, pixels = bound.statistics, size[0] * size[1]
        self.whole = not tile or len(grid_for(what.network, wanted, size, tile)) == 1
        tile = 2 * max(size) if self.whole else tile
        parts = TiledExecutor(tile, cut=not self.whole).pieces(what.network, wanted, size, once=bound.linear)
        cut = list(grids(parts, size, tile))
        one = work(pieces(what.network, wanted, cut=False), size, 2 * max(size))
        passes = 1.0 if self.whole or (bound.linear and len(parts) == 1) else TWICE
        self.overhead = passes * work(parts, size, tile) / max(one, 1.0)
        self.references = int(pixels * _reference_bytes(what, bound))
        between = sum(_between(piece, grid) for piece, grid in cut) * what.network.dtype.itemsize
        maps = max(SLACK * grid.seen[0] * _map_bytes(piece) for piece, grid in cut)
        kept = self.references if self.whole else 0
        held = resident() + OWN + pixels * _picture_bytes(what, size) + kept
        self.enlarging = 0 if what.enlarge is None else int(held + _enlarging_bytes(what.enlarge, size))
        self.peak = max(int(held + between + maps), self.enlarging)
        most = max(grid.seen[0] * max(piece.density.values(), default=3.0) for piece, grid in cut)
        self.counts = most < 2**31


def _probe(what: Synthesis) -> tuple[Bound, float]:
    """The objective bound at a small size, and the seconds an evaluation takes there per pixel."""
    big = max(what.stages, key=lambda s: s.size[0] * s.size[1]).size
    scale = min(1.0, 256 / min(big), (2**17 / (big[0] * big[1])) ** 0.5)
    small = (max(1, round(big[0] * scale)), max(1, round(big[1] * scale)))
    try:
        return _probed(what, small)
    except RecipeError:
        if small == big:
            raise
        return _probed(what, big)  # somebody's network may take pictures of one size only


def _probed(what: Synthesis, size: Size) -> tuple[Bound, float]:
    executor = WholeExecutor()
    bound = bind(what.objective, what.network, size, executor)
    picture = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    seconds = min(_timed(bound, what, picture, executor) for _ in range(2))
    return bound, seconds / (size[0] * size[1])


def _deep(bound: Bound) -> list[str]:
    """The layers of the network that an objective reads."""
    return [layer for layer in layers_of(bound.statistics) if layer != PICTURE]


def _timed(bound: Bound, what: Synthesis, picture: Tensor, executor: Executor) -> float:
    x = picture.clone().requires_grad_(True)
    began = time.perf_counter()
    value(bound, what.network, x, executor)[0].backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - began


def _picture_bytes(what: Synthesis, size: Size) -> float:
    """Bytes per pixel of what will be as large as the picture: parameters, what the network sees, the gradient and one
    more on its way; the optimiser's, the average, and references of another size. What the canvas was made from and
    references of this size are there already."""
    likes = {id(p): p for _, t in what.objective.parts if (p := getattr(t, "like", None)) is not None}
    references = sum(isinstance(p, Tensor) and size_of(p) != size for p in likes.values())
    return 4.0 * 3 * (4 + what.optimiser.buffers + references + (1 if what.average is not None else 0))


def _enlarging_bytes(enlarge: Enlargement, size: Size) -> float:
    """Bytes that enlarging the last picture takes, and writing it."""
    height, width = enlarge.size(size)
    return WRITTEN * height * width + enlarge.working


def _enlarging_seconds(enlarge: Enlargement | None, size: Size) -> float:
    """How long enlarging the last picture will take, by a small one's time."""
    if enlarge is None:
        return 0.0
    height, width = (min(side, _TRIED) for side in size)
    picture = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    spent = []
    for _ in range(2):
        began = time.perf_counter()
        enlarge.draw(picture)
        spent.append(time.perf_counter() - began)
    return min(spent) * size[0] * size[1] / (height * width)


def _map_bytes(piece: Piece) -> float:
    """Bytes per position before a piece of its maps: those kept for the way back, and the two largest in work."""
    sizes, network = piece.density, piece.network
    read = [s.layer for s in piece.wanted if s.layer != PICTURE]
    copies = sum(network.channels(layer) / network.stride(layer) ** 2 for layer in read)
    maps = sum(sizes.values()) + copies + 2 * max(sizes.values(), default=0)
    beside = sum(4.0 * s.beside / (1 if s.layer == PICTURE else network.stride(s.layer)) ** 2 for s in piece.wanted)
    rough = 4 * 3 * 5 if any(s.layer == PICTURE for s in piece.wanted) else 0
    return network.dtype.itemsize * maps + beside + rough + 4 * 3 * 2


def _between(piece: Piece, grid: Grid) -> float:
    """Numbers in the map that a piece hands on, and in the largest such map's gradient."""
    if piece.out is None:
        return 0
    return 2 * grid.size[0] * grid.size[1] * piece.network.channels(piece.out) / piece.network.stride(piece.out) ** 2


def _reference_bytes(what: Synthesis, bound: Bound) -> float:
    """Bytes per pixel of the features of references."""
    network = what.network
    return sum(
        network.dtype.itemsize * network.channels(s.layer) / network.stride(s.layer) ** 2
        for s in bound.statistics
        if s.reference is not None and s.layer != PICTURE
    )


def _spoken(amount: float) -> str:
    return f"{amount / 2**30:.1f} GB" if amount >= 2**30 else f"{amount / 2**20:.0f} MB"


def _clock(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
