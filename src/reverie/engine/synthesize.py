"""The machine: a generator that improves a canvas step by step, scale by scale."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from reverie.canvas import Canvas, Projection
from reverie.engine.evaluate import bind, value
from reverie.engine.executors import Executor, WholeExecutor
from reverie.engine.memory import release
from reverie.engine.stages import Size, Stage
from reverie.errors import Diverged, RecipeError
from reverie.networks import Network, NetworkUsed
from reverie.objectives import Objective
from reverie.optimisers import Adam, Optimiser, Run
from reverie.views import View

State = dict[str, Any]  # of numbers, strings, tensors, lists and dicts of them


@dataclass(frozen=True)
class Iterate:
    """One step of a run.

    Attributes:
        stage, stages: number of the scale, from 1, and how many there are.
        step, steps: number of the step within the scale, from 1, and how many there are.
        size: (H, W) of this scale.
        done: share of the whole run's work that is done, pixels times steps, in [0, 1].
        seconds: since the run began.
    """

    stage: int
    stages: int
    step: int
    steps: int
    size: Size
    done: float
    seconds: float
    _total: Tensor = field(repr=False)
    _terms: dict[str, Tensor] = field(repr=False)
    _draw: Callable[[], Tensor] = field(repr=False)
    _state: Callable[[], State] = field(repr=False)

    @property
    def image(self) -> Tensor:
        """The picture as it stands, (B, 3, H, W) in [0, 1], a copy; take it before the next step is asked for."""
        return self._draw()

    @property
    def total(self) -> float:
        """The objective's value at the beginning of the step."""
        return float(self._total)

    @property
    def losses(self) -> dict[str, float]:
        """Each term's natural value at the beginning of the step."""
        return {name: float(v) for name, v in self._terms.items()}

    def state(self) -> State:
        """Everything the run needs to go on from here, bit for bit; take it before the next step is asked for."""
        return {"stage": self.stage, "step": self.step, "seconds": self.seconds, **self._state()}

    @property
    def last(self) -> bool:
        """Whether the run ends with this step."""
        return self.stage == self.stages and self.step == self.steps

    @property
    def at(self) -> tuple[int, int]:
        """Stage and step."""
        return self.stage, self.step

    @property
    def place(self) -> str:
        """Where the run is: ``stage 2/4  384x256  step 7/16``."""
        step = f"{self.step}/{self.steps}"
        return f"stage {self.stage}/{self.stages}  {self.size[1]}x{self.size[0]}  step {step:>7}"

    def facts(self) -> dict[str, Any]:
        """Where the run is and its losses, as plain values for a program."""
        return {
            "stage": self.stage,
            "stages": self.stages,
            "step": self.step,
            "steps": self.steps,
            "width": self.size[1],
            "height": self.size[0],
            "done": round(self.done, 6),
            "seconds": round(self.seconds, 3),
            "loss": self.total,
            "losses": self.losses,
        }

    def __str__(self) -> str:
        terms = "  ".join(f"{name} {v:.3g}" for name, v in self.losses.items())
        where = f"stage {self.stage}/{self.stages}  {self.size[0]}x{self.size[1]}  {self.step}/{self.steps}"
        return f"{where}  loss {self.total:.4g}  {terms}"


@dataclass(frozen=True)
class Enlargement:
    """How a run's last picture is made larger once everything else is done.

    Attributes:
        factor: times as wide and high.
        working: bytes it takes beside the picture and the enlarged one.
        draw: from (B, 3, H, W) to (B, 3, factor H, factor W), both in [0, 1].
        networks: that it uses.
    """

    factor: int
    working: int
    draw: Callable[[Tensor], Tensor]
    networks: Sequence[NetworkUsed] = ()

    def size(self, size: Size) -> Size:
        """The (H, W) that a picture of this size comes to."""
        return size[0] * self.factor, size[1] * self.factor


