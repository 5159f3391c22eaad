"""`torch.func` through networks and terms: gradients, batches of them, and directional derivatives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.networks import Network
from tests.conftest import MakePicture

TERMS: dict[str, Callable[[Tensor], rv.Objective]] = {
    "channel": lambda other: -rv.channel("relu3", 2),
    "content": lambda other: rv.content("relu2", like=other),
    "style": lambda other: rv.style(["relu1", "relu3"], like=other),
    "style by Gram matrices": lambda other: rv.style("relu2", like=other, statistic="gram"),
    "total variation": lambda other: rv.total_variation(),
}


def function(objective: rv.Objective, network: Network, size: tuple[int, int]) -> Callable[[Tensor], Tensor]:
    """The objective as a function of a picture (1, 3, H, W)."""
    executor = rv.WholeExecutor()
    bound = rv.engine.bind(objective, network, size, executor)

    def value(x: Tensor) -> Tensor:
        measured = executor.measure(network, x, bound.statistics)
        return bound(dict(zip(bound.statistics, measured, strict=True)))[0]

    return value


@pytest.mark.parametrize("name", TERMS)
def test_grad_is_the_gradient(tiny64: Network, make_picture: MakePicture, name: str) -> None:
    x = make_picture(0, 16, 20, dtype=torch.float64)
    objective = TERMS[name](make_picture(1, 16, 20, dtype=torch.float64))
    found = torch.func.grad(function(objective, tiny64, (16, 20)))(x)
    assert torch.allclose(found, rv.evaluate(objective, tiny64, x).gradient, rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize("leak", [0.0, 0.1])
def test_grad_of_a_network(leak: float, make_picture: MakePicture) -> None:
    network = rv.networks.load("dreamnet", pooling="average", leak=leak)
    x = make_picture(0, 32, 32)

    def value(x: Tensor) -> Tensor:
        return network(x, ("relu3_1",))["relu3_1"].mean()

    y = x.clone().requires_grad_(True)
    (expected,) = torch.autograd.grad(value(y), y)
    assert torch.allclose(torch.func.grad(value)(x), expected, atol=1e-7)


@pytest.mark.filterwarnings("ignore:.*torch.jit.script.*:DeprecationWarning")  # of PyTorch's own jvp
def test_vmap_and_jvp_of_a_network(tiny64: Network, make_picture: MakePicture) -> None:
    many, t = make_picture(0, 16, 16, batch=3, dtype=torch.float64), make_picture(1, 16, 16, dtype=torch.float64)

    def value(x: Tensor) -> Tensor:
        return tiny64(x, ("relu3",))["relu3"].pow(2).mean()

    each = torch.func.vmap(torch.func.grad(lambda x: value(x[None])))(many)
    for x, gradient in zip(many, each, strict=True):
        assert torch.allclose(gradient, torch.func.grad(value)(x[None])[0], rtol=1e-10)
    x = many[:1]
    slope = torch.func.jvp(value, (x,), (t,))[1]
    assert float(slope) == pytest.approx(float((torch.func.grad(value)(x) * t).sum()), rel=1e-9)
