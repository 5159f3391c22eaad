"""Objectives add, subtract and scale like the numbers they stand for."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st

import reverie as rv
from reverie.errors import RecipeError
from reverie.networks import Network
from reverie.objectives import Objective, Term
from tests.conftest import MakePicture

LEAVES: tuple[Term, ...] = (
    rv.channel("relu1", 1),
    rv.channel("relu2", 3),
    rv.energy(["relu1", "relu2"]),
    rv.total_variation(),
    rv.neuron("relu2", 2),
    rv.style(["relu1"], like=torch.linspace(0, 1, 3 * 40 * 40).view(1, 3, 40, 40), distance=rv.mse),
)
weights = st.floats(-10, 10, allow_nan=False).map(lambda w: round(w, 3))
leaves = st.sampled_from(LEAVES)
objectives = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, inner).map(lambda p: p[0] + p[1]),
        st.tuples(inner, inner).map(lambda p: p[0] - p[1]),
        st.tuples(weights, inner).map(lambda p: p[0] * p[1]),
        inner.map(lambda o: -o),
    ),
    max_leaves=5,
)
Value = Callable[[Objective], float]
few = run(max_examples=30)


@pytest.fixture(scope="module")
def value(tiny64: Network, make_picture: MakePicture) -> Value:
    x = make_picture(0, 14, 17, dtype=torch.float64)
    anchor = 1.0 * rv.channel("relu1", 0)
    base = float(rv.evaluate(anchor, tiny64, x).total)

    def of(objective: Objective) -> float:
        """Its value; a little is added and taken away, for objectives whose weights are all 0."""
        return float(rv.evaluate(objective + anchor, tiny64, x).total) - base

    return of


def near(x: float) -> object:
    return pytest.approx(x, rel=1e-9, abs=1e-9)


@given(objectives, objectives)
@few
def test_addition(value: Value, a: Objective, b: Objective) -> None:
    assert value(a + b) == near(value(a) + value(b))
    assert value(a + b) == near(value(b + a))


@given(objectives, objectives, weights)
@few
def test_scaling_is_linear(value: Value, a: Objective, b: Objective, w: float) -> None:
    assert value(w * (a + b)) == near(w * value(a) + w * value(b))
    assert value(a * w) == near(value(w * a))


@given(objectives, objectives)
@few
def test_subtraction(value: Value, a: Objective, b: Objective) -> None:
    assert value(a - b) == near(value(a) - value(b))
    assert value(a - a) == near(0)


@given(objectives)
@few
def test_negation(value: Value, a: Objective) -> None:
    assert value(-a) == near(-value(a))
    negated = -a
    assert (-negated).parts == a.parts


@given(objectives, st.floats(0.1, 10))
@few
def test_division(value: Value, a: Objective, w: float) -> None:
    assert value(a / w) == near(value(a) / w)


@given(st.lists(objectives, min_size=1, max_size=4))
@few
def test_sum(value: Value, many: list[Objective]) -> None:
    total = sum(many)
    assert isinstance(total, Objective) and value(total) == near(sum(value(o) for o in many))


@given(objectives, objectives, weights)
@few
def test_operators_never_mutate(a: Objective, b: Objective, w: float) -> None:
    before = (a.parts, b.parts, str(a), str(b))
    for new in (a + b, a - b, w * a, -a, a / 2, sum([a, b])):
        assert new is not a
        assert new is not b
    assert (a.parts, b.parts, str(a), str(b)) == before


@given(objectives)
@few
def test_in_place_operators_leave_the_old_object(a: Objective) -> None:
    b, parts = a, a.parts
    b += LEAVES[0]
    b *= 2
    b -= LEAVES[1]
    assert a.parts == parts
    assert len(b.parts) == len(parts) + 2


@pytest.mark.parametrize("term", LEAVES, ids=str)
def test_terms_are_frozen(term: Term) -> None:
    name = dataclasses.fields(term)[0].name  # type: ignore[arg-type]
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(term, name, "other")
    with pytest.raises(dataclasses.FrozenInstanceError):
        (2 * term).weighted = ()  # type: ignore[attr-defined]


@pytest.mark.parametrize("weight", [float("nan"), float("inf"), -float("inf")])
def test_a_weight_is_finite(weight: float) -> None:
    for make in (lambda: weight * LEAVES[0], lambda: LEAVES[0] * weight):
        with pytest.raises(RecipeError, match="finite"):
            make()


def test_nothing_divides_by_nothing() -> None:
    with pytest.raises(RecipeError, match="0"):
        LEAVES[0] / 0
    with pytest.raises(RecipeError, match="finite"):
        LEAVES[0] / float("nan")


@pytest.mark.parametrize("other", ["2", None, True, [1], torch.ones(3)])
def test_weights_are_numbers(other: object) -> None:
    with pytest.raises(TypeError):
        other * LEAVES[0]


@pytest.mark.parametrize("other", [1, "content", None, torch.ones(3)])
def test_only_objectives_are_added(other: object) -> None:
    with pytest.raises(TypeError):
        LEAVES[0] + other
    with pytest.raises(TypeError):
        LEAVES[0] - other


@pytest.mark.parametrize(
    ("objective", "text"),
    [
        (rv.channel("relu1", 3), "channel(relu1, 3)"),
        (2 * rv.total_variation(), "2 * total_variation()"),
        (-rv.energy("relu1"), "- energy(relu1)"),
        (
            0.015 * rv.content("relu2", like=torch.ones(1, 3, 4, 4)) - 3 * rv.logit("cat"),
            "0.015 * content(relu2) - 3 * logit('cat')",
        ),
        (rv.total_variation() + rv.energy(["a", "b"]), "total_variation() + energy(a, b)"),
        (
            rv.neuron("a", 1) - 0.5 * rv.direction("b", torch.ones(3)),
            "neuron(a, 1) - 0.5 * direction(b)",
        ),
        (rv.style(["a", "b"], like=torch.ones(1, 3, 4, 4)), "style(a, b)"),
        (-1 * rv.guide("a", like=torch.ones(1, 3, 4, 4)), "- guide(a)"),
    ],
)
def test_str(objective: Objective, text: str) -> None:
    assert str(objective) == text


def test_equal_terms_are_equal() -> None:
    assert rv.channel("a", 1) == rv.channel("a", 1) != rv.channel("a", 2)
    assert rv.channel("a", 1) != rv.neuron("a", 1)


def test_repeated_terms_are_numbered(tiny: Network, make_picture: MakePicture) -> None:
    objective = rv.channel("relu1", 0) + rv.channel("relu1", 1) + rv.energy("relu1") + rv.channel("relu2", 0)
    terms = rv.evaluate(objective, tiny, make_picture(0, 12, 12)).terms
    assert list(terms) == ["channel", "channel 2", "energy", "channel 3"]


def test_a_shared_statistic_is_measured_once(tiny: Network) -> None:
    objective = rv.channel("relu1", 0) - rv.channel("relu1", 1) + rv.energy("relu1")
    bound = rv.engine.bind(objective, tiny, (12, 12), rv.WholeExecutor())
    assert len(bound.statistics) == 1


def test_terms_of_weight_nothing_are_not_computed(tiny: Network, make_picture: MakePicture) -> None:
    objective = rv.total_variation() + 0 * rv.content("no such layer", like=torch.ones(1, 3, 9, 9))
    assert list(rv.evaluate(objective, tiny, make_picture(0, 9, 9)).terms) == ["total variation"]


def test_an_objective_of_nothing_is_refused(tiny: Network, make_picture: MakePicture) -> None:
    with pytest.raises(RecipeError, match="at least one term"):
        rv.evaluate(0 * rv.total_variation(), tiny, make_picture(0, 9, 9))


def test_terms_are_natural_values_and_the_total_is_weighted(tiny64: Network, make_picture: MakePicture) -> None:
    x = make_picture(0, 12, 12, dtype=torch.float64)
    total, terms, _ = rv.evaluate(3 * rv.energy("relu1") - 2 * rv.total_variation(), tiny64, x)
    assert float(total) == near(3 * float(terms["energy"]) - 2 * float(terms["total variation"]))
    assert float(terms["energy"]) > 0
