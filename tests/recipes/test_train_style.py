"""Training a style network: it learns, repeats itself, goes on where it stopped, survives what is not finite."""

from __future__ import annotations

import math
from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

import reverie as rv
from reverie.engine import TrainingStep
from reverie.engine.evaluate import value
from reverie.errors import PictureError, RecipeError
from reverie.jobs import read_state, write_state
from reverie.networks import Network
from reverie.objectives.statistics import ReferenceSquares
from reverie.recipes.train_style import AUTO, TrainStyleSettings, objective_of, train_style
from tests.conftest import MakePicture

room = import_module("reverie.recipes.train_style")
TINY = {"crop": 64, "size": 96, "batch": 2, "width": 4, "blocks": 1, "precision": "float32"}


def settings(**more: Any) -> TrainStyleSettings:
    return TrainStyleSettings(**{**TINY, **more})


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A few small photos: coarse noise, made larger."""
    folder, generator = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for i in range(4):
        coarse = generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((120, 90), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def painting() -> Tensor:
    """Bold diagonal stripes."""
    y, x = torch.meshgrid(torch.arange(96.0), torch.arange(128.0), indexing="ij")
    stripes = ((x + y) % 16 < 8).float()
    return torch.stack([stripes, 0.8 * stripes, 1 - stripes])[None]


def same(a: TrainingStep, b: TrainingStep) -> bool:
    mine, its = a.network.tensors, b.network.tensors
    return mine.keys() == its.keys() and all(torch.equal(mine[key], its[key]) for key in mine)


def test_it_learns(painting: Tensor, photos: list[Path]) -> None:
    lessons = list(train_style(painting, photos, settings(steps=16, rate=1e-2, style_weight=10)))
    totals = [x.losses["content"] + 10 * x.losses["style"] + 2 * x.losses["total variation"] for x in lessons]
    assert sum(totals[-5:]) < 0.85 * sum(totals[:5])
    assert [x.step for x in lessons] == list(range(1, 17)) and lessons[-1].last and not lessons[-2].last
    assert lessons[-1].preview().shape[:2] == (1, 3)


@pytest.mark.bits
def test_one_seed_one_network(painting: Tensor, photos: list[Path]) -> None:
    *_, one = train_style(painting, photos, settings(steps=2, style_weight=7))
    *_, two = train_style(painting, photos, settings(steps=2, style_weight=7))
    *_, three = train_style(painting, photos, settings(steps=2, style_weight=7, seed=1))
    assert same(one, two) and not same(one, three)


@pytest.mark.bits
def test_resumed_is_uninterrupted(
    painting: Tensor, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over a copy of good weights and a look for artefacts, too; the state is kept in a file."""
    monkeypatch.setattr("reverie.engine.descent._SAFE", 3)
    monkeypatch.setattr(room, "_CHECKED", 4)
    *_, whole = train_style(painting, photos, settings(steps=6))
    kept = None
    for lesson in train_style(painting, photos, settings(steps=6)):
        if lesson.step == 5:
            write_state(tmp_path / "state", lesson.state(), run="x")
            kept = read_state(tmp_path / "state", run="x")
            break
    training = train_style.function(painting, photos, settings(steps=6))
    *_, rest = training.steps(training.planned(), state=kept)
    assert rest.step == 6 and rest.learner.weight == whole.learner.weight and same(rest, whole)


def test_the_style_weight_is_found(painting: Tensor, photos: list[Path]) -> None:
    first = next(train_style(painting, photos, settings(steps=1)))
    again = next(train_style(painting, photos, settings(steps=1, style_weight=7)))
    assert again.learner.weight == 7
    network = rv.networks.load("dreamnet", pooling="average", padding="replicate")
    probes = room.Crops(photos, 64, (64, 144)).batch(8, room.generator_of(0, -1))[..., 8:, 8:]
    distance = rv.style(network.style_layers, like=painting, stroke=96 / 64)
    own = [float(rv.evaluate(distance, network, probe[None]).total) for probe in probes]
    assert first.learner.weight == pytest.approx(AUTO / (sum(own) / len(own)), rel=2e-3)


