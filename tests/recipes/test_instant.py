from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from reverie.crafts.settings import checked
from reverie.engine.memory import resident
from reverie.errors import OutOfMemory, PictureError, RecipeError, WeightsError
from reverie.feedforward import Instant
from reverie.feedforward.matching import moments
from reverie.networks import load
from reverie.pictures import resize
from reverie.recipes import InstantSettings, instant
from reverie.recipes.instant import LARGEST, painter, tile_for
from reverie.recipes.parts.at_once import LONGEST, alpha_weights, size_for, working_size
from reverie.recipes.parts.networks import resolved

Make = Callable[..., Tensor]
EXACT = {"precision": "float32", "tile": 0}


def settings(**more: object) -> InstantSettings:
    return checked(InstantSettings, {**EXACT, **more})


@pytest.mark.parametrize(
    ("height", "width", "strength"),
    [
        (75, 101, 0.5),
        (33, 40, 1.0),
        *(pytest.param(*each, marks=pytest.mark.slow) for each in ((96, 128, 1.0), (96, 128, 0.5), (75, 101, 1.0))),
    ],
)
def test_tiles_give_what_the_whole_gives(
    tiny_instant: Instant, make_picture: Make, height: int, width: int, strength: float
) -> None:
    photo, like = make_picture(0, height, width), [make_picture(1, 90, 70)]
    whole = painter(like, settings(strength=strength), decoder=tiny_instant).paint(photo)
    tiled = painter(like, settings(strength=strength, tile=32), decoder=tiny_instant).paint(photo)
    assert whole.shape == photo.shape and whole.dtype == torch.float32
    assert whole.min() >= 0 and whole.max() <= 1
    assert (whole - tiled).abs().max() < 1e-4


def test_the_colours_are_the_paintings(tiny_instant: Instant, make_picture: Make) -> None:
    like = 0.35 + 0.3 * make_picture(2, 80, 80)
    got = moments(painter([like], settings(), decoder=tiny_instant).paint(make_picture(3, 80, 80)))
    assert torch.allclose(got.mean, moments(like).mean, atol=0.02)
    assert torch.allclose(got.covariance, moments(like).covariance, atol=0.005)


def test_without_strength_the_paintings_do_not_count(tiny_instant: Instant, make_picture: Make) -> None:
    photo = make_picture(4, 64, 64)
    one, other = (
        painter([make_picture(k, 64, 64)], settings(strength=0), decoder=tiny_instant).paint(photo) for k in (5, 6)
    )
    itself = painter([photo], settings(strength=0), decoder=tiny_instant).paint(photo)
    assert torch.allclose(one, other, atol=1e-5) and torch.allclose(one, itself, atol=1e-4)


def test_two_equal_halves_are_one(tiny_instant: Instant, make_picture: Make) -> None:
    photo, like = make_picture(7, 64, 64), make_picture(8, 64, 64)
    one = painter([like], settings(), decoder=tiny_instant).paint(photo)
    both = painter([like, like.clone()], settings(weights=(3, 1)), decoder=tiny_instant).paint(photo)
    assert torch.allclose(one, both, atol=1e-5)
    mixed = painter([like, make_picture(9, 64, 64)], settings(), decoder=tiny_instant).paint(photo)
    assert (mixed - one).abs().max() > 0.01


def test_a_painter_paints_photo_after_photo(tiny_instant: Instant, make_picture: Make) -> None:
    manner = painter([make_picture(10, 60, 60)], settings(), decoder=tiny_instant)
    photos = [make_picture(k, 48, 64) for k in (11, 12, 11)]
    first, second, third = map(manner.paint, photos)
    assert torch.equal(first, third) and not torch.equal(first, second)


def test_the_seed_moves_the_grain(tiny_instant: Instant, make_picture: Make) -> None:
    photo, like = make_picture(13, 64, 64), [make_picture(14, 64, 64)]
    one, same, other = (painter(like, settings(seed=s), decoder=tiny_instant).paint(photo) for s in (0, 0, 1))
    assert torch.equal(one, same) and not torch.equal(one, other)


def test_a_mask_keeps_the_photo(tiny_instant: Instant, make_picture: Make) -> None:
    photo, mask = make_picture(15, 64, 80), torch.zeros(1, 1, 64, 80)
    mask[..., 40:] = 1
    got = painter([make_picture(16, 64, 64)], settings(), decoder=tiny_instant).paint(photo, mask=mask)
    assert torch.equal(got[..., :40], photo[..., :40]) and (got[..., 40:] - photo[..., 40:]).abs().max() > 0.05


