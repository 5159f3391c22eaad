from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.errors import PictureError
from reverie.pictures import (
    linear_to_srgb,
    oklab_to_srgb,
    srgb_to_linear,
    srgb_to_oklab,
)
from reverie.pictures.colour import in_gamut, into_gamut, nearest_in_gamut


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
    for change in (
        srgb_to_linear,
        linear_to_srgb,
        srgb_to_oklab,
        oklab_to_srgb,
    ):
        (gradient,) = torch.autograd.grad(change(x).sum(), x)
        assert torch.isfinite(gradient).all()
        assert gradient.abs().max() < 1e4


def test_gradients_are_right() -> None:
    x = (noise(1, 3, 2, 3, dtype=torch.float64) * 0.6 + 0.2).requires_grad_()
    assert torch.autograd.gradcheck(srgb_to_oklab, (x,))
    assert torch.autograd.gradcheck(oklab_to_srgb, (srgb_to_oklab(x).detach().requires_grad_(),))


def test_the_gamut_is_that_of_srgb() -> None:
    x = noise(1, 3, 30, 30, dtype=torch.float64) * 1.6 - 0.3
    inside = ((x >= 0) & (x <= 1)).all(dim=1, keepdim=True)
    outside = ((x < -2e-3) | (x > 1 + 2e-3)).any(dim=1, keepdim=True)
    found = in_gamut(srgb_to_oklab(x))
    assert inside.any() and outside.any() and found[inside].all() and not found[outside].any()


def test_paled_into_gamut_at_the_same_lightness_and_hue() -> None:
    lab = noise(1, 3, 40, 40, dtype=torch.float64) * torch.tensor([1.4, 0.8, 0.8])[:, None, None]
    lab -= torch.tensor([0.2, 0.4, 0.4])[:, None, None]
    paled = into_gamut(lab)
    shown = oklab_to_srgb(paled)
    assert shown.min() > -2e-3 and shown.max() < 1 + 2e-3
    assert torch.equal(paled[:, :1], lab[:, :1].clamp(0, 1))
    cross = paled[:, 1] * lab[:, 2] - paled[:, 2] * lab[:, 1]
    assert cross.abs().max() < 1e-12 and (paled[:, 1:].norm(dim=1) <= lab[:, 1:].norm(dim=1) + 1e-12).all()
    within = (in_gamut(lab) & (lab[:, :1] >= 0) & (lab[:, :1] <= 1)).expand_as(lab)
    assert torch.equal(paled[within], lab[within])


def test_to_the_edge_and_not_short_of_it() -> None:
    anchor = srgb_to_oklab(noise(1, 3, 9, 9, dtype=torch.float64))
    wanted = anchor + 2 * (noise(1, 3, 9, 9, seed=2, dtype=torch.float64) - 0.5)
    near = nearest_in_gamut(anchor, wanted)
    beyond = near + 1e-3 * (wanted - anchor)
    assert in_gamut(near).all()
    assert not in_gamut(beyond)[~in_gamut(wanted)].any()


def test_sizes_must_agree() -> None:
    with pytest.raises(PictureError, match=r"got \(1, 4, 8, 8\)"):
        srgb_to_oklab(noise(1, 4, 8, 8))