class Average:
    """Exponential moving average of the parameters, corrected for its short memory at the start."""

    def __init__(self, parameters: Sequence[Tensor], decay: float) -> None:
        self.decay, self.weight = decay, 0.0
        self.sums = [torch.zeros_like(p, requires_grad=False) for p in parameters]

    @torch.no_grad()
    def add(self, parameters: Sequence[Tensor]) -> None:
        self.weight = self.weight * self.decay + 1 - self.decay
        for s, p in zip(self.sums, parameters, strict=True):
            s.lerp_(p, 1 - self.decay)

    @torch.no_grad()
    def values(self) -> list[Tensor]:
        return [s / self.weight for s in self.sums]

    @torch.no_grad()
    def settle(self) -> list[Tensor]:
        """The values at the end of a scale, in the sums' own memory."""
        for s in self.sums:
            s /= self.weight
        self.weight = 1.0
        return self.sums

    def state(self) -> State:
        return {"weight": self.weight, "sums": [s.clone() for s in self.sums]}

    def load(self, state: State) -> None:
        self.weight = state["weight"]
        for mine, its in zip(self.sums, state["sums"], strict=True):
            mine.copy_(its)


@dataclass(frozen=True)
class Synthesis:
    """A run, declared: everything `synthesize` takes but the machine it runs on.

    Attributes:
        objective: what to minimise; bound anew at each size.
        network: whose features it reads; its precision is the run's.
        canvas: where to begin; not changed.
        stages: sizes and steps; `pyramid` and `octaves` make them.
        optimiser: Adam by default.
        view: a random view through which the network sees each step.
        projection: onto a set of allowed pictures, after each step, at every size.
        average: decay of a moving average of the iterates, e.g. .99; pictures are then the average. None: none.
        seed: of all randomness; same seed, device and version, same picture.
        enlarge: what the last iterate's image comes through; None: it stays as large as it was computed.
    """

    objective: Objective
    network: Network
    canvas: Canvas
    stages: Sequence[Stage]
    optimiser: Optimiser = Adam()  # noqa: RUF009  # frozen
    view: View | None = None
    projection: Projection | None = None
    average: float | None = None
    seed: int = 0
    enlarge: Enlargement | None = None

    def __post_init__(self) -> None:
        if not self.stages or sum(s.steps for s in self.stages) == 0:
            raise RecipeError("a run needs at least one stage with at least one step.")
        if self.average is not None and not 0 <= self.average < 1:
            raise RecipeError(f"the average's decay is in [0, 1); got {self.average}.")

    def run(self, *, executor: Executor | None = None, state: State | None = None) -> Iterator[Iterate]:
        """Begin, or go on from an earlier run's `Iterate.state()`; yields an `Iterate` after every step.

        Args:
            executor: whole by default.
            state: of a run of this same synthesis.
        """
        generator = torch.Generator().manual_seed(self.seed)
        return _iterates(_Machine(self, executor or WholeExecutor(), generator), state)  # which lets go of the state


@dataclass(frozen=True)
class _Machine:
    """A synthesis with what runs it."""

    synthesis: Synthesis
    executor: Executor
    generator: torch.Generator


