"""Magnifying: no rounding to pixels, no drift, no change of what is flat."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.errors import PictureError
from reverie.pictures import magnified


def blob(size: tuple[int, int], place: tuple[float, float], width: float) -> Tensor:
    """A soft dot at (across, down) in pixels."""
    y, x = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) + 0.5 for n in size), indexing="ij")
    return torch.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * width**2))[None, None]


def centre(x: Tensor) -> tuple[float, float]:
    y, across = torch.meshgrid(*(torch.arange(n, dtype=torch.float64) + 0.5 for n in x.shape[-2:]), indexing="ij")
    return float((x * across).sum() / x.sum()), float((x * y).sum() / x.sum())


@pytest.mark.parametrize("at", [(0.5, 0.5), (0.3, 0.7)])
def test_many_small_ones_are_one_large(at: tuple[float, float]) -> None:
    """Forty magnifications move a dot where their product says, to a hundredth of a pixel (Lanczos: .7)."""
    rate, times, size = 1.0173, 40, (90, 120)
    point = (at[0] * size[1], at[1] * size[0])
    begin = (point[0] + 7.3, point[1] - 5.1)
    x = blob(size, begin, 3.0)
    for _ in range(times):
        x = magnified(x, rate, at=at)
    expected = [p + (b - p) * rate**times for p, b in zip(point, begin, strict=True)]
    assert centre(x) == pytest.approx(expected, abs=0.01)


def test_against_its_formula() -> None:
    """One row: on a cubic's samples Keys's kernel of fourth order gives the cubic, whatever the phase."""
    places = np.arange(30) + 0.5
    cubic = np.polynomial.Polynomial([0.3, -0.2, 0.05, -0.001])
    factor, share = 1.3, 0.4
    source = share * 30 + (places - share * 30) / factor
    inside = (source > 3.5) & (source < 26.5)
    out = magnified(torch.from_numpy(cubic(places)).view(1, 1, 1, 30), factor, at=(share, 0.5)).flatten().numpy()
    assert inside.sum() > 20 and np.allclose(out[inside], cubic(source)[inside], atol=1e-9)


def test_once_is_the_picture_and_flat_stays_flat(astronaut: Tensor) -> None:
    assert torch.allclose(magnified(astronaut, 1.0), astronaut, atol=1e-6)
    flat = torch.full((1, 3, 40, 50), 0.37)
    for factor in (0.4, 0.9, 1.04, 3.0):
        assert torch.allclose(magnified(flat, factor, at=(0.2, 1.0)), flat, atol=1e-6)


def test_shrinking_does_not_alias() -> None:
    stripes = torch.arange(64).remainder(2).double().expand(1, 1, 64, 64)
    assert (magnified(stripes, 0.4)[..., 30:34, 30:34] - 0.5).abs().max() < 0.02


@pytest.mark.parametrize(("factor", "at"), [(0, (0.5, 0.5)), (math.inf, (0.5, 0.5)), (1.1, (0.5, 1.5))])
def test_what_cannot_be(factor: float, at: tuple[float, float]) -> None:
    with pytest.raises(PictureError, match="magnified by a factor"):
        magnified(torch.rand(1, 3, 8, 8, generator=torch.Generator()), factor, at=at)
    with pytest.raises(PictureError, match="a picture is"):
        magnified(torch.zeros(3, 8, 8), 1.1)
