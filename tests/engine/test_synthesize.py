"""The generator: repeatable, orderly, and within its bounds."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.canvas import Canvas
from reverie.engine import Enlargement, Iterate
from reverie.errors import Diverged, RecipeError
from reverie.networks import Network
from reverie.objectives import PICTURE, Term
from reverie.objectives.statistics import Means
from reverie.optimisers import Optimiser, Run, l2, linf
from reverie.views import View, jitter, standard
from tests.conftest import MakePicture

SIZE = (24, 28)
STAGES = rv.octaves(SIZE, count=3, steps=2)
OBJECTIVE = -rv.energy("relu3") + rv.total_variation()
CANVASES: dict[str, Callable[[Tensor], Canvas]] = {
    "pixels": rv.PixelCanvas,
    "pixels on a base": lambda x: rv.PixelCanvas(x, base=x.flip(3)),
    "natural pixels": lambda x: rv.PixelCanvas(x, natural=True),
    "pyramid": rv.PyramidCanvas,
    "fourier": lambda x: rv.FourierCanvas(SIZE, seed=1),
    "cppn": lambda x: rv.CPPNCanvas(SIZE, seed=1, width=8, depth=2),
    "prior": lambda x: rv.PriorCanvas(SIZE, seed=1),
}


def finished(tiny: Network, canvas: Canvas, **choices: Any) -> tuple[list[float], Tensor]:
    """The losses of a run and its picture."""
    choices = {"stages": STAGES, "view": jitter(4), **choices}
    losses = []
    for step in rv.synthesize(OBJECTIVE, tiny, canvas=canvas, **choices):
        losses.append(step.total)
    return losses, step.image


@pytest.mark.parametrize("canvas", ["fourier", "cppn", "pixels"])
def test_a_run_in_parts_of_one_size_is_one_run(tiny: Network, start: Tensor, canvas: str) -> None:
    """What the optimiser knows goes on from part to part, whatever shape the parameters have."""
    whole = (rv.Stage(SIZE, 6),)
    parts = (rv.Stage(SIZE, 2), rv.Stage(SIZE, 3), rv.Stage(SIZE, 1))
    losses = [finished(tiny, CANVASES[canvas](start), stages=stages)[0] for stages in (whole, parts)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


def test_a_stage_leaks_as_its_network_would(tiny: Network, start: Tensor) -> None:
    apart = finished(tiny, rv.PixelCanvas(start), stages=(rv.Stage(SIZE, 3, leak=0.3),))[1]
    alike = finished(tiny.with_leak(0.3), rv.PixelCanvas(start), stages=(rv.Stage(SIZE, 3),))[1]
    plain = finished(tiny, rv.PixelCanvas(start), stages=(rv.Stage(SIZE, 3),))[1]
    assert torch.equal(apart, alike) and not torch.equal(apart, plain)


@pytest.fixture
def start(make_picture: MakePicture) -> Tensor:
    return make_picture(0, *SIZE)


# --- same seed, same bits ------------------------------------------------------------------------

OPTIMISERS = [rv.Adam(), rv.Normalised(), rv.Normalised(sign=True), rv.LBFGS()]


@pytest.mark.bits
@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=["adam", "bands", "sign", "lbfgs"])
@pytest.mark.parametrize("view", [jitter(4), standard()], ids=["jitter", "standard"])
def test_same_seed_same_bits(tiny: Network, start: Tensor, optimiser: Optimiser, view: View) -> None:
    runs = []
    for noise in (1, 2):
        torch.manual_seed(noise)
        runs.append(finished(tiny, rv.PixelCanvas(start), optimiser=optimiser, view=view, seed=5))
    assert runs[0][0] == runs[1][0]
    assert torch.equal(runs[0][1], runs[1][1])


def test_another_seed_is_another_picture(tiny: Network, start: Tensor) -> None:
    a, b = (finished(tiny, rv.PixelCanvas(start), seed=seed)[1] for seed in (0, 1))
    assert not torch.equal(a, b)


def test_without_a_view_the_seed_is_idle(tiny: Network, start: Tensor) -> None:
    a, b = (finished(tiny, rv.PixelCanvas(start), seed=s, view=None)[1] for s in (0, 1))
    assert torch.equal(a, b)


def test_nobody_elses_randomness_is_touched(tiny: Network, start: Tensor) -> None:
    before = torch.get_rng_state()
    finished(tiny, rv.PixelCanvas(start), view=standard())
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("make", CANVASES.values(), ids=CANVASES.keys())
def test_the_callers_canvas_is_not_changed(tiny: Network, start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    canvas = make(start)
    before = [p.detach().clone() for p in canvas.parameters]
    first = finished(tiny, canvas, stages=[rv.Stage(SIZE, 2)])
    assert all(torch.equal(p, b) for p, b in zip(canvas.parameters, before, strict=True))
    assert all(p.grad is None for p in canvas.parameters)
    assert torch.equal(first[1], finished(tiny, canvas, stages=[rv.Stage(SIZE, 2)])[1])


@pytest.mark.parametrize("make", CANVASES.values(), ids=CANVASES.keys())
def test_every_canvas_improves_over_stages(tiny: Network, start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    losses, image = finished(tiny, make(start), view=None, optimiser=rv.Adam(0.01))
    assert image.shape == (1, 3, *SIZE)
    assert losses[1] < losses[0]
    assert losses[-1] < losses[-2]


# --- iterates ------------------------------------------------------------------------------------


def test_iterates_count(tiny: Network, start: Tensor) -> None:
    stages = [rv.Stage((12, 14), 3), rv.Stage((16, 18), 0), rv.Stage(SIZE, 2)]
    steps = list(rv.synthesize(OBJECTIVE, tiny, canvas=rv.PixelCanvas(start), stages=stages))
    assert [(s.stage, s.step) for s in steps] == [(1, 1), (1, 2), (1, 3), (3, 1), (3, 2)]
    assert {s.stages for s in steps} == {3}
    assert [s.steps for s in steps] == [3, 3, 3, 2, 2]
    assert [s.size for s in steps] == [(12, 14)] * 3 + [SIZE] * 2
    assert [s.last for s in steps] == [False] * 4 + [True]
    assert all(a.seconds <= b.seconds for a, b in itertools.pairwise(steps))


def test_done_rises_to_one(tiny: Network, start: Tensor) -> None:
    stages = [rv.Stage((12, 14), 3), rv.Stage((17, 18), 7), rv.Stage(SIZE, 5)]
    steps = list(rv.synthesize(OBJECTIVE, tiny, canvas=rv.PixelCanvas(start), stages=stages))
    done = [s.done for s in steps]
    assert all(a < b for a, b in itertools.pairwise(done))
    assert done[0] > 0
    assert done[-1] == 1
    work = 12 * 14 * 3 + 17 * 18 * 7 + 24 * 28 * 5
    assert done[2] == pytest.approx(12 * 14 * 3 / work)


@pytest.mark.parametrize("optimiser", OPTIMISERS, ids=["adam", "bands", "sign", "lbfgs"])
def test_losses_are_those_at_the_beginning_of_the_step(tiny: Network, start: Tensor, optimiser: Optimiser) -> None:
    objective, x = rv.content("relu2", like=start.flip(3)), 0.3 + 0.4 * start
    canvas, stages = rv.PixelCanvas(x), [rv.Stage(SIZE, 3, 0.1)]
    for step in rv.synthesize(objective, tiny, canvas=canvas, stages=stages, optimiser=optimiser):
        expected = float(rv.evaluate(objective, tiny, x).total)
        assert step.total == pytest.approx(expected, rel=1e-5)
        assert step.losses == {"content": step.total}
        x = step.image
        assert 0 < float(x.min()) < float(x.max()) < 1


def test_the_optimiser_is_told_of_the_last_stage(tiny: Network, start: Tensor) -> None:
    told: list[tuple[Run, Run | None, float]] = []

    class Listening(rv.Adam):
        def start(self, parameters, *, rate=1.0, previous=None):  # type: ignore[no-untyped-def]
            run = super().start(parameters, rate=rate, previous=previous)
            told.append((run, previous, rate))
            return run

    stages = [rv.Stage((12, 14), 1), rv.Stage((16, 18), 1, 0.5), rv.Stage(SIZE, 1)]
    finished(tiny, rv.PixelCanvas(start), stages=stages, optimiser=Listening())
    assert [previous for _, previous, _ in told] == [None, told[0][0], told[1][0]]
    assert [rate for *_, rate in told] == [1.0, 0.5, 1.0]


def test_images_are_pictures_and_copies(tiny: Network, start: Tensor) -> None:
    run = rv.synthesize(OBJECTIVE, tiny, canvas=rv.PixelCanvas(start), stages=STAGES, optimiser=rv.Adam(0.5))
    for step in run:
        image = step.image
        assert image.shape == (1, 3, *step.size)
        assert image.dtype == torch.float32
        assert 0 <= float(image.min()) <= float(image.max()) <= 1
        assert not image.requires_grad
        image.fill_(0.5)
        assert not torch.equal(step.image, image)


def test_only_the_last_image_is_enlarged(tiny: Network, start: Tensor) -> None:
    twice = Enlargement(2, 0, lambda x: x.repeat_interleave(2, 2).repeat_interleave(2, 3))
    plain = rv.Synthesis(OBJECTIVE, tiny, rv.PixelCanvas(start), STAGES)
    images = [[step.image for step in replace(plain, enlarge=how).run()] for how in (None, twice)]
    assert all(torch.equal(a, b) for a, b in zip(images[0][:-1], images[1][:-1], strict=True))
    assert torch.equal(images[1][-1], twice.draw(images[0][-1])) and twice.size(SIZE) == images[1][-1].shape[2:]


def test_a_plan_counts_the_seconds_of_enlarging(tiny: Network, start: Tensor) -> None:
    """A quarter of the picture is tried, and takes 50 ms at least."""

    def draw(x: Tensor) -> Tensor:
        tried.append(tuple(x.shape[2:]))
        time.sleep(0.05)
        return x.repeat_interleave(2, 2).repeat_interleave(2, 3)

    tried: list[tuple[int, ...]] = []
    what = rv.Synthesis(OBJECTIVE, tiny, rv.PixelCanvas(start), rv.octaves((256, 256), count=1, steps=1))
    planned = rv.plan(replace(what, enlarge=Enlargement(2, 0, draw)))
    assert set(tried) == {(128, 128)} and planned.seconds - planned.step_seconds > 0.19


def test_an_iterate_says_where_it_is(tiny: Network, start: Tensor) -> None:
    step = next(rv.synthesize(OBJECTIVE, tiny, canvas=rv.PixelCanvas(start), stages=STAGES))
    text = str(step)
    assert text.startswith("stage 1/3  14x12  1/2  loss ")
    assert "energy" in text
    assert "total variation" in text
    assert "\n" not in text


def test_a_run_can_be_left(tiny: Network, start: Tensor, convolutions: list[tuple[int, ...]]) -> None:
    run = rv.synthesize(rv.energy("relu1"), tiny, canvas=rv.PixelCanvas(start), stages=STAGES)
    assert convolutions == []
    next(run)
    assert isinstance(run, Generator)
    run.close()
    assert len(convolutions) == 1


def test_a_batch_runs_together(tiny: Network, make_picture: MakePicture) -> None:
    pair = make_picture(3, *SIZE, batch=2)
    together = finished(tiny, rv.PixelCanvas(pair), view=None, optimiser=rv.Normalised())[1]
    for i in (0, 1):
        canvas = rv.PixelCanvas(pair[i : i + 1])
        alone = finished(tiny, canvas, view=None, optimiser=rv.Normalised())[1]
        assert torch.allclose(together[i : i + 1], alone, atol=1e-3)


def test_stages_carry_the_picture(tiny: Network, start: Tensor) -> None:
    stages = [rv.Stage((12, 14), 2), rv.Stage(SIZE, 1)]
    steps, images = [], []
    for step in rv.synthesize(OBJECTIVE, tiny, canvas=rv.PixelCanvas(start), stages=stages):
        steps.append(step)
        images.append(step.image)
    enlarged = rv.pictures.resize(images[1], SIZE).clamp(0, 1)
    assert steps[2].total == pytest.approx(float(rv.evaluate(OBJECTIVE, tiny, enlarged).total), rel=1e-6)


def test_the_rate_of_a_stage(tiny: Network, start: Tensor) -> None:
    middle = start * 0 + 0.5 + 0.1 * (start - 0.5)
    for rate in (1.0, 0.25):
        run = rv.synthesize(
            OBJECTIVE,
            tiny,
            canvas=rv.PixelCanvas(middle),
            stages=[rv.Stage(SIZE, 1, rate)],
            optimiser=rv.Normalised(rate=0.02, bands=1),
        )
        moved = (next(run).image - middle).pow(2).mean().sqrt()
        assert float(moved) == pytest.approx(0.02 * rate, rel=1e-3)


# --- average -------------------------------------------------------------------------------------


def images(steps: Iterable[Iterate]) -> list[Tensor]:
    return [step.image for step in steps]


def test_the_average_of_iterates(tiny: Network, start: Tensor) -> None:
    def run(average: float | None) -> list[Tensor]:
        canvas = rv.PixelCanvas(start)
        return images(rv.synthesize(OBJECTIVE, tiny, canvas=canvas, stages=[rv.Stage(SIZE, 4)], average=average))

    plain, averaged = run(None), run(0.8)
    for n in range(1, 5):
        w = [0.8 ** (n - 1 - i) for i in range(n)]
        expected = torch.stack([wi * x for wi, x in zip(w, plain, strict=False)]).sum(0) / sum(w)
        assert torch.allclose(averaged[n - 1], expected, atol=1e-6)


def test_an_average_of_no_memory_is_the_iterate(tiny: Network, start: Tensor) -> None:
    plain, averaged = (finished(tiny, rv.PixelCanvas(start), average=a)[1] for a in (None, 0.0))
    assert torch.allclose(plain, averaged, atol=1e-6)


def test_the_next_stage_begins_with_the_average(tiny: Network, start: Tensor) -> None:
    stages = [rv.Stage((12, 14), 3), rv.Stage(SIZE, 1)]
    run = rv.synthesize(OBJECTIVE, tiny, canvas=rv.PixelCanvas(start), stages=stages, average=0.9)
    seen = [(step.total, step.image) for step in run]
    enlarged = rv.pictures.resize(seen[2][1], SIZE).clamp(0, 1)
    assert seen[3][0] == pytest.approx(float(rv.evaluate(OBJECTIVE, tiny, enlarged).total), rel=1e-5)


# --- projections ---------------------------------------------------------------------------------


def sizes(x: Tensor, start: Tensor) -> tuple[float, float]:
    away = x - start
    return float(away.abs().max()), float(away.norm())


@pytest.mark.parametrize("based", [False, True])
@pytest.mark.parametrize("ball", ["linf", "l2"])
def test_an_adversary_stays_in_its_ball(tiny: Network, make_picture: MakePicture, ball: str, based: bool) -> None:
    start = make_picture(0, *SIZE)
    radius = 8 / 255 if ball == "linf" else 0.5
    projection = (linf if ball == "linf" else l2)(start, radius)
    canvas = rv.PixelCanvas(start, base=start.flip(3) if based else None)
    run = rv.synthesize(
        rv.logit("cat", against=1),
        tiny,
        canvas=canvas,
        stages=[rv.Stage(SIZE, 8)],
        optimiser=rv.Normalised(rate=0.02, sign=True),
        projection=projection,
    )
    reached = []
    for step in run:
        largest, norm = sizes(step.image, start)
        assert (largest if ball == "linf" else norm) <= radius + 1e-6
        assert 0 <= float(step.image.min()) <= float(step.image.max()) <= 1
        reached.append(largest if ball == "linf" else norm)
    assert max(reached) > 0.9 * radius
    assert step.total < 0


def test_a_pyramid_is_projected_too(tiny: Network, start: Tensor) -> None:
    run = rv.synthesize(
        OBJECTIVE,
        tiny,
        canvas=rv.PyramidCanvas(start),
        stages=[rv.Stage(SIZE, 4)],
        projection=linf(start, 0.03),
    )
    for step in run:
        assert sizes(step.image, start)[0] <= 0.03 + 1e-6


# --- what goes wrong -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Souring(Term):
    """A term that is NaN as soon as the picture is brighter than it was."""

    limit: float
    name: str = field(default="souring", init=False)

    def prepare(self, network, size, measure):  # type: ignore[no-untyped-def]
        s = Means(PICTURE)
        return (s,), lambda m: m[s].mean() * (1 if float(m[s].detach().mean()) < self.limit else torch.nan)


def test_diverged_stops_at_the_step(tiny: Network, start: Tensor) -> None:
    term = Souring(float(start.mean()) + 0.03)
    run = rv.synthesize(
        rv.energy("relu1") - 100 * term,
        tiny,
        canvas=rv.PixelCanvas(start),
        stages=[rv.Stage(SIZE, 50)],
        optimiser=rv.Adam(rate=0.01),
    )
    taken: list[Iterate] = []
    with pytest.raises(Diverged, match="'souring' is nan"):
        taken.extend(run)
    assert 1 < len(taken) < 10


@pytest.mark.parametrize("average", [1.0, -0.1, 2.0, float("nan")])
def test_an_average_has_a_memory_below_one(tiny: Network, start: Tensor, average: float) -> None:
    with pytest.raises(RecipeError, match=r"\[0, 1\)"):
        finished(tiny, rv.PixelCanvas(start), average=average)


@pytest.mark.parametrize("stages", [[], [rv.Stage(SIZE, 0)]])
def test_a_run_has_steps(tiny: Network, start: Tensor, stages: list[rv.Stage]) -> None:
    with pytest.raises(RecipeError, match="at least one"):
        finished(tiny, rv.PixelCanvas(start), stages=stages)
