"""Tiled = whole: values and gradients, for every kind of term, any size and any tile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from torch import Tensor

import reverie as rv
from reverie.engine.tiles import TiledExecutor
from reverie.errors import RecipeError
from reverie.networks import Network
from tests.conftest import MakePicture

TERMS: dict[str, Callable[[Tensor], rv.Objective]] = {
    "content": lambda other: rv.content("relu2", like=other),
    "content of the picture": lambda other: rv.content(rv.objectives.PICTURE, like=other),
    "style": lambda other: rv.style(["relu1", "relu3"], like=other),
    "total variation": lambda other: rv.total_variation(),
    "energy": lambda other: -rv.energy(["relu2", "relu3"]),
    "squared energy": lambda other: -rv.energy("relu3", power=2),
    "channel": lambda other: -rv.channel("relu3", 6),
    "neuron": lambda other: -rv.neuron("relu3", 6),
    "direction": lambda other: -rv.direction("relu3", torch.linspace(-1, 1, 16)),
    "guide": lambda other: -rv.guide("relu3", like=other, vectors=9),
    "logit": lambda other: -rv.logit("teapot"),
    "log probability": lambda other: -rv.logit("teapot", against=1),
    "all": lambda other: (
        rv.content("relu2", like=other)
        + 10 * rv.style(["relu1", "relu3"], like=other)
        + 2 * rv.total_variation()
        - rv.energy("relu3")
    ),
}
names = st.sampled_from(sorted(TERMS))


def error(a: Tensor, b: Tensor) -> float:
    return float((a - b).norm() / b.norm().clamp_min(1e-300))


@given(names, st.integers(4, 50), st.integers(4, 50), st.integers(7, 40), st.integers(0, 9))
@run(max_examples=40)
def test_tiled_is_whole(
    tiny64: Network, make_picture: MakePicture, name: str, h: int, w: int, tile: int, seed: int
) -> None:
    x = make_picture(seed, h, w, dtype=torch.float64)
    objective = TERMS[name](make_picture(seed + 1, 40, 44, dtype=torch.float64))
    whole = rv.evaluate(objective, tiny64, x)
    tiled = rv.evaluate(objective, tiny64, x, executor=TiledExecutor(tile))
    assert error(tiled.total, whole.total) < 1e-10
    assert error(tiled.gradient, whole.gradient) < 1e-10
    for term, value in whole.terms.items():
        assert error(tiled.terms[term], value) < 1e-10


@pytest.mark.parametrize("name", TERMS)
def test_tiled_is_whole_for_each_term(tiny64: Network, make_picture: MakePicture, name: str) -> None:
    x = make_picture(0, 45, 62, batch=2, dtype=torch.float64)
    objective = TERMS[name](make_picture(1, 45, 62, dtype=torch.float64))
    whole = rv.evaluate(objective, tiny64, x)
    tiled = rv.evaluate(objective, tiny64, x, executor=TiledExecutor(16))
    assert error(tiled.total, whole.total) < 1e-10
    assert error(tiled.gradient, whole.gradient) < 1e-10


def test_a_run_in_tiles_is_the_run(tiny64: Network, make_picture: MakePicture) -> None:
    start = make_picture(0, 40, 52, dtype=torch.float64)
    objective = TERMS["all"](make_picture(1, 40, 52, dtype=torch.float64))
    images = []
    for executor in (None, TiledExecutor(16)):
        stages, canvas = rv.octaves((40, 52), count=2, steps=2), rv.PixelCanvas(start)
        *_, last = rv.synthesize(objective, tiny64, canvas=canvas, stages=stages, executor=executor)
        images.append(last.image)
    assert error(images[1], images[0]) < 1e-7


@pytest.mark.parametrize("padding", [pytest.param("zeros", marks=pytest.mark.slow), "replicate"])
def test_dreamnet_in_tiles(make_picture: MakePicture, padding: Literal["zeros", "replicate"]) -> None:
    network = rv.networks.load("dreamnet", padding=padding).with_precision(torch.float64)
    x = make_picture(0, 150, 131, dtype=torch.float64)
    objective = rv.style(network.style_layers, like=x.flip(3)) - rv.energy(network.dream_layers)
    whole = rv.evaluate(objective, network, x)
    tiled = rv.evaluate(objective, network, x, executor=TiledExecutor(64))
    assert error(tiled.total, whole.total) < 1e-9
    assert error(tiled.gradient, whole.gradient) < 1e-9


def test_a_linear_objective_takes_one_pass(
    tiny: Network, make_picture: MakePicture, convolutions: list[tuple[int, ...]]
) -> None:
    x = make_picture(0, 64, 64)
    rv.evaluate(-rv.energy("relu1"), tiny, x, executor=TiledExecutor(32))
    assert len(convolutions) == 4
    convolutions.clear()
    rv.evaluate(-rv.energy("relu1", power=2) + rv.logit("cat", against=1), tiny, x)
    whole = len(convolutions)
    convolutions.clear()
    executor = TiledExecutor(32)
    rv.evaluate(-rv.energy("relu1", power=2) + rv.logit("cat", against=1), tiny, x, executor=executor)
    assert len(convolutions) == 2 * 4 * whole


def test_a_tile_is_a_pixel_at_least() -> None:
    with pytest.raises(RecipeError, match="tile"):
        TiledExecutor(0)


@pytest.mark.parametrize("tile", [1, 4])
def test_tiles_that_own_no_feature(tiny64: Network, make_picture: MakePicture, tile: int) -> None:
    """A last column narrower than a stride owns pixels and nothing else."""
    x = make_picture(0, 9, 13, dtype=torch.float64)
    objective = -rv.neuron("relu3", 6) - rv.energy("relu3") + rv.total_variation()
    whole = rv.evaluate(objective, tiny64, x)
    tiled = rv.evaluate(objective, tiny64, x, executor=TiledExecutor(tile))
    assert error(tiled.gradient, whole.gradient) < 1e-12