def test_named_references_are_each_picture_s_own(tiny64: Network, make_picture: MakePicture) -> None:
    """A batch's loss is the mean over its pictures of what each is against its own photo."""
    photos, made, painting = (torch.cat([make_picture(i + k, 33, 38, dtype=torch.float64) for i in range(3)]) for k in
                              (0, 5, 9))  # fmt: skip
    layers = ("relu1", "relu3")

    def objective(like: Any) -> rv.Objective:
        styled = 3.0 * rv.style(layers, like=painting[:1])
        return rv.content("relu3", like=like) + styled + 2 * rv.total_variation()

    alone = [rv.evaluate(objective(photos[i : i + 1]), tiny64, made[i : i + 1]) for i in range(3)]
    bound = objective("photo").bind(tiny64, (33, 38), lambda x, s: rv.WholeExecutor().measure(tiny64, x, s))
    x = made.clone().requires_grad_(True)
    total, terms = value(bound, tiny64, x, rv.WholeExecutor({"photo": photos}))
    (gradient,) = torch.autograd.grad(total, x)
    total, terms = total.detach(), {name: x.detach() for name, x in terms.items()}
    assert float(total) == pytest.approx(sum(float(e.total) for e in alone) / 3, rel=1e-10)
    assert float(terms["content"]) == pytest.approx(sum(float(e.terms["content"]) for e in alone) / 3, rel=1e-10)
    assert torch.allclose(gradient, torch.cat([e.gradient for e in alone]) / 3, atol=1e-12)


OTHERS = {"painting": torch.rand(1, 3, 33, 38)}


@pytest.mark.parametrize("executor", [rv.WholeExecutor(), rv.TiledExecutor(32), rv.WholeExecutor(OTHERS)])
def test_names_nobody_knows_are_refused(tiny: Network, make_picture: MakePicture, executor: rv.Executor) -> None:
    with pytest.raises(RecipeError, match="the picture 'photo' is compared with and not known here"):
        rv.evaluate(rv.content("relu3", like="photo"), tiny, make_picture(0, 33, 38), executor=executor)
    assert ReferenceSquares("relu3", "photo").named == "photo"


def test_a_step_that_is_not_finite_is_left_out(
    painting: Tensor, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, true = iter(range(10_000)), room.StyleLearner.loss

    def loss(self: Any, *given: Any) -> tuple[Tensor, dict[str, Tensor]]:
        total, terms = true(self, *given)
        return (total * math.nan if next(calls) == 2 else total), terms

    monkeypatch.setattr(room.StyleLearner, "loss", loss)
    steps = [
        (step.losses, step.notes, step.network.tensors) for step in train_style(painting, photos, settings(steps=5))
    ]
    (_, _, before), (losses, _, after), (more, _, last) = steps[1:4]
    assert not losses and more and all(torch.equal(before[key], x) for key, x in after.items())
    assert not any(notes for _, notes, _ in steps) and all(torch.isfinite(x).all() for x in last.values())


def test_other_photos_than_before_are_noted(painting: Tensor, photos: list[Path]) -> None:
    def notes(now: list[Path]) -> list[str]:
        training = train_style.function(painting, now, settings(steps=3, style_weight=7))
        state = next(training.follow(None)).state()
        other = train_style.function(painting, photos, settings(steps=3, style_weight=7))
        return [note for step in other.steps(other.planned(), state=state) for note in step.notes]

    assert notes(photos) == []
    said = ["the photos are not the same as before; going on with those that are there."]
    assert notes(photos[:-1]) == notes([*photos, photos[0]]) == said


def test_artefacts_make_it_smoother(painting: Tensor, photos: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    class Found:
        message = "the network writes dots into calm places"

    monkeypatch.setattr(room, "_CHECKED", 2)
    monkeypatch.setattr(room, "artefacts", lambda *_: Found)
    lessons = list(train_style(painting, photos, settings(steps=5)))
    notes = [note for x in lessons for note in x.notes]
    assert notes[0].endswith("from step 2 on smoothness weighs 4.") and notes[1].endswith("weighs 8.")


def test_time_is_a_budget_too(painting: Tensor, photos: list[Path]) -> None:
    lessons = list(train_style(painting, photos, settings(minutes=0.01, style_weight=7)))
    assert lessons[-1].last and lessons[-1].seconds >= 0.6 and len(lessons) > 1
    assert all(a.done < b.done for a, b in pairwise(lessons))


def test_what_makes_no_sense_is_refused(painting: Tensor, photos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="got none"):
        next(train_style(painting, [], settings(steps=1)))
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    with pytest.raises(PictureError, match="none of the photos can be read"):
        next(train_style(painting, [tmp_path / "x.jpg"], settings(steps=1)))
    with pytest.raises(PictureError, match=r"a painting is \(1, 3, H, W\)"):
        next(train_style(painting[0], photos, settings(steps=1)))
    first = next(train_style(painting, [tmp_path / "x.jpg", *photos], settings(steps=2)))
    seen = [*first.notes]
    assert not seen or "is left out" in seen[0]


def test_the_objective_is_the_one_of_style() -> None:
    network = rv.networks.load("dreamnet")
    told = str(objective_of(network, torch.rand(1, 3, 64, 64), settings(), weight=10, smoothness=2))
    styled = "10 * style(relu1_2, relu2_2, relu3_2, relu4_2, relu5_1)"
    assert told == f"content(relu4_2) + {styled} + 2 * total_variation()"
