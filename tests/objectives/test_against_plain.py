"""The default style objective and its gradient, against plain autograd and in bfloat16."""

from __future__ import annotations

import copy
from typing import Literal

import pytest
import torch
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from torch import Tensor, nn

import reverie as rv
from reverie.networks import Network
from tests.conftest import MakePicture
from tests.objectives import plain_style

LAYERS, CONTENT = ("relu1", "relu2", "relu3"), "relu2"
sides = st.integers(12, 41)


def ours(photo: Tensor, painting: Tensor) -> rv.Objective:
    return rv.content(CONTENT, like=photo) + 10 * rv.style(LAYERS, like=painting) + 2 * rv.total_variation()


def plain(module: nn.Sequential, x: Tensor, photo: Tensor, painting: Tensor) -> tuple[Tensor, Tensor]:
    x = x.clone().requires_grad_(True)
    value = plain_style.style_objective(module, x, photo, painting, LAYERS, CONTENT)
    return value.detach(), torch.autograd.grad(value, x)[0]


def error(a: Tensor, b: Tensor) -> float:
    return float((a.double() - b.double()).norm() / b.double().norm())


@given(sides, sides, sides, sides, st.integers(0, 99))
@run(max_examples=25)
def test_float64(
    tiny64: Network,
    tiny_module: nn.Sequential,
    make_picture: MakePicture,
    h: int,
    w: int,
    a: int,
    b: int,
    seed: int,
) -> None:
    x, photo = (make_picture(seed + i, h, w, dtype=torch.float64) for i in (0, 1))
    painting = make_picture(seed + 2, a + 20, b + 20, dtype=torch.float64)
    total, _, gradient = rv.evaluate(ours(photo, painting), tiny64, x)
    value, expected = plain(copy.deepcopy(tiny_module).double(), x, photo, painting)
    assert error(total, value) < 1e-10
    assert error(gradient, expected) < 1e-10


@given(sides, sides, st.integers(0, 99))
@run(max_examples=15)
def test_float32(
    tiny: Network, tiny_module: nn.Sequential, make_picture: MakePicture, h: int, w: int, seed: int
) -> None:
    x, photo, painting = (make_picture(seed + i, h + i, w) for i in (0, 0, 9))
    total, _, gradient = rv.evaluate(ours(photo, painting), tiny, x)
    module = copy.deepcopy(tiny_module).double()
    value, expected = plain(module, x.double(), photo.double(), painting.double())
    assert error(total, value) < 5e-5  # the plain version in float32 is up to 3e-5 from float64 too
    assert error(gradient, expected) < 5e-5


def cosine(a: Tensor, b: Tensor) -> float:
    return float(torch.cosine_similarity(a.flatten(), b.flatten(), 0))


@pytest.fixture(scope="module")
def quick(dreamnet: Network) -> Network:
    return dreamnet.with_precision(torch.bfloat16, channels_last=True)


def test_bfloat16_style(dreamnet: Network, quick: Network, astronaut: Tensor, coffee: Tensor) -> None:
    objective = (
        rv.content(dreamnet.content_layer, like=astronaut.flip(3))
        + 10 * rv.style(dreamnet.style_layers, like=coffee)
        + 2 * rv.total_variation()
    )
    exact, low = (rv.evaluate(objective, n, astronaut) for n in (dreamnet, quick))
    assert cosine(exact.gradient, low.gradient) > 0.99
    assert float(low.total) == pytest.approx(float(exact.total), rel=0.02)
    assert low.gradient.dtype == torch.float32


def soft(h: int, w: int) -> Tensor:
    """A mask that fades from left to right."""
    return torch.linspace(0, 1, w).expand(1, 1, h, w)


CONTROLS = {
    "style in a region": (0.98, lambda n, a, b: rv.style(n.style_layers, like=b, where=soft(64, 64))),
    "content in a region": (0.98, lambda n, a, b: rv.content(n.content_layer, like=a.flip(3), where=soft(64, 64))),
    "sliced Wasserstein": (0.98, lambda n, a, b: rv.sliced_wasserstein(n.style_layers, like=b)),
    "histograms of colours": (0.999, lambda n, a, b: rv.histograms(rv.objectives.PICTURE, like=b)),
    "histograms": (0.98, lambda n, a, b: rv.histograms(["relu1_2", "relu3_2"], like=b)),
    "nearest neighbours": (0.96, lambda n, a, b: rv.nearest_neighbours(n.style_layers[2:], like=b)),
    "self-similarity": (0.96, lambda n, a, b: rv.self_similarity(n.content_layer, like=a.flip(3))),
    "likeness": (0.98, lambda n, a, b: rv.likeness(n.dream_layers, like=b)),
}


@pytest.mark.parametrize("name", CONTROLS)
def test_bfloat16_controls(dreamnet: Network, quick: Network, astronaut: Tensor, coffee: Tensor, name: str) -> None:
    """What is lost is lost in the network: of the content of one layer alone, cosine 0.988 is left.

    Less where few positions count, or where rounding chooses between two neighbours that are as near.
    """
    least, make = CONTROLS[name]
    exact, low = (rv.evaluate(make(dreamnet, astronaut, coffee), n, astronaut) for n in (dreamnet, quick))
    assert cosine(exact.gradient, low.gradient) > least
    assert float(low.total) == pytest.approx(float(exact.total), rel=0.02)


@pytest.mark.parametrize(("power", "least"), [(1, 0.98), (2, 0.98)])
def test_bfloat16_energy(
    dreamnet: Network, quick: Network, astronaut: Tensor, power: Literal[1, 2], least: float
) -> None:
    """A plain mean's gradient is all rectifiers' gates; rounding flips those barely open."""
    objective = -rv.energy(dreamnet.dream_layers, power=power)
    exact, low = (rv.evaluate(objective, n, astronaut) for n in (dreamnet, quick))
    assert cosine(exact.gradient, low.gradient) > least
    assert float(low.total) == pytest.approx(float(exact.total), rel=0.02)
