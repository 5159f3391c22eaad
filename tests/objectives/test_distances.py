"""Distances against SciPy and NumPy in float64."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.objectives import Window, mse, relative, wasserstein2
from reverie.objectives.distances import RIDGE, Distance, newton_schulz, roots
from reverie.objectives.statistics import Moments


def moments(seed: int, *, batch: int = 1, channels: int = 6, positions: int = 200) -> Tensor:
    """The moments of correlated random features."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(channels, channels, generator=generator, dtype=torch.float64)
    x = torch.randn(batch, channels, positions, 1, generator=generator, dtype=torch.float64)
    x = torch.einsum("dc,bchw->bdhw", mixing, x) + mixing[0][None, :, None, None]
    return Moments("a").measure(x, Window.whole(x), None)


def without_ridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverie.objectives.distances.RIDGE", 0.0)
    monkeypatch.setattr("reverie.objectives.distances._FLAT", 0.0)


def numpy_wasserstein2(value: np.ndarray, target: np.ndarray) -> float:
    sqrtm = pytest.importorskip("scipy.linalg").sqrtm
    m, m0 = value[-1], target[-1]
    c, c0 = value[:-1] - np.outer(m, m), target[:-1] - np.outer(m0, m0)
    ridge = RIDGE * np.trace(c0) / len(m) * np.eye(len(m))
    c, c0 = c + ridge, c0 + ridge
    root = sqrtm(c0)
    overlap = np.trace(sqrtm(root @ c @ root)).real
    return float(((m - m0) ** 2).sum() + np.trace(c) + np.trace(c0) - 2 * overlap)


@pytest.mark.parametrize("seed", range(5))
def test_wasserstein2(seed: int) -> None:
    target, value = moments(seed), moments(seed + 100, batch=3)
    expected = [numpy_wasserstein2(v.numpy(), target[0].numpy()) for v in value]
    np.testing.assert_allclose(wasserstein2(target)(value).numpy(), expected, rtol=1e-9)


def test_wasserstein2_is_nothing_from_itself() -> None:
    target = moments(0)
    assert abs(float(wasserstein2(target)(target))) < 1e-10 * float(target.abs().max())


def test_wasserstein2_is_symmetric_without_its_ridge(monkeypatch: pytest.MonkeyPatch) -> None:
    without_ridge(monkeypatch)
    a, b = moments(1), moments(2)
    assert float(wasserstein2(a)(b)) == pytest.approx(float(wasserstein2(b)(a)), rel=1e-9)


def test_wasserstein2_of_diagonal_gaussians(monkeypatch: pytest.MonkeyPatch) -> None:
    without_ridge(monkeypatch)
    m = torch.tensor([[1.0, 2.0], [0.5, -1.0]], dtype=torch.float64)
    s = torch.tensor([[1.0, 3.0], [2.0, 0.5]], dtype=torch.float64)
    raw = [torch.diag(s[i] ** 2) + torch.outer(m[i], m[i]) for i in (0, 1)]
    a, b = (torch.cat([raw[i], m[i][None]])[None] for i in (0, 1))
    expected = ((m[0] - m[1]) ** 2 + (s[0] - s[1]) ** 2).sum()
    assert float(wasserstein2(a)(b)) == pytest.approx(float(expected), rel=1e-12)


def test_wasserstein2_gradcheck() -> None:
    target, value = moments(3, channels=4), moments(4, channels=4).requires_grad_(True)
    assert torch.autograd.gradcheck(wasserstein2(target), (value,))


@pytest.mark.parametrize("rank", [1, 3])
def test_wasserstein2_of_few_positions_is_finite(rank: int) -> None:
    target, value = moments(5, positions=rank), moments(6, positions=rank).requires_grad_(True)
    distance = wasserstein2(target)(value).sum()
    (gradient,) = torch.autograd.grad(distance, value)
    assert float(distance.detach()) > 0
    assert torch.isfinite(gradient).all()


