"""The registry: every exported term improves within three steps, and passes a gradcheck."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie import objectives
from reverie.networks import Network
from reverie.objectives import PICTURE, Objective
from tests.conftest import MakePicture

Make = Callable[[Tensor], Objective]  # from another picture, something to be minimised
VECTOR = torch.linspace(-1, 1, 16)
WHERE = torch.linspace(0, 1, 20 * 22).view(1, 1, 20, 22) ** 2  # a soft mask, of the shape of the pictures or nearly
OF = torch.ones(1, 1, 18, 20).tril()


def across(features: Tensor) -> Tensor:
    """Squared differences to the position two below and two to the right."""
    return (features[..., 2:, 2:] - features[..., :-2, :-2]).pow(2)


TERMS: dict[str, list[Make]] = {
    "caricature": [
        lambda other: -rv.caricature("relu3", like=other),
        lambda other: -rv.caricature("relu2", like=other, power=0, where=WHERE),
    ],
    "channel": [
        lambda other: -rv.channel("relu3", 2),
        lambda other: -rv.channel("relu3", 2, where=WHERE),
    ],
    "content": [
        lambda other: rv.content("relu2", like=other),
        lambda other: rv.content("relu2", like=other, where=WHERE),
    ],
    "direction": [
        lambda other: -rv.direction("relu3", VECTOR),
        lambda other: -rv.direction("relu3", VECTOR, power=0),
        lambda other: -rv.direction("relu3", VECTOR, where=WHERE),
    ],
    "energy": [
        lambda other: -rv.energy(["relu2", "relu3"]),
        lambda other: -rv.energy("relu3", power=2),
        lambda other: -rv.energy("relu3", power=2, where=WHERE),
    ],
    "guide": [
        lambda other: -rv.guide("relu3", like=other, vectors=9),
        lambda other: -rv.guide("relu3", like=other, vectors=9, where=WHERE),
    ],
    "histograms": [
        lambda other: rv.histograms(PICTURE, like=other),
        lambda other: rv.histograms({"relu1": 1, "relu2": 2}, like=[(other, 2), (other.flip(2), 1)], where=WHERE),
    ],
    "likeness": [
        lambda other: -rv.likeness("relu3", like=other),
        lambda other: -rv.likeness(["relu2", "relu3"], like=[other, other.flip(2)], unlike=1 - other, where=WHERE),
        lambda other: rv.likeness("relu3", like=other, power=0),
    ],
    "logit": [
        lambda other: -rv.logit("tree frog"),
        lambda other: -rv.logit("tree frog", against=1),
        lambda other: -rv.logit("tree frog", against=1, where=WHERE),
    ],
    "nearest_neighbours": [
        lambda other: rv.nearest_neighbours(["relu2", "relu3"], like=other),
        lambda other: rv.nearest_neighbours("relu3", like=other, vectors=9, where=WHERE, of=OF),
    ],
    "neuron": [
        lambda other: -rv.neuron("relu3", 6),
        lambda other: -rv.neuron("relu2", 1, at=(0, 0)),
    ],
    "presence": [
        lambda other: rv.presence("tree frog"),
        lambda other: rv.presence(["tree frog", "cat"], where=WHERE),
    ],
    "self_similarity": [
        lambda other: rv.self_similarity("relu2", like=other, samples=40),
        lambda other: rv.self_similarity("relu2", like=other, samples=20, where=WHERE),
    ],
    "sliced_wasserstein": [
        lambda other: rv.sliced_wasserstein(["relu1", "relu3"], like=other),
        lambda other: rv.sliced_wasserstein("relu2", like=other, directions=5, seed=3, where=WHERE, of=OF),
    ],
    "style": [
        lambda other: rv.style(["relu1", "relu3"], like=other),
        lambda other: rv.style(["relu1", "relu3"], like=[(other, 2), (other.flip(2), 1)]),
        lambda other: rv.style(["relu2"], like=other, distance=rv.mse),
        lambda other: rv.style(["relu2"], like=other, statistic="gram", distance=rv.relative(rv.mse)),
        lambda other: rv.style(["relu1", "relu3"], like=other, where=WHERE, of=OF),
    ],
    "term": [
        lambda other: rv.term("palette", PICTURE, lambda x: x, lambda m: (m - other.mean((2, 3))).pow(2).sum(1)),
        lambda other: rv.term("grain", "relu2", across, lambda m: m.pow(2).mean(), reach=2, where=WHERE),
        lambda other: -rv.term("brightness", PICTURE, lambda x: x, lambda m: m.sum(1), linear=True),
    ],
    "temporal": [
        lambda other: rv.temporal(other),
        lambda other: rv.temporal(other, where=WHERE),
    ],
    "total_variation": [lambda other: rv.total_variation()],
}
PAIRED = {"by_picture", "diversity"}  # terms of several pictures, which have tests of their own
ROWS = [pytest.param(make, id=f"{n}-{i}") for n, many in TERMS.items() for i, make in enumerate(many)]


def exported_terms() -> set[str]:
    """The exported functions that are declared to return a term."""
    names = set()
    for name in objectives.__all__:
        thing = getattr(objectives, name)
        if inspect.isfunction(thing) and inspect.signature(thing).return_annotation in (
            "Term",
            "Objective",
        ):
            names.add(name)
    return names


def test_every_exported_term_has_a_row() -> None:
    assert set(TERMS) | PAIRED == exported_terms()


def test_every_term_is_at_the_top() -> None:
    assert exported_terms() <= set(vars(rv)["__all__"])


@pytest.mark.parametrize("make", ROWS)
@pytest.mark.parametrize("optimiser", [rv.Adam(rate=0.005), rv.Normalised(rate=0.003)], ids=["adam", "steps"])
def test_it_improves_within_three_steps(
    tiny: Network, make_picture: MakePicture, make: Make, optimiser: rv.optimisers.Optimiser
) -> None:
    start, objective = make_picture(0, 36, 40), make(make_picture(1, 36, 40))
    run = rv.synthesize(
        objective,
        tiny,
        canvas=rv.PixelCanvas(start),
        stages=[rv.Stage((36, 40), 3)],
        optimiser=optimiser,
    )
    *_, last = run
    before, after = (float(rv.evaluate(objective, tiny, x).total) for x in (start, last.image))
    assert after < before


@pytest.mark.parametrize("make", ROWS)
def test_gradcheck(tiny64: Network, make_picture: MakePicture, make: Make) -> None:
    x = make_picture(2, 16, 18, dtype=torch.float64).requires_grad_(True)
    executor = rv.WholeExecutor()
    bound = rv.engine.bind(make(make_picture(3, 34, 38, dtype=torch.float64)), tiny64, (16, 18), executor)

    def value(y: Tensor) -> Tensor:
        measured = executor.measure(tiny64, y, bound.statistics)
        return bound(dict(zip(bound.statistics, measured, strict=True)))[0]

    assert torch.autograd.gradcheck(value, (x,), eps=1e-6, atol=1e-7, rtol=1e-4, fast_mode=True)


@pytest.mark.parametrize("make", ROWS)
def test_the_picture_moves_the_gradient(tiny: Network, make_picture: MakePicture, make: Make) -> None:
    gradient = rv.evaluate(make(make_picture(1, 36, 40)), tiny, make_picture(0, 36, 40)).gradient
    assert gradient.shape == (1, 3, 36, 40)
    assert gradient.dtype == torch.float32
    assert float(gradient.norm()) > 0


@pytest.mark.parametrize("make", ROWS)
def test_tiled_is_whole(tiny64: Network, make_picture: MakePicture, make: Make) -> None:
    x, objective = make_picture(4, 36, 40, dtype=torch.float64), make(make_picture(5, 44, 49, dtype=torch.float64))
    whole = rv.evaluate(objective, tiny64, x)
    tiled = rv.evaluate(objective, tiny64, x, executor=rv.TiledExecutor(12))
    assert float((tiled.total - whole.total).abs()) <= 1e-10 * float(whole.total.abs())
    assert float((tiled.gradient - whole.gradient).norm()) <= 1e-10 * float(whole.gradient.norm())
