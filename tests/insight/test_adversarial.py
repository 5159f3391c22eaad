"""Perturbations: the closed form of a linear network, a plain loop's very pixels, and distances."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

import reverie as rv
from reverie.canvas import OffsetCanvas
from reverie.insight.adversarial import Ball, Norm, attack, chances, distance, universal
from reverie.networks import Network
from tests.conftest import MakePicture

SIDE = 12
NORMS: tuple[Norm, ...] = ("linf", "l2")


@pytest.fixture(scope="module")
def linear() -> tuple[Network, Tensor, Tensor]:
    """A network whose logits are linear in the picture, and its weights (2, 3) and biases."""
    module = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    weight, bias = torch.tensor([[2.0, -1.0, 0.5], [-1.0, 1.5, 1.0]]), torch.tensor([0.2, -0.1])
    module[2].weight.data, module[2].bias.data = weight, bias
    return rv.networks.wrap(module, mean=0, std=1, classes=("warm", "cold")), weight, bias


@pytest.fixture(scope="module")
def photo(make_picture: MakePicture) -> Tensor:
    return 0.3 + 0.4 * make_picture(8, SIDE, SIDE)


@pytest.mark.parametrize("norm", NORMS)
def test_the_distance_of_a_linear_network_is_its_margin_over_its_slope(
    linear: tuple[Network, Tensor, Tensor], photo: Tensor, norm: Norm
) -> None:
    network, weight, bias = linear
    logits = weight @ photo.mean((0, 2, 3)) + bias
    own = int(logits.argmax())
    slope = weight[own] - weight[1 - own]
    margin = float(logits[own] - logits[1 - own])
    dual = slope.abs().sum() if norm == "linf" else 3**0.5 * slope.norm()
    found = distance(network, photo, norm)
    assert found.towards == 1 - own
    assert found.size == pytest.approx(margin / float(dual), rel=0.01)


@pytest.mark.parametrize("steps", [1, 8])
def test_the_best_change_of_a_linear_network_is_the_sign_of_its_slope(
    linear: tuple[Network, Tensor, Tensor], photo: Tensor, steps: int
) -> None:
    network, weight, _ = linear
    epsilon = 8 / 255
    *_, last = attack(network, photo, -rv.logit(1, against=1), Ball("linf", epsilon), steps=steps).run()
    best = photo + epsilon * (weight[1] - weight[0]).sign()[None, :, None, None]
    assert torch.allclose(last.image, best, atol=1e-6)


def test_the_best_change_by_root_mean_square_goes_along_the_slope(
    linear: tuple[Network, Tensor, Tensor], photo: Tensor
) -> None:
    network, weight, _ = linear
    *_, last = attack(network, photo, -rv.logit(1, against=1), Ball("l2", 0.02), steps=1).run()
    slope = (weight[1] - weight[0])[None, :, None, None].expand_as(photo)
    wanted = 0.02 * slope / slope.pow(2).mean().sqrt()
    assert torch.allclose(last.image - photo, wanted, atol=1e-6)


def test_projected_steps_are_those_of_a_plain_loop(tiny: Network, make_picture: MakePicture) -> None:
    """Madry's loop, written out: random start, sign, ball, box."""
    picture, radius, steps = make_picture(2, 24, 24), 8 / 255, 5
    ball = Ball("linf", radius)
    *_, last = attack(tiny, picture, rv.logit(3, against=1), ball, steps=steps, seed=4).run()
    x = (picture + ball.drawn(picture, torch.Generator().manual_seed(4))).clamp(0, 1)
    for _ in range(steps):
        x = x.detach().requires_grad_(True)
        logits = tiny(x, [str(tiny.class_layer)])[str(tiny.class_layer)].mean((2, 3))
        loss = nn.functional.cross_entropy(logits, torch.tensor([3]))
        (slope,) = torch.autograd.grad(loss, x)
        moved = x.detach() + 2.5 * radius / steps * slope.sign()
        x = (picture + (moved - picture).clamp(-radius, radius)).clamp(0, 1)
    assert torch.allclose(last.image, x, atol=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_it_deceives_within_its_ball(tiny: Network, make_picture: MakePicture, norm: Norm) -> None:
    picture, ball = make_picture(2, 32, 40), Ball(norm, 0.3)
    own = int(chances(tiny, picture, 32).argmax())
    target = int(chances(tiny, picture, 32).argsort(descending=True)[1])
    run = attack(tiny, picture, -rv.logit(target, against=1), ball, steps=12, size=32)
    *_, last = run.run()
    assert ball.size(last.image - picture) <= 0.3 + 1e-6
    assert own != target == int(chances(tiny, last.image, 32).argmax())


def test_what_is_found_at_a_distance_flips_and_nothing_much_nearer_does(
    tiny: Network, make_picture: MakePicture
) -> None:
    picture = make_picture(2, 32, 32)
    found = distance(tiny, picture, "linf")
    own = int(chances(tiny, picture).argmax())
    assert found.towards != own and 0 < found.size < 0.3
    ball = Ball("linf", found.size / 4)
    *_, last = attack(tiny, picture, rv.logit(own, against=1), ball, steps=10).run()
    assert int(chances(tiny, last.image).argmax()) == own


def test_one_change_is_shared_by_all_photos(tiny: Network, make_picture: MakePicture) -> None:
    photos = 0.2 + 0.6 * make_picture(6, 24, 24, batch=4)
    before = torch.stack([chances(tiny, x[None]) for x in photos])[:, 2]
    *_, last = universal(tiny, photos, 2, Ball("linf", 0.05), steps=6).run()
    changes = last.image - photos
    assert torch.allclose(changes, changes[:1].expand_as(changes), atol=1e-6)
    assert float(changes.abs().max()) <= 0.05 + 1e-6
    after = torch.stack([chances(tiny, x[None]) for x in last.image])[:, 2]
    assert bool((after > before).all())


def test_a_shared_change_is_carried_to_another_size(make_picture: MakePicture) -> None:
    photos = make_picture(1, 16, 16, batch=2)
    canvas = OffsetCanvas(photos, torch.full((1, 3, 16, 16), 0.1))
    assert torch.allclose(canvas.picture(), (photos + 0.1).clamp(0, 1))
    larger = canvas.resized((24, 24))
    assert larger.size == (24, 24) and torch.allclose(larger.parameters[0], torch.tensor(0.1), atol=1e-6)
    larger.project(rv.optimisers.linf(torch.zeros(1, 3, 24, 24), 0.02))
    assert float(larger.parameters[0].detach().abs().max()) == pytest.approx(0.02)
