"""One meaning of a mask in every craft: white where on; black, or transparent, where off."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.engine import Iterate
from reverie.errors import PictureError
from reverie.feedforward.johnson import draw_johnson
from reverie.pictures import periodic_part, read_mask, scaled, write_image
from reverie.recipes.dream import DreamSettings
from reverie.recipes.parts.at_once import InstantSettings
from reverie.recipes.style import StyleInputs, StyleSettings, style_synthesis
from reverie.recipes.zoom import ZoomSettings, zoom
from tests.conftest import MakePicture

Made = Callable[[Tensor, Tensor | None], Tensor]
QUICK = {"steps": 2, "precision": "float32"}
DREAM = DreamSettings(size=64, octaves=2, **QUICK)
ONCE = InstantSettings(precision="float32", tile=0)
JOHNSON = draw_johnson(widths=(8, 16, 32), blocks=1, seed=3)


def last_of(steps: Iterable[Iterate]) -> Tensor:
    *_, last = steps
    return last.image


def dreamt(photo: Tensor, mask: Tensor | None) -> Tensor:
    return last_of(rv.recipes.dream(photo, DREAM, mask=mask))


def zoomed(photo: Tensor, mask: Tensor | None) -> Tensor:
    """Two frames, hardly magnified, one above the other."""
    settings = ZoomSettings(size=64, octaves=2, frames=2, rate=1 + 1e-9, frame_steps=2, **QUICK)
    frames = [step.image for step in zoom(photo, settings, mask=mask) if step.image is not None]
    return torch.cat(frames)


def styled(photo: Tensor, mask: Tensor | None) -> Tensor:
    settings = StyleSettings(size=64, start="photo", **QUICK)
    return last_of(rv.recipes.style(photo, photo.flip(1), settings, mask=mask))


CRAFTS: Mapping[str, Made] = {
    "dream": dreamt,
    "zoom": zoomed,
    "style": styled,
    "instant": lambda photo, mask: rv.recipes.instant(photo, photo.flip(1), ONCE, mask=mask),
    "own style": lambda photo, mask: rv.recipes.instant(photo, (), ONCE, mask=mask, network=JOHNSON),
}


@pytest.fixture
def photo(make_picture: MakePicture) -> Tensor:
    return make_picture(8, 48, 64)


@pytest.mark.parametrize("craft", CRAFTS)
def test_what_is_transparent_in_a_mask_is_off(craft: str, photo: Tensor, tmp_path: Path) -> None:
    alpha = torch.zeros(1, 1, 48, 64)
    alpha[..., 40:] = 1
    write_image(tmp_path / "mask.png", torch.ones(1, 3, 48, 64), alpha=alpha)
    made = CRAFTS[craft](photo, read_mask(tmp_path / "mask.png"))
    assert (made[:1] - photo)[..., :40].abs().max() == 0
    assert (made - photo)[..., :36].abs().max() < 0.05, "later frames are given the first one's contrast"
    assert (made - photo)[..., 44:].abs().mean() > 0.005


@pytest.mark.parametrize("craft", [name for name in CRAFTS if name != "zoom"])
def test_colours_of_a_mask_count_by_their_luma(craft: str, photo: Tensor) -> None:
    mask = torch.zeros(1, 3, 48, 64)
    mask[:, 0, :, 20:], mask[:, 1, :, 40:] = 1.0, 0.5
    luma = 0.2126 * mask[:, :1] + 0.7152 * mask[:, 1:2]
    assert (CRAFTS[craft](photo, mask) - CRAFTS[craft](photo, luma)).abs().max() < 1e-5


@pytest.mark.parametrize("craft", CRAFTS)
def test_masks_that_say_nothing_or_do_not_fit(craft: str, photo: Tensor) -> None:
    for value in (0.0, 0.5, 1.0):
        with pytest.raises(PictureError, match=f"light and dark parts, and all of 'the mask' is {value:.2f}"):
            CRAFTS[craft](photo, torch.full((1, 1, 48, 64), value))
    turned = torch.rand(1, 1, 64, 48, generator=torch.Generator().manual_seed(0))
    with pytest.raises(PictureError, match="'the mask' is 48x64 for 64x48"):
        CRAFTS[craft](photo, turned)


def test_a_white_region_is_everywhere(photo: Tensor) -> None:
    white, black = torch.ones(1, 3, 24, 32), torch.zeros(1, 1, 24, 32)
    plain = dreamt(photo, None)
    jitter = DREAM.model_copy(update={"jitter": 8, "variety": 0.0})  # as much as a subject with a place is given
    region = last_of(rv.recipes.dream(photo, jitter, region=[white]))
    assert (region - last_of(rv.recipes.dream(photo, jitter))).abs().max() < 1e-4
    assert (region - plain).abs().max() > 1e-3
    with pytest.raises(PictureError, match=r"all of 'the region' is 0\.00"):
        rv.recipes.dream(photo, DREAM, region=[black])


# --- seamless: sizes are rounded to whole strides, masks keep the photo's shape -------------------------------


@pytest.fixture
def odd(make_picture: MakePicture) -> Tensor:
    """A photo of which seamless pictures have another shape."""
    return make_picture(5, 59, 90)


def right(size: tuple[int, int]) -> Tensor:
    mask = torch.zeros(1, 1, *size)
    mask[..., 2 * size[1] // 3 :] = 1
    return mask


def test_a_seamless_dream_takes_the_photos_masks(odd: Tensor) -> None:
    settings = DREAM.model_copy(update={"seamless": True, "size": 90, "octaves": 3})
    masked = last_of(rv.recipes.dream(odd, settings, mask=right((59, 90))))
    kept = periodic_part(scaled(odd, (64, 96))).clamp(0, 1)
    assert masked.shape == (1, 3, 64, 96)
    assert torch.equal(masked[..., 4:60], kept[..., 4:60])
    assert (masked - kept)[..., 70:90].abs().mean() > 0.005
    near = settings.model_copy(update={"layers": ("relu2_2",)})  # which sees little beyond its place
    placed = last_of(rv.recipes.dream(odd, near, region=[right((59, 90))]))
    assert (placed - kept)[..., 64:].abs().mean() > 1.5 * (placed - kept)[..., 16:48].abs().mean()
    with pytest.raises(PictureError, match="59x90 for 90x59"):
        rv.recipes.dream(odd, settings, mask=right((90, 59)))


def test_a_seamless_painting_takes_the_photos_masks_maps_and_alpha(odd: Tensor, make_picture: MakePicture) -> None:
    settings = StyleSettings(size=90, seamless=True, loss="gram", **QUICK)
    model, here = make_picture(2, 50, 50), right((59, 90))
    flat = torch.cat([here, 1 - here, 0 * here], dim=1)
    for inputs in (StyleInputs(mask=here), StyleInputs(photo_map=flat), StyleInputs(opaque=here)):
        *_, last = style_synthesis(odd, [model], settings, inputs=inputs).run()
        made = last.image
        assert made.shape == (1, 3, 64, 96) and made.isfinite().all()
    for inputs in (StyleInputs(mask=here.mT), StyleInputs(photo_map=flat.mT), StyleInputs(opaque=here.mT)):
        with pytest.raises(PictureError, match=r"for 90x59|alpha"):
            style_synthesis(odd, [model], settings, inputs=inputs)
