"""Fitting weights: it learns, repeats itself, goes on where it stopped, survives what is not finite."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from reverie.engine import Descent, Learner, State, Training, TrainingStep, Update, fit
from reverie.engine.descent import TrainingState
from reverie.engine.fit import update
from reverie.engine.runs import Run, Step
from reverie.errors import Diverged, RecipeError
from reverie.jobs import read_state, write_state

TRUE = torch.tensor([[1.0, -2.0, 0.5]])
DESCENT = Descent(rate=0.05, warmup=5)


class Straight(Learner[tuple[int, Tensor]]):
    """Learns a linear map by its squared error; batches of some steps are spoilt, by NaN or by an error."""

    def __init__(self, nan: set[int] | None = None, diverged: set[int] | None = None) -> None:
        self.nan, self.diverged = nan or set(), diverged or set()
        self.seen = 0

    def loss(self, weights: Any, batch: tuple[int, Tensor]) -> tuple[Tensor, dict[str, Tensor]]:
        step, x = batch
        if step in self.diverged:
            raise Diverged("the term 'error' is inf")
        made = F.linear(x, weights["map"], weights["bias"])
        error = (made - F.linear(x, TRUE)).pow(2).mean()
        if "mean" in weights:  # as batch normalisation does: in place
            weights["mean"].lerp_(x.mean(0), 0.5)
            weights["count"].add_(1)
        self.seen += 1
        return (error * math.nan if step in self.nan else error), {"error": error}

    def begin(self, state: State | None, average: Any) -> None:
        self.seen = 0 if state is None else state["seen"]

    def state(self) -> State:
        return {"seen": self.seen}


def batch_of(step: int) -> tuple[int, Tensor]:
    return step, torch.randn(8, 3, generator=torch.Generator().manual_seed(step))


def start(seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {"map": torch.randn(1, 3, generator=generator), "bias": torch.zeros(1)}


def carried() -> dict[str, Tensor]:
    return {"mean": torch.zeros(3), "count": torch.tensor(0)}


def fitted(learner: Straight | None = None, *, steps: int = 40, seed: int = 0, **more: Any) -> Iterator[TrainingStep]:
    return fit(start(seed), learner or Straight(), batch_of, steps=steps, **{"descent": DESCENT, **more})


def same(a: Any, b: Any) -> bool:
    """Whether two nested states are equal, bit for bit."""
    if isinstance(a, Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return bool(a == b)


def frozen(step: TrainingStep) -> State:
    """A step's state as it is now, the seconds aside."""
    kept = torch.utils._pytree.tree_map(lambda x: x.clone() if isinstance(x, Tensor) else x, step.state())
    kept["counts"][1] = 0.0
    return dict(kept)


def test_it_learns() -> None:
    steps = list(fitted(steps=200))
    assert steps[-1].losses["error"] < 1e-3 * steps[0].losses["error"]
    assert torch.allclose(steps[-1].average["map"], TRUE, atol=0.05)
    assert [x.step for x in steps] == list(range(1, 201)) and [x.last for x in steps] == [False] * 199 + [True]
    first: Step = steps[0]
    assert first.at == (1, 1) and first.place == "step 1" and first.facts()["losses"] == first.losses


def test_an_update_is_pure() -> None:
    """It changes nothing, whoever works it out; weights without a part in the loss have no gradient."""
    weights = {**start(), "idle": torch.ones(2)}
    weights = {key: x.requires_grad_() for key, x in weights.items()}
    before, means = {key: x.detach().clone() for key, x in weights.items()}, carried()
    with torch.no_grad():
        one, two = (update(Straight(), weights, means, batch_of(0)) for _ in range(2))
    assert same(vars(one), vars(two)) and set(one.gradients) == {"map", "bias"}
    assert same(before, {key: x.detach() for key, x in weights.items()}) and same(means, carried())
    assert one.carried["count"] == 1 and all(x.grad is None for x in weights.values())
    x = batch_of(0)[1]
    error = F.linear(x, before["map"] - TRUE)
    assert torch.allclose(one.gradients["map"], 2 * (error * x).mean(0, keepdim=True), atol=1e-6)


def test_what_is_given_stays_as_it_is() -> None:
    given, means = start(), carried()
    *_, one = fit(given, Straight(), batch_of, steps=5, descent=DESCENT, carried=means)
    assert same(given, start()) and same(means, carried())
    *_, two = fit(given, Straight(), batch_of, steps=5, descent=DESCENT, carried=means)
    assert same(one.average, two.average) and one.average["count"] == 5


