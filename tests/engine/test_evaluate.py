"""One evaluation: what it returns, what it leaves alone, what it costs, and how it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.errors import Diverged, PictureError
from reverie.networks import Network
from reverie.objectives import PICTURE, Statistic, Term
from reverie.objectives.statistics import Means
from tests.conftest import MakePicture


@dataclass(frozen=True)
class Broken(Term):
    """A term that becomes what it is told to."""

    becomes: float
    name: str = field(default="broken", init=False)

    def prepare(self, network, size, measure):  # type: ignore[no-untyped-def]
        statistic = Means(PICTURE)
        return (statistic,), lambda m: m[statistic].mean() * self.becomes


class Counting(rv.WholeExecutor):
    """Counts what it measures."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[Statistic, ...]] = []

    def measure(self, network, picture, wanted, gradients_of=None):  # type: ignore[no-untyped-def]
        self.calls.append(wanted)
        return super().measure(network, picture, wanted, gradients_of)


@pytest.fixture
def objective(make_picture: MakePicture) -> rv.Objective:
    return (
        rv.content("relu2", like=make_picture(1, 20, 24))
        + rv.style(["relu1"], like=make_picture(2, 40, 40))
        - 2 * rv.energy("relu3")
    )


def test_it_unpacks(tiny: Network, make_picture: MakePicture, objective: rv.Objective) -> None:
    x = make_picture(0, 20, 24)
    result = rv.evaluate(objective, tiny, x)
    total, terms, gradient = result
    assert total is result.total
    assert terms is result.terms
    assert gradient is result.gradient
    assert list(terms) == ["content", "style", "energy"]
    assert total.shape == ()
    assert gradient.shape == x.shape
    assert not any(t.requires_grad for t in (total, gradient, *terms.values()))


def test_it_leaves_its_input_untouched(tiny: Network, make_picture: MakePicture, objective: rv.Objective) -> None:
    x = make_picture(0, 20, 24)
    before = x.clone()
    rv.evaluate(objective, tiny, x)
    assert torch.equal(x, before)
    assert not x.requires_grad
    assert x.grad is None
    leaf = x.clone().requires_grad_(True)
    rv.evaluate(objective, tiny, leaf)
    assert leaf.grad is None


def test_the_gradient_is_the_gradient(tiny64: Network, make_picture: MakePicture, objective: rv.Objective) -> None:
    x = make_picture(0, 20, 24, dtype=torch.float64)
    direction = make_picture(5, 20, 24, dtype=torch.float64) - 0.5
    gradient = rv.evaluate(objective, tiny64, x).gradient
    up, down = (float(rv.evaluate(objective, tiny64, x + s * direction).total) for s in (1e-6, -1e-6))
    assert float((gradient * direction).sum()) == pytest.approx((up - down) / 2e-6, rel=1e-5)


def test_it_leaves_the_network_untouched(tiny: Network, make_picture: MakePicture, objective: rv.Objective) -> None:
    before = {k: v.clone() for k, v in tiny.state_dict().items()}
    rv.evaluate(objective, tiny, make_picture(0, 20, 24))
    assert all(torch.equal(v, before[k]) for k, v in tiny.state_dict().items())
    assert all(p.grad is None for p in tiny.parameters())
    assert not any(m._forward_hooks or m._backward_hooks for m in tiny.modules())


def test_a_bound_objective_is_used_again(tiny: Network, make_picture: MakePicture, objective: rv.Objective) -> None:
    x, executor = make_picture(0, 20, 24), Counting()
    bound = rv.engine.bind(objective, tiny, (20, 24), executor)
    targets = len(executor.calls)
    first = rv.evaluate(bound, tiny, x, executor=executor)
    second = rv.evaluate(bound, tiny, x, executor=executor)
    assert len(executor.calls) == targets + 2
    assert torch.equal(first.gradient, second.gradient)
    assert torch.equal(first.gradient, rv.evaluate(objective, tiny, x).gradient)


def test_a_reference_is_read_once(
    tiny: Network, make_picture: MakePicture, convolutions: list[tuple[int, ...]]
) -> None:
    objective, executor = rv.content("relu1", like=make_picture(1, 20, 24)), rv.WholeExecutor()
    bound = rv.engine.bind(objective, tiny, (20, 24), executor)
    convolutions.clear()
    for seed in range(4):
        rv.evaluate(bound, tiny, make_picture(seed, 20, 24), executor=executor)
    assert len(convolutions) == 4 + 1


