"""What a painting must do whatever the pictures: laws, at 48 and 64 pixels in a few steps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie import styles
from reverie.engine import Synthesis
from reverie.errors import PictureError, RecipeError
from reverie.jobs import Job, perform
from reverie.pictures import periodic_part, scaled, srgb_to_oklab, write_image
from reverie.recipes.parts.finish import Finish
from reverie.recipes.parts.starts import Start, scales
from reverie.recipes.style import StyleInputs, StyleSettings, style_synthesis

MakePicture = Callable[..., Tensor]


@pytest.fixture
def photo(make_picture: MakePicture) -> Tensor:
    return make_picture(1, 36, 48)


@pytest.fixture
def model(make_picture: MakePicture) -> Tensor:
    return make_picture(2, 40, 40)


def settings(**more: object) -> StyleSettings:
    return StyleSettings.model_validate({"size": 48, "steps": 2, "precision": "float32", **more})


def made(what: Synthesis) -> Tensor:
    *_, last = what.run()
    return last.image


def begun(what: Synthesis) -> Tensor:
    """What a run begins with, before its colours are finished."""
    return what.canvas.picture().detach()


def painted(photo: Tensor, models: Sequence[Tensor], *, inputs: StyleInputs | None = None, **more: object) -> Tensor:
    return made(style_synthesis(photo, list(models), settings(**{"start": "photo", **more}), inputs=inputs))


def painted_from(photo: Path, model: Path) -> Tensor:
    """What a job makes of files."""
    chosen = {"size": 48, "steps": 2, "precision": "float32"}
    inputs = {"photo": (str(photo),), "painting": (str(model),)}
    output = photo.with_name("made.npy")
    list(perform(Job(craft="style", settings=chosen, inputs=inputs, output=str(output))))
    return rv.read_image(output)


def test_two_equal_paintings_half_and_half_are_one(photo: Tensor, model: Tensor) -> None:
    one, two = painted(photo, [model]), painted(photo, [model, model.clone()])
    assert (one - two).abs().max() < 1e-5
    assert (one - painted(photo, [model, model], weights=(3, 1))).abs().max() < 1e-5


def test_a_painting_of_weight_nothing_is_not_there(photo: Tensor, model: Tensor, make_picture: MakePicture) -> None:
    other = make_picture(3, 40, 30)
    one, both = painted(photo, [model]), painted(photo, [model, other], weights=(1, 0))
    assert (one - both).abs().max() < 1e-5
    assert (one - painted(photo, [other])).abs().mean() > 0.005


def test_a_mask_of_ones_is_none(photo: Tensor, model: Tensor) -> None:
    plain = style_synthesis(photo, [model], settings(start="photo"))
    canvas = rv.PixelCanvas(photo, base=photo, mask=torch.ones(1, 1, 36, 48), finish=Finish([model]))
    masked = replace(plain, canvas=canvas)
    assert (made(plain) - made(masked)).abs().max() < 1e-4


def test_where_the_mask_is_black_the_photo_stays_to_the_bit(photo: Tensor, model: Tensor) -> None:
    mask = torch.zeros(1, 1, 36, 48)
    mask[..., 24:] = 1
    for colour in ("painting", "photo", "palette"):
        result = painted(photo, [model], inputs=StyleInputs(mask=mask), colour=colour)
        assert torch.equal(result[..., :24], photo[..., :24])
        assert (result - photo)[..., 24:].abs().mean() > 0.005


def test_a_soft_mask_lets_no_colours_through_that_the_photo_lacks(photo: Tensor, model: Tensor) -> None:
    inputs, grey = StyleInputs(mask=torch.linspace(0, 1, 48).expand(1, 1, 36, 48)), photo.mean(1, keepdim=True)
    lab = srgb_to_oklab(painted(grey.expand(1, 3, -1, -1), [model], inputs=inputs, colour="photo", steps=6))
    assert lab[:, 1:].abs().max() < 1 / 255


def test_the_photos_colours_are_kept(photo: Tensor, model: Tensor) -> None:
    own = srgb_to_oklab(photo)
    kept = srgb_to_oklab(painted(photo, [model], colour="photo"))
    assert (kept - own)[:, 1:].abs().max() < 1 / 255
    assert (kept - own)[:, 0].abs().mean() > 0.005
    assert (srgb_to_oklab(painted(photo, [model])) - own)[:, 1:].abs().max() > 5 / 255


def test_no_amount_of_colour_is_no_change(photo: Tensor, model: Tensor) -> None:
    plain = painted(photo, [model], start="instant")
    for colour in ("photo", "mean", "histogram", "palette"):
        assert torch.equal(plain, painted(photo, [model], start="instant", colour=colour, colour_amount=0))


def test_a_painting_of_itself_changes_little(photo: Tensor, model: Tensor) -> None:
    itself, other = (painted(photo, [like], steps=24, start="photo") for like in (photo, model))
    assert (itself - photo).abs().mean() < 0.5 * (other - photo).abs().mean()


def test_seamless_goes_round_with_the_photo(model: Tensor, make_picture: MakePicture) -> None:
    """Of a photo in which rows and columns are equal in pairs, so that no place to cut it has a seam to be removed."""
    pairs = make_picture(1, 24, 32).repeat_interleave(2, 2).repeat_interleave(2, 3).roll((1, 1), (2, 3))
    here = painted(pairs, [model], seamless=True, size=64, loss="gram")
    for shift in ((16, 0), (0, 32), (-16, 16)):
        there = painted(pairs.roll(shift, (2, 3)), [model], seamless=True, size=64, loss="gram")
        assert (here.roll(shift, (2, 3)) - there).abs().mean() < 1e-4


def test_what_a_mask_keeps_of_a_seamless_painting_has_no_edge(photo: Tensor, model: Tensor) -> None:
    mask = torch.zeros(1, 1, 36, 48)
    mask[..., 18:30] = 1
    out = painted(photo, [model], inputs=StyleInputs(mask=mask), seamless=True, size=60, strength=5)
    kept = periodic_part(scaled(photo, (48, 64))).clamp(0, 1)
    assert (out - kept)[..., :16].abs().max() < 1e-4
    assert (out - kept)[..., 28:36].abs().mean() > 0.005


def test_a_seamless_result_has_whole_strides(photo: Tensor, model: Tensor) -> None:
    assert painted(photo, [model], seamless=True, size=60).shape == (1, 3, 48, 64)


def test_what_lies_under_transparency_does_not_matter(
    photo: Tensor, model: Tensor, make_picture: MakePicture, tmp_path: Path
) -> None:
    alpha = torch.ones(1, 1, 36, 48)
    alpha[..., :20] = 0
    hidden = torch.where(alpha > 0, photo, make_picture(9, 36, 48))
    write_image(tmp_path / "model.png", model)
    results = []
    for pixels in (photo, hidden):
        write_image(tmp_path / "photo.png", pixels, alpha=alpha)
        results.append(painted_from(tmp_path / "photo.png", tmp_path / "model.png"))
    assert torch.equal(*results)


def test_parts_of_the_painting_that_are_transparent_are_filled(photo: Tensor, model: Tensor, tmp_path: Path) -> None:
    alpha = torch.ones(1, 1, 40, 40)
    alpha[..., :8, :] = 0
    write_image(tmp_path / "photo.png", photo)
    results = []
    for under in (0.0, 1.0):
        pixels = torch.where(alpha > 0, model, torch.full_like(model, under))
        write_image(tmp_path / "model.png", pixels, alpha=alpha)
        results.append(painted_from(tmp_path / "photo.png", tmp_path / "model.png"))
    assert torch.equal(*results)


def test_strength_goes_from_the_photo_to_the_painting(photo: Tensor, model: Tensor) -> None:
    far = [(painted(photo, [model], strength=s, steps=12) - photo).abs().mean() for s in (0.01, 0.3, 10)]
    assert far == sorted(far)


def test_regions_have_strengths_of_their_own(photo: Tensor, model: Tensor) -> None:
    halves = torch.zeros(1, 3, 36, 48)
    halves[..., 24:] = 1
    inputs = StyleInputs(photo_map=halves)
    drawn = painted(photo, [model], inputs=inputs)
    assert torch.equal(drawn, painted(photo, [model], inputs=inputs, region_strengths=(1, 1), region_strokes=(1,)))
    ratios = []
    for strengths in ((9, 0.01), (0.01, 9)):
        result = painted(photo, [model], inputs=inputs, region_strengths=strengths, steps=8)
        moved = (result - photo).abs().mean((0, 1, 2))
        ratios.append(moved[30:].mean() / moved[:18].mean())
    assert ratios[0] > 1.3 * ratios[1], "white, the lightest, is the first region"


def test_noise_in_the_paintings_colours(photo: Tensor, model: Tensor) -> None:
    what = style_synthesis(photo, [model], settings(start="colours"))
    first = srgb_to_oklab(begun(what))
    assert (first.mean((2, 3)) - srgb_to_oklab(model).mean((2, 3))).abs().max() < 0.03
    grey = begun(style_synthesis(photo, [model], settings(start="noise")))
    assert (grey.mean((2, 3)) - 0.5).abs().max() < 0.02


def test_each_loss_paints_another_picture(photo: Tensor, model: Tensor) -> None:
    losses = ("wasserstein", "gram", "sliced", "histogram", "neighbours")
    pictures = [painted(photo, [model], loss=loss) for loss in losses]
    for i, one in enumerate(pictures):
        assert one.isfinite().all() and one.min() >= 0 and one.max() <= 1
        assert all(not torch.equal(one, other) for other in pictures[:i])


@pytest.mark.parametrize(
    ("more", "inputs", "error", "said"),
    [
        ({"weights": (1, 2)}, {}, RecipeError, "got 2 for 1"),
        ({"weights": (0,)}, {}, RecipeError, "sum to more than 0"),
        ({"auto_regions": 1}, {}, RecipeError, "2 to 8; got 1"),
        ({"auto_regions": 2, "map": True}, {}, RecipeError, "drawn or found"),
        ({"start": "noise", "begin": True}, {}, PictureError, "begins with"),
        ({"region_strokes": (1, 2)}, {}, RecipeError, "1 regions"),
        ({"region_strengths": (0,)}, {}, RecipeError, "above 0"),
        ({"weights": (2,), "map": True}, {}, RecipeError, "weights mix paintings"),
    ],
)
def test_what_is_refused(
    photo: Tensor, model: Tensor, more: dict[str, object], inputs: dict[str, Any], error: type[Exception], said: str
) -> None:
    halves = torch.zeros(1, 3, 36, 48)
    halves[..., 24:] = 1
    if more.pop("map", None):
        inputs = {"photo_map": halves}
    if more.pop("begin", None):
        inputs = {"begin": photo}
    with pytest.raises(error, match=said):
        style_synthesis(photo, [model], settings(**more), inputs=StyleInputs(**inputs))


@pytest.mark.parametrize("start", ["instant", "photo"])
def test_scales_of_a_panorama_are_wide_enough_for_the_deepest_layer(start: Start) -> None:
    sides = [min(s.size) for s in scales((40, 2000), start=start, quality="normal")]
    assert 16 <= sides[0] < 24 and sides[-1] == 40
    assert [s.size for s in scales((12, 900), start=start, quality="normal")] == [(12, 900)], "refused by its own size"


def test_a_library_call_is_the_same_picture(photo: Tensor, model: Tensor) -> None:
    *_, last = rv.recipes.style(photo, model, settings(start="photo"))
    assert torch.equal(last.image, painted(photo, [model]))
    assert torch.equal(scaled(photo, (36, 48)), photo)


def test_it_begins_with_what_instant_paints_at_the_first_scale(photo: Tensor, model: Tensor) -> None:
    at_once = rv.recipes.instant(photo, model, rv.InstantSettings(precision="float32", tile=0))
    assert (begun(style_synthesis(photo, [model], settings())) - at_once).abs().max() < 1e-6
    large = style_synthesis(photo, [model], settings(size=700, steps=None))
    assert [max(s.size) for s in large.stages] == [350, 495, 700], "the coarser scales are left out"
    assert [s.steps for s in large.stages] == [24, 18, 14]


def test_what_instant_knows_nothing_of_begins_with_the_photo(photo: Tensor, model: Tensor) -> None:
    halves = torch.zeros(1, 3, 36, 48)
    halves[..., 24:] = 1
    inputs = StyleInputs(photo_map=halves, painting_maps=[halves[..., 4:44].repeat(1, 1, 2, 1)[..., :40, :]])
    assert torch.equal(begun(style_synthesis(photo, [model], settings(), inputs=inputs)), photo)
    for control in ("seamless", "structure"):
        assert style_synthesis(photo, [model], settings(steps=None, **{control: True})).stages[0].steps == 60
    asked = begun(style_synthesis(photo, [model], settings(start="instant"), inputs=inputs))
    assert (asked - photo).abs().mean() > 0.02, "unless it is asked for"


@pytest.mark.slow
def test_from_instant_a_third_of_the_steps_reach_further(astronaut: Tensor) -> None:
    """A photograph and a painting at one scale; the objective is that of the runs themselves."""
    like = rv.read_image(styles.path("night-strokes"))
    reached = {}
    for start, steps in (("instant", 6), ("photo", 18)):
        what = style_synthesis(astronaut, [like], settings(start=start, size=128, steps=steps))
        what = replace(what, stages=what.stages[-1:])
        reached[start] = float(rv.evaluate(what.objective, what.network, made(what)).total)
    assert reached["instant"] < 0.95 * reached["photo"]


def test_masks_go_with_a_line_search(photo: Tensor, model: Tensor) -> None:
    """As far as Adam goes, in as many steps; where the mask is black the photo stays."""
    mask = torch.zeros(1, 1, 36, 48)
    mask[..., 12:] = torch.linspace(0, 1, 36)
    reached = {}
    for optimiser in ("adam", "lbfgs"):
        what = style_synthesis(
            photo, [model], settings(optimiser=optimiser, steps=14, start="photo"), inputs=StyleInputs(mask=mask)
        )
        image = made(what)
        assert torch.equal(image[..., :12], photo[..., :12])
        reached[optimiser] = float(rv.evaluate(what.objective, what.network, image).total)
    assert reached["lbfgs"] < 1.05 * reached["adam"]


def test_a_custom_network(photo: Tensor, model: Tensor, dreamnet: rv.networks.Network) -> None:
    *_, last = rv.recipes.style(photo, model, settings(start="photo"), network=dreamnet)
    assert torch.equal(last.image, painted(photo, [model], start="photo"))
    *_, woven = rv.recipes.texture(model, rv.TextureSettings(size=32, steps=2), network=dreamnet)
    assert woven.image.shape == (1, 3, 32, 32)
    with pytest.raises(RecipeError, match="round its edges, and dreamnet does not"):
        style_synthesis(photo, [model], settings(seamless=True), network=dreamnet)


def test_likeness_keeps_the_photos_forms(photo: Tensor, model: Tensor) -> None:
    """The nearer to the sitter, the nearer the finer features; none of it is yesterday's objective."""
    network = rv.networks.load("dreamnet")
    forms = rv.content("relu3_2", like=photo)
    apart = [
        float(rv.evaluate(forms, network, painted(photo, [model], likeness=how, start="photo", steps=4)).total)
        for how in (0, 1)
    ]
    assert apart[1] < 0.95 * apart[0]
    assert (
        "relu3_2" not in str(style_synthesis(photo, [model], settings(likeness=0)).objective).partition(" * style")[0]
    )


def test_motifs_are_what_deep_layers_see(photo: Tensor, model: Tensor) -> None:
    def layers(**more: object) -> str:
        return str(style_synthesis(photo, [model], settings(start="photo", **more)).objective).partition("style")[2]

    assert "relu5_1" not in layers(motifs=0)
    assert "relu5_1" not in layers(), "by default no eye looks out of a river painted like a portrait"
    assert "relu5_1" in layers(motifs=2)
    assert layers(motifs=0, layers=("relu5_1",)) == layers(motifs=2, layers=("relu5_1",)), "layers that are named stay"
    none, some, all_ = (painted(photo, [model], motifs=how) for how in (0, 1, 2))
    assert not torch.equal(none, some)
    assert not torch.equal(some, all_)


def test_a_grey_painting_makes_a_grey_picture(photo: Tensor, model: Tensor) -> None:
    chroma = srgb_to_oklab(painted(photo, [model.mean(1, keepdim=True).expand(1, 3, -1, -1).contiguous()]))[:, 1:]
    assert chroma.abs().max() < 5e-3
