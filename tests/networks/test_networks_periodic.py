"""Networks that read round the edges, and rectifiers that let gradients through."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

import reverie as rv
from reverie.errors import RecipeError
from reverie.networks import Network, find_classes, load, names
from tests.conftest import MakePicture


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


@pytest.mark.parametrize("name", names())
def test_rolling_the_picture_rolls_every_map(name: str) -> None:
    weights = None if name == "dreamnet" else "random"
    network = load(name, weights=weights, padding="circular").with_precision(torch.float64)
    deepest = max(network.layers, key=network.stride)
    step = network.stride(deepest)
    x = noise(1, 3, 3 * step, 2 * step)
    shallow = next(layer for layer in network.layers if network.stride(layer) < step)
    asked = (shallow, deepest)
    rolled, plain = network(x.roll((step, step), (2, 3)), asked), network(x, asked)
    for layer in asked:
        shift = step // network.stride(layer)
        expected = plain[layer].roll((shift, shift), (2, 3))
        assert rolled[layer].shape[2:] == network.extent(layer, (3 * step, 2 * step))
        assert torch.allclose(rolled[layer], expected, atol=1e-9 * float(expected.abs().max()))


def test_only_circular_padding_is_periodic(tiny: Network) -> None:
    assert load("dreamnet", padding="circular").periodic
    assert not load("dreamnet", padding="replicate").periodic and not tiny.periodic


def test_inside_nothing_changes() -> None:
    """Far from the edges, features do not know what lies beyond them."""
    x = noise(1, 3, 96, 96).float()
    plain, round_ = (load("dreamnet", padding=p)(x, ["relu3_2"])["relu3_2"] for p in ("zeros", "circular"))
    assert torch.allclose(plain[..., 8:16, 8:16], round_[..., 8:16, 8:16], atol=1e-4)
    assert not torch.allclose(plain, round_, atol=1e-2)


def test_roughness_goes_round_the_edges(make_picture: MakePicture) -> None:
    network = load("dreamnet", padding="circular").with_precision(torch.float64)
    x = make_picture(0, 32, 48, dtype=torch.float64)
    objective = rv.total_variation() - rv.energy("relu2_2")
    here, there = (rv.evaluate(objective, network, p) for p in (x, x.roll((16, 16), (2, 3))))
    assert float(here.total) == pytest.approx(float(there.total), rel=1e-12)
    assert torch.allclose(here.gradient.roll((16, 16), (2, 3)), there.gradient, atol=1e-15)


def test_a_leak_changes_gradients_only() -> None:
    x = noise(1, 3, 32, 32).float().requires_grad_(True)
    plain, leaky = load("dreamnet"), load("dreamnet", leak=0.1)
    a, b = plain(x, ["relu4_2"])["relu4_2"], leaky(x, ["relu4_2"])["relu4_2"]
    assert torch.equal(a, b)
    (g,), (h,) = torch.autograd.grad(a.sum(), x), torch.autograd.grad(b.sum(), x)
    assert not torch.allclose(g, h)
    (none,) = torch.autograd.grad(load("dreamnet", leak=0.0)(x, ["relu4_2"])["relu4_2"].sum(), x)
    assert torch.equal(none, g)


def test_a_leak_is_a_leaky_rectifiers_gradient() -> None:
    """The first rectifier's input gets what F.leaky_relu would send back."""
    network = load("dreamnet", leak=0.25)
    x = noise(1, 3, 16, 16).float().requires_grad_(True)
    maps = network(x, ["conv1_1", "relu1_1"])
    weights = torch.linspace(-1, 1, maps["relu1_1"].numel()).view_as(maps["relu1_1"])
    (g,) = torch.autograd.grad((maps["relu1_1"] * weights).sum(), x, retain_graph=True)
    (expected,) = torch.autograd.grad((F.leaky_relu(maps["conv1_1"], 0.25) * weights).sum(), x)
    assert torch.allclose(g, expected, atol=1e-6)


@pytest.mark.parametrize("leak", [-0.1, 1.1])
def test_no_such_leak(leak: float) -> None:
    with pytest.raises(RecipeError, match="leak"):
        load("dreamnet", leak=leak)


def test_kinds_of_classes(dreamnet: Network, tiny: Network) -> None:
    dogs = find_classes(dreamnet, "Dogs")
    assert len(dogs) == 118 and {(dreamnet.classes or ())[i] for i in dogs} >= {"Chihuahua", "Mexican hairless"}
    assert find_classes(dreamnet, "castle") == (483,)
    with pytest.raises(rv.LayerNotFound, match="no class 'ferrets'"):
        find_classes(tiny, "ferrets")
    with pytest.raises(rv.LayerNotFound, match="did you mean 'butterflies'"):
        find_classes(dreamnet, "buterflies")