def test_mse() -> None:
    a, b = moments(0, batch=3), moments(1)
    expected = ((a.numpy() - b.numpy()) ** 2).mean((1, 2))
    np.testing.assert_allclose(mse(b)(a).numpy(), expected, rtol=1e-12)


@pytest.mark.parametrize("distance", [mse, wasserstein2])
def test_relative(distance: Distance) -> None:
    target, value = moments(0), moments(1, batch=2)
    nothing = float(distance(target)(torch.zeros_like(target)))
    expected = distance(target)(value).numpy() / nothing
    np.testing.assert_allclose(relative(distance)(target)(value).numpy(), expected, rtol=1e-12)
    assert float(relative(distance)(target)(torch.zeros_like(target))) == pytest.approx(1)


def test_relative_mse_does_not_depend_on_scale() -> None:
    target, value = moments(0), moments(1)
    small = float(relative(mse)(target)(value))
    assert float(relative(mse)(1000 * target)(1000 * value)) == pytest.approx(small)


def test_relative_to_an_empty_target_is_finite() -> None:
    target = torch.zeros(1, 4, 3)
    assert torch.isfinite(relative(mse)(target)(torch.ones(1, 4, 3))).all()


# --- roots ---------------------------------------------------------------------------------------


def positive(seed: int, size: int, condition: float, dtype: torch.dtype) -> Tensor:
    """Two symmetric positive definite matrices of known condition."""
    generator = torch.Generator().manual_seed(seed)
    q = torch.linalg.qr(torch.randn(2, size, size, generator=generator, dtype=torch.float64))[0]
    values = torch.logspace(0, -np.log10(condition), size, dtype=torch.float64)
    return ((q * values) @ q.mT).to(dtype)


@pytest.mark.parametrize("condition", [1e1, 1e4, 1e6])
def test_newton_schulz_agrees_with_eigenvalues(condition: float) -> None:
    m = positive(0, 24, condition, torch.float64)
    for ours, exact in zip(newton_schulz(m), roots(m), strict=True):
        assert float((ours - exact).norm() / exact.norm()) < 1e-6


@pytest.mark.parametrize("others", [False, True])
def test_wasserstein2_by_float32_eigenvalues(others: bool) -> None:
    """A network in bfloat16 does with these: the gradient is the same, and so is the value but for a thousandth."""
    mine, its = positive(2, 64, 1e4, torch.float64)
    target = torch.cat([mine, torch.zeros(1, 64)])[None]
    value = torch.cat([its if others else 1.2 * mine, torch.zeros(1, 64)])[None].float().requires_grad_(True)
    exact, quick = (relative(partial(wasserstein2, single=s))(target.float())(value).sum() for s in (False, True))
    seen = roots(value.detach()[:, :-1].double())[0].float()  # a gradient in the moments reaches features through these
    slopes = [(torch.autograd.grad(x, value)[0][:, :-1] @ seen).flatten() for x in (exact, quick)]
    assert float(quick.detach()) == pytest.approx(float(exact.detach()), abs=1e-3)
    assert float(torch.cosine_similarity(slopes[0], slopes[1], 0)) > 0.999


def test_newton_schulz_in_float32_is_stable() -> None:
    """The condition numbers of a real painting's layers reach millions."""
    m = positive(0, 128, 1e6, torch.float32)
    for ours, exact in zip(newton_schulz(m), roots(m.double()), strict=True):
        assert float((ours - exact).norm() / exact.norm()) < 0.05


def test_roots() -> None:
    sqrtm = pytest.importorskip("scipy.linalg").sqrtm
    m = positive(1, 9, 1e3, torch.float64)
    root, inverse = roots(m)
    np.testing.assert_allclose(root[1].numpy(), sqrtm(m[1].numpy()).real, atol=1e-12)
    np.testing.assert_allclose((root @ inverse)[0].numpy(), np.eye(9), atol=1e-10)
