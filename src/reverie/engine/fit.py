"""Fitting weights to batches: step by step, averaged, and taken back when they diverge.

Example::

    class Line(Learner[tuple[Tensor, Tensor]]):
        def loss(self, weights, batch):
            error = (weights["slope"] * batch[0] - batch[1]).pow(2).mean()
            return error, {"error": error}

    *_, last = fit({"slope": torch.zeros(1)}, Line(), batch_of, steps=100)
    last.average["slope"]
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import torch
from torch import Tensor

from reverie.engine.descent import Descent, TrainingState, Update, Weights, copied
from reverie.engine.executors import Executor
from reverie.engine.iterates import State
from reverie.engine.memory import allowed_memory, resident
from reverie.engine.plan import Plan
from reverie.engine.stages import Size
from reverie.errors import Diverged, RecipeError
from reverie.networks.used import NetworkUsed

B = TypeVar("B")
_AHEAD = 3  # batches that are drawn while a step is computed


class Learner(ABC, Generic[B]):
    """The loss that weights are fitted to, and its state, which changes meanwhile."""

    @abstractmethod
    def loss(self, weights: Weights, batch: B) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the loss of a batch, a scalar, and its terms by name; not finite, or `Diverged`, if it fails."""

    def network(self, weights: Weights) -> Any:
        """Return the network that some weights make: by default the weights themselves."""
        return weights

    def begin(self, state: State | None, average: Weights) -> None:
        """Begin anew, or from a state; the average of the weights moves on in place with every step."""

    def state(self) -> State:
        """Return all it needs to go on from here besides the weights."""
        return {}


@torch.enable_grad()
def update(learner: Learner[B], weights: Weights, carried: Weights, batch: B) -> Update:
    """Compute a batch's update without changing the weights: a pure function, which may run anywhere.

    Args:
        weights: leaf tensors that require a gradient.
        carried: tensors that the loss may change in place: it is given copies.
    """
    copies = copied(carried)
    try:
        total, terms = learner.loss({**weights, **copies}, batch)
        found = torch.autograd.grad(total, list(weights.values()), allow_unused=True)
    except Diverged:
        return Update({key: torch.full_like(x, math.nan) for key, x in weights.items()}, carried, {})
    gradients = {key: g for key, g in zip(weights, found, strict=True) if g is not None}
    return Update(gradients, copies, {name: x.detach() for name, x in terms.items()})


@dataclass(frozen=True, eq=False)
class TrainingStep:
    """A training after one more step.

    Attributes:
        step: from 1; how many are done.
        done: share of the budget, in [0, 1].
        seconds: of training, those of earlier processes counted in.
        losses: each term's natural value; empty where the step was left out.
        notes: what the user should know, said once.
        learner: what learns.
    """

    step: int
    done: float
    seconds: float
    losses: Mapping[str, float]
    notes: tuple[str, ...]
    learner: Any = field(repr=False)
    _state: TrainingState = field(repr=False)

    @property
    def last(self) -> bool:
        """True if the training ends with this step."""
        return self.done >= 1

    @property
    def at(self) -> tuple[int, int]:
        """Number of the step in the only stage."""
        return 1, self.step

    @property
    def place(self) -> str:
        """Number of the step, in words."""
        return f"step {self.step}"

    @property
    def average(self) -> dict[str, Tensor]:
        """The average of the weights so far and of what is carried along: a copy."""
        return copied(self._state.average)

    @property
    def network(self) -> Any:
        """Return the network that the average of the weights makes."""
        return self.learner.network(self.average)

    def preview(self) -> Tensor:
        """Paint a preview with the present network, if the learner can: (1, 3, h, w) in [0, 1]."""
        shown: Tensor = self.learner.preview(self.network)
        return shown

    def facts(self) -> dict[str, Any]:
        """Number of the step and its losses."""
        done, seconds = round(self.done, 6), round(self.seconds, 3)
        return {"step": self.step, "done": done, "seconds": seconds, "losses": dict(self.losses)}

    def state(self) -> State:
        """Return all the training needs to go on from here; take it before the next step is asked for."""
        return {"learner": self.learner.state(), **self._state.state()}