@pytest.mark.bits
def test_one_seed_one_result() -> None:
    (*_, one), (*_, two), (*_, three) = fitted(), fitted(), fitted(seed=1)
    assert same(frozen(one), frozen(two)) and not same(frozen(one), frozen(three))


@pytest.mark.bits
@pytest.mark.parametrize("at", [1, 7, 39, 40])
def test_resumed_is_uninterrupted(at: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over copies of good weights, steps that were left out and a return; the state is kept in a file."""
    monkeypatch.setattr("reverie.engine.descent._SAFE", 3)
    spoilt = {5, 20, 21, 22, 38}
    *_, whole = fitted(Straight(spoilt), carried=carried())
    for step in fitted(Straight(spoilt), carried=carried()):
        if step.step == at:
            write_state(tmp_path / "state", step.state(), run="x")
            break
    kept = read_state(tmp_path / "state", run="x")
    rest = list(fitted(Straight(spoilt), carried=carried(), state=kept))
    assert [x.step for x in rest] == (list(range(at + 1, 41)) or [40])
    assert rest[-1].last and same(frozen(rest[-1]), frozen(whole)) and rest[-1].losses == whole.losses
    assert rest[0].seconds >= kept["counts"][1] > 0, "the seconds of earlier processes are counted in"


def test_a_state_can_be_gone_on_from_again() -> None:
    kept = next(frozen(x) for x in fitted() if x.step == 10)
    (*_, one), (*_, two) = fitted(state=kept), fitted(state=kept)
    assert same(frozen(one), frozen(two)) and kept["counts"][0] == 10


@pytest.mark.parametrize("how", ["nan", "diverged"])
def test_a_step_that_is_not_finite_is_left_out(how: str) -> None:
    averages, losses = [], []
    for step in fitted(Straight(**{how: {2}}), steps=5, carried=carried()):
        averages.append(step.average)
        losses.append(step.losses)
        assert step.notes == ()
    assert losses[2] == {} and same(averages[1], averages[2]) and not same(averages[2], averages[3])
    assert averages[-1]["count"] == 4, "what such a step left in the running means is not kept"
    assert all(torch.isfinite(x).all() for x in averages[-1].values())


def test_after_some_in_a_row_it_goes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverie.engine.descent._SAFE", 2)
    notes: list[str] = []
    states: dict[int, State] = {}
    for step in fitted(Straight({5, 6, 7}), steps=10):
        notes += step.notes
        states[step.step] = frozen(step)
    assert notes == ["step 8 was not finite: back to the last good weights, at half the rate."]
    assert same(states[8]["weights"], states[4]["average"]) and same(states[8]["average"], states[4]["average"])
    assert states[8]["adam"] == {} and states[10]["counts"][2:] == [0.5, 0, 1]


def test_the_rate_is_halved_by_a_return() -> None:
    """The first step after it moves each weight by half the rate: Adam's first step is the rate, whatever the slope."""
    descent = Descent(rate=0.01, warmup=1, decay_from=1.0)
    weights = {step.step: frozen(step)["weights"] for step in fitted(Straight({0, 1, 2}), steps=4, descent=descent)}
    assert torch.allclose((weights[4]["map"] - weights[3]["map"]).abs(), torch.tensor(0.005), rtol=1e-3)


def test_it_is_given_up_in_the_end() -> None:
    with pytest.raises(Diverged, match=r"not finite at step 16, even at 1/32 of its rate; lower --rate") as caught:
        list(fitted(Straight(set(range(1, 100)))))
    assert "\n" not in str(caught.value)


def test_the_average_is_that_of_the_weights() -> None:
    """Re-derived in float64: a_n = m a + (1 - m) w, m the least of the decay and (n + 1) / (n + 10)."""
    descent = replace(DESCENT, ema_decay=0.9)
    steps = [(x.average["map"], frozen(x)["weights"]["map"]) for x in fitted(steps=120, descent=descent)]
    average = start()["map"].double()
    for n, (mine, weight) in enumerate(steps):
        decay = min(0.9, (n + 1) / (n + 10))
        average = decay * average + (1 - decay) * weight.double()
        assert torch.allclose(mine.double(), average, atol=1e-5)


def test_long_gradients_are_clipped() -> None:
    """The moments tell what came to Adam: the first is (1 - beta) times the gradient."""
    step = next(iter(fitted(descent=replace(DESCENT, clip=0.25))))
    moments = [each["exp_avg"] for each in step.state()["adam"].values()]
    length = torch.cat([m.flatten() for m in moments]).norm() / (1 - 0.9)
    assert float(length) == pytest.approx(0.25, rel=1e-4)


def test_updates_of_several_are_combined() -> None:
    """Two that see half a batch each, averaged, go where one that sees all of it goes."""
    halves = [lambda step: (step, batch_of(step)[1][:4]), lambda step: (step, batch_of(step)[1][4:])]
    others: dict[str, Any] = {}

    def mean(mine: Update) -> Update:
        leaves = {key: x.detach().requires_grad_() for key, x in others["weights"].items()}
        its = update(Straight(), leaves, {}, halves[1](others["step"]))
        return replace(mine, gradients={k: (g + its.gradients[k]) / 2 for k, g in mine.gradients.items()})

    others.update(step=0, weights=start())
    for step in fit(start(), Straight(), halves[0], steps=20, descent=DESCENT, combine=mean):
        others.update(step=step.step, weights={key: x.clone() for key, x in step.state()["weights"].items()})
    *_, whole = fitted(steps=20)
    assert torch.allclose(step.average["map"], whole.average["map"], atol=1e-5)


def test_the_rate_fits_the_budget() -> None:
    rate_at = Descent(rate=1.0).rate_at
    assert rate_at(0, 0.0) == pytest.approx(1 / 60)
    assert rate_at(500, 0.5) == 1.0 and rate_at(500, 0.6) == 1.0
    falls = [rate_at(500, 0.6 + 0.04 * i) for i in range(11)]
    assert falls == sorted(falls, reverse=True) and falls[-1] == 0
    assert rate_at(500, 0.7) == pytest.approx(1 - math.sqrt(0.1 / 0.4))
    assert replace(Descent(rate=1.0), decay_from=1.0).rate_at(500, 0.999) == 1.0


def test_time_is_a_budget_too() -> None:
    def slow(step: int) -> tuple[int, Tensor]:
        time.sleep(0.01)
        return batch_of(step)

    steps = list(fit(start(), Straight(), slow, seconds=0.15))
    assert steps[-1].last and steps[-1].seconds >= 0.15 and 1 < len(steps) < 30
    assert all(a.done < b.done and a.seconds < b.seconds for a, b in pairwise(steps))


def test_no_budget_is_refused() -> None:
    with pytest.raises(RecipeError, match="so many steps, or so many seconds"):
        next(fit(start(), Straight(), batch_of))


def test_batches_are_drawn_ahead_and_no_more_once_it_is_left() -> None:
    drawn: list[tuple[int, str]] = []

    def noting(step: int) -> tuple[int, Tensor]:
        drawn.append((step, threading.current_thread().name))
        return batch_of(step)

    for _ in fit(start(), Straight(), noting, steps=100):
        break
    assert [step for step, _ in drawn] == list(range(len(drawn))) and 1 <= len(drawn) <= 4
    assert all(name.startswith("batches") for _, name in drawn)
    assert not any(t.name.startswith("batches") for t in threading.enumerate())


def test_a_batch_that_cannot_be_drawn_ends_it() -> None:
    def bad(step: int) -> tuple[int, Tensor]:
        if step == 2:
            raise Diverged("no batch")
        return batch_of(step)

    with pytest.raises(Diverged, match="no batch"):
        list(fit(start(), Straight(), bad, steps=5))


def test_layouts_do_not_matter() -> None:
    """Weights that lie otherwise in memory, as convolutions' may, are moved alike, and so after a checkpoint."""
    plain = {"map": torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))}
    laid = {"map": plain["map"].to(memory_format=torch.channels_last)}
    training, other = TrainingState(plain, {}, DESCENT), TrainingState(laid, {}, DESCENT)
    gradient = torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
    for _ in range(3):
        training.apply(Update({"map": gradient}, {}, {}), 0.0)
        other.apply(Update({"map": gradient.to(memory_format=torch.channels_last)}, {}, {}), 0.0)
        other.load(other.state())
    assert torch.equal(training.weights["map"], other.weights["map"])


def test_a_training_is_a_run() -> None:
    def follow(state: State | None) -> Iterator[TrainingStep]:
        for step in fitted(steps=6, state=state):
            yield replace(step, notes=("half way",) if step.step == 3 else ())

    run: Run = Training(follow, (8, 8), seconds=60.0, precision="float32")
    plan = run.planned(memory="1GB")
    assert isinstance(run, Run) and plan.size == (8, 8) and plan.seconds == 60 and run.least is None
    steps = list(run.steps(plan))
    assert [x.notes for x in steps if x.notes] == [("half way",)] and steps[-1].network.keys() == {"map", "bias"}
    *_, again = run.steps(plan)
    assert same(again.average, steps[-1].average)
