"""Dots and grids are found where they were put, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from reverie import styles
from reverie.pictures import read_image
from reverie.recipes.parts.artefacts import SIDE, artefacts, grid_power, smooth_pictures


def dotted(x: Tensor) -> Tensor:
    """White specks, one in two hundred pixels."""
    drawn = torch.rand(len(x), 1, *x.shape[2:], generator=torch.Generator().manual_seed(1)) < 0.005
    return torch.where(drawn, 1.0, x)


def gridded(x: Tensor, period: int = 4) -> Tensor:
    """Each so manyth column a little lighter."""
    columns = (torch.arange(x.shape[-1]) % period == 0).float()
    return (x + 0.06 * columns).clamp(0, 1)


def painted(x: Tensor) -> Tensor:
    """Broad strokes: no fault."""
    generator = torch.Generator().manual_seed(3)
    waves = F.interpolate(torch.rand(1, 3, 60, 60, generator=generator), x.shape[-2:], mode="bicubic")
    return (x + 0.5 * (waves - 0.5)).clamp(0, 1)


def painting() -> Tensor:
    return F.interpolate(torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(2)), (320, 400)).clamp(0, 1)


@pytest.mark.parametrize("paint", [lambda x: x, painted, lambda x: 1 - x])
def test_good_networks_are_left_alone(paint: Callable[[Tensor], Tensor]) -> None:
    smooth = F.avg_pool2d(painting(), 9, 1, 4)
    assert artefacts(paint, smooth).message == ""


def test_dots_are_found() -> None:
    found = artefacts(dotted, F.avg_pool2d(painting(), 9, 1, 4))
    assert 0.003 < found.dots < 0.007 and found.own_dots == 0
    assert "writes dots into calm places" in found.message


@pytest.mark.parametrize("period", [2, 4, 8])
def test_a_grid_is_found(period: int) -> None:
    smooth = F.avg_pool2d(painting(), 9, 1, 4)
    found = artefacts(lambda x: gridded(x, period), smooth)
    assert found.peak > 25 and "writes a grid" in found.message


def test_what_the_painting_has_itself_is_no_fault() -> None:
    spotted = dotted(F.avg_pool2d(painting(), 9, 1, 4))
    assert artefacts(dotted, spotted).message == ""
    woven = gridded(F.avg_pool2d(painting(), 9, 1, 4))
    assert artefacts(gridded, woven).message == ""


def test_a_grid_that_nobody_sees_is_none() -> None:
    smooth = F.avg_pool2d(painting(), 9, 1, 4)
    columns = 0.002 * (torch.arange(SIDE) % 4 == 0).float()
    assert artefacts(lambda x: F.avg_pool2d(x, 5, 1, 2, count_include_pad=False) + columns, smooth).message == ""


@pytest.mark.parametrize("name", styles.names()[:4])
def test_paintings_have_no_faults_of_their_own(name: str) -> None:
    """A network that writes the painting itself, whatever it is shown."""
    like = read_image(styles.path(name))
    piece = F.interpolate(like, (SIDE, SIDE), mode="bicubic", antialias=True).clamp(0, 1)
    assert artefacts(lambda x: piece.expand(len(x), -1, -1, -1), like).message == ""


def test_the_smooth_pictures_are_smooth_and_the_same() -> None:
    x = smooth_pictures()
    assert x.shape == (4, 3, SIDE, SIDE) and torch.equal(x, smooth_pictures())
    assert float(x.diff(dim=3).abs().mean()) < 0.02 and float(x.std()) > 0.1


@pytest.mark.parametrize("stride", [4, 8])
def test_what_repeats_with_a_networks_grid_is_measured(stride: int) -> None:
    """A grid of that period is, whatever lies under it; texture is not, nor lightness, nor a grid of another period."""
    smooth = smooth_pictures()
    texture = smooth + 0.1 * torch.randn(smooth.shape, generator=torch.Generator().manual_seed(1))
    assert grid_power(gridded(smooth, stride), stride) > 10 * grid_power(smooth, stride)
    assert grid_power(gridded(texture, stride), stride) > 3 * grid_power(texture, stride)
    assert grid_power(gridded(smooth, 5), stride) < grid_power(gridded(smooth, stride), stride) / 5
    assert torch.allclose(grid_power(smooth + 0.2, stride), grid_power(smooth, stride), rtol=1e-3)


def test_a_grid_can_be_made_less() -> None:
    x = gridded(smooth_pictures()).requires_grad_()
    before = grid_power(x, 4)
    (slope,) = torch.autograd.grad(before, x)
    assert grid_power(x - 1e-3 * before / slope.pow(2).sum() * slope, 4) < before
