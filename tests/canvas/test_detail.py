"""Detail re-injection: what lies on a photo changes size, its own detail stays."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.pictures import resize
from tests.conftest import MakePicture


@pytest.fixture
def photo(make_picture: MakePicture) -> Tensor:
    return make_picture(4, 65, 87)


@pytest.mark.parametrize("natural", [False, True])
def test_nothing_added_is_the_photo_exactly(photo: Tensor, natural: bool) -> None:
    small = resize(photo, (23, 31)).clamp(0, 1)
    canvas = rv.PixelCanvas(small, base=photo, natural=natural)
    for size in ((33, 44), (46, 61), (65, 87)):
        canvas = canvas.resized(size)
        assert torch.equal(canvas.picture().detach(), resize(photo, size).clamp(0, 1))


def test_without_a_base_the_detail_is_lost(photo: Tensor) -> None:
    canvas = rv.PixelCanvas(resize(photo, (23, 31)).clamp(0, 1)).resized((65, 87))
    assert float((canvas.picture() - photo).detach().abs().max()) > 0.05


@pytest.mark.parametrize("natural", [False, True])
def test_what_is_added_is_resized_alone(photo: Tensor, natural: bool) -> None:
    photo = 0.3 + 0.4 * photo
    added = resize(0.2 * torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(0)), (23, 31))
    small = resize(photo, (23, 31))
    canvas = rv.PixelCanvas(small + added, base=photo, natural=natural).resized((65, 87))
    assert torch.allclose(canvas.picture(), photo + resize(added, (65, 87)), atol=2e-6)


def test_a_base_of_another_size_is_fitted(photo: Tensor) -> None:
    canvas = rv.PixelCanvas(torch.full((1, 3, 20, 20), 0.5), base=photo)
    assert torch.allclose(canvas.picture(), torch.full((1, 3, 20, 20), 0.5), atol=1e-6)
    assert torch.allclose(canvas.parameters[0], 0.5 - resize(photo, (20, 20)).clamp(0, 1), atol=1e-6)
