from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.errors import PictureError
from reverie.pictures import (
    linear_to_srgb,
    match_colours,
    oklab_to_srgb,
    srgb_to_linear,
    srgb_to_oklab,
    with_colours_of,
    with_lightness_of,
)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def oklab_in_numpy(rgb: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> list[float]:
    """Ottosson's published function, one colour, float64."""
    r, g, b = (v / 12.92 if v <= 0.04045 else ((v + 0.055) / 1.055) ** 2.4 for v in rgb.tolist())
    long = np.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b)
    m = np.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b)
    s = np.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b)
    return [
        0.2104542553 * long + 0.7936177850 * m - 0.0040720468 * s,
        1.9779984951 * long - 2.4285922050 * m + 0.4505937099 * s,
        0.0259040371 * long + 0.7827717662 * m - 0.8086757660 * s,
    ]


def test_oklab_is_ottossons() -> None:
    x = noise(1, 3, 9, 7, dtype=torch.float64)
    lab = srgb_to_oklab(x)
    for row in range(9):
        for column in range(7):
            wanted = oklab_in_numpy(x[0, :, row, column].numpy())
            assert lab[0, :, row, column].tolist() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("rgb", "lab"),
    [
        ((1, 1, 1), (1, 0, 0)),
        ((1, 0, 0), (0.6279554, 0.2248631, 0.1258463)),
        ((0, 1, 0), (0.8664396, -0.2338874, 0.1794985)),
        ((0, 0, 1), (0.4520137, -0.0324570, -0.3115281)),
        ((0, 0, 0), (0, 0, 0)),
    ],
)
def test_oklab_of_known_colours(rgb: tuple[float, ...], lab: tuple[float, ...]) -> None:
    x = torch.tensor(rgb, dtype=torch.float64).reshape(1, 3, 1, 1)
    assert srgb_to_oklab(x).flatten().tolist() == pytest.approx(lab, abs=2e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_there_and_back(dtype: torch.dtype) -> None:
    x = torch.cat([noise(1, 3, 20, 20, dtype=dtype), torch.zeros(1, 3, 20, 20, dtype=dtype)])
    x = torch.cat([x, x * 1e-5, torch.ones_like(x)])
    close = 2e-5 if dtype == torch.float32 else 1e-12
    assert (linear_to_srgb(srgb_to_linear(x)) - x).abs().max() < close
    assert (oklab_to_srgb(srgb_to_oklab(x)) - x).abs().max() < close


def test_linear_light_is_the_standards() -> None:
    x = np.linspace(0, 1, 1001)
    wanted = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
    assert np.abs(srgb_to_linear(torch.from_numpy(x)).numpy() - wanted).max() < 1e-15
    assert srgb_to_linear(torch.tensor(0.5)).item() == pytest.approx(0.2140411, abs=1e-6)


@pytest.mark.parametrize("value", [0.0, 1e-9, 0.04045, 0.0031308, 1.0, -0.1, 1.2])
def test_gradients_are_finite_everywhere(value: float) -> None:
    x = torch.full((1, 3, 2, 2), value, requires_grad=True)
    like = noise(1, 3, 4, 4)
    small = noise(1, 3, 2, 2)
    for change in (
        srgb_to_linear,
        linear_to_srgb,
        srgb_to_oklab,
        oklab_to_srgb,
        lambda t: match_colours(t, like),
        lambda t: with_colours_of(small, t),
        lambda t: with_lightness_of(small, t),
    ):
        (gradient,) = torch.autograd.grad(change(x).sum(), x)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() < 1e4


def test_gradients_are_right() -> None:
    x = (noise(1, 3, 2, 3, dtype=torch.float64) * 0.6 + 0.2).requires_grad_()
    like = noise(1, 3, 4, 4, seed=1, dtype=torch.float64) * 0.2 + 0.4
    assert torch.autograd.gradcheck(srgb_to_oklab, (x,))
    assert torch.autograd.gradcheck(oklab_to_srgb, (srgb_to_oklab(x).detach().requires_grad_(),))
    assert torch.autograd.gradcheck(lambda t: match_colours(t, like), (x,))


def test_colours_and_lightness_come_apart() -> None:
    x = noise(1, 3, 8, 8) * 0.05 + 0.5
    other = noise(1, 3, 8, 8, seed=1) * 0.05 + 0.45
    kept = srgb_to_oklab(with_colours_of(x, other))
    assert torch.allclose(kept[:, :1], srgb_to_oklab(x)[:, :1], atol=1e-5)
    assert torch.allclose(kept[:, 1:], srgb_to_oklab(other)[:, 1:], atol=1e-5)
    assert torch.equal(with_lightness_of(other, x), with_colours_of(x, other))
    assert torch.allclose(with_colours_of(x, x), x, atol=1e-5)


def test_result_is_a_picture_and_batches_share_one_photo() -> None:
    mixed = with_colours_of(noise(2, 3, 8, 8), noise(1, 3, 8, 8, seed=1))
    assert mixed.shape == (2, 3, 8, 8) and mixed.min() >= 0 and mixed.max() <= 1


def test_sizes_must_agree() -> None:
    with pytest.raises(PictureError, match=r"one size, and \(8, 8\) and \(8, 9\) came"):
        with_colours_of(noise(1, 3, 8, 9), noise(1, 3, 8, 8))
    with pytest.raises(PictureError, match=r"\(1, 4, 8, 8\) came"):
        srgb_to_oklab(noise(1, 4, 8, 8))


def test_match_gives_mean_and_covariance() -> None:
    mixing = torch.tensor([[0.2, 0.05, 0.0], [0.0, 0.15, 0.05], [0.05, 0.0, 0.1]])
    x = torch.einsum("ij,bjhw->bihw", mixing, noise(1, 3, 40, 40)) + 0.35
    like = noise(1, 3, 30, 50, seed=1) * torch.tensor([0.1, 0.3, 0.2])[:, None, None] + 0.3
    matched = match_colours(x, like).double().flatten(2)[0].numpy()
    wanted = like.double().flatten(2)[0].numpy()
    assert np.abs(matched.mean(1) - wanted.mean(1)).max() < 1e-5
    assert np.abs(np.cov(matched) - np.cov(wanted)).max() < 1e-4


def test_match_is_the_optimal_transport_map() -> None:
    """Re-derived by eigendecompositions in float64; the ridge is part of both covariances."""
    x, like = noise(1, 3, 9, 9) * 0.3 + 0.3, noise(1, 3, 9, 9, seed=3) * 0.2 + 0.4
    source, target = (t.double().flatten(2)[0].numpy() for t in (x, like))

    def power(
        matrix: np.ndarray[tuple[int, ...], np.dtype[np.float64]], exponent: float
    ) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
        values, vectors = np.linalg.eigh(matrix)
        result: np.ndarray[tuple[int, ...], np.dtype[np.float64]]
        result = (vectors * values**exponent) @ vectors.T
        return result

    a, b = (np.cov(t, bias=True) + 1e-5 * np.eye(3) for t in (source, target))
    stretch = power(a, -0.5) @ power(power(a, 0.5) @ b @ power(a, 0.5), 0.5) @ power(a, -0.5)
    wanted = stretch @ (source - source.mean(1, keepdims=True)) + target.mean(1, keepdims=True)
    assert np.abs(match_colours(x, like).flatten(2)[0].numpy() - wanted).max() < 1e-5


def test_match_with_itself_changes_nothing_even_when_flat_or_grey() -> None:
    for x in (
        noise(1, 3, 8, 8),
        torch.full((1, 3, 8, 8), 0.3),
        noise(1, 1, 8, 8).repeat(1, 3, 1, 1),
    ):
        assert torch.allclose(match_colours(x, x), x, atol=1e-5)
