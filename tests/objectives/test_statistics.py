"""Statistics against NumPy in float64, and the law that shares of windows add up to the whole."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from torch import Tensor

from reverie.objectives import PICTURE, Statistic, Window
from reverie.objectives.statistics import (
    At,
    BestMatches,
    Means,
    MeanSquares,
    Moments,
    Projections,
    Roughness,
    SquaredError,
)

SIZES = [(1, 1), (1, 9), (9, 1), (2, 2), (5, 7), (13, 8), (16, 16)]


def features(h: int, w: int, *, batch: int = 2, channels: int = 5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(batch, channels, h, w, generator=generator, dtype=torch.float64)


def whole(statistic: Statistic, x: Tensor, reference: Tensor | None = None) -> np.ndarray:
    return statistic.measure(x, Window.whole(x), reference).numpy()


def close(a: np.ndarray, b: np.ndarray, tolerance: float = 1e-12) -> None:
    np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("size", SIZES)
def test_moments(size: tuple[int, int]) -> None:
    x = features(*size)
    rows = x.numpy().reshape(2, 5, -1)
    second = np.stack([r @ r.T / r.shape[1] for r in rows])
    close(whole(Moments("a"), x), np.concatenate([second, rows.mean(2)[:, None]], 1))


@pytest.mark.parametrize("size", SIZES)
def test_means_and_mean_squares(size: tuple[int, int]) -> None:
    x = features(*size)
    close(whole(Means("a"), x), x.numpy().mean((2, 3)))
    close(whole(MeanSquares("a"), x), (x.numpy() ** 2).mean((2, 3)))


@pytest.mark.parametrize("size", SIZES)
def test_squared_error(size: tuple[int, int]) -> None:
    x, reference = features(*size), features(*size, batch=1, seed=1)
    error = ((x.numpy() - reference.numpy()) ** 2).mean((1, 2, 3))
    close(whole(SquaredError("a", reference), x, reference), error)


def test_squared_error_wants_its_reference() -> None:
    x = features(3, 3)
    with pytest.raises(ValueError, match="reference"):
        SquaredError("a", x).measure(x, Window.whole(x), None)


def slow_roughness(x: np.ndarray) -> np.ndarray:
    """Right, lower, lower right and lower left neighbour, one pixel after the other."""
    batch, channels, h, w = x.shape
    sums = np.zeros((batch, 4))
    for r in range(h):
        for c in range(w):
            here = x[:, :, r, c]
            for k, (dr, dc) in enumerate([(0, 1), (1, 0), (1, 1), (1, -1)]):
                if r + dr < h and 0 <= c + dc < w:
                    sums[:, k] += ((x[:, :, r + dr, c + dc] - here) ** 2).sum(1)
    return sums / (h * w * channels)


@pytest.mark.parametrize("size", SIZES)
def test_roughness(size: tuple[int, int]) -> None:
    x = features(*size, channels=3)
    close(whole(Roughness(), x), slow_roughness(x.numpy()))


@pytest.mark.parametrize("size", SIZES)
def test_best_matches(size: tuple[int, int]) -> None:
    x, guide = features(*size), features(1, 11, batch=1, seed=3)[0, :, 0].T.contiguous()
    products = np.einsum("bchw,nc->bnhw", x.numpy(), guide.numpy())
    close(whole(BestMatches("a", guide), x), products.max(1).mean((1, 2)))


def test_best_matches_in_blocks() -> None:
    x, guide = features(91, 95, batch=1), features(1, 4, batch=1, seed=3)[0, :, 0].T.contiguous()
    products = np.einsum("bchw,nc->bnhw", x.numpy(), guide.numpy())
    close(whole(BestMatches("a", guide), x), products.max(1).mean((1, 2)))


@pytest.mark.parametrize("power", [0.0, 1.0, 2.0, 3.5])
def test_projections(power: float) -> None:
    x, vector = features(6, 7), features(1, 1, batch=1, seed=4).flatten()
    f, v = x.numpy(), vector.numpy()
    dot = np.einsum("bchw,c->bhw", f, v)
    cosine = dot / (np.linalg.norm(v) * np.linalg.norm(f, axis=1))
    expected = (dot * np.maximum(cosine, 0.1) ** power).mean((1, 2))
    close(whole(Projections("a", vector, power), x), expected, 1e-10)


def test_projections_where_nothing_fires() -> None:
    x = torch.zeros(1, 5, 3, 3, dtype=torch.float64, requires_grad=True)
    value = Projections("a", torch.ones(5), 2.0).measure(x, Window.whole(x), None)
    (gradient,) = torch.autograd.grad(value.sum(), x)
    assert float(value.detach()) == 0
    assert torch.isfinite(gradient).all()


def test_at() -> None:
    x = features(4, 6)
    close(whole(At("a", 3, 5), x), x.numpy()[:, :, 3, 5])


# --- additivity ----------------------------------------------------------------------------------


def statistics(x: Tensor) -> list[Statistic]:
    """One of every kind, for features like x."""
    _, channels, h, w = x.shape
    vector = torch.linspace(-1, 1, channels, dtype=x.dtype)
    guide = features(1, 6, batch=1, channels=channels, seed=5)[0, :, 0].T.contiguous()
    return [
        Moments("a"),
        Means("a"),
        MeanSquares("a"),
        SquaredError("a", features(h, w, batch=1, channels=channels, seed=6)),
        At("a", h // 2, w // 3),
        Projections("a", vector, 2.0),
        BestMatches("a", guide),
        Roughness(PICTURE),
    ]


def kinds(parent: type[Statistic]) -> set[type[Statistic]]:
    below = set(parent.__subclasses__())
    return below.union(*map(kinds, below)) if below else below


def test_every_kind_of_statistic_is_tested_for_additivity() -> None:
    assert {type(s) for s in statistics(features(4, 4))} == kinds(Statistic)


def cuts(length: int, inner: list[int]) -> list[tuple[int, int]]:
    edges = sorted({0, length, *(i % length for i in inner)})
    return list(itertools.pairwise(edges))


def share(s: Statistic, x: Tensor, rows: tuple[int, int], columns: tuple[int, int]) -> Tensor:
    """A window's share, measured from what the window and its reach hold, and nothing else."""
    (top, bottom), (left, right) = rows, columns
    window = Window(top, left, bottom - top, right - left, (x.shape[2], x.shape[3]))
    piece = x[:, :, top : bottom + s.reach, left : right + s.reach].clone()
    reference = None if s.reference is None else s.reference[:, :, top:bottom, left:right].clone()
    return s.measure(piece, window, reference)


