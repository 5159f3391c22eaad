"""Runs, which crafts return: each has a plan, and steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

from reverie.engine.executors import Executor
from reverie.engine.findings import Findings
from reverie.engine.iterates import Iterate, State
from reverie.engine.memory import Fit, Tiling, allowed_memory, keep_freed, parse_memory, resident
from reverie.engine.needs import PIXEL
from reverie.engine.plan import BOUNDLESS, Plan, plan
from reverie.engine.stages import Size
from reverie.engine.synthesize import Synthesis
from reverie.engine.tiles import SMALLEST
from reverie.networks.used import NetworkUsed
from reverie.pictures import size_of

Losses = Mapping[str, float]


class Step(Protocol):
    """Progress of a run after a step."""

    @property
    def done(self) -> float:
        """The share of its work that is done, in [0, 1]."""

    @property
    def last(self) -> bool:
        """True if the run ends with this step."""

    @property
    def at(self) -> tuple[int, int]:
        """Stage and step, both from 1; they order the checkpoints."""

    @property
    def losses(self) -> Losses:
        """Each term's value; none where nothing is minimised."""

    @property
    def place(self) -> str:
        """Position of the run, in a few words."""

    def facts(self) -> dict[str, Any]:
        """Return the same for a program, as plain values."""

    def state(self) -> State | None:
        """Return all the run needs to go on from here; None if it cannot."""


@runtime_checkable
class Run(Protocol):
    """The result of a craft, ready to be planned and run."""

    @property
    def networks(self) -> Sequence[NetworkUsed]:
        """Networks that it uses."""

    @property
    def precision(self) -> str | None:
        """Precision in which they run; None if there was nothing to choose."""

    @property
    def least(self) -> int | None:
        """Side of the smallest tiles it can be cut into, pixels; None where it cannot be cut."""

    @property
    def notes(self) -> Sequence[str]:
        """Notes for the user."""

    def planned(self, *, memory: str | None = None, tile: int | None = None) -> Plan:
        """Plan the run: within so much memory (by default what is free), or in such tiles."""

    def steps(self, plan: Plan, *, executor: Executor | None = None, state: State | None = None) -> Iterator[Any]:
        """Yield the steps, from the beginning or from a state; see `Step`."""


@dataclass(frozen=True, eq=False)
class Optimisation:
    """A `Synthesis` as a run."""

    synthesis: Synthesis

    @property
    def networks(self) -> Sequence[NetworkUsed]:
        """The network whose features are read, and the one that enlarges."""
        enlarge = self.synthesis.enlarge
        network = self.synthesis.network
        return [NetworkUsed(network.name, network.sha256), *(() if enlarge is None else enlarge.networks)]

    @property
    def precision(self) -> str:
        """Precision of the network."""
        return self.synthesis.network.precision

    @property
    def device(self) -> str:
        """Device of the network."""
        return str(self.synthesis.network.device)

    @property
    def least(self) -> int | None:
        """Side of the smallest tiles; None for a seamless picture, which is not cut."""
        return None if self.synthesis.network.periodic else SMALLEST

    @property
    def notes(self) -> Sequence[str]:
        """See `Synthesis`."""
        return self.synthesis.notes

    def planned(self, *, memory: str | None = None, tile: int | None = None, held: int = 0) -> Plan:
        """See `plan`."""
        return plan(self.synthesis, memory=_limit(memory, tile), tile=tile, held=held)

    def steps(self, plan: Plan, *, executor: Executor | None = None, state: State | None = None) -> Iterator[Iterate]:
        """See `Synthesis.run`."""
        return self.synthesis.run(executor=executor or plan.executor(), state=state)


@dataclass(frozen=True, eq=False)
class Part:
    """A picture that grows tile by tile, after one more of them.

    Attributes:
        tile, tiles: which one it is, from 1, and how many there are.
        image: (B, 3, H, W) sRGB in [0, 1]; the same tensor every time.
        found: what the run found out, once it is complete.
        unit: what the parts are.
    """

    tile: int
    tiles: int
    image: Tensor
    found: Findings = Findings()  # noqa: RUF009  # frozen
    unit: str = "tile"

    @property
    def done(self) -> float:
        """The share of the tiles that are done, up to 1."""
        return self.tile / self.tiles

    @property
    def last(self) -> bool:
        """True if the picture is complete."""
        return self.tile == self.tiles

    @property
    def at(self) -> tuple[int, int]:
        """The tile's number, as a step of the only stage."""
        return 1, self.tile

    @property
    def losses(self) -> Losses:
        """Empty: nothing is minimised."""
        return {}

    @property
    def place(self) -> str:
        """Number of the tile, in words."""
        return f"{self.unit} {self.tile}/{self.tiles}"

    def facts(self) -> dict[str, Any]:
        """Number of the tile and the share that is done."""
        return {"tile": self.tile, "tiles": self.tiles, "done": round(self.done, 6)}

    def state(self) -> None:
        """Return None: it takes moments, and starts anew."""


