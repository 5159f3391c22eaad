"""Synthesis: a generator that improves a canvas step by step, scale by scale."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import torch
from torch import Tensor

from reverie.canvas import Canvas, Projection
from reverie.engine.devices import empty
from reverie.engine.evaluate import bind, differentiating, value
from reverie.engine.executors import Executor, WholeExecutor
from reverie.engine.iterates import Iterate, State
from reverie.engine.memory import release
from reverie.engine.stages import Size, Stage
from reverie.engine.watch import Watch
from reverie.errors import RecipeError
from reverie.networks import Network, NetworkUsed
from reverie.objectives import Objective
from reverie.objectives.view_draw import ViewDraw
from reverie.optimisers import Adam, Optimiser, Run
from reverie.pictures import size_of
from reverie.views import View, carried

T = TypeVar("T")


@dataclass(frozen=True)
class Enlargement:
    """The enlargement of a run's last picture, once everything else is done.

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
        """Return the (H, W) of a picture of this size once enlarged."""
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
        """Return the values at the end of a scale, in the sums' own memory."""
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
    """The declaration of a run: everything that `synthesize` takes except the executor.

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
        notes: for the user, before it begins.
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
    notes: Sequence[str] = ()

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
        generator = torch.Generator().manual_seed(self.seed)  # the CPU's, so that every device gets the same numbers
        return _iterates(_Context(self, executor or WholeExecutor(), generator), state)  # which lets go of the state


@dataclass(frozen=True)
class _Context:
    """A synthesis with what runs it."""

    synthesis: Synthesis
    executor: Executor
    generator: torch.Generator


class _Scale:
    """A stage at work: the canvas at its size, the targets, the optimiser's run and the average."""

    def __init__(self, context: _Context, canvas: Canvas, stage: Stage, previous: Run | None) -> None:
        what = context.synthesis
        self.context, self.what, self.canvas = context, what, canvas.resized(stage.size)
        objective = stage.objective or what.objective
        self.network = what.network if stage.leak is None else what.network.with_leak(stage.leak)
        self.bound = self._fitting(lambda: bind(objective, self.network, stage.size, context.executor))
        self.run = what.optimiser.start(self.canvas.parameters, rate=stage.rate, previous=previous)
        self.mean = Average(self.canvas.parameters, what.average) if what.average is not None else None
        self.first: tuple[Tensor, dict[str, Tensor]] | None = None
        self.statistics = self.bound.statistics
        self.watch = Watch(what.network.device)

    @differentiating()
    def step(self) -> tuple[Tensor, dict[str, Tensor]]:
        """Take one step; return the total and the terms at its beginning."""
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
        before = self.context.generator.get_state()
        return self._fitting(lambda: self._evaluated(before))

    def _fitting(self, attempt: Callable[[], T]) -> T:
        """Return the attempt's result; if an accelerator's memory runs out, cut the picture smaller and try again."""
        network = self.network
        while True:
            try:
                return attempt()
            except torch.OutOfMemoryError:
                if network.device.type == "cpu" or not self.context.executor.shrink(self.canvas.size):
                    raise
            empty(network.device)  # outside the except block, whose traceback pins the tensors

    def _evaluated(self, before: Tensor) -> Tensor:
        """Compute the value and its gradient; a view is drawn by the generator's state before it."""
        context = self.context
        context.generator.set_state(before)
        for p in self.canvas.parameters:
            p.grad = None
        now = not self.watch.late
        total, terms = value(self.bound, self.network, self._seen(), context.executor, self.statistics, check=now)
        total.backward()  # type: ignore[no-untyped-call]
        self.watch.see(total, terms, [p.grad for p in self.canvas.parameters if p.grad is not None])
        self.first = self.first or (total.detach(), {k: v.detach() for k, v in terms.items()})
        return total.detach()

    def _seen(self) -> Tensor:
        """Return the picture as the network sees it; not held elsewhere, so that a large one is freed after use."""
        with torch.autocast(self.canvas.parameters[0].device.type, enabled=False):
            picture = self.canvas.picture()
            if (view := self.what.view) is None:
                return picture
            before = self.context.generator.get_state()
            picture = view(picture, self.context.generator)
            carry = partial(_carried, view, before)
            draw = ViewDraw(self.network, self.canvas.size, size_of(picture), carry)
            self.statistics = tuple(s.seen(draw) for s in self.bound.statistics)
        return picture

    def image(self, enlarge: Enlargement | None = None) -> Tensor:
        """Return the present picture: the average's, if there is one."""
        self.watch.look()
        picture = self.canvas.drawn(self.mean.values() if self.mean else None)
        return picture if enlarge is None else enlarge.draw(picture)

    def _parameters(self) -> list[Tensor]:
        return [p.detach().clone() for p in self.canvas.parameters]

    def finish(self) -> Canvas:
        """Return the canvas with which the next scale begins."""
        self.watch.look()
        for p in self.canvas.parameters:
            p.grad = None
        if self.mean and self.mean.weight:
            self.canvas.load(self.mean.settle())
        return self.canvas

    def state(self) -> State:
        self.watch.look()
        return {
            "parameters": self._parameters(),
            "run": self.run.state(),
            "mean": self.mean.state() if self.mean else {},
            "generator": self.context.generator.get_state(),
        }

    def load(self, state: State) -> None:
        self.canvas.load(state["parameters"])
        self.run.load(state["run"])
        if self.mean:
            self.mean.load(state["mean"])
        self.context.generator.set_state(state["generator"])


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


