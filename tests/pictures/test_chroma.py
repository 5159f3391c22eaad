"""Colours without grain, and within a painting's own."""

from __future__ import annotations

import torch
from torch import Tensor

from reverie.pictures import oklab_to_srgb, srgb_to_oklab, within_colours, without_grain


def lab_picture(height: int = 40, width: int = 56, *, grain: float = 0.03, seed: int = 0) -> Tensor:
    """A picture with an edge of lightness and of colour in the middle, and grain in its colours."""
    generator = torch.Generator().manual_seed(seed)
    lab = torch.zeros(1, 3, height, width)
    lab[:, 0] = 0.4
    lab[..., width // 2 :] = torch.tensor([0.8, 0.05, 0.06])[None, :, None, None]
    lab[:, 1:] += grain * torch.randn(1, 2, height, width, generator=generator)
    return oklab_to_srgb(lab).clamp(0, 1)


def chroma(picture: Tensor) -> Tensor:
    return srgb_to_oklab(picture)[:, 1:]


def test_grain_goes_and_an_edge_stays() -> None:
    grainy, plain = lab_picture(), lab_picture(grain=0)
    clean = without_grain(grainy)
    within = (..., slice(None), slice(0, 20))
    assert chroma(clean)[within].std() < 0.25 * chroma(grainy)[within].std()
    left, right = (chroma(clean)[..., columns].mean((2, 3)) for columns in (slice(24, 27), slice(29, 32)))
    wanted = [chroma(plain)[..., columns].mean((2, 3)) for columns in (slice(24, 27), slice(29, 32))]
    assert (right - left).norm() > 0.8 * (wanted[1] - wanted[0]).norm()
    assert (srgb_to_oklab(clean)[:, 0] - srgb_to_oklab(grainy)[:, 0]).abs().max() < 2e-3


def test_a_photos_own_colours_stay() -> None:
    photo = lab_picture(grain=0.02)
    torch.testing.assert_close(without_grain(photo, base=photo), photo, atol=2e-3, rtol=0)


def test_a_seamless_picture_is_cleaned_round_its_edges() -> None:
    grainy = lab_picture()
    rolled = without_grain(grainy.roll((7, 11), (2, 3)), periodic=True)
    torch.testing.assert_close(rolled, without_grain(grainy, periodic=True).roll((7, 11), (2, 3)), atol=2e-4, rtol=0)


def test_bands_leave_no_seams() -> None:
    """A picture of several bands is cleaned as one whose rows lie in one."""
    tall = lab_picture(300, 512)
    part = without_grain(tall[:, :, 90:190])
    torch.testing.assert_close(without_grain(tall)[:, :, 100:180], part[:, :, 10:90], atol=1e-5, rtol=0)


def test_a_grey_painting_leaves_greys() -> None:
    grey = torch.linspace(0.1, 0.9, 64).expand(1, 3, 48, 64).contiguous()
    assert chroma(within_colours(lab_picture(), [grey])).abs().max() < 2e-3
    half = within_colours(lab_picture(), [grey], amount=0.5)
    assert 0.4 < float(chroma(half).abs().mean() / chroma(lab_picture()).abs().mean()) < 0.6


def test_a_sepia_print_leaves_its_own_tones() -> None:
    tones = torch.linspace(0.2, 0.9, 64).expand(1, 1, 48, 64)
    sepia = oklab_to_srgb(torch.cat([tones, 0.02 * tones, 0.08 * tones], 1)).clamp(0, 1)
    narrowed = srgb_to_oklab(within_colours(lab_picture(grain=0), [sepia]))
    torch.testing.assert_close(narrowed[:, 2], 0.08 * narrowed[:, 0], atol=0.01, rtol=0)


def test_a_colourful_painting_changes_nothing() -> None:
    vivid = torch.rand(1, 3, 48, 64, generator=torch.Generator().manual_seed(1))
    picture = lab_picture()
    assert within_colours(picture, [vivid]) is picture