@dataclass(frozen=True, eq=False)
class OnePass:
    """A picture made in one pass, whole or tile by tile.

    Attributes:
        size: (H, W) of the result.
        draw: from the side of the tiles to the picture after each of them.
        tiling: the tiles in which it may be made; None where it is made already.
        networks, precision, least, notes: see `Run`.
        device: on which its networks run; None where it has none.
    """

    size: Size
    draw: Callable[[int], Iterator[Part]]
    tiling: Tiling | None = None
    networks: Sequence[NetworkUsed] = ()
    precision: str | None = None
    least: int | None = None
    notes: Sequence[str] = ()
    device: str | None = None

    def planned(self, *, memory: str | None = None, tile: int | None = None, held: int = 0) -> Plan:
        """Plan the pass in the largest tiles that fit.

        Args:
            memory, tile: see `Run`.
            held: bytes that the caller will come to hold beside the run, and does not hold yet.
        Raises:
            OutOfMemory: not even the smallest do.
        """
        limit = allowed_memory(memory)
        cut = Fit(0, resident() + held) if self.tiling is None else self.tiling.fit(memory, tile, beside=held)
        if not cut.tile:
            keep_freed(cut.peak, limit)
        return Plan(self.size, self.size, cut.tile, cut.peak, limit, step_seconds=0.0, seconds=0.0, disk=0)

    def steps(self, plan: Plan, *, executor: Executor | None = None, state: State | None = None) -> Iterator[Part]:
        """Yield a part for each tile."""
        return self.draw(plan.tile)


@dataclass(frozen=True, eq=False)
class FrameStep:
    """A step of a sequence.

    Attributes:
        number: of the frame, from 0.
        frames: how many there will be.
        iterate: within the frame.
        image: the frame, (1, 3, H, W) in [0, 1], at its last step; None before.
        alpha: of the frame, (1, 1, H, W) in [0, 1]; None where it has none.
        kept: what the run needs to go on after the frame; None before its last step.
    """

    number: int
    frames: int
    iterate: Iterate
    image: Tensor | None = None
    alpha: Tensor | None = None
    kept: State | None = field(default=None, repr=False)

    @property
    def done(self) -> float:
        """Share of all frames that is done."""
        return (self.number + self.iterate.done) / self.frames

    @property
    def last(self) -> bool:
        """True if the sequence is complete."""
        return self.image is not None and self.number + 1 == self.frames

    @property
    def at(self) -> tuple[int, int]:
        """The number of the frame, from 1, as a step of the only stage."""
        return 1, self.number + 1

    @property
    def losses(self) -> Losses:
        """Losses of the frame."""
        return self.iterate.losses

    @property
    def place(self) -> str:
        """Number of the frame, and the position in it."""
        return f"frame {self.number + 1}/{self.frames}  {self.iterate.place}"

    def facts(self) -> dict[str, Any]:
        """Facts of the frame, and its number."""
        own = {"frame": self.number + 1, "frames": self.frames, "done": round(self.done, 6)}
        return {**self.iterate.facts(), **own}

    def state(self) -> State | None:
        """Return the state after a complete frame; an incomplete one starts anew."""
        return self.kept


@dataclass(frozen=True, eq=False)
class Frames:
    """A sequence of pictures, each made from the one before.

    Attributes:
        first: the run of the first frame, by which the others are planned.
        count: how many frames.
        follow: from an executor and a state to the steps of all frames that are missing.
        kept: pictures of a frame's size that are kept besides the run.
    """

    first: Synthesis
    count: int
    follow: Callable[[Executor, State | None], Iterator[FrameStep]]
    kept: int = 0

    @property
    def networks(self) -> Sequence[NetworkUsed]:
        """See the first frame's run."""
        return Optimisation(self.first).networks

    @property
    def precision(self) -> str:
        """See the first frame's run."""
        return Optimisation(self.first).precision

    @property
    def device(self) -> str:
        """See the first frame's run."""
        return Optimisation(self.first).device

    @property
    def least(self) -> int | None:
        """See the first frame's run."""
        return Optimisation(self.first).least

    @property
    def notes(self) -> Sequence[str]:
        """See the first frame's run."""
        return self.first.notes

    def planned(self, *, memory: str | None = None, tile: int | None = None) -> Plan:
        """Plan the first frame's run, so many times."""
        pixels = max(stage.size[0] * stage.size[1] for stage in self.first.stages)
        return plan(self.first, memory=_limit(memory, tile), tile=tile, held=PIXEL * pixels * self.kept)

    def steps(self, plan: Plan, *, executor: Executor | None = None, state: State | None = None) -> Iterator[FrameStep]:
        """Yield the steps of all frames; a frame's last step has its picture."""
        return self.follow(executor or plan.executor(), state)


def drawn(image: Tensor) -> OnePass:
    """Return a run for a picture that is made already.

    Args:
        image: (1, 3, H, W) sRGB in [0, 1].
    """
    return OnePass(size_of(image), lambda tile: iter([Part(1, 1, image)]))


def run_of(made: Any) -> Run:
    """Turn what a craft's function returned into a run."""
    if isinstance(made, Synthesis):
        return Optimisation(made)
    return drawn(made.detach().float().clamp(0, 1)) if isinstance(made, Tensor) else made


def outcome(made: Any, settings: Any) -> Any:
    """Return what a program that calls a craft gets: the picture of a run of one pass, otherwise the steps."""
    if isinstance(made, Tensor):
        return made
    run = run_of(made)
    how = {name: getattr(settings, name, None) for name in ("memory", "tile")}
    steps = run.steps(run.planned(**how))
    if not isinstance(made, OnePass):
        return steps
    with torch.inference_mode(False):
        *_, whole = steps
    return whole.image


def _limit(memory: str | None, tile: int | None) -> int | None:
    """Bytes that a run may use: as written; what is free, or where only the tiles are given, whatever it takes."""
    if memory is not None:
        return parse_memory(memory)
    return None if tile is None else BOUNDLESS
