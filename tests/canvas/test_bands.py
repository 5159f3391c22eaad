"""Laplacian bands add up again."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import reverie as rv
from reverie.canvas import from_bands, laplacian_bands


@given(st.integers(1, 60), st.integers(1, 60), st.integers(1, 8), st.integers(0, 9))
def test_bands_add_up(h: int, w: int, levels: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(2, 3, h, w, generator=generator, dtype=torch.float64)
    bands = laplacian_bands(x, levels)
    assert 1 <= len(bands) <= levels
    assert torch.allclose(from_bands(bands), x, rtol=0, atol=1e-15)
    assert bands[0].shape == x.shape
    for fine, coarse in itertools.pairwise(bands):
        expected = [(n + 1) // 2 for n in fine.shape[-2:]]
        assert list(coarse.shape[-2:]) == expected
    assert all(min(band.shape[-2:]) >= 4 for band in bands[1:])


def test_fine_bands_hold_no_mean() -> None:
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.7
    *fine, last = laplacian_bands(x, 4)
    assert all(float(band.mean().abs()) < 0.01 for band in fine)
    assert float(last.mean()) == pytest.approx(float(x.mean()), abs=0.01)


def test_a_flat_picture_is_its_last_band() -> None:
    *fine, last = laplacian_bands(torch.full((1, 3, 64, 48), 0.3), 4)
    assert all(float(band.abs().max()) < 1e-6 for band in fine)
    assert torch.allclose(last, torch.full((1, 3, 8, 6), 0.3))


@pytest.mark.parametrize(("levels", "count"), [(1, 1), (2, 2), (5, 5), (9, 5)])
def test_the_canvas_has_as_many_bands(levels: int, count: int) -> None:
    canvas = rv.PyramidCanvas(torch.full((1, 3, 64, 64), 0.5), levels=levels)
    assert len(canvas.parameters) == count
    assert len(canvas.resized((128, 128)).parameters) == min(levels, 6)


def test_a_coarse_band_moves_the_whole_picture() -> None:
    canvas = rv.PyramidCanvas(torch.full((1, 3, 64, 64), 0.5))
    with torch.no_grad():
        canvas.parameters[-1].add_(0.1)
    assert torch.allclose(canvas.picture(), torch.full((1, 3, 64, 64), 0.6), atol=1e-6)
