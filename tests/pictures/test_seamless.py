"""Pictures that go on round their edges: rolling and resizing change places, and edges meet."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.pictures import periodic_part, resize, resize_seamless
from reverie.pictures.resize import Filter
from tests.conftest import MakePicture


@pytest.fixture
def picture(make_picture: MakePicture) -> Tensor:
    return make_picture(5, 48, 64, dtype=torch.float64)


@pytest.mark.parametrize("size", [(24, 32), (72, 96), (36, 48), (96, 64), (48, 16)])
@pytest.mark.parametrize("filter", ["bicubic", "bilinear"])
def test_rolling_commutes_with_resizing(picture: Tensor, size: tuple[int, int], filter: Filter) -> None:
    shift = (16, 24)
    there = (shift[0] * size[0] // 48, shift[1] * size[1] // 64)
    rolled = resize_seamless(picture.roll(shift, (2, 3)), size, filter=filter)
    assert torch.allclose(rolled, resize_seamless(picture, size, filter=filter).roll(there, (2, 3)), atol=1e-12)


@pytest.mark.parametrize("size", [(31, 47), (50, 61), (7, 9), (48, 64)])
def test_within_it_is_plain_resizing(picture: Tensor, size: tuple[int, int]) -> None:
    three = picture.repeat(1, 1, 3, 3)
    h, w = size
    expected = resize(three, (3 * h, 3 * w))[..., h : 2 * h, w : 2 * w]
    assert torch.allclose(resize_seamless(picture, size), expected, atol=1e-12)


def test_the_same_size_is_the_same_picture(picture: Tensor) -> None:
    assert resize_seamless(picture, (48, 64)) is picture


def jumps(x: np.ndarray) -> np.ndarray:
    """Differences across the edges, laid on both sides of them."""
    out = np.zeros_like(x)
    out[0] += x[-1] - x[0]
    out[-1] -= x[-1] - x[0]
    out[:, 0] += x[:, -1] - x[:, 0]
    out[:, -1] -= x[:, -1] - x[:, 0]
    return out


def test_the_smooth_part_by_its_equation(picture: Tensor) -> None:
    """The periodic Laplacian of what is taken away is the edges' jumps: Moisan (2011), definition 1."""
    for plane, part in zip(picture[0].numpy(), periodic_part(picture)[0].numpy(), strict=True):
        smooth = plane - part
        neighbours = sum(np.roll(smooth, s, a) for s in (1, -1) for a in (0, 1))
        assert np.allclose(neighbours - 4 * smooth, jumps(plane), atol=1e-10)
        assert smooth.mean() == pytest.approx(0, abs=1e-12)


def test_edges_meet(astronaut: Tensor) -> None:
    part = periodic_part(astronaut)

    def seam(x: Tensor) -> float:
        return float((x[..., 0] - x[..., -1]).pow(2).mean() + (x[..., 0, :] - x[..., -1, :]).pow(2).mean())

    within = float(part.diff(dim=3).pow(2).mean() + part.diff(dim=2).pow(2).mean())
    assert seam(part) < 2 * within < 0.2 * seam(astronaut)
