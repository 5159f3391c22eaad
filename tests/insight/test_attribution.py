"""Attributions: their laws, the same figures as Captum's, and checks that find out a map that is only pretty."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.insight import METHODS, Question, ask, class_maps, curves, evidence_for, likeness, randomised
from reverie.insight.attribution import cam_before_rectifier, integrated, last_features
from reverie.insight.honesty import SAME, Curves
from reverie.networks import Network
from tests.conftest import MakePicture

CLASS = 2


@pytest.fixture(scope="module")
def question(tiny64: Network, make_picture: MakePicture) -> Question:
    return ask(tiny64, make_picture(5, 48, 64, dtype=torch.float64), CLASS)


@pytest.fixture(scope="module")
def portrait(dreamnet: Network, astronaut: Tensor) -> Question:
    """Of the embedded network: why a photo of an astronaut is one of a military uniform."""
    return ask(dreamnet, rv.pictures.resize(astronaut, (64, 64)).clamp(0, 1), 652)


def test_the_question_is_the_log_odds_of_a_class(question: Question) -> None:
    logits = question.logits(question.picture)[0]
    others = torch.cat([logits[:CLASS], logits[CLASS + 1 :]])
    wanted = logits[CLASS] - (others.softmax(0) * others).sum()
    assert torch.allclose(question.score(question.picture)[0], wanted)


@pytest.mark.parametrize("name", METHODS)
def test_every_map_is_as_large_as_the_picture(question: Question, name: str) -> None:
    found = METHODS[name](question)
    assert found.shape == (48, 64) and bool(torch.isfinite(found).all())
    assert float(found.abs().max()) > 0


def test_integrated_gradients_add_up(question: Question) -> None:
    many = replace(question, samples=128)
    gained = question.score(question.picture) - question.score(question.absent)
    assert float(integrated(many).sum()) == pytest.approx(float(gained), rel=0.02)


def test_grad_cam_is_the_exact_class_map(portrait: Question) -> None:
    """Of a classifier that is a mean over positions: they differ by what the biases add everywhere."""
    scores = class_maps(portrait.network, portrait.picture)[0]
    exact = evidence_for(scores, scores.mean((1, 2)), 652)
    fine = rv.pictures.resize(exact[None, None], (64, 64), filter="bilinear")[0, 0]
    found = cam_before_rectifier(portrait) * exact.numel()  # its gradients are those of a mean
    assert torch.allclose(found - found.mean(), fine - fine.mean(), atol=1e-3 * float(fine.abs().max()))
    assert last_features(portrait.network) == "relu5_3"


def test_relevance_is_conserved_where_there_are_no_biases(tiny_module: torch.nn.Sequential) -> None:
    own = copy.deepcopy(tiny_module).float()
    network = rv.networks.wrap(own, mean=0.45, std=0.25, classes=("a", "b", "c", "d", "e", "f"))
    for name, value in network.named_parameters():
        if name.endswith("bias"):
            value.data.zero_()
    picture = torch.rand(1, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    asked = ask(network, picture, 2)
    assert float(METHODS["lrp"](asked).sum()) == pytest.approx(float(asked.score(picture)), rel=1e-3)


def test_they_are_captums(question: Question) -> None:
    attr: Any = pytest.importorskip("captum.attr")
    picture, absent = question.picture, question.absent
    picture = picture.clone().requires_grad_(True)
    saliency = attr.Saliency(question.score).attribute(picture, abs=True).amax(1)[0]
    assert torch.allclose(METHODS["gradient"](question), saliency)
    whole = attr.IntegratedGradients(question.score).attribute(
        picture, baselines=absent, n_steps=8, method="riemann_middle"
    )
    assert torch.allclose(METHODS["integrated"](question), whole.detach().sum(1)[0], atol=1e-8)
    side = -(-64 // 5)
    hidden = attr.Occlusion(question.score).attribute(
        picture, sliding_window_shapes=(3, side, side), strides=(3, side, side), baselines=absent
    )
    coarse = hidden.detach()[0, 0, ::side, ::side].double()  # which Captum gives in single precision
    ours = METHODS["occlusion"](question)
    assert torch.allclose(ours, rv.pictures.resize(coarse[None, None], (48, 64), filter="bilinear")[0, 0], atol=1e-6)


def test_what_matters_is_found_by_the_curves(portrait: Question) -> None:
    """A map made of what the network does is better than one by lot, and than its own opposite."""
    best = METHODS["integrated"](portrait)
    right, wrong = curves(portrait, best), curves(portrait, -best)
    assert right.areas[0] > wrong.areas[0] and right.areas[1] < wrong.areas[1]
    assert right.insertion[0] == right.deletion[-1] and right.insertion[-1] == right.deletion[0]
    assert Curves((0, 0.5, 1), (1, 0, 0)).areas == (0.5, 0.25)


def test_a_map_of_edges_is_found_out(portrait: Question) -> None:
    """One that comes from the picture alone is the same with random weights; the map of the last features is not."""
    shuffled = randomised(portrait.network, 0)
    for old, new in zip(portrait.network.parameters(), shuffled.parameters(), strict=True):
        assert torch.equal(old.flatten().sort().values, new.flatten().sort().values)
    edges = (portrait.picture - portrait.absent).abs().sum(1)[0]
    assert likeness(edges, edges * 2) == pytest.approx(1)
    assert likeness(edges, torch.ones_like(edges)) == 0
    untaught = replace(portrait, network=shuffled)
    alike = {name: likeness(METHODS[name](portrait), METHODS[name](untaught)) for name in ("integrated", "lrp")}
    assert alike["integrated"] > alike["lrp"] and alike["lrp"] < SAME


def test_a_method_that_there_is_not(make_picture: MakePicture) -> None:
    with pytest.raises(rv.RecipeError, match="Did you mean 'smooth'"):
        rv.recipes.explain(make_picture(0, 32, 32), rv.ExplainSettings(method=("smoth",)))
