"""The Fourier canvas: natural spectra, natural colours."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch

import reverie as rv
from reverie.canvas.colours import NATURAL, SOFT, from_rgb, to_rgb
from reverie.pictures import resize


def canvas(size: tuple[int, int] = (64, 96), **choices: Any) -> rv.FourierCanvas:
    return rv.FourierCanvas(size, seed=3, **choices)


def test_it_is_drawn_by_its_generator() -> None:
    assert torch.equal(canvas().picture(), canvas().picture())
    other = rv.FourierCanvas((64, 96), seed=4)
    assert not torch.equal(canvas().picture(), other.picture())


@pytest.mark.parametrize("size", [(8, 8), (9, 8), (8, 9), (7, 13), (1, 5), (5, 1), (2, 2)])
def test_any_size(size: tuple[int, int]) -> None:
    picture = rv.FourierCanvas(size, batch=2).picture()
    assert picture.shape == (2, 3, *size)
    assert torch.isfinite(picture).all()


def test_it_begins_nearly_grey() -> None:
    picture = canvas().picture().detach()
    assert float(picture.mean()) == pytest.approx(0.5, abs=0.05)
    assert 0.001 < float(picture.std()) < 0.15


def test_amplitudes_fall_like_those_of_photographs() -> None:
    x = torch.logit(canvas((256, 256)).picture().detach()).mean(1)[0]
    power = torch.fft.rfft2(x).abs().pow(2).numpy()
    fy, fx = np.fft.fftfreq(256)[:, None], np.fft.rfftfreq(256)[None]
    radius = np.sqrt(fy**2 + fx**2)
    rings = [(lo, 2 * lo) for lo in (1 / 64, 1 / 32, 1 / 16, 1 / 8)]
    mean = [power[(radius >= lo) & (radius < hi)].mean() for lo, hi in rings]
    slopes = [a / b for a, b in itertools.pairwise(mean)]
    assert all(2.8 < s < 5.6 for s in slopes)  # a quarter of the power each octave


@pytest.mark.parametrize("decay", [0.5, 1.5])
def test_decay(decay: float) -> None:
    smooth, rough = (canvas(decay=d).picture().detach() for d in (decay + 0.3, decay))
    ratio = [float((x - x.roll(1, 3)).std() / x.std()) for x in (smooth, rough)]
    assert ratio[0] < ratio[1]


def test_colours_vary_together_like_those_of_photographs() -> None:
    x = canvas((128, 128)).picture().detach()[0].flatten(1)
    correlation = torch.corrcoef(x)
    assert float(correlation[0, 1]) > 0.8
    assert float(correlation[1, 2]) > 0.8
    assert float(correlation[0, 2]) > 0.6
    assert float(correlation[0, 2]) < float(correlation[0, 1])


@pytest.mark.parametrize("soft", [False, True])
def test_colours_there_and_back(soft: bool) -> None:
    x = torch.randn(2, 3, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    assert torch.allclose(from_rgb(to_rgb(x, soft=soft), soft=soft), x, atol=1e-12)
    matrix = (SOFT if soft else NATURAL).numpy()
    expected = np.einsum("dc,bchw->bdhw", matrix, x.numpy())
    np.testing.assert_allclose(to_rgb(x, soft=soft).numpy(), expected, atol=1e-12)


def test_resized_keeps_the_picture_about() -> None:
    start = canvas((40, 52), deviation=0.3)
    for size in ((80, 104), (57, 33)):
        other = start.resized(size)
        expected = resize(start.picture().detach(), size)
        assert torch.allclose(other.picture(), expected, atol=5e-3)


def test_resized_keeps_the_decay_and_the_batch() -> None:
    start = rv.FourierCanvas((16, 16), batch=3, decay=1.7)
    assert start.resized((32, 30)).picture().shape == (3, 3, 32, 30)
    again = start.resized((32, 30)).resized((16, 16))
    assert torch.allclose(again._scale, start._scale)


def test_every_entry_reaches_the_picture() -> None:
    start = canvas((12, 13))
    start.picture().pow(2).sum().backward()
    gradient = start.parameters[0].grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert gradient.ne(0).double().mean().item() > 0.9
