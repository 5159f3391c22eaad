from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.feedforward.matching import (
    Gaussian,
    blended,
    colour_map,
    gaussian,
    inverse_root,
    moments,
    moved,
    rows_of,
    target_of,
    transport_map,
    whitening_map,
)


def maps(seed: int, channels: int = 5, height: int = 12, width: int = 17) -> Tensor:
    g = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=g)
    x = torch.randn(1, channels, height, width, generator=g)
    return torch.einsum("ij,bjhw->bihw", mixing, x) + torch.randn(1, channels, 1, 1, generator=g)


def test_moments_are_numpys() -> None:
    x = maps(0)
    mean, covariance = moments(x)
    rows = x[0].flatten(1).double().numpy()
    assert np.allclose(mean[0].numpy(), rows.mean(1), atol=1e-5)
    assert np.allclose(covariance[0].numpy(), np.cov(rows, bias=True), atol=1e-4)


def test_sums_over_parts_add_up() -> None:
    x = maps(1)
    parts = [rows_of(x[..., :5]), rows_of(x[..., 5:])]
    first, second = sum(p.sum(1) for p in parts), sum(p.mT @ p for p in parts)
    assert isinstance(first, Tensor) and isinstance(second, Tensor)
    both = gaussian(first, second, sum(p.shape[1] for p in parts))
    assert torch.allclose(both.covariance, moments(x).covariance, atol=1e-4)


def test_transport_gives_the_targets_statistics() -> None:
    x, like = maps(2), moments(maps(3))
    got = moments(moved(x, transport_map(moments(x), target_of(like, 1e-6))))
    assert torch.allclose(got.mean, like.mean, atol=1e-4)
    apart = (got.covariance - like.covariance).norm() / like.covariance.norm()
    assert apart < 0.1  # the ridge keeps a little of the source


def test_transport_to_itself_changes_nothing() -> None:
    x = maps(4)
    assert (moved(x, transport_map(moments(x), target_of(moments(x)))) - x).abs().max() < 0.02 * x.std()


def test_transport_is_the_closed_form_in_float64() -> None:
    a, b = moments(maps(5)), moments(maps(6))
    got = transport_map(a, target_of(b)).matrix[0].double().numpy()

    def root(m: np.ndarray, power: float) -> np.ndarray:
        values, vectors = np.linalg.eigh(m)
        return np.asarray((vectors * values**power) @ vectors.T)

    eye, mine, its = np.eye(5), a.covariance[0].double().numpy(), b.covariance[0].double().numpy()
    its = its + 1e-2 * its.trace() / 5 * eye
    mine = mine + (1e-2 * mine.trace() / 5 + 1e-3 * its.trace() / 5) * eye
    r = root(its, 0.5)
    assert np.allclose(got, r @ root(r @ mine @ r, -0.5) @ r, rtol=1e-3, atol=1e-4)
    assert np.allclose(got, got.T, atol=1e-5)  # moving least is symmetric


def test_whitening_gives_the_targets_statistics() -> None:
    x, like = maps(7), moments(maps(8))
    got = moments(moved(x, whitening_map(moments(x), target_of(like, 1e-6))))
    assert torch.allclose(got.mean, like.mean, atol=1e-4)
    assert (got.covariance - like.covariance).norm() / like.covariance.norm() < 0.25


def test_colours_become_the_targets() -> None:
    x = 0.5 + 0.2 * torch.randn(1, 3, 12, 17, generator=torch.Generator().manual_seed(9))
    like = moments(0.5 + 0.05 * maps(10, channels=3))
    got = moments(moved(x, colour_map(moments(x), target_of(like, 1e-3))))
    assert torch.allclose(got.mean, like.mean, atol=1e-5)
    assert torch.allclose(got.covariance, like.covariance, atol=2e-3)


@pytest.mark.parametrize("steps", [9, 16])
def test_inverse_root(steps: int) -> None:
    m = moments(maps(11)).covariance.double() + torch.eye(5)
    z = inverse_root(m, 2 * steps)
    assert torch.allclose(z @ m @ z, torch.eye(5).double()[None], atol=1e-6)


def test_it_can_be_learnt_through() -> None:
    target = target_of(Gaussian(*(x.double() for x in moments(maps(12, channels=3)))))
    mean, a = torch.randn(1, 3, generator=torch.Generator().manual_seed(0)).double(), moments(maps(13, channels=3))[1]

    def matrix(m: Tensor) -> Tensor:
        source = Gaussian(mean, (m + m.mT) / 2)
        return whitening_map(source, target).matrix + colour_map(source, target).matrix

    assert torch.autograd.gradcheck(matrix, a.double().requires_grad_(True))


def test_a_flat_map_is_not_blown_up() -> None:
    flat = torch.full((1, 5, 6, 6), 0.3) + 1e-6 * maps(14, height=6, width=6)
    like = moments(maps(15))
    for change in (transport_map, whitening_map):
        got = moved(flat, change(moments(flat), target_of(like)))
        assert torch.isfinite(got).all() and got.std() < 10


def test_two_equal_halves_are_one() -> None:
    g = moments(maps(16))
    both = blended([(g, 0.5), (g, 0.5)])
    assert torch.allclose(both.covariance, g.covariance) and torch.allclose(both.mean, g.mean)