def test_whose_colours(tiny_instant: Instant, make_picture: Make) -> None:
    photo, like = make_picture(17, 64, 64), [make_picture(18, 64, 64)]
    painted, own, none = (
        painter(like, settings(**more), decoder=tiny_instant).paint(photo)
        for more in ({}, {"color": "mean"}, {"color": "mean", "color_amount": 0})
    )
    assert torch.equal(painted, none)
    apart = [(moments(x).mean - moments(photo).mean).abs().max() for x in (own, painted)]
    assert apart[0] < 0.05 and apart[0] < apart[1]


def test_sizes() -> None:
    photo = torch.zeros(1, 3, 90, 120)
    assert size_for(photo, settings()) == (90, 120) and size_for(photo, settings(size=60)) == (45, 60)
    assert max(size_for(torch.zeros(1, 3, 10, LONGEST + 40), settings())) == LONGEST


def test_small_pictures_are_painted_larger() -> None:
    assert working_size((90, 120), 0) == (90, 120) and working_size((90, 120), 0.5) == (135, 180)
    assert working_size((384, 512), 1) == (768, 1024) and working_size((1500, 2000), 1) == (1500, 2000)


def test_motifs_come_of_the_painting(tiny_instant: Instant, make_picture: Make) -> None:
    photo, like = make_picture(25, 64, 64), [make_picture(26, 64, 64)]
    plain = painter(like, settings(likeness=0, motifs=2), decoder=tiny_instant)
    few = painter(like, settings(likeness=0, motifs=0), decoder=tiny_instant)
    itself = painter([photo], settings(likeness=0, motifs=0), decoder=tiny_instant)
    assert not torch.allclose(plain.plain(photo), few.plain(photo), atol=1e-2)
    whole = painter([photo], settings(likeness=0, motifs=2), decoder=tiny_instant)
    assert torch.allclose(itself.plain(photo), whole.plain(photo), atol=1e-3), "its own motifs are the same"


def test_tiles_are_what_fits() -> None:
    assert tile_for((4000, 6000), settings(tile=100)) == 112 and tile_for((64, 64), settings()) == 0
    free = InstantSettings(precision="bfloat16", memory=f"{resident() // 2**20 + 8000}MB")
    assert tile_for((512, 512), free) == LARGEST
    tight = InstantSettings(precision="bfloat16", memory=f"{resident() // 2**20 + 600}MB")
    assert tile_for((1080, 1920), tight) < LARGEST
    with pytest.raises(OutOfMemory, match="--memory"):
        tile_for((4320, 7680), InstantSettings(memory="1MB"))


def test_the_packaged_decoder(make_picture: Make) -> None:
    photo, like = make_picture(19, 72, 88), make_picture(20, 64, 64)
    whole, tiled = (instant(photo, like, settings(tile=t)) for t in (0, 32))
    assert (whole - tiled).abs().max() < 1e-4 and not torch.equal(whole, photo)
    assert not whole.is_inference()  # others may go on from it


@pytest.mark.parametrize(
    ("photo", "like", "more", "said"),
    [
        (torch.zeros(1, 1, 8, 8), [torch.zeros(1, 3, 8, 8)], {}, "a photo is"),
        (torch.zeros(1, 3, 8, 8), [torch.zeros(3, 8, 8)], {}, "a painting is"),
        (torch.zeros(1, 3, 8, 8), [torch.zeros(1, 3, 8, 8).double()], {}, "a painting is"),
        (torch.zeros(1, 3, 8, 8), [], {}, "give one"),
        (torch.zeros(1, 3, 8, 8), [torch.zeros(1, 3, 8, 8)], {"weights": (1, 2)}, "one for each painting"),
        (torch.zeros(1, 3, 8, 8), [torch.zeros(1, 3, 8, 8)], {"weights": (0,)}, "more than 0"),
    ],
)
def test_what_is_refused(photo: Tensor, like: list[Tensor], more: dict[str, object], said: str) -> None:
    with pytest.raises((PictureError, RecipeError), match=said) as refused:
        instant(photo, like, settings(**more))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("values", [{"strength": 1.5}, {"strength": -1}, {"memory": "much"}, {"size": 3}, {"odd": 1}])
def test_settings_refuse(values: dict[str, object]) -> None:
    with pytest.raises(RecipeError):
        checked(InstantSettings, values)


def test_another_dreamnet_is_refused(tiny_instant: Instant, make_picture: Make) -> None:
    stranger = Instant(tiny_instant.tensors, encoder="f" * 64)
    with pytest.raises(WeightsError, match="ffffffff"):
        painter([make_picture(21, 32, 32)], settings(), decoder=stranger)


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_flat_pictures_are_painted_too(tiny_instant: Instant, make_picture: Make, grey: float) -> None:
    flat = torch.full((1, 3, 40, 40), grey)
    for photo, like in ((flat, make_picture(22, 40, 40)), (make_picture(22, 40, 40), flat), (flat, flat)):
        got = painter([like], settings(), decoder=tiny_instant).paint(photo)
        assert torch.isfinite(got).all()


