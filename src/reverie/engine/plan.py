"""The planner: how much memory and time a run takes, and how to cut it so that it fits."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.engine.devices import wait_for
from reverie.engine.evaluate import bind, value
from reverie.engine.executors import Executor, WholeExecutor, layers_of
from reverie.engine.memory import (
    avoid_fragmentation,
    free_memory,
    keep_freed,
    readable,
    release,
    sufficient,
    tiling_text,
)
from reverie.engine.needs import Cut
from reverie.engine.placing import Placed, place_on
from reverie.engine.stages import Size
from reverie.engine.synthesize import Enlargement, Synthesis
from reverie.engine.tiles import SMALLEST, TiledExecutor
from reverie.errors import OutOfMemory, RecipeError
from reverie.objectives import PICTURE, Bound

TILES = (2048, 1536, 1024, 768, 512, 384, 256, SMALLEST)
BOUNDLESS = 2**62  # bytes: a limit that is none, as where a tile is given and no limit
_NARROW, _SURE = 32, 0.97  # pixels of the shorter side of a size that is offered; of the limit it takes
_PROBED, _TELLING = 2**15, 64  # pixels of the picture that is timed first, at most; and of its shorter side, at least
_TRIED = 128  # pixels of the side on which enlarging is timed


@dataclass(frozen=True)
class Plan:
    """The plan of a run: its executor, memory and time.

    Attributes:
        size: (H, W) it is computed at in the end.
        result: (H, W) of the result, which may be enlarged.
        tile: side of the tiles, pixels; 0 where the picture is done whole.
        peak: bytes of memory expected at the worst moment, this process as it is now included.
        limit: bytes it may use.
        step_seconds: expected for a step at the largest size; 0 where it is made in one pass.
        seconds: expected for the whole run, the last picture's enlargement included; 0 where that is not known.
        disk: bytes of references kept in temporary files.
        device: on which it is computed.
        home: the device on which its pictures are kept.
        device_peak, device_limit: bytes of the device's own memory expected at the worst moment, and allowed; 0 where
            that is the process's.
    """

    size: Size
    result: Size
    tile: int
    peak: int
    limit: int
    step_seconds: float
    seconds: float
    disk: int
    device: str = "cpu"
    home: str = "cpu"
    device_peak: int = 0
    device_limit: int = 0

    def executor(self) -> Executor:
        """Return the executor of the run."""
        if self.device != "cpu":  # should it not fit after all, it is cut, or cut smaller
            return TiledExecutor(self.tile or 2 * max(self.size), home=self.home)
        if not self.tile:
            keep_freed(self.peak, self.limit)
            return WholeExecutor()
        avoid_fragmentation()
        return TiledExecutor(self.tile)

    def __str__(self) -> str:
        cut = f"in tiles of {self.tile} px" if self.tile else "whole"
        cut += "" if self.result == self.size else f", enlarged to {self.result[1]}x{self.result[0]}"
        disk = f", {readable(self.disk)} of disk" if self.disk else ""
        allowed = f" ({readable(self.limit)} allowed)" if self.limit < BOUNDLESS else ""
        pace = f"; {_two_digits(self.step_seconds)} s a step at full size" if self.step_seconds else ""
        length = f"{',' if pace else ';'} about {_clock(self.seconds)} in all" if self.seconds else ""
        there = f" and {readable(self.device_peak)} of {self.device}'s" if self.device_peak else ""
        needs = f"{readable(self.peak)} of memory{there} at most{allowed}{disk}"
        return f"{self.size[1]}x{self.size[0]} {cut}: {needs}{pace}{length}"


def plan(what: Synthesis, *, memory: int | None = None, tile: int | None = None, held: int = 0) -> Plan:
    """Choose the largest tile that fits, or the whole picture.

    Args:
        what: the run.
        memory: bytes this process may use; by default what is free, less a margin.
        tile: take this tile (0: whole) instead of choosing.
        held: bytes that the caller will come to hold beside the run, and does not hold yet.
    Raises:
        OutOfMemory: not even the smallest tile fits, or the given one does not; the message says what would.
    """
    limit = free_memory() if memory is None else memory
    if limit < BOUNDLESS and memory is not None:
        avoid_fragmentation()
    last = max(what.stages, key=lambda s: s.size[0] * s.size[1])
    bound, pace = _probe(what)
    after = _enlarging_seconds(what.enlarge, last.size)
    release()
    sides = (0, *_tiles(what, bound)) if tile is None else (tile,)
    cuts = (Cut(what, bound, last.size, side, held=held) for side in sides)
    device = what.network.device
    if device.type != "cpu":
        placed = place_on(device, list(cuts), limit, chosen=tile is not None, held=held)
        return _plan_placed(what, placed, limit, pace, after)
    chosen = next((c for c in cuts if c.peak <= limit and (c.counts or tile is not None)), None)
    if chosen is None:
        least = Cut(what, bound, last.size, sides[-1], held=held)
        raise OutOfMemory(_refusal(what, bound, least, limit, given=memory is not None, held=held))
    pixels = sum(s.steps * s.size[0] * s.size[1] for s in what.stages)
    return Plan(
        size=last.size,
        result=last.size if what.enlarge is None else what.enlarge.size(last.size),
        tile=0 if chosen.whole else chosen.tile,
        peak=chosen.peak,
        limit=limit,
        step_seconds=pace * chosen.overhead * last.size[0] * last.size[1],
        seconds=pace * chosen.overhead * pixels + after,
        disk=0 if chosen.whole else chosen.references,
    )


def _plan_placed(what: Synthesis, placed: Placed, limit: int, pace: float, after: float) -> Plan:
    """Return the plan of a run on an accelerator."""
    cut, size = placed.cut, placed.cut.size
    pixels = sum(s.steps * s.size[0] * s.size[1] for s in what.stages)
    return Plan(
        size=size,
        result=size if what.enlarge is None else what.enlarge.size(size),
        tile=0 if cut.whole else cut.tile,
        peak=placed.host,
        limit=limit,
        step_seconds=pace * cut.overhead * size[0] * size[1],
        seconds=pace * cut.overhead * pixels + after,
        disk=0,
        device=str(placed.device),
        home=str(placed.home),
        device_peak=placed.there,
        device_limit=placed.limit,
    )


def _refusal(what: Synthesis, bound: Bound, least: Cut, limit: int, *, given: bool, held: int) -> str:
    """Return the message that a run does not fit, with each remedy that would do by itself."""
    height, width = least.size
    enlarged = least.enlarging == least.peak
    cut = "once it is enlarged" if enlarged else tiling_text(least.tile)
    need = f"{width}x{height} px needs {readable(least.peak)} of memory {cut}; {readable(limit)} are allowed."
    remedies = [_tile_that_fits(what, bound, least, limit, held), _size_that_fits(what, bound, least, limit, held)]
    if enlarged and least.stepping <= limit:
        remedies.insert(0, "a lower --upscale")
    raised = f"--memory {sufficient(least.peak)}" if given else "free some memory"
    return f"{need} Try {' or '.join([*filter(None, remedies), raised])}."


def _tile_that_fits(what: Synthesis, bound: Bound, least: Cut, limit: int, held: int) -> str:
    """Suggest a smaller tile than the one that was refused."""
    smaller = (t for t in _tiles(what, bound) if not least.tile or t < least.tile)
    fitting = (t for t in smaller if Cut(what, bound, least.size, t, held=held).peak <= limit)
    return next((f"--tile {t}" for t in fitting), "")


def _size_that_fits(what: Synthesis, bound: Bound, least: Cut, limit: int, held: int) -> str:
    """Suggest a size that fits, if there is one: what the process holds already stays as it is."""
    for share in (0.9, 0.75, 0.6, 0.45, 0.3, 0.2, 0.1):
        height, width = (int(side * share) for side in least.size)
        if min(height, width) < _NARROW:
            break
        cuts = (Cut(what, bound, (height, width), tile, held=held) for tile in (0, SMALLEST))
        if min(cut.peak for cut in cuts) <= _SURE * limit:
            return f"--size {max(height, width)}"
    return ""


def _probe(what: Synthesis) -> tuple[Bound, float]:
    """Bind the objective at a small size, and time an evaluation there, in seconds per pixel."""
    sizes = sorted((stage.size for stage in what.stages), key=lambda size: size[0] * size[1])
    big, small = sizes[-1], _probe_size(sizes)
    try:
        return _probed(what, small)
    except RecipeError:
        if small == big:
            raise
        return _probed(what, big)  # a custom network may take pictures of one size only


def _probe_size(sizes: Sequence[Size]) -> Size:
    """Choose the largest stage that is small enough, for which convolutions will be set up anyway, or a small size."""
    fitting = [(height, width) for height, width in sizes if height * width <= _PROBED]
    if fitting and min(fitting[-1]) >= _TELLING:
        return fitting[-1]
    height, width = sizes[-1]
    scale = min(1.0, (_PROBED / (height * width)) ** 0.5)
    return max(1, round(height * scale)), max(1, round(width * scale))


def _probed(what: Synthesis, size: Size) -> tuple[Bound, float]:
    executor = WholeExecutor()
    bound = bind(what.objective, what.network, size, executor)
    picture = torch.rand(what.canvas.batch, 3, *size, generator=torch.Generator().manual_seed(0))
    seconds = min(_timed(bound, what, picture, executor) for _ in range(2))
    _step_once(what, size)
    return bound, seconds / (size[0] * size[1])


def _tiles(what: Synthesis, bound: Bound) -> tuple[int, ...]:
    """Return the sides of tiles to try: none if a layer that is read sees the whole picture."""
    deep = [layer for layer in layers_of(bound.statistics) if layer != PICTURE]
    return TILES if all(map(what.network.blueprint.is_local, deep)) else ()


def _timed(bound: Bound, what: Synthesis, picture: Tensor, executor: Executor) -> float:
    x = picture.clone().requires_grad_(True)
    began = time.perf_counter()
    value(bound, what.network, x, executor)[0].backward()  # type: ignore[no-untyped-call]
    wait_for(what.network.device)
    return time.perf_counter() - began


def _step_once(what: Synthesis, size: Size) -> None:
    """Take a step on a small picture, so that what libraries load for one is in memory before memory is counted."""
    parameters = (torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0)).requires_grad_(True),)

    def closure() -> Tensor:
        parameters[0].grad = torch.ones_like(parameters[0])
        return parameters[0].detach().sum()

    what.optimiser.start(parameters).step(closure)


def _enlarging_seconds(enlarge: Enlargement | None, size: Size) -> float:
    """Estimate the seconds of enlarging the last picture from those of a small one."""
    if enlarge is None:
        return 0.0
    height, width = (min(side, _TRIED) for side in size)
    picture = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    spent = []
    for _ in range(2):
        began = time.perf_counter()
        enlarge.draw(picture).cpu()
        spent.append(time.perf_counter() - began)
    return min(spent) * size[0] * size[1] / (height * width)


def _two_digits(number: float) -> str:
    """Round to two digits, without an exponent.

    Example:
        >>> _two_digits(0.0123), _two_digits(132.4)
        ('0.012', '130')
    """
    return f"{float(f'{number:.2g}'):g}"


def _clock(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
