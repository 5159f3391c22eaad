"""Paintings and samples with transparent parts: these have no say, whatever colours fill them."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.engine import Synthesis
from reverie.errors import PictureError, RecipeError
from reverie.pictures import filled, srgb_to_oklab
from reverie.recipes.style import StyleInputs, StyleSettings, style_synthesis
from reverie.recipes.texture import TextureSettings, texture_synthesis
from tests.conftest import MakePicture

QUICK = {"steps": 2, "precision": "float32"}
LOSSES = ("wasserstein", "gram", "sliced", "histogram", "neighbours")


@pytest.fixture
def centre(coffee: Tensor) -> Tensor:
    """A painting."""
    return coffee[..., 40:136, 90:186].contiguous()


@pytest.fixture
def sticker(centre: Tensor) -> tuple[Tensor, Tensor]:
    """The same in the middle of a transparent square four times as large, filled; and its alpha."""
    pixels, alpha = torch.zeros(1, 3, 192, 192), torch.zeros(1, 1, 192, 192)
    pixels[..., 48:144, 48:144], alpha[..., 48:144, 48:144] = centre, 1
    return filled(pixels, alpha), alpha


def made(what: Synthesis) -> Tensor:
    *_, last = what.run()
    return last.image


def value(what: Synthesis, x: Tensor) -> float:
    return float(rv.evaluate(what.objective, what.network, x).total)


@pytest.mark.parametrize("loss", LOSSES)
def test_a_stickers_style_is_that_of_what_is_opaque(loss: str, sticker: tuple[Tensor, Tensor], centre: Tensor) -> None:
    """What is opaque, painted like the sticker at the same scale, has little left to change: some along its edge."""
    pixels, alpha = sticker
    settings = StyleSettings(size=96, start="photo", loss=loss, stroke=10, **QUICK)
    far = [
        value(style_synthesis(centre, [pixels], settings, inputs=StyleInputs(paintings_opaque=opaque)), centre)
        for opaque in ((), (alpha,))
    ]
    assert far[1] < 0.5 * far[0]


@pytest.mark.parametrize("colour", ["painting", "palette"])
def test_what_lies_under_transparency_is_not_painted(colour: str, centre: Tensor, make_picture: MakePicture) -> None:
    """Not even where it is not filled: a border of blazing red."""
    pixels, alpha = torch.zeros(1, 3, 96, 96), torch.zeros(1, 1, 96, 96)
    pixels[:, 0] = 1
    pixels[..., 16:80, 16:80], alpha[..., 16:80, 16:80] = 0.2 + 0.1 * centre[..., :64, :64], 1
    photo, settings = make_picture(6, 48, 48), StyleSettings(size=48, colour=colour, start="colours", **QUICK)
    redness = [
        float(srgb_to_oklab(made(style_synthesis(photo, [pixels], settings, inputs=inputs)))[:, 1].mean())
        for inputs in (StyleInputs(), StyleInputs(paintings_opaque=(alpha,)))
    ]
    assert redness[1] < 0.3 * redness[0]


@pytest.mark.parametrize("colour", ["painting", pytest.param("palette", marks=pytest.mark.slow)])
def test_a_texture_is_of_the_opaque_part(colour: str, centre: Tensor) -> None:
    pixels, alpha = torch.zeros(1, 3, 96, 96), torch.zeros(1, 1, 96, 96)
    pixels[:, 0] = 1
    pixels[..., 16:80, 16:80], alpha[..., 16:80, 16:80] = 0.2 + 0.1 * centre[..., :64, :64], 1
    settings = TextureSettings(size=64, colour=colour, **QUICK)
    redness = [
        float(srgb_to_oklab(made(texture_synthesis([pixels], settings, opaque=opaque)))[:, 1].mean())
        for opaque in ((), (alpha,))
    ]
    assert redness[1] < 0.3 * redness[0]
    *_, last = rv.recipes.texture(pixels, settings, picture_alpha=[alpha])
    assert torch.equal(last.image, made(texture_synthesis([pixels], settings, opaque=[alpha])))


def test_alphas_that_say_nothing_change_nothing(centre: Tensor) -> None:
    settings = TextureSettings(size=32, **QUICK)
    plain = made(texture_synthesis([centre], settings))
    for opaque in ((None,), (torch.ones(1, 1, 96, 96),), (torch.zeros(1, 1, 96, 96),)):
        assert torch.equal(plain, made(texture_synthesis([centre], settings, opaque=opaque)))


def test_alphas_that_do_not_fit(centre: Tensor) -> None:
    with pytest.raises(RecipeError, match=r"one for each painting.*got 2 for 1"):
        texture_synthesis([centre], TextureSettings(**QUICK), opaque=[None, None])
    with pytest.raises(PictureError, match="alpha is"):
        inputs = StyleInputs(paintings_opaque=[torch.zeros(1, 1, 9, 9)])
        style_synthesis(centre, [centre], StyleSettings(**QUICK), inputs=inputs)


def test_regions_of_a_sticker(sticker: tuple[Tensor, Tensor], make_picture: MakePicture) -> None:
    """A region is what its map and the alpha have in common; one that is transparent all over is refused."""
    pixels, alpha = sticker
    photo, settings = make_picture(6, 48, 48), StyleSettings(size=48, **QUICK)
    half = torch.zeros(1, 3, 192, 192)
    half[..., 96:] = 1
    inputs = StyleInputs(photo_map=half, painting_maps=[half], paintings_opaque=[alpha])
    assert made(style_synthesis(photo, [pixels], settings, inputs=inputs)).isfinite().all()
    outside = torch.zeros(1, 3, 192, 192)
    outside[..., 150:] = 1
    with pytest.raises(PictureError, match="transparent all over"):
        style_synthesis(
            photo,
            [pixels],
            settings,
            inputs=StyleInputs(photo_map=outside, painting_maps=[outside], paintings_opaque=[alpha]),
        )
