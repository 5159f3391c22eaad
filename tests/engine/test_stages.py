"""Stages: their sizes grow by the ratio and end at the size asked for."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

import reverie as rv
from reverie.engine import cooling
from reverie.errors import RecipeError

sides = st.integers(1, 5000)
ratios = st.floats(1.05, 4)


@given(sides, sides, st.integers(1, 12), ratios, st.integers(0, 50))
def test_octaves(h: int, w: int, count: int, ratio: float, steps: int) -> None:
    stages = rv.octaves((h, w), count=count, ratio=ratio, steps=steps)
    assert len(stages) == count
    assert stages[-1].size == (h, w)
    assert {s.steps for s in stages} == {steps}
    for i, stage in enumerate(reversed(stages)):
        for side, full in zip(stage.size, (h, w), strict=True):
            assert side == max(1, round(full / ratio**i)) or abs(side - full / ratio**i) <= 0.5001


@given(sides, sides, st.integers(1, 600), ratios, st.integers(1, 500), st.floats(0.5, 2))
def test_pyramid(h: int, w: int, smallest: int, ratio: float, steps: int, growth: float) -> None:
    stages = rv.pyramid((h, w), smallest=smallest, ratio=ratio, steps=steps, growth=growth)
    longer = [max(s.size) for s in stages]
    assert stages[-1].size == (h, w)
    assert stages[0].steps == steps
    assert all(a.size <= b.size for a, b in itertools.pairwise(stages))
    assert all(n >= smallest for n in longer) or len(stages) == 1
    assert longer[0] / ratio < smallest + 1
    assert all(s.steps == max(1, round(steps * growth**i)) for i, s in enumerate(stages))


@given(st.integers(64, 4000), st.integers(64, 4000), ratios)
def test_stages_keep_the_shape(h: int, w: int, ratio: float) -> None:
    for stage in (*rv.octaves((h, w), count=3, ratio=ratio), *rv.pyramid((h, w), ratio=ratio)):
        factor = stage.size[0] / h
        assert stage.size[1] == pytest.approx(w * factor, abs=0.51 + 0.5 * w / h)


def test_the_papers_octaves() -> None:
    assert [s.size[1] for s in rv.octaves((300, 560))] == [204, 286, 400, 560]


def test_a_pyramid_by_the_root_of_two() -> None:
    sizes = [max(s.size) for s in rv.pyramid((512, 384), smallest=128)]
    assert sizes == [128, 181, 256, 362, 512]


@pytest.mark.parametrize(
    "make",
    [
        lambda: rv.octaves((64, 64), count=0),
        lambda: rv.octaves((64, 64), count=10_000),
        lambda: rv.octaves((64, 64), ratio=1.0),
        lambda: rv.octaves((64, 64), ratio=float("nan")),
        lambda: rv.octaves((64, 64), steps=-1),
        lambda: rv.octaves((0, 64)),
        lambda: rv.pyramid((64, 64), ratio=1.0),
        lambda: rv.pyramid((64, 64), ratio=float("inf")),
        lambda: rv.pyramid((64, 64), smallest=0),
        lambda: rv.pyramid((64, 64), steps=0),
        lambda: rv.pyramid((64, 64), growth=0),
        lambda: rv.pyramid((0, 64)),
        lambda: rv.Stage((0, 4), 1),
        lambda: rv.Stage((4, 4), -1),
        lambda: rv.Stage((4, 4), 1, rate=0),
        lambda: rv.Stage((4, 4), 1, rate=float("nan")),
    ],
)
def test_refused(make: Callable[[], object]) -> None:
    with pytest.raises(RecipeError) as caught:
        make()
    assert "\n" not in str(caught.value)


@given(st.integers(1, 500))
def test_cooling_takes_all_steps_ever_slower(steps: int) -> None:
    stages = cooling((20, 30), steps, leak=0.1)
    assert sum(stage.steps for stage in stages) == steps and {stage.size for stage in stages} == {(20, 30)}
    rates = [stage.rate for stage in stages]
    assert rates == sorted(rates, reverse=True) and rates[0] <= 1
    if steps >= 4:
        assert [stage.leak for stage in stages] == [0.1, 0.05, 0, 0]
    assert {stage.leak for stage in cooling((20, 30), steps)} == {None}


def test_cooling_takes_a_step() -> None:
    with pytest.raises(RecipeError, match="at least 1 step"):
        cooling((20, 30), 0)
