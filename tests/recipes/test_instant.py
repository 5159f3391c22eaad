from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from reverie.engine.memory import resident
from reverie.errors import OutOfMemory, PictureError, RecipeError, WeightsError
from reverie.networks import Instant, load
from reverie.networks.matching import moments
from reverie.pictures import resize
from reverie.recipes import InstantSettings, checked, instant
from reverie.recipes.instant import LARGEST, LONGEST, painter, painting_size, size_for, tile_for

Make = Callable[..., Tensor]
EXACT = {"precision": "float32", "tile": 0}


def settings(**more: object) -> InstantSettings:
    return checked(InstantSettings, {**EXACT, **more})


@pytest.mark.parametrize(("height", "width"), [(96, 128), (75, 101), (33, 40)])
@pytest.mark.parametrize("strength", [1.0, 0.5])
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
    assert painting_size((100, 100), 2500, 1.0) == (50, 50) and painting_size((100, 100), 2500, 3.0) == (100, 100)
    assert painting_size((100, 10), 100, 1.0) == (32, 32)


def test_tiles_are_what_fits() -> None:
    assert tile_for((4000, 6000), settings(tile=100)) == 104 and tile_for((64, 64), settings()) == 0
    free = InstantSettings(precision="bfloat16", memory=f"{resident() // 2**20 + 8000}MB")
    assert tile_for((512, 512), free) == LARGEST
    tight = InstantSettings(precision="bfloat16", memory=f"{resident() // 2**20 + 600}MB")
    assert tile_for((1080, 1920), tight) < LARGEST
    with pytest.raises(OutOfMemory, match="--size"):
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
    assert InstantSettings().resolved().precision in ("float32", "bfloat16")
    assert load("dreamnet").name == "dreamnet"
