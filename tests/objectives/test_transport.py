"""Histograms and the cost of carrying one to another, against sorting in float64."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.objectives import Window
from reverie.objectives.transport import COUNT, Binning, Histograms, transport


def features(h: int, w: int, seed: int, *, channels: int = 6) -> Tensor:
    """Rectified, correlated, of very different strengths: like those of a network."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(1, channels, h, w, generator=generator, dtype=torch.float64)
    mixing = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    scales = torch.logspace(-1, 1, channels, dtype=torch.float64).view(1, -1, 1, 1)
    return (torch.einsum("bchw,cd->bdhw", x, mixing) * scales + 0.3).relu()


def rows(x: Tensor) -> Tensor:
    return x[0].flatten(1).T


def turned(channels: int, seed: int = 0) -> Tensor:
    drawn = torch.randn(channels, channels, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return torch.linalg.qr(drawn).Q


def measured(x: Tensor, binning: Binning) -> Tensor:
    return Histograms("a", binning).measure(x, Window.whole(x), None)


def sorted_distance(x: Tensor, target: Tensor, directions: Tensor) -> Tensor:
    """Relative squared Wasserstein-2 by sorting; as many positions on both sides."""
    a, b = (torch.sort(rows(y) @ directions, dim=0).values for y in (x, target))
    return (a - b).pow(2).sum(1).mean() / (rows(target) @ directions).pow(2).sum(1).mean()


@pytest.mark.parametrize("directions", [None, turned(6)], ids=["channels", "turned"])
def test_value_and_gradient_are_those_of_sorting(directions: Tensor | None) -> None:
    x, target = features(40, 52, 1).requires_grad_(True), 1.3 * features(52, 40, 2)
    binning = Binning.over(rows(target), directions)
    ours = transport(binning)(measured(target, binning))(measured(x, binning))[0]
    plain = sorted_distance(x, target, torch.eye(6, dtype=torch.float64) if directions is None else directions)
    assert float(ours.detach()) == pytest.approx(float(plain.detach()), rel=0.02)
    a, b = (torch.autograd.grad(v, x)[0].flatten() for v in (ours, plain))
    assert float(torch.cosine_similarity(a, b, 0)) > 0.99
    assert float(a.norm()) == pytest.approx(float(b.norm()), rel=0.03)


def test_far_beyond_the_ruler_the_pull_remains() -> None:
    target = features(20, 20, 3)
    x = (-4 * features(20, 20, 4) - 90).requires_grad_(True)
    binning = Binning.over(rows(target), turned(6))
    ours = transport(binning)(measured(target, binning))(measured(x, binning))[0]
    plain = sorted_distance(x, target, turned(6))
    a, b = (torch.autograd.grad(v, x)[0].flatten() for v in (ours, plain))
    assert float(torch.cosine_similarity(a, b, 0)) > 0.97
    assert float(ours.detach()) == pytest.approx(float(plain.detach()), rel=0.3)


def test_the_same_is_at_no_distance_and_has_no_slope() -> None:
    x = features(13, 17, 5).requires_grad_(True)
    for part in (x.detach(), x.detach()[..., :5, :9]):
        binning = Binning.over(rows(part), turned(6))
        value = transport(binning)(measured(x.detach(), binning))(measured(x, binning))[0]
        (gradient,) = torch.autograd.grad(value, x)
        assert abs(float(value.detach())) < 1e-12
        assert float(gradient.abs().max()) < 1e-9


def test_distances_are_never_negative() -> None:
    target = features(9, 9, 6)
    binning = Binning.over(rows(target), None)
    to = transport(binning)(measured(target, binning))
    for seed in range(20):
        assert float(to(measured(features(5 + seed, 7, seed), binning))[0]) > 0


def test_nothing_is_at_distance_one() -> None:
    """Black features have nothing of the target."""
    target = features(30, 30, 7)
    binning = Binning.over(rows(target), turned(6))
    value = transport(binning)(measured(target, binning))(measured(torch.zeros_like(target), binning))[0]
    assert float(value) == pytest.approx(1, rel=0.02)


def by_loops(x: np.ndarray, target: np.ndarray, low: float, width: float) -> float:
    """Atoms at the knots against masses spread around them, one thin slice of mass after the other."""
    a, b = (np.zeros(COUNT), np.zeros(COUNT))
    for counts, values in ((a, x), (b, target)):
        for v in values:
            place = (v - low) / width
            k = min(math.floor(place), COUNT - 2)
            counts[k] += (1 - (place - k)) / len(values)
            counts[k + 1] += (place - k) / len(values)
    levels = (np.arange(400_000) + 0.5) / 400_000
    atoms = np.minimum(np.searchsorted(np.cumsum(a), levels), COUNT - 1)
    edges = np.concatenate([[0.0], np.cumsum(b)])
    cell = np.clip(np.searchsorted(edges, levels) - 1, 0, COUNT - 1)
    spread = cell - 0.5 + (levels - edges[cell]) / np.maximum(b[cell], 1e-12)
    knots = low + width * np.arange(COUNT)
    return float(width**2 * (((atoms - spread) ** 2).mean() - 1 / 12) / (b * knots**2).sum())


def test_against_loops() -> None:
    x, target = features(6, 5, 8, channels=1), features(7, 9, 9, channels=1)
    binning = Binning.over(torch.cat([rows(target), rows(x)]), None)
    value = transport(binning)(measured(target, binning))(measured(x, binning))[0]
    low, width = float(binning.low), float(binning.width)
    expected = by_loops(x.flatten().numpy(), target.flatten().numpy(), low, width)
    assert float(value) == pytest.approx(expected, rel=1e-4)


def test_gradcheck() -> None:
    x, target = features(5, 6, 10).requires_grad_(True), features(7, 7, 11)
    binning = Binning.over(rows(target) * 0.5, turned(6))  # so that some lie beyond
    to = transport(binning)(measured(target * 0.5, binning))
    assert torch.autograd.gradcheck(lambda y: to(measured(y, binning)), (x,), eps=1e-7, atol=1e-6)


def test_a_target_of_one_colour() -> None:
    target, x = torch.full((1, 3, 8, 8), 0.4), torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    binning = Binning.over(rows(target), None)
    x.requires_grad_(True)
    value = transport(binning)(measured(target, binning))(measured(x, binning))[0]
    (gradient,) = torch.autograd.grad(value, x)
    assert float(value.detach()) == pytest.approx(float((x.detach() - 0.4).pow(2).mean() / 0.16), rel=0.02)
    assert float(torch.cosine_similarity(gradient.flatten(), (x.detach() - 0.4).flatten(), 0)) > 0.99


def test_what_is_not_a_number_shows() -> None:
    x = torch.full((1, 2, 3, 3), torch.nan)
    assert bool(measured(x, Binning.over(torch.rand(5, 2, generator=torch.Generator()), None)).isnan().any())