inner_edges = st.lists(st.integers(0, 40), max_size=4)


@given(st.integers(1, 19), st.integers(1, 19), inner_edges, inner_edges, st.integers(0, 99))
@run(max_examples=60)
def test_shares_of_windows_add_up(h: int, w: int, ys: list[int], xs: list[int], seed: int) -> None:
    x = features(h, w, channels=4, seed=seed)
    windows = [(rows, columns) for rows in cuts(h, ys) for columns in cuts(w, xs)]
    for s in statistics(x):
        total = sum(share(s, x, rows, columns) for rows, columns in windows)
        close(total.numpy(), whole(s, x, s.reference))


@given(st.integers(2, 12), st.integers(2, 12), inner_edges, inner_edges)
@run(max_examples=20)
def test_gradients_of_windows_add_up(h: int, w: int, ys: list[int], xs: list[int]) -> None:
    x = features(h, w, channels=4).requires_grad_(True)
    for s in statistics(x.detach()):
        value = s.measure(x, Window.whole(x), s.reference).pow(2).sum()
        (expected,) = torch.autograd.grad(value, x)
        windows = [(rows, columns) for rows in cuts(h, ys) for columns in cuts(w, xs)]
        parts = [share(s, x, rows, columns) for rows, columns in windows]
        (gradient,) = torch.autograd.grad(sum(parts).pow(2).sum(), x)
        close(gradient.numpy(), expected.numpy())


# --- low precision -------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_low_precision_is_summed_in_float32(dtype: torch.dtype) -> None:
    x = features(61, 67).abs().add(3).to(dtype)
    exact = x.double()
    for s in statistics(exact):
        if isinstance(s, Roughness):
            continue  # reads the picture, which is float32
        reference = None if s.reference is None else s.reference.to(dtype)
        value = s.measure(x, Window.whole(x), reference)
        expected = s.measure(exact, Window.whole(x), None if reference is None else reference.double())
        assert value.dtype == torch.float32
        close(value.double().numpy(), expected.numpy(), 1e-2)


def test_moments_in_bfloat16_keep_the_covariance() -> None:
    """Large means, small deviations: the case in which a covariance drowns."""
    x = (features(61, 67, batch=1) * 0.1 + 5).to(torch.bfloat16)
    moments = Moments("a").measure(x, Window.whole(x), None).double()
    second, mean = moments[0, :-1], moments[0, -1]
    expected = np.cov(x.double().numpy().reshape(5, -1), bias=True)
    error = (second - mean[:, None] * mean[None]).numpy() - expected
    assert np.abs(error).max() < 0.02 * np.trace(expected) / 5


def test_moments_gradient_in_bfloat16() -> None:
    exact = features(19, 23).abs()
    weights = features(6, 5, batch=2, channels=1, seed=8)[:, 0]
    gradients = []
    for dtype in (torch.float64, torch.bfloat16):
        x = exact.to(dtype).requires_grad_(True)
        value = (Moments("a").measure(x, Window.whole(x), None).double() * weights).sum()
        gradients.append(torch.autograd.grad(value, x)[0].double().flatten())
    assert float(torch.cosine_similarity(gradients[0], gradients[1], 0)) > 0.9995


def test_moments_gradcheck() -> None:
    x = features(3, 4, channels=3).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda y: Moments("a").measure(y, Window.whole(y), None), (x,))


def test_channels_last_changes_nothing() -> None:
    x = features(7, 9)
    for s in statistics(x):
        other = s.measure(x.to(memory_format=torch.channels_last), Window.whole(x), s.reference)
        close(other.numpy(), whole(s, x, s.reference))
