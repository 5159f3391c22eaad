from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from reverie.engine.feedforward import Sums, decode, encode, goal_of, noises_for
from reverie.networks import Instant, Network
from reverie.networks.instant import LAYERS
from reverie.networks.matching import moments
from reverie.objectives import PICTURE

Make = Callable[..., Tensor]
READ = (PICTURE, *LAYERS)


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
    assert torch.allclose(whole.deep, dreamnet(x, LAYERS[:1])[LAYERS[0]], atol=1e-5)
    assert torch.allclose(whole.deep, tiled.deep, atol=1e-5)
    for layer in READ:
        assert torch.allclose(whole.seen[layer].covariance, tiled.seen[layer].covariance, atol=1e-5)


def test_statistics_alone_keep_no_map(dreamnet: Network, make_picture: Make) -> None:
    assert encode(dreamnet, make_picture(2, 64, 64), READ, 0, deep=False).deep.numel() == 0


@pytest.mark.parametrize("tile", [32, 64, 72])
def test_a_picture_made_in_tiles(dreamnet: Network, tiny_instant: Instant, make_picture: Make, tile: int) -> None:
    found = encode(dreamnet, make_picture(3, 104, 136), LAYERS[:1], 0)
    goal = goal_of(encode(dreamnet, make_picture(4, 96, 96), READ, 0, deep=False).seen)
    noises = noises_for((13, 17), 0, 1.0)
    seen = found.seen[LAYERS[0]]
    whole = decode(tiny_instant, found.deep, seen, goal, noises, 0)
    tiled = decode(tiny_instant, found.deep, seen, goal, noises, tile)
    assert whole.shape == (1, 3, 104, 136) and (whole - tiled).abs().max() < 1e-4


def test_noise_is_the_seeds() -> None:
    one, same, other = (noises_for((3, 4), seed, 1.0) for seed in (0, 0, 1))
    assert [tuple(n.shape) for n in one] == [(1, 1, 3, 4), (1, 1, 6, 8), (1, 1, 12, 16)]
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True)) and not torch.equal(one[0], other[0])
    assert not any(n.any() for n in noises_for((3, 4), 0, 0.0))