def test_tiny_and_narrow_photos(tiny_instant: Instant, make_picture: Make) -> None:
    like = resize(make_picture(23, 40, 40), (7, 90)).clamp(0, 1)
    for height, width in ((1, 1), (3, 50), (8, 8)):
        photo = make_picture(24, 60, 60)[..., :height, :width].contiguous()
        assert painter([like], settings(), decoder=tiny_instant).paint(photo).shape == photo.shape


def test_the_automatic_precision_is_settled() -> None:
    assert resolved(InstantSettings()).precision in ("float32", "bfloat16")
    assert load("dreamnet").name == "dreamnet"


def right_half_transparent(height: int, width: int) -> Tensor:
    alpha = torch.ones(1, 1, height, width)
    alpha[..., width // 2 :] = 0
    return alpha


def test_what_is_transparent_has_no_say(tiny_instant: Instant, make_picture: Make) -> None:
    """Far inside the transparent half anything may lie; without its alpha it would count."""
    manner = painter([make_picture(20, 64, 64)], settings(), decoder=tiny_instant)
    photo, alpha = make_picture(21, 40, 404), right_half_transparent(40, 404)
    other = photo.clone()
    other[..., 330:] = 0.5
    one, two = (manner.paint(p, opaque=alpha)[..., :202] for p in (photo, other))
    assert torch.allclose(one, two, atol=1e-4)
    assert (manner.paint(photo)[..., :202] - manner.paint(other)[..., :202]).abs().max() > 0.01


def test_the_opaque_part_has_the_paintings_colours(tiny_instant: Instant, make_picture: Make) -> None:
    like = 0.35 + 0.3 * make_picture(22, 80, 80)
    photo, alpha = make_picture(23, 80, 120), right_half_transparent(80, 120)
    photo[..., 60:] = 0.9
    got = moments(painter([like], settings(), decoder=tiny_instant).paint(photo, opaque=alpha)[..., :60])
    assert torch.allclose(got.mean, moments(like).mean, atol=0.02)
    assert torch.allclose(got.covariance, moments(like).covariance, atol=0.005)


@pytest.mark.parametrize("strength", [pytest.param(1.0, marks=pytest.mark.slow), 0.5])
def test_alpha_in_tiles(tiny_instant: Instant, make_picture: Make, strength: float) -> None:
    photo, like, alpha = make_picture(24, 75, 101), [make_picture(25, 90, 70)], make_picture(26, 75, 101)[:, :1]
    halves = [right_half_transparent(90, 70)]
    whole, tiled = (
        painter(like, settings(strength=strength, tile=t), opaque=halves, decoder=tiny_instant).paint(
            photo, opaque=alpha
        )
        for t in (0, 32)
    )
    assert (whole - tiled).abs().max() < 3e-4


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_an_alpha_of_one_value_changes_nothing(tiny_instant: Instant, make_picture: Make, share: float) -> None:
    photo, like, alpha = make_picture(27, 50, 70), make_picture(28, 64, 64), torch.full((1, 1, 50, 70), share)
    plain = painter([like], settings(size=44), decoder=tiny_instant).paint(photo)
    manner = painter([like], settings(size=44), opaque=[torch.full((1, 1, 64, 64), share)], decoder=tiny_instant)
    assert torch.equal(manner.paint(photo, opaque=alpha), plain)


def test_a_paintings_own_alpha(tiny_instant: Instant, make_picture: Make) -> None:
    """Its transparent half is no part of the manner; pictures of one half each would mix."""
    photo, like = make_picture(29, 64, 64), make_picture(30, 64, 256)
    other, alpha = like.clone(), right_half_transparent(64, 256)
    other[..., 236:] = 0.1
    one, two = (painter([p], settings(), opaque=[alpha], decoder=tiny_instant).paint(photo) for p in (like, other))
    assert torch.allclose(one, two, atol=1e-3)
    plain = [painter([p], settings(), decoder=tiny_instant).paint(photo) for p in (like, other)]
    assert (plain[0] - plain[1]).abs().max() > 0.02


def test_alpha_that_does_not_belong(tiny_instant: Instant, make_picture: Make) -> None:
    photo, like = make_picture(31, 40, 50), [make_picture(32, 40, 40)]
    with pytest.raises(PictureError, match="alpha is"):
        painter(like, settings(), decoder=tiny_instant).paint(photo, opaque=torch.ones(1, 1, 50, 40))
    with pytest.raises(RecipeError, match="one for each painting"):
        painter(like, settings(), opaque=[None, None], decoder=tiny_instant)
    half = alpha_weights(right_half_transparent(40, 50), of=photo, size=(20, 24))
    assert half is not None and half.shape == (1, 1, 20, 24) and half.mean() == pytest.approx(0.5, abs=0.02)
