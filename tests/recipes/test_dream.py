"""The laws of a dream's controls: masks, colours, lists by octave, seamless tiles."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import reverie as rv
from reverie.crafts.settings import checked
from reverie.engine import Synthesis
from reverie.errors import LayerNotFound, PictureError, RecipeError
from reverie.networks import Network
from reverie.pictures import srgb_to_oklab
from reverie.recipes.dream import DreamInputs, DreamSettings, dream_synthesis
from reverie.recipes.zoom import ZoomSettings
from tests.conftest import MakePicture

QUICK = {"size": 64, "steps": 2, "octaves": 2, "precision": "float32"}


def made(what: Synthesis) -> Tensor:
    *_, last = what.run()
    return last.image


def dreamt(photo: Tensor | None, inputs: DreamInputs | None = None, **settings: object) -> Tensor:
    return made(dream_synthesis(photo, DreamSettings(**{**QUICK, **settings}), inputs=inputs))


@pytest.fixture
def photo(make_picture: MakePicture) -> Tensor:
    return make_picture(8, 48, 64)


@pytest.fixture
def half() -> Tensor:
    """A mask: white on the right."""
    mask = torch.zeros(1, 3, 48, 64)
    mask[..., 32:] = 1
    return mask


def test_the_photo_stays_where_the_mask_is_black(photo: Tensor, half: Tensor) -> None:
    image = dreamt(photo, DreamInputs(mask=half), keep_colours=0.5)
    assert torch.equal(image[..., :32], photo[..., :32])
    assert (image - photo)[..., 32:].abs().mean() > 0.01


def test_masks_that_do_not_fit(photo: Tensor, half: Tensor) -> None:
    with pytest.raises(PictureError, match="'the mask' is 48x64 for 64x48"):
        dreamt(photo, DreamInputs(mask=half.mT))
    with pytest.raises(RecipeError, match="noise has none"):
        dreamt(None, DreamInputs(mask=half))


def test_the_photos_colours_are_kept(photo: Tensor) -> None:
    def away(amount: float) -> float:
        lab = srgb_to_oklab(dreamt(photo, keep_colours=amount)) - srgb_to_oklab(photo)
        return float(lab[:, 1:].abs().mean())

    free, half, whole = map(away, (0, 0.5, 1))
    assert whole < 0.05 * free and half < 0.8 * free
    assert torch.equal(dreamt(photo, keep_colours=0), dreamt(photo))


def test_lists_by_octave(photo: Tensor) -> None:
    settings = DreamSettings(size=64, octaves=3, steps=(1, 3), strength=(2, 1, 0.5), layers="relu2_2/relu3_2:2,relu4_2")
    stages = dream_synthesis(photo, settings).stages
    assert [s.steps for s in stages] == [1, 3, 3]
    assert [s.rate for s in stages] == [2, 1, 0.5]
    first, second, third = (s.objective for s in stages)
    assert second is third and "relu2_2" in str(first) and "relu2_2" not in str(second)


@pytest.mark.parametrize("given", [{"steps": "1,2,3"}, {"strength": "1,2,3"}, {"layers": "relu2_2/relu3_2/relu4_2"}])
def test_longer_lists_than_octaves(photo: Tensor, given: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="octaves"):
        dreamt(photo, **given)


def test_a_list_of_one_is_the_value(photo: Tensor) -> None:
    assert torch.equal(dreamt(photo, steps=2, strength=0.5), dreamt(photo, steps="2,2", strength=(0.5, 0.5)))


def test_settings_are_read_as_typed() -> None:
    typed = checked(DreamSettings, {"class": "macaw:2, tabby", "steps": "4", "strength": "1,0.5"})
    assert (typed.class_name, typed.steps, typed.strength) == (("macaw:2", "tabby"), (4,), (1.0, 0.5))
    assert checked(DreamSettings, typed.model_dump(mode="json")) == typed
    refused: tuple[dict[str, object], ...] = ({"steps": "0"}, {"strength": ""}, {"strength": "30"}, {"leak": 2})
    for wrong in refused:
        with pytest.raises(RecipeError):
            checked(DreamSettings, wrong)
    with pytest.raises(RecipeError, match="at: tuple should have at least 2 items"):
        checked(ZoomSettings, {"at": "0.5"})
    with pytest.raises(RecipeError, match=r"at.*less than or equal to 1; got '?1.5"):
        checked(ZoomSettings, {"at": "1.5,0.5"})


def test_classes_of_a_network_without_any(photo: Tensor, tiny_module: nn.Sequential) -> None:
    bare = rv.networks.wrap(tiny_module, mean=0.45, std=0.25, layers=["relu3"])
    for subject in ({"class_name": "castle"}, {"avoid": "dogs"}):
        with pytest.raises(LayerNotFound, match=r"Sequential has no classes to dream of; dreamnet, googlenet.* have"):
            dream_synthesis(photo, DreamSettings(**QUICK, **subject), network=bare)


def test_wishes_change_the_dream(photo: Tensor) -> None:
    plain = dreamt(photo, layers="relu4_2")
    others = [
        dreamt(photo, layers="relu4_2,relu3_2:2"),
        dreamt(photo, layers="relu4_2", class_name="castle"),
        dreamt(photo, layers="relu4_2", channels="relu3_2:4"),
        dreamt(photo, layers="relu4_2", avoid="animals"),
        dreamt(photo, DreamInputs(like=[photo.flip(1)]), layers="relu4_2"),
        dreamt(photo, DreamInputs(avoid_like=[photo.flip(1)]), layers="relu4_2"),
        dreamt(photo, layers="relu4_2", leak=0.5),
    ]
    assert all((plain - other).abs().mean() > 1e-3 for other in others)


def test_a_wish_with_a_place_is_not_jittered_away(photo: Tensor) -> None:
    image = dreamt(photo, channels="relu3_2:4@0.25/0.25", jitter=24, bands=1)
    moved = (image - photo).abs().mean((0, 1))
    assert moved[:24, :32].mean() > 3 * moved[24:, 32:].mean()


def test_inputs_reach_the_dream(photo: Tensor, half: Tensor) -> None:
    like = [photo.flip(2), photo.flip(3)]
    *_, last = rv.recipes.dream(photo, DreamSettings(**QUICK), mask=half, like=like)
    assert torch.equal(last.image, dreamt(photo, DreamInputs(mask=half, like=like)))


# --- seamless ------------------------------------------------------------------------------------


def seam(x: Tensor) -> float:
    across, down = (x[..., 0] - x[..., -1]).pow(2).mean(), (x[..., 0, :] - x[..., -1, :]).pow(2).mean()
    return float(across + down)


def within(x: Tensor) -> float:
    return float(x.diff(dim=3).pow(2).mean() + x.diff(dim=2).pow(2).mean())


def test_a_seamless_dream_has_no_seam() -> None:
    seamless, plain = (dreamt(None, seamless=s, steps=8, size=96) for s in (True, False))
    assert seam(seamless) < 1.5 * within(seamless)
    assert seam(plain) > 2 * within(plain)


def test_a_photo_becomes_seamless(astronaut: Tensor) -> None:
    assert seam(astronaut) > 5 * within(astronaut)
    image = dreamt(astronaut, seamless=True, steps=8, size=96)
    assert seam(image) < 2 * within(image)


def test_seamless_sizes_are_whole_strides(photo: Tensor) -> None:
    what = dream_synthesis(photo, DreamSettings(seamless=True, size=100, octaves=3))
    assert all(side % 16 == 0 for stage in what.stages for side in stage.size)
    assert what.network.periodic and what.canvas.periodic


def test_a_rolled_beginning_dreams_the_rolled_dream() -> None:
    """By whole strides at every octave: nothing in the run knows where the edges are."""
    settings = DreamSettings(size=64, octaves=2, ratio=2, steps=3, seamless=True, precision="float32")
    what = dream_synthesis(None, settings)
    what = replace(what, network=what.network.with_precision(torch.float64))
    first = what.canvas.drawn().double()

    def begun(x: Tensor) -> Tensor:
        return made(replace(what, canvas=rv.PixelCanvas(x, natural=True, periodic=True)))

    assert what.stages[0].size == (32, 32)
    rolled, plain = begun(first.roll((16, 16), (2, 3))), begun(first)
    assert torch.allclose(rolled, plain.roll((32, 32), (2, 3)), atol=1e-9)
    assert not torch.allclose(rolled, plain, atol=1e-2)


def test_a_seamless_zoom_is_refused() -> None:
    with pytest.raises(RecipeError, match="leave out one"):
        checked(ZoomSettings, {"seamless": True})
    with pytest.raises(RecipeError, match="leave out --upscale"):
        checked(ZoomSettings, {"upscale": 2})


def test_a_panorama_is_narrow_and_still_dreamt_on() -> None:
    wide = torch.rand(1, 3, 20, 1200, generator=torch.Generator().manual_seed(3))
    two = rv.DreamSettings(size=1200, layers=("relu4_2", "relu5_2"), octaves=1, steps=(1,), precision="float32")
    *_, last = rv.recipes.dream(wide, two)
    assert last.image.shape == wide.shape and not torch.equal(last.image, wide)


def test_a_custom_network(photo: Tensor, tiny: Network) -> None:
    quick = {name: value for name, value in QUICK.items() if name != "precision"}
    settings = DreamSettings(**quick, precision="float32", layers="relu2", class_name="teapot")
    *_, last = rv.recipes.dream(photo, settings, network=tiny)
    assert (last.image - photo).abs().mean() > 0.01
    with pytest.raises(RecipeError, match="round its edges"):
        dream_synthesis(photo, settings.model_copy(update={"seamless": True}), network=tiny)
    with pytest.raises(RecipeError, match="leak"):
        dream_synthesis(photo, settings.model_copy(update={"leak": 0.1}), network=tiny)


def test_seeds_are_what_a_generator_takes() -> None:
    assert checked(DreamSettings, {"seed": str(2**63 - 1)}).seed == 2**63 - 1
    for kind in (DreamSettings, rv.StyleSettings, rv.TextureSettings, rv.InstantSettings):
        with pytest.raises(RecipeError, match=r"^seed: .*less than or equal to 9223372036854775807; got 18446744073"):
            checked(kind, {"seed": 2**64})
