"""Masks: where they are 0 the base stays to the bit, where they are 1 nothing changes; and what is done when drawn."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.errors import PictureError, RecipeError
from reverie.networks import Network
from reverie.pictures import resize
from tests.conftest import MakePicture

SIZES = [(24, 32), (33, 44), (48, 64)]


@pytest.fixture
def photo(make_picture: MakePicture) -> Tensor:
    return make_picture(3, 48, 64)


def dreamt(network: Network, photo: Tensor, mask: Tensor | None) -> Tensor:
    first = resize(photo, SIZES[0]).clamp(0, 1)
    canvas = rv.PixelCanvas(first, base=photo, natural=True, mask=mask)
    stages = [rv.Stage(size, 3) for size in SIZES]
    steps = rv.synthesize(-rv.energy("relu3"), network, canvas=canvas, stages=stages, optimiser=rv.Normalised(0.05))
    *_, last = steps
    return last.image


def test_what_is_masked_stays_to_the_bit(tiny: Network, photo: Tensor) -> None:
    mask = torch.zeros(1, 1, 48, 64)
    mask[..., 20:, 30:50] = torch.linspace(0, 1, 20)
    image = dreamt(tiny, photo, mask)
    kept = (mask == 0).expand_as(photo)
    assert torch.equal(image[kept], photo[kept])
    assert (image - photo)[..., 20:, 44:50].abs().mean() > 0.05


def test_a_mask_of_ones_is_none(tiny: Network, photo: Tensor) -> None:
    assert torch.equal(dreamt(tiny, photo, torch.ones(1, 1, 48, 64)), dreamt(tiny, photo, None))


def test_a_soft_mask_shows_its_share(tiny: Network, photo: Tensor) -> None:
    """Half a mask halves the first step, whose gradient is the same."""
    canvases = [rv.PixelCanvas(photo, base=photo, mask=torch.full((1, 1, 9, 12), m)) for m in (0.5, 1.0)]
    moved = []
    for canvas in canvases:
        *_, last = rv.synthesize(
            -rv.energy("relu3"), tiny, canvas=canvas, stages=[rv.Stage((48, 64), 1)], optimiser=rv.Normalised(0.001)
        )
        moved.append(last.image - photo)
    inside = (photo > 0.1) & (photo < 0.9)
    assert torch.allclose(2 * moved[0][inside], moved[1][inside], atol=1e-6)


def test_the_gradient_passes_whole(photo: Tensor) -> None:
    canvas = rv.PixelCanvas(photo, base=photo, mask=torch.zeros(1, 1, 48, 64))
    canvas.picture().sum().backward()
    gradient = canvas.parameters[0].grad
    assert gradient is not None and torch.equal(gradient, torch.ones_like(photo))


def test_a_finish_is_for_looking_at(photo: Tensor) -> None:
    mask = torch.zeros(1, 1, 48, 64)
    mask[..., 30:] = 0.2
    canvas = rv.PixelCanvas(photo, base=photo, mask=mask, finish=lambda x: 1 - x)
    assert torch.equal(canvas.picture().detach(), photo)
    assert torch.equal(canvas.drawn()[..., :30], photo[..., :30])
    assert (canvas.drawn() - photo.lerp(1 - photo, 0.2))[..., 30:].abs().max() < 1e-4, "the mask's share of it"
    small = resize(photo, (20, 30)).clamp(0, 1)
    assert (canvas.resized((20, 30)).drawn() - small.lerp(1 - small, 0.2))[..., 20:].abs().max() < 1e-4


def test_a_finish_leaves_no_seam_where_a_soft_mask_begins(photo: Tensor) -> None:
    """Three steps of 255 let through no more of a change of colours than of anything else."""
    mask = torch.zeros(1, 1, 48, 64)
    mask[..., 32:] = 3 / 255
    canvas = rv.PixelCanvas(photo, base=photo, mask=mask, finish=lambda x: 1 - x)
    assert (canvas.drawn() - photo).abs().max() <= 3.1 / 255


def test_a_finish_that_keeps_the_base_is_whole_wherever_anything_shows(photo: Tensor) -> None:
    """Or soft masks would let through some of what it takes away."""
    mask = torch.zeros(1, 1, 48, 64)
    mask[..., 32:] = 0.5
    canvas = rv.PixelCanvas(1 - photo, base=photo, mask=mask, finish=lambda _: photo, keeps_base=True)
    assert (canvas.picture() - photo)[..., 32:].abs().max() > 0.1
    assert torch.equal(canvas.resized((48, 64)).drawn(), photo)


def test_a_line_search_is_given_the_true_slope(photo: Tensor) -> None:
    mask = torch.full((1, 1, 48, 64), 0.25)
    canvas = rv.PixelCanvas(photo, base=photo, mask=mask, straight=False).resized((24, 32))
    (slope,) = torch.autograd.grad(canvas.picture().sum(), canvas.parameters)
    assert torch.equal(slope, torch.full((1, 3, 24, 32), 0.25))


def test_masks_that_are_none(photo: Tensor) -> None:
    with pytest.raises(RecipeError, match="base"):
        rv.PixelCanvas(photo, mask=torch.ones(1, 1, 48, 64))
    for mask in (torch.ones(48, 64), torch.ones(1, 3, 48, 64), torch.full((1, 1, 4, 4), 1.5), -torch.ones(1, 1, 4, 4)):
        with pytest.raises(PictureError, match="a mask is"):
            rv.PixelCanvas(photo, base=photo, mask=mask)