def fit(
    weights: Weights,
    learner: Learner[B],
    batches: Callable[[int], B],
    *,
    steps: int | None = None,
    seconds: float = 0.0,
    descent: Descent = Descent(),  # noqa: B008  # frozen
    carried: Weights | None = None,
    combine: Callable[[Update], Update] = lambda update: update,
    state: State | None = None,
) -> Iterator[TrainingStep]:
    """Fit weights to batches.

    A step whose loss or gradient is not finite is left out. After three in a row the weights go back to the last
    good ones, at half the rate; after four such returns it is given up. In a budget of steps, the same weights and
    batches give the same bits, however often it was stopped and resumed.

    Args:
        weights: to begin with; they are copied.
        learner: has the loss.
        batches: from a step (from 0) to its batch, by that alone: they are drawn ahead, in another thread.
        steps: how many; None trains for so many seconds instead.
        carried: tensors that are not learned but kept with the weights, such as running means; see `update`.
        combine: from an update to the one that is taken: the mean of those of several processes, for example.
        state: of an earlier training of the same weights, to go on from.
    Yields:
        A `TrainingStep` a step, for consumers to watch, show and keep; the last again where a state's budget is spent.
    Raises:
        RecipeError: there is no budget.
        Diverged: it is not finite again and again.
    """
    if not steps and seconds <= 0:
        raise RecipeError("a training takes so many steps, or so many seconds; got neither.")
    training = TrainingState(weights, carried or {}, descent)
    if state is not None:
        training.load(state)
    learner.begin(state and state["learner"], training.average)
    begun = time.monotonic() - training.seconds

    def after(notes: tuple[str, ...]) -> TrainingStep:
        done = min(1.0, training.step / steps if steps else training.seconds / seconds)
        return TrainingStep(training.step, done, training.seconds, training.losses, notes, learner, training)

    now = after(())
    if now.last:
        yield now
    with prefetched(batches) as batch_of:
        while not now.last:
            found = update(learner, training.weights, training.carried, batch_of(training.step))
            notes = training.apply(combine(found), now.done)
            training.seconds = time.monotonic() - begun
            now = after(notes)
            yield now


@contextmanager
def prefetched(batches: Callable[[int], B]) -> Iterator[Callable[[int], B]]:
    """Draw the batches of the next steps in another thread while one is computed."""
    coming: dict[int, Future[B]] = {}
    pool = ThreadPoolExecutor(1, thread_name_prefix="batches")

    def batch_of(step: int) -> B:
        for number in range(step, step + 1 + _AHEAD):
            if number not in coming:
                coming[number] = pool.submit(batches, number)
        return coming.pop(step).result()

    try:
        yield batch_of
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, eq=False)
class Training:
    """A training as a run.

    Attributes:
        follow: from a state, or from the beginning, to the steps.
        size: (H, W) of what it learns from, pixels.
        seconds: that it takes; 0 where that is not known.
        networks, precision, notes: see `Run`.
        device: on which its networks run; None where it has none.
    """

    follow: Callable[[State | None], Iterator[TrainingStep]]
    size: Size
    seconds: float = 0.0
    networks: Sequence[NetworkUsed] = ()
    precision: str | None = None
    notes: Sequence[str] = ()
    device: str | None = None
    least: None = None

    def planned(self, *, memory: str | None = None, tile: int | None = None) -> Plan:
        """Plan the whole training, for as long as it takes."""
        limit = allowed_memory(memory)
        return Plan(self.size, self.size, 0, resident(), limit, step_seconds=0.0, seconds=self.seconds, disk=0)

    def steps(
        self, plan: Plan, *, executor: Executor | None = None, state: State | None = None
    ) -> Iterator[TrainingStep]:
        """Train to the end, from the beginning or from a state."""
        return self.follow(state)
