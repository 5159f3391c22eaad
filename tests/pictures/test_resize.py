from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from reverie.errors import PictureError
from reverie.pictures import fit, fit_area, painting_size, resize
from reverie.pictures.resize import Filter

SIDES = st.integers(1, 40)


@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(SIDES, SIDES),
    new=st.tuples(SIDES, SIDES),
    filter=st.sampled_from(get_args(Filter)),
)
def test_constants_stay(size: tuple[int, int], new: tuple[int, int], filter: Filter) -> None:
    x = torch.full((2, 3, *size), 0.37)
    y = resize(x, new, filter=filter)
    assert y.shape == (2, 3, *new)
    assert (y - 0.37).abs().max() < 1e-6


@pytest.mark.parametrize("filter", ["bicubic", "bilinear"])
@pytest.mark.parametrize("new", [(13, 7), (100, 90), (40, 25)])
def test_same_as_pillow(filter: Filter, new: tuple[int, int]) -> None:
    x = torch.rand(1, 1, 50, 40, generator=torch.Generator().manual_seed(0))
    kind = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}[filter]
    wanted = np.asarray(Image.fromarray(x[0, 0].numpy()).resize(new[::-1], kind))
    assert np.abs(resize(x, new, filter=filter)[0, 0].numpy() - wanted).max() < 1e-5


def test_shrinking_does_not_alias() -> None:
    stripes = (torch.arange(256) % 2).float().expand(1, 3, 16, 256)
    for filter in ("bicubic", "bilinear", "area"):
        small = resize(stripes, (4, 60), filter=filter)[..., 4:-4]
        assert (small - 0.5).abs().max() < 0.11


def test_gradients() -> None:
    x = torch.rand(1, 3, 5, 6, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda t: resize(t, (3, 9)), (x,))
    assert resize(x, (5, 6)) is x


def test_refusals() -> None:
    x = torch.rand(1, 3, 4, 4)
    with pytest.raises(PictureError, match=r"got \(0, 4\)"):
        resize(x, (0, 4))
    with pytest.raises(PictureError, match="Did you mean 'bicubic'"):
        resize(x, (2, 2), filter="bicubik")  # type: ignore[arg-type]
    with pytest.raises(PictureError, match="uint8"):
        resize((x * 255).to(torch.uint8), (2, 2))
    with pytest.raises(PictureError, match="at least 1 pixel; got 0"):
        fit((3, 4), longer=0)
    with pytest.raises(PictureError, match="at least 1 pixel; got 0"):
        fit_area((3, 4), pixels=0)


@given(size=st.tuples(st.integers(1, 9000), st.integers(1, 9000)), longer=st.integers(1, 4000))
def test_fit(size: tuple[int, int], longer: int) -> None:
    height, width = fit(size, longer=longer)
    assert max(height, width) == longer and min(height, width) >= 1
    exact = longer / max(size)
    assert abs(height - size[0] * exact) <= 1 and abs(width - size[1] * exact) <= 1


@given(size=st.tuples(st.integers(100, 9000), st.integers(100, 9000)), pixels=st.integers(10**4, 10**7))
def test_fit_area(size: tuple[int, int], pixels: int) -> None:
    height, width = fit_area(size, pixels=pixels)
    assert abs(height * width - pixels) <= height + width + 1
    assert abs(height - width * size[0] / size[1]) <= 1 + size[0] / size[1]


def test_fit_keeps_a_pixel() -> None:
    assert fit((1, 5000), longer=100) == (1, 100)
    assert fit_area((1, 10_000), pixels=100) == (1, 1000)


def test_a_painting_is_looked_at_in_the_photos_area() -> None:
    assert painting_size((100, 100), 2500) == (50, 50) and painting_size((100, 100), 2500, 3.0) == (100, 100)
    assert painting_size((100, 10), 100) == (32, 32) and painting_size((600, 800), 150 * 200, 0.5) == (75, 100)
