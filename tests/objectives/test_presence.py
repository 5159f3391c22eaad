"""Presence: how much of some classes there is, against NumPy; local, additive, and of kinds of classes."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import reverie as rv
from reverie.errors import LayerNotFound, RecipeError
from reverie.networks import Network
from reverie.objectives import Window
from reverie.objectives.presence import Absences
from tests.conftest import MakePicture


@pytest.fixture
def photo(make_picture: MakePicture) -> Tensor:
    return make_picture(1, 40, 48, dtype=torch.float64)


def test_against_numpy(tiny64: Network, photo: Tensor) -> None:
    scores = tiny64(photo, ["classes"])["classes"][0].numpy()
    odds = np.exp(scores - scores.max(0))
    p = (odds[1] + odds[4]) / odds.sum(0)
    value = rv.evaluate(rv.presence(["dog", "teapot"]), tiny64, photo).total
    assert float(value) == pytest.approx(-np.log(1 - p).mean(), rel=1e-9)


def test_tiles_add_up(tiny64: Network, photo: Tensor) -> None:
    objective = rv.presence("espresso") - rv.logit("cat")
    whole = rv.evaluate(objective, tiny64, photo)
    tiled = rv.evaluate(objective, tiny64, photo, executor=rv.TiledExecutor(16))
    assert float(tiled.total) == pytest.approx(float(whole.total), rel=1e-12)
    assert torch.allclose(tiled.gradient, whole.gradient, atol=1e-14)


def test_it_is_felt_only_where_it_shows() -> None:
    """The gradient is the probability itself, where a logit's is everywhere the same."""
    scores = torch.zeros(1, 3, 1, 2, dtype=torch.float64)
    scores[0, 0] = torch.tensor([[9.0, -9.0]])
    scores.requires_grad_(True)
    Absences("classes", torch.tensor([0])).measure(scores, Window.whole(scores), None).sum().backward()
    assert scores.grad is not None
    shown, hidden = (scores.grad[0, 0, 0] * 2).tolist()
    assert shown == pytest.approx(1, abs=1e-3) and hidden == pytest.approx(0, abs=1e-3)


def test_kinds(dreamnet: Network, astronaut: Tensor) -> None:
    small = rv.pictures.resize(astronaut, (64, 64)).clamp(0, 1)
    values = {
        name: float(rv.evaluate(rv.presence(name), dreamnet, small).total)
        for name in ("dogs", "cats", "animals", "beagle")
    }
    assert values["animals"] > values["dogs"] > values["beagle"] > 0 and values["animals"] > values["cats"]


def test_what_is_refused(tiny64: Network, tiny_module: nn.Sequential, photo: Tensor) -> None:
    with pytest.raises(RecipeError, match="at least one class"):
        rv.presence([])
    with pytest.raises(RecipeError, match="a class left"):
        rv.evaluate(rv.presence(list(range(6))), tiny64, photo)
    bare = rv.networks.wrap(tiny_module, mean=0.5, std=0.25)
    with pytest.raises(LayerNotFound, match="no classes"):
        rv.evaluate(rv.presence("dog"), bare, photo.float())
