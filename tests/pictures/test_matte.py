from __future__ import annotations

import pytest
import torch

from reverie.errors import PictureError
from reverie.pictures import filled, opaque_colours


def noise(*shape: int) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(0))


def test_opaque_places_stay_and_holes_take_the_colours_around() -> None:
    pixels = torch.zeros(1, 3, 37, 53)
    alpha = torch.zeros(1, 1, 37, 53)
    alpha[..., 10:20, 5:25] = 1
    pixels[:, 0, 10:20, 5:25] = 0.8
    result = filled(pixels, alpha)
    assert torch.allclose(result, torch.tensor([0.8, 0.0, 0.0])[:, None, None].expand_as(result), atol=1e-5)


def test_what_lies_under_transparency_does_not_matter() -> None:
    alpha = (noise(1, 1, 40, 40) > 0.6).float()
    pixels, other = noise(1, 3, 40, 40), 1 - noise(1, 3, 40, 40)
    mixed = torch.where(alpha > 0, pixels, other)
    assert torch.equal(filled(pixels, alpha), filled(mixed, alpha))
    assert torch.equal(filled(pixels, alpha) * alpha, pixels * alpha)


def test_the_extension_is_smooth_and_lies_between_the_colours() -> None:
    alpha = torch.zeros(1, 1, 64, 64)
    alpha[..., :8], alpha[..., 56:] = 1, 1
    pixels = torch.zeros(1, 3, 64, 64)
    pixels[..., :8], pixels[..., 56:] = 0.2, 0.8
    result = filled(pixels, alpha)
    assert result.min() >= 0.2 - 1e-5 and result.max() <= 0.8 + 1e-5
    assert result.diff(dim=3).abs().max() < 0.2 and abs(float(result[..., 31:33].mean()) - 0.5) < 0.02


def test_half_transparent_is_mixed_with_the_ground() -> None:
    pixels = torch.full((1, 3, 16, 16), 0.6)
    alpha = torch.full((1, 1, 16, 16), 0.5)
    assert torch.allclose(filled(pixels, alpha), pixels, atol=1e-5)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 1), (5, 3)])
def test_small_and_empty(size: tuple[int, int]) -> None:
    pixels = noise(1, 3, *size)
    assert filled(pixels, None) is pixels and filled(pixels, torch.ones(1, 1, *size)) is pixels
    assert torch.allclose(filled(pixels, torch.zeros(1, 1, *size)), torch.full_like(pixels, 0.5))


def test_sizes_must_agree() -> None:
    with pytest.raises(PictureError, match=r"alpha has the size of its picture; got \(4, 5\)"):
        filled(noise(1, 3, 5, 5), noise(1, 1, 4, 5))


def test_the_colours_that_are_opaque() -> None:
    pixels, alpha = noise(1, 3, 5, 7), torch.ones(1, 1, 5, 7)
    assert opaque_colours(pixels, None) is pixels and opaque_colours(pixels, alpha) is pixels
    assert opaque_colours(pixels, 0 * alpha) is pixels, "of nothing there is no other colour"
    alpha[..., :3] = 0.2
    assert torch.equal(opaque_colours(pixels, alpha), pixels[..., 3:].reshape(1, 3, 1, 20))
