"""The planner: how much memory and time a run takes, and how to cut it so that it fits."""

from __future__ import annotations

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.engine.evaluate import bind, value
from reverie.engine.executors import Executor, WholeExecutor, layers_of
from reverie.engine.memory import free_memory, resident
from reverie.engine.stages import Size
from reverie.engine.synthesize import Synthesis
from reverie.engine.tiles import SMALLEST, Grid, TiledExecutor, grid_for
from reverie.errors import OutOfMemory
from reverie.objectives import PICTURE, Bound
from reverie.objectives.statistics import Moments

TILES = (2048, 1536, 1024, 768, 512, 384, 256, SMALLEST)
SLACK = 1.3  # measured peaks over the sum of the maps, over networks and sizes


@dataclass(frozen=True)
class Plan:
    """How a run will be done.

    Attributes:
        size: (H, W) of the result.
        tile: side of the tiles, pixels; 0 where the picture is done whole.
        peak: bytes of memory expected at the worst moment, this process as it is now included.
        limit: bytes it may use.
        step_seconds: expected for a step at the largest size.
        seconds: expected for the whole run.
        disk: bytes of references kept in temporary files.
    """

    size: Size
    tile: int
    peak: int
    limit: int
    step_seconds: float
    seconds: float
    disk: int

    def executor(self) -> Executor:
        """What runs it."""
        return TiledExecutor(self.tile) if self.tile else WholeExecutor()

    def __str__(self) -> str:
        how = f"in tiles of {self.tile} px" if self.tile else "whole"
        disk = f", {_spoken(self.disk)} of disk" if self.disk else ""
        return (
            f"{self.size[0]}x{self.size[1]} {how}: {_spoken(self.peak)} of memory at most"
            f" ({_spoken(self.limit)} allowed){disk}; {self.step_seconds:.2g} s a step at full size,"
            f" about {_clock(self.seconds)} in all"
        )


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
    grids = [_grid(what, bound, last.size, t) for t in ((0, *TILES) if tile is None else (tile,))]
    fitting = [g for g in grids if _peak(what, bound, g) <= limit] or (grids if tile is not None else [])
    if not fitting:
        least = _peak(what, bound, grids[-1])
        raise OutOfMemory(
            f"{last.size[0]}x{last.size[1]} px needs {_spoken(least)} of memory even in tiles of {SMALLEST} px;"
            f" {_spoken(limit)} are allowed. Raise --memory or lower --size."
        )
    grid = fitting[0]
    whole = len(grid) == 1
    pixels = sum(s.steps * s.size[0] * s.size[1] for s in what.stages)
    factor = pace * _overhead(grid, bound)
    references = sum(_reference_bytes(what, bound).values()) * grid.size[0] * grid.size[1]
    return Plan(
        size=last.size,
        tile=0 if whole else grid.tile,
        peak=_peak(what, bound, grid),
        limit=limit,
        step_seconds=factor * grid.size[0] * grid.size[1],
        seconds=factor * pixels,
        disk=0 if whole else int(references),
    )


def _probe(what: Synthesis) -> tuple[Bound, float]:
    """The objective bound at a small size, and the seconds an evaluation takes there per pixel."""
    big = max(what.stages, key=lambda s: s.size[0] * s.size[1]).size
    scale = min(1.0, 256 / min(big), (2**17 / (big[0] * big[1])) ** 0.5)
    size = (max(1, round(big[0] * scale)), max(1, round(big[1] * scale)))
    executor = WholeExecutor()
    bound = bind(what.objective, what.network, size, executor)
    picture = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    seconds = min(_timed(bound, what, picture, executor) for _ in range(2))
    return bound, seconds / (size[0] * size[1])


def _timed(bound: Bound, what: Synthesis, picture: Tensor, executor: Executor) -> float:
    x = picture.clone().requires_grad_(True)
    began = time.perf_counter()
    value(bound, what.network, x, executor)[0].backward()  # type: ignore[no-untyped-call]
    return time.perf_counter() - began


def _grid(what: Synthesis, bound: Bound, size: Size, tile: int) -> Grid:
    return grid_for(what.network, bound.statistics, size, tile or 2 * max(size))


def _overhead(grid: Grid, bound: Bound) -> float:
    """Pixels computed per pixel of the picture, the first of two passes counting as half an evaluation."""
    if len(grid) == 1:
        return 1.0
    seen = sum((r.seen[1] - r.seen[0]) * (c.seen[1] - c.seen[0]) for r, c in grid)
    return (1.0 if bound.linear else 1.4) * seen / (grid.size[0] * grid.size[1])


def _peak(what: Synthesis, bound: Bound, grid: Grid) -> int:
    """Bytes at the worst moment: the process now, what is as large as the picture, and one tile's maps."""
    seen = max((r.seen[1] - r.seen[0]) * (c.seen[1] - c.seen[0]) for r, c in grid)
    pixels = grid.size[0] * grid.size[1]
    kept = sum(_reference_bytes(what, bound).values()) if len(grid) == 1 else 0
    return int(resident() + pixels * (_picture_bytes(what) + kept) + SLACK * seen * _map_bytes(what, bound))


def _picture_bytes(what: Synthesis) -> float:
    """Bytes per pixel of what is as large as the picture: parameters, two gradients, base or reference, result."""
    one = 4.0 * 3
    references = len({id(p) for _, t in what.objective.parts if (p := getattr(t, "like", None)) is not None})
    return one * (
        what.optimiser.buffers + 6 + references + (1 if what.average is not None else 0) + (2 if what.view else 0)
    )


def _map_bytes(what: Synthesis, bound: Bound) -> float:
    """Bytes per pixel of an evaluation's feature maps: those kept for the way back, and the two largest in work."""
    network, element = what.network, torch.finfo(what.network.dtype).bits // 8
    deep = [layer for layer in layers_of(bound.statistics) if layer != PICTURE]
    sizes = network.density(deep)
    read = [s.layer for s in bound.statistics if isinstance(s, Moments) and s.layer != PICTURE]
    copies = sum(network.channels(layer) / network.stride(layer) ** 2 for layer in read)
    maps = sum(sizes.values()) + copies + 2 * max(sizes.values(), default=0)
    rough = 4 * 3 * 5 if any(s.layer == PICTURE for s in bound.statistics) else 0
    return element * maps + rough + 4 * 3 * 2


def _reference_bytes(what: Synthesis, bound: Bound) -> dict[str, float]:
    """Bytes per pixel of the features of references, by layer."""
    network, element = what.network, torch.finfo(what.network.dtype).bits // 8
    return {
        s.layer: element * network.channels(s.layer) / network.stride(s.layer) ** 2
        for s in bound.statistics
        if s.reference is not None and s.layer != PICTURE
    }


def _spoken(amount: float) -> str:
    return f"{amount / 2**30:.1f} GB" if amount >= 2**30 else f"{amount / 2**20:.0f} MB"


def _clock(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