def _carried(view: View, before: Tensor, x: Tensor) -> Tensor:
    """Show another picture through the same draw of a view, by the generator's state before it."""
    generator = torch.Generator()
    generator.set_state(before)
    return carried(view, x, generator)


class _Current:
    """The scale at work, and the number of the step that it has come to."""

    def __init__(self) -> None:
        self.scale: _Scale | None = None
        self.step = 0

    def at(self, step: int) -> _Scale:
        """Return the scale, as it was after this step.

        Raises:
            RecipeError: the run has gone on.
        """
        if self.scale is None or step != self.step:
            raise RecipeError("this iterate's run has gone on: take image and state() in the loop, or step.keep() it.")
        return self.scale

    def image(self, step: int, enlarge: Enlargement | None) -> Tensor:
        return self.at(step).image(enlarge)

    def state(self, step: int) -> State:
        return self.at(step).state()


def _iterates(context: _Context, state: State | None) -> Iterator[Iterate]:
    canvas = context.synthesis.canvas.to(context.executor.home(context.synthesis.network))
    stages, enlarge = context.synthesis.stages, context.synthesis.enlarge
    work = [s.steps * s.size[0] * s.size[1] for s in stages]
    began = time.monotonic() - (state["seconds"] if state else 0)
    run: Run | None = None
    now = _Current()  # iterates look here, so that none keeps an older scale in memory
    for number, stage in enumerate(stages):
        if state and number + 1 < state["stage"]:
            continue
        with differentiating():
            now.scale = scale = _Scale(context, canvas, stage, run)
        del canvas, run
        release()
        past = state["step"] if state else 0
        if state:
            scale.load(state)
            state = None
        for step in range(past + 1, stage.steps + 1):
            total, terms = scale.step()
            now.step += 1
            done = (sum(work[:number]) + work[number] * step / stage.steps) / sum(work)
            large = enlarge if (number + 1, step) == (len(stages), stage.steps) else None
            yield Iterate(
                number + 1, len(stages), step, stage.steps, stage.size, done, time.monotonic() - began,
                total, terms, partial(now.image, now.step, large), partial(now.state, now.step),
            )  # fmt: skip
        canvas, run = scale.finish(), scale.run  # noqa: F841  # for the next scale
        del scale
    release()  # of what was kept from step to step
