"""Statistics against NumPy in float64, and the law that shares of windows add up to the whole."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as run
from hypothesis import strategies as st
from torch import Tensor

from reverie.errors import RecipeError
from reverie.objectives import PICTURE, Region, Statistic, Window
from reverie.objectives.matching import BestMatches, NearestCosines, Projections
from reverie.objectives.presence import Absences
from reverie.objectives.roughness import Roughness
from reverie.objectives.statistics import (
    At,
    Means,
    MeanSquares,
    Moments,
    ReferenceSquares,
    Samples,
    SquaredError,
    spread,
)
from reverie.objectives.terms_features import Agreement
from reverie.objectives.terms_own import LocalMeans
from reverie.objectives.transport import Binning, Histograms

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
    with pytest.raises(RecipeError, match="the picture 'photo' is compared with and not known here"):
        SquaredError("a", None, named="photo").measure(x, Window.whole(x), None)


def test_reference_squares() -> None:
    x, reference = features(3, 5), features(3, 5, seed=8)
    close(whole(ReferenceSquares("a", "photo"), x, reference), (reference.numpy() ** 2).mean((2, 3)))


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


def falling(f: Tensor) -> Tensor:
    """Products with the position to the right and below."""
    return f[..., 1:, 1:] * f[..., :-1, :-1]


def statistics(x: Tensor) -> list[Statistic]:
    """One of every kind, for features like x, and again in a region where there may be one."""
    _, channels, h, w = x.shape
    somewhere = Region.of(features(h, w, batch=1, channels=1, seed=9).abs().to(x.dtype))
    each = [
        Means("a"),
        MeanSquares("a"),
        SquaredError("a", features(h, w, batch=1, channels=channels, seed=6)),
        ReferenceSquares("a", "", reference=features(h, w, batch=1, channels=channels, seed=6)),
        Agreement("a", features(h, w, batch=1, channels=channels, seed=6)),
        LocalMeans("a", falling, reach=1),
        *regional(channels, x.dtype),
    ]
    places = torch.tensor([h // 2, 0, h - 1]), torch.tensor([w // 3, 0, w - 1])
    alone = [At("a", h // 2, w // 3), Samples("a", *places), Roughness(PICTURE)]
    return [*each, *(within(s, somewhere) for s in each), *alone]


def within(s: Statistic, region: Region | None) -> Statistic:
    return replace(s, region=region)  # type: ignore[type-var]


def regional(channels: int, dtype: torch.dtype = torch.float64) -> list[Statistic]:
    """Those means over positions that need no reference, of features with so many channels."""
    vector = torch.linspace(-1, 1, channels, dtype=dtype)
    guide = features(1, 6, batch=1, channels=channels, seed=5)[0, :, 0].T.contiguous()
    turned = torch.linalg.qr(features(channels, channels, batch=1, channels=1)[0, 0]).Q
    return [
        Moments("a"),
        Projections("a", vector, 2.0),
        BestMatches("a", guide),
        NearestCosines("a", torch.nn.functional.normalize(guide, dim=1), 0.1 * vector),
        Absences("a", torch.tensor([1, channels - 1])),
        Histograms("a", Binning.over(guide, None)),
        Histograms("a", Binning.over(4 * guide, turned[:, :3])),
    ]


def kinds(parent: type[Statistic]) -> set[type[Statistic]]:
    below = {kind for kind in parent.__subclasses__() if kind.__module__.startswith("reverie")}
    return below.union(*map(kinds, below)) if below else below


def test_every_kind_of_statistic_is_tested_for_additivity() -> None:
    assert {type(s) for s in statistics(features(4, 4))} == kinds(Statistic)  # type: ignore[type-abstract]


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
@run(max_examples=30)
def test_shares_of_windows_add_up(h: int, w: int, ys: list[int], xs: list[int], seed: int) -> None:
    x = features(h, w, channels=4, seed=seed)
    windows = [(rows, columns) for rows in cuts(h, ys) for columns in cuts(w, xs)]
    for s in statistics(x):
        total = torch.stack([share(s, x, rows, columns) for rows, columns in windows]).sum(0)
        close(total.numpy(), whole(s, x, s.reference))


@given(st.integers(2, 12), st.integers(2, 12), inner_edges, inner_edges)
@run(max_examples=10)
def test_gradients_of_windows_add_up(h: int, w: int, ys: list[int], xs: list[int]) -> None:
    x = features(h, w, channels=4).requires_grad_(True)
    for s in statistics(x.detach()):
        value = s.measure(x, Window.whole(x), s.reference).pow(2).sum()
        if isinstance(s, ReferenceSquares):
            assert not value.requires_grad
            continue
        (expected,) = torch.autograd.grad(value, x)
        windows = [(rows, columns) for rows in cuts(h, ys) for columns in cuts(w, xs)]
        parts = [share(s, x, rows, columns) for rows, columns in windows]
        (gradient,) = torch.autograd.grad(torch.stack(parts).sum(0).pow(2).sum(), x)
        close(gradient.numpy(), expected.numpy())


def test_statistics_travel() -> None:
    """To other machines: what is measured there is what is measured here."""
    x = features(7, 9)
    for s in statistics(x):
        there = pickle.loads(pickle.dumps(s))
        assert torch.equal(there.measure(x, Window.whole(x), s.reference), s.measure(x, Window.whole(x), s.reference))


# --- regions -------------------------------------------------------------------------------------


def test_a_region_of_everything_is_none() -> None:
    x, everything = features(7, 9), Region.of(torch.full((1, 1, 7, 9), 0.3, dtype=torch.float64))
    for s in [Means("a"), MeanSquares("a"), SquaredError("a", features(7, 9)), *regional(5)]:
        close(whole(within(s, everything), x, s.reference), whole(s, x, s.reference))


def test_regions_recombine_to_the_whole() -> None:
    x = features(7, 9)
    mask = features(7, 9, batch=1, channels=1, seed=4).sigmoid()
    for s in [Means("a"), MeanSquares("a"), SquaredError("a", features(7, 9)), *regional(5)]:
        parts = [float(m.mean()) * whole(within(s, Region.of(m)), x, s.reference) for m in (mask, 1 - mask)]
        close(parts[0] + parts[1], whole(s, x, s.reference))


def test_a_region_with_an_edge_is_a_crop() -> None:
    x, mask = features(7, 9), torch.zeros(1, 1, 7, 9, dtype=torch.float64)
    mask[..., 2:5, 3:9] = 0.7
    for s in [Means("a"), MeanSquares("a"), *regional(5)]:
        close(whole(within(s, Region.of(mask)), x), whole(s, x[..., 2:5, 3:9]))


def test_an_empty_region_is_refused() -> None:
    with pytest.raises(RecipeError, match="weight"):
        Region.of(torch.zeros(1, 1, 3, 3))


@pytest.mark.parametrize("region", [None, Region.of(torch.linspace(0, 1, 63, dtype=torch.float64).view(1, 1, 7, 9))])
def test_gradients_of_statistics(region: Region | None) -> None:
    x = features(7, 9).requires_grad_(True)
    for s in [Means("a"), MeanSquares("a"), *regional(5)]:
        here = within(s, region)
        assert torch.autograd.gradcheck(lambda y, s=here: s.measure(y, Window.whole(y), None), (x,), fast_mode=True)


def test_samples() -> None:
    x = features(6, 7)
    rows, columns = spread((6, 7), 11)
    assert len(rows) <= 11
    close(whole(Samples("a", rows, columns), x), x.numpy()[:, :, rows, columns].transpose(0, 2, 1))


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 300))
@run(max_examples=40)
def test_samples_are_spread_evenly(h: int, w: int, count: int) -> None:
    rows, columns = spread((h, w), count)
    assert len({*zip(rows.tolist(), columns.tolist(), strict=True)}) == len(rows) <= min(count, h * w)
    assert len(rows) >= 0.6 * min(count, h * w)
    gaps = torch.cat([rows * w + columns, torch.tensor([h * w])]).diff()
    assert float(gaps.max()) <= 3 * h * w / len(rows) + 1


def test_samples_of_a_region_lie_in_its_core() -> None:
    mask = torch.zeros(1, 1, 30, 20)
    mask[..., 4:9, 2:7], mask[..., 20:, :] = 1, 0.3
    rows, columns = spread((30, 20), 11, Region.of(mask))
    assert 6 < len(rows) <= 11
    assert bool((mask[0, 0, rows, columns] == 1).all())


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


@pytest.mark.parametrize("region", [None, Region.of(torch.linspace(0, 1, 61 * 67).view(1, 1, 61, 67).square())])
def test_gradients_in_bfloat16(region: Region | None) -> None:
    """Of the same features: what rounding the statistic itself loses; a match may be another one as near."""
    low = (features(61, 67, batch=1) + 1).relu().to(torch.bfloat16)
    for s in [Means("a"), MeanSquares("a"), *regional(5)]:
        here, gradients, slopes = within(s, region), [], None
        for x in (low.double().requires_grad_(True), low.clone().requires_grad_(True)):
            value = here.measure(x, Window.whole(x), None)
            slopes = torch.cos(torch.arange(value.numel()).double()).view(value.shape) if slopes is None else slopes
            gradients.append(torch.autograd.grad(value, x, slopes.to(value.dtype))[0].double().flatten())
        matched = isinstance(s, BestMatches | NearestCosines)
        assert float(torch.cosine_similarity(gradients[0], gradients[1], 0)) > (0.99 if matched else 0.999), s


def test_regional_moments_in_bfloat16_keep_the_covariance() -> None:
    x = (features(61, 67, batch=1) * 0.1 + 5).to(torch.bfloat16)
    weights = torch.linspace(0, 1, 61 * 67).view(1, 1, 61, 67)
    low, exact = (Moments("a", Region.of(weights.double())).measure(y, Window.whole(y), None) for y in (x, x.double()))
    covariances = [m[0, :-1] - m[0, -1, :, None] * m[0, -1] for m in (low.double(), exact)]
    assert float((covariances[0] - covariances[1]).abs().max()) < 0.02 * float(covariances[1].trace()) / 5


def test_moments_gradcheck() -> None:
    x = features(3, 4, channels=3).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda y: Moments("a").measure(y, Window.whole(y), None), (x,))


def test_channels_last_changes_nothing() -> None:
    x = features(7, 9)
    for s in statistics(x):
        other = s.measure(x.to(memory_format=torch.channels_last), Window.whole(x), s.reference)
        close(other.numpy(), whole(s, x, s.reference))
