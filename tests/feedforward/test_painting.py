from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from reverie.engine.grids import weights_at
from reverie.feedforward import Instant
from reverie.feedforward.instant import KEPT, LAYERS
from reverie.feedforward.matching import moments, rows_of
from reverie.feedforward.painting import Sums, decode, encode, noises_for, targets_of
from reverie.networks import Network
from reverie.objectives import PICTURE

Make = Callable[..., Tensor]
READ = (PICTURE, *LAYERS)


def soft(height: int, width: int) -> Tensor:
    """An alpha: nothing on the left, all on the right, a ramp between, and a hole."""
    alpha = torch.linspace(-1, 2, width).clamp(0, 1).expand(1, 1, height, width).clone()
    alpha[..., 10:30, -20:-5] = 0
    return alpha


def test_sums_over_tiles_are_the_whole_maps_statistics(make_picture: Make) -> None:
    x = make_picture(0, 20, 31)
    sums = Sums()
    for part in (x[..., :9], x[..., 9:]):
        sums.add(part)
    assert torch.allclose(sums.gaussian().covariance.float(), moments(x).covariance, atol=1e-6)


@pytest.mark.parametrize("tile", [32, 48, 64])
def test_a_picture_read_in_tiles(dreamnet: Network, make_picture: Make, tile: int) -> None:
    x = make_picture(1, 104, 136)
    whole, tiled = encode(dreamnet, x, READ, 0), encode(dreamnet, x, READ, tile)
    for layer, deep in dreamnet(x, KEPT).items():
        assert torch.allclose(whole.maps[layer], deep, atol=1e-5)
        assert torch.allclose(whole.maps[layer], tiled.maps[layer], atol=1e-5)
    for layer in READ:
        assert torch.allclose(whole.seen[layer].covariance, tiled.seen[layer].covariance, atol=1e-5)


def test_statistics_alone_keep_no_map(dreamnet: Network, make_picture: Make) -> None:
    assert not encode(dreamnet, make_picture(2, 64, 64), READ, 0, keep=()).maps


@pytest.mark.parametrize("tile", [32, 64, 72])
def test_a_picture_made_in_tiles(dreamnet: Network, tiny_instant: Instant, make_picture: Make, tile: int) -> None:
    found = encode(dreamnet, make_picture(3, 112, 144), KEPT, 0)
    targets = targets_of(encode(dreamnet, make_picture(4, 96, 96), READ, 0, keep=()).seen)
    noises = noises_for((7, 9), 0, 1.0)
    whole = decode(tiny_instant, found, targets, noises, 0)
    tiled = decode(tiny_instant, found, targets, noises, tile)
    assert whole.shape == (1, 3, 112, 144) and (whole - tiled).abs().max() < 3e-4


def test_noise_is_the_seeds() -> None:
    one, same, other = (noises_for((3, 4), seed, 1.0) for seed in (0, 0, 1))
    assert [tuple(n.shape) for n in one] == [(1, 1, 3, 4), (1, 1, 6, 8), (1, 1, 12, 16), (1, 1, 24, 32)]
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True)) and not torch.equal(one[0], other[0])
    assert not any(n.any() for n in noises_for((3, 4), 0, 0.0))


def test_weights_are_shares_of_positions(make_picture: Make) -> None:
    """Against NumPy in float64, in two tiles; a weight of 2 is a position that is there twice."""
    x, weights = make_picture(5, 6, 10), soft(6, 10)
    sums, rows, w = Sums(), rows_of(x)[0].double().numpy(), weights.flatten().double().numpy()
    for span in (slice(0, 4), slice(4, 10)):
        sums.add(x[..., span], weights[..., span])
    mean = (w @ rows) / w.sum()
    covariance = ((rows - mean) * w[:, None]).T @ (rows - mean) / w.sum()
    assert abs(sums.gaussian().mean[0].numpy() - mean).max() < 1e-6
    assert abs(sums.gaussian().covariance[0].numpy() - covariance).max() < 1e-6
    twice, double = Sums(), Sums()
    twice.add(torch.cat([x, x], 3))
    double.add(x, torch.full((1, 1, 6, 10), 2.0))
    assert torch.allclose(twice.gaussian().covariance, double.gaussian().covariance)


def test_weights_of_a_map_are_areas() -> None:
    alpha = soft(32, 48)
    assert weights_at(None, (4, 6)) is None
    laid = weights_at(alpha, (4, 6))
    assert laid is not None and torch.allclose(laid, alpha.unfold(2, 8, 8).unfold(3, 8, 8).mean((-1, -2)))


def test_transparent_positions_have_no_say(dreamnet: Network, make_picture: Make) -> None:
    """The statistics are those of the opaque positions alone, at every depth."""
    x, alpha = make_picture(6, 64, 128), torch.zeros(1, 1, 64, 128)
    alpha[..., :64] = 1
    found = encode(dreamnet, x, READ, 0, opaque=alpha)
    maps = {PICTURE: x, **dreamnet(x, LAYERS)}
    for layer in READ:
        left = moments(maps[layer][..., : maps[layer].shape[3] // 2])
        assert torch.allclose(found.seen[layer].mean.float(), left.mean, atol=1e-5)
        assert torch.allclose(found.seen[layer].covariance.float(), left.covariance, atol=1e-4)


@pytest.mark.parametrize("tile", [32, 64])
def test_weights_in_tiles(dreamnet: Network, tiny_instant: Instant, make_picture: Make, tile: int) -> None:
    x, alpha = make_picture(7, 112, 144), soft(112, 144)
    targets = targets_of(encode(dreamnet, make_picture(4, 96, 96), READ, 0, keep=()).seen)
    noises, images = noises_for((7, 9), 0, 1.0), []
    for side in (0, tile):
        found = encode(dreamnet, x, READ, side, opaque=alpha)
        images.append(decode(tiny_instant, found, targets, noises, side, opaque=alpha))
    assert ((images[0] - images[1]).abs() * alpha).max() < 1e-4, "nobody sees what is transparent"
    plain = decode(tiny_instant, found, targets, noises, 0)
    assert (images[0] - plain).abs().max() > 1e-2, "the weights count between the stages too"
