"""The machine: a generator that improves a canvas step by step, scale by scale."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from reverie.canvas import Canvas, Projection
from reverie.engine.evaluate import bind, value
from reverie.engine.executors import Executor, WholeExecutor
from reverie.engine.stages import Size, Stage
from reverie.errors import RecipeError
from reverie.networks import Network
from reverie.objectives import Objective
from reverie.optimisers import Adam, Optimiser, Run
from reverie.views import View


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

    @property
    def last(self) -> bool:
        """Whether the run ends with this step."""
        return self.stage == self.stages and self.step == self.steps

    def __str__(self) -> str:
        terms = "  ".join(f"{name} {v:.3g}" for name, v in self.losses.items())
        where = f"stage {self.stage}/{self.stages}  {self.size[0]}x{self.size[1]}  {self.step}/{self.steps}"
        return f"{where}  loss {self.total:.4g}  {terms}"


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

    def values(self) -> list[Tensor]:
        return [s / self.weight for s in self.sums]


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
) -> Iterator[Iterate]:
    """Optimise a canvas through stages; yield after every step.

    Args:
        objective: what to minimise; bound anew at each size.
        network: whose features it reads; its precision is the run's.
        canvas: where to begin; not changed.
        stages: sizes and steps; `pyramid` and `octaves` make them.
        optimiser: Adam by default.
        view: a random view through which the network sees each step.
        projection: onto a set of allowed pictures, after each step, at every size.
        average: decay of a moving average of the iterates, e.g. .99; pictures are then the average. None: no average.
        seed: of all randomness; same seed, device and version, same picture.
        executor: whole by default.
    Yields:
        An `Iterate` a step.
    Raises:
        Diverged: a term is not finite.
        RecipeError: no steps, or an average that is none.
    Example:
        for step in rv.synthesize(-rv.energy("relu5_2"), network, canvas=rv.PixelCanvas(photo), stages=rv.octaves((512, 512))):
            print(step)
    """
    if not stages or sum(s.steps for s in stages) == 0:
        raise RecipeError("a run needs at least one stage with at least one step.")
    if average is not None and not 0 <= average < 1:
        raise RecipeError(f"the average's decay is in [0, 1); got {average}.")
    executor, optimiser = executor or WholeExecutor(), optimiser or Adam()
    generator = torch.Generator().manual_seed(seed)
    work = [s.steps * s.size[0] * s.size[1] for s in stages]
    run: Run | None = None
    began = time.monotonic()
    for number, stage in enumerate(stages):
        canvas = canvas.resized(stage.size)
        bound = bind(objective, network, stage.size, executor)
        run = optimiser.start(canvas.parameters, rate=stage.rate, previous=run)
        mean = None if average is None else Average(canvas.parameters, average)
        state: dict[str, object] = {}

        def closure(canvas: Canvas = canvas, bound=bound, state=state) -> Tensor:  # type: ignore[no-untyped-def]
            for p in canvas.parameters:
                p.grad = None
            picture = canvas.picture()
            seen = picture if view is None else view(picture, generator)
            total, terms = value(bound, network, seen, executor)
            total.backward()  # type: ignore[no-untyped-call]
            state.setdefault("total", total.detach())
            state.setdefault("terms", {k: v.detach() for k, v in terms.items()})
            return total.detach()

        def draw(canvas: Canvas = canvas, mean: Average | None = mean) -> Tensor:
            return canvas.drawn(mean.values() if mean else [p.detach().clone() for p in canvas.parameters])

        for step in range(1, stage.steps + 1):
            state.clear()
            run.step(closure)
            if optimiser.bounded:
                canvas.project(projection)
            if mean:
                mean.add(canvas.parameters)
            done = (sum(work[:number]) + work[number] * step / stage.steps) / sum(work)
            yield Iterate(
                number + 1, len(stages), step, stage.steps, stage.size, done, time.monotonic() - began,
                state["total"], state["terms"], draw,  # type: ignore[arg-type]
            )
        if mean and stage.steps:
            canvas.load(mean.values())