class _Scale:
    """A stage at work: the canvas at its size, the targets, the optimiser's run and the average."""

    def __init__(self, machine: _Machine, canvas: Canvas, stage: Stage, previous: Run | None) -> None:
        what = machine.synthesis
        self.machine, self.what, self.canvas = machine, what, canvas.resized(stage.size)
        self.bound = bind(stage.objective or what.objective, what.network, stage.size, machine.executor)
        self.run = what.optimiser.start(self.canvas.parameters, rate=stage.rate, previous=previous)
        self.mean = Average(self.canvas.parameters, what.average) if what.average is not None else None
        self.first: tuple[Tensor, dict[str, Tensor]] | None = None

    def step(self) -> tuple[Tensor, dict[str, Tensor]]:
        """One step; the total and the terms at its beginning."""
        self.first = None
        self.run.step(self._closure)
        if self.what.optimiser.bounded:
            self.canvas.project(self.what.projection)
        if self.mean:
            self.mean.add(self.canvas.parameters)
        if self.first is None:
            raise RuntimeError("the optimiser took a step without asking for the objective")
        return self.first

    def _closure(self) -> Tensor:
        what, machine = self.what, self.machine
        for p in self.canvas.parameters:
            p.grad = None
        total, terms = value(self.bound, what.network, self._seen(), machine.executor)
        total.backward()  # type: ignore[no-untyped-call]
        if any(p.grad is not None and not torch.isfinite(p.grad.sum()) for p in self.canvas.parameters):
            raise Diverged("the gradient is not finite though the value is; try a smaller weight or step.")
        self.first = self.first or (total.detach(), {k: v.detach() for k, v in terms.items()})
        return total.detach()

    def _seen(self) -> Tensor:
        """What the network sees of the picture; held by nobody else, so that a large one goes when it is used."""
        picture = self.canvas.picture()
        return picture if self.what.view is None else self.what.view(picture, self.machine.generator)

    def image(self, enlarge: Enlargement | None = None) -> Tensor:
        """The picture as it stands: the average's, where there is one."""
        picture = self.canvas.drawn(self.mean.values() if self.mean else None)
        return picture if enlarge is None else enlarge.draw(picture)

    def _parameters(self) -> list[Tensor]:
        return [p.detach().clone() for p in self.canvas.parameters]

    def finish(self) -> Canvas:
        """The canvas with which the next scale begins."""
        for p in self.canvas.parameters:
            p.grad = None
        if self.mean and self.mean.weight:
            self.canvas.load(self.mean.settle())
        return self.canvas

    def state(self) -> State:
        return {
            "parameters": self._parameters(),
            "run": self.run.state(),
            "mean": self.mean.state() if self.mean else {},
            "generator": self.machine.generator.get_state(),
        }

    def load(self, state: State) -> None:
        self.canvas.load(state["parameters"])
        self.run.load(state["run"])
        if self.mean:
            self.mean.load(state["mean"])
        self.machine.generator.set_state(state["generator"])


def synthesize(
    objective: Objective,
    network: Network,
    *,
    canvas: Canvas,
    stages: Sequence[Stage],
    optimiser: Optimiser | None = None,
    view: View | None = None,
    projection: Projection | None = None,
    average: float | None = None,
    seed: int = 0,
    executor: Executor | None = None,
    state: State | None = None,
) -> Iterator[Iterate]:
    """Optimise a canvas through stages; yield after every step.

    Args:
        objective, network, canvas, stages, optimiser, view, projection, average, seed: see `Synthesis`.
        executor: whole by default.
        state: an earlier run's `Iterate.state()`, to go on from; all other arguments must be that run's.
    Yields:
        An `Iterate` a step.
    Raises:
        Diverged: a term is not finite.
        RecipeError: no steps, or an average that is none.
    Example:
        canvas, stages = rv.PixelCanvas(photo), rv.octaves((512, 512))
        for step in rv.synthesize(-rv.energy("relu5_3"), network, canvas=canvas, stages=stages):
            print(step)
    """
    what = Synthesis(objective, network, canvas, stages, optimiser or Adam(), view, projection, average, seed)
    return what.run(executor=executor, state=state)


def _image(at: Sequence[_Scale], enlarge: Enlargement | None) -> Tensor:
    """The picture of the scale at work when it is asked for."""
    return at[0].image(enlarge)


def _iterates(machine: _Machine, state: State | None) -> Iterator[Iterate]:
    canvas, stages, enlarge = machine.synthesis.canvas, machine.synthesis.stages, machine.synthesis.enlarge
    work = [s.steps * s.size[0] * s.size[1] for s in stages]
    began = time.monotonic() - (state["seconds"] if state else 0)
    run: Run | None = None
    at: list[_Scale] = []  # the scale at work; iterates look here, so that none keeps an older one in memory
    for number, stage in enumerate(stages):
        if state and number + 1 < state["stage"]:
            continue
        at[:] = [_Scale(machine, canvas, stage, run)]
        del canvas, run
        release()
        past = state["step"] if state else 0
        if state:
            at[0].load(state)
            state = None
        for step in range(past + 1, stage.steps + 1):
            total, terms = at[0].step()
            done = (sum(work[:number]) + work[number] * step / stage.steps) / sum(work)
            large = enlarge if (number + 1, step) == (len(stages), stage.steps) else None
            yield Iterate(
                number + 1, len(stages), step, stage.steps, stage.size, done, time.monotonic() - began,
                total, terms, partial(_image, at, large), lambda: at[0].state(),
            )  # fmt: skip
        canvas, run = at[0].finish(), at[0].run  # noqa: F841  # for the next scale