@pytest.mark.parametrize(("layer", "depth"), [("relu1", 1), ("pool1", 1), ("relu2", 2), ("relu3", 3)])
def test_the_network_runs_no_deeper_than_asked(
    tiny: Network, make_picture: MakePicture, convolutions: list[tuple[int, ...]], layer: str, depth: int
) -> None:
    rv.evaluate(rv.energy(layer), tiny, make_picture(0, 20, 24))
    assert len(convolutions) == depth


def test_dreamnet_runs_no_deeper_than_asked(
    dreamnet: Network, make_picture: MakePicture, convolutions: list[tuple[int, ...]]
) -> None:
    rv.evaluate(rv.energy(["relu1_2", "relu2_2"]), dreamnet, make_picture(0, 32, 32))
    assert len(convolutions) == 4  # each once, though two layers are asked


def test_terms_share_one_forward_pass(
    tiny: Network, make_picture: MakePicture, convolutions: list[tuple[int, ...]]
) -> None:
    objective = rv.energy("relu3") - rv.channel("relu2", 1) + rv.logit("cat") + rv.neuron("relu1", 0)
    rv.evaluate(objective, tiny, make_picture(0, 20, 24))
    assert len(convolutions) == 4  # the head too, as a 1x1 convolution


def test_a_picture_alone_needs_no_network(
    tiny: Network, make_picture: MakePicture, convolutions: list[tuple[int, ...]]
) -> None:
    rv.evaluate(rv.total_variation(), tiny, make_picture(0, 20, 24))
    assert convolutions == []


def test_any_executor_may_measure(tiny: Network, make_picture: MakePicture) -> None:
    executor = Counting()
    rv.evaluate(rv.energy("relu1"), tiny, make_picture(0, 20, 24), executor=executor)
    assert executor.calls == [(Means("relu1"),)]


@pytest.mark.parametrize("becomes", [float("nan"), float("inf"), -float("inf")])
def test_diverged_names_the_term(tiny: Network, make_picture: MakePicture, becomes: float) -> None:
    objective = rv.total_variation() + 3 * Broken(becomes) + rv.energy("relu1")
    with pytest.raises(Diverged, match=r"'broken' is -?(nan|inf)") as caught:
        rv.evaluate(objective, tiny, make_picture(0, 20, 24))
    assert "\n" not in str(caught.value)


def test_diverged_names_the_second_of_its_kind(tiny: Network, make_picture: MakePicture) -> None:
    objective = Broken(1.0) + Broken(float("nan"))
    with pytest.raises(Diverged, match="'broken 2'"):
        rv.evaluate(objective, tiny, make_picture(0, 20, 24))


def test_diverged_of_a_picture(tiny: Network) -> None:
    with pytest.raises(Diverged, match="'energy'"):
        rv.evaluate(rv.energy("relu1"), tiny, torch.full((1, 3, 20, 24), float("nan")))


@pytest.mark.parametrize(
    "picture",
    [torch.zeros(3, 8, 8), torch.zeros(1, 4, 8, 8), torch.zeros(1, 3, 8, 8, dtype=torch.uint8)],
)
def test_what_is_no_picture_is_refused(tiny: Network, picture: Tensor) -> None:
    with pytest.raises(PictureError):
        rv.evaluate(rv.energy("relu1"), tiny, picture)


def test_a_bound_objective_is_a_pure_function(
    tiny: Network, make_picture: MakePicture, objective: rv.Objective
) -> None:
    executor = rv.WholeExecutor()
    bound = rv.engine.bind(objective, tiny, (20, 24), executor)
    with torch.no_grad():
        measured = executor.measure(tiny, make_picture(0, 20, 24), bound.statistics)
    pairs: Mapping[Statistic, Tensor] = dict(zip(bound.statistics, measured, strict=True))
    before = [m.clone() for m in measured]
    first, second = bound(pairs), bound(pairs)
    assert torch.equal(first[0], second[0])
    assert all(torch.equal(a, b) for a, b in zip(before, measured, strict=True))
