from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from reverie.crafts.settings import UpscaleFragment, checked
from reverie.engine.memory import LOADED, resident
from reverie.engine.needs import WRITTEN
from reverie.errors import OutOfMemory, PictureError, RecipeError
from reverie.feedforward.superres import Superres
from reverie.recipes import UpscaleSettings, upscale
from reverie.recipes.upscale import LARGEST, LAST, SMALLEST, enlargement, tile_bytes, tile_for, upscaling

Make = Callable[..., Tensor]


@settings(max_examples=25)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    tile=st.integers(8, 40),
    factor=st.sampled_from([2, 3, 4]),
)
def test_tiles_give_what_the_whole_gives(
    tiny_superres: Superres, make_picture: Make, height: int, width: int, tile: int, factor: int
) -> None:
    x = make_picture(0, height, width)
    whole = upscale(x, UpscaleSettings(factor=factor, tile=64), network=tiny_superres)
    tiled = upscale(x, UpscaleSettings(factor=factor, tile=tile), network=tiny_superres)
    assert whole.shape == (1, 3, height * factor, width * factor)
    assert (whole - tiled).abs().max() <= 1e-6


def test_tiles_of_the_packaged_network(make_picture: Make) -> None:
    x = make_picture(1, 61, 77)
    whole = upscale(x, UpscaleSettings(factor=3, tile=128))
    tiled = upscale(x, UpscaleSettings(factor=3, tile=32))
    assert (whole - tiled).abs().max() <= 1e-6


@pytest.mark.parametrize(("height", "width"), [(40, 50), (5, 7), (1, 3)])
def test_a_seamless_picture_stays_seamless(make_picture: Make, height: int, width: int) -> None:
    """Rolling what comes in rolls what comes out, also where the network sees further than the picture is wide."""
    x, shift = make_picture(5, height, width), (height // 3, width // 2)
    how = UpscaleSettings(factor=2, seamless=True, tile=32)
    rolled = upscale(x.roll(shift, (2, 3)), how).roll((-2 * shift[0], -2 * shift[1]), (2, 3))
    assert (rolled - upscale(x, how)).abs().max() <= 1e-6
    assert (upscale(x, how) - upscale(x, how.model_copy(update={"seamless": False}))).abs().max() > 0.01


def test_what_a_craft_asks_for(make_picture: Make) -> None:
    assert enlargement(UpscaleFragment()) is None
    last = enlargement(UpscaleFragment(upscale=3), seamless=True)
    assert last is not None and last.size((10, 20)) == (30, 60) and last.working > 2**20
    x = make_picture(6, 10, 20)
    assert torch.equal(last.draw(x), upscale(x, UpscaleSettings(factor=3, seamless=True, tile=LAST)))


def test_it_stays_in_range_and_leaves_the_photo_alone(tiny_superres: Superres) -> None:
    x = (torch.arange(24.0).view(1, 1, 4, 6).expand(2, 3, 4, 6) % 2).clone()
    before = x.clone()
    y = upscale(x, network=tiny_superres)
    assert y.shape == (2, 3, 8, 12) and y.dtype == torch.float32
    assert y.min() >= 0 and y.max() <= 1 and torch.equal(x, before)


def test_a_flat_picture_stays_flat(make_picture: Make) -> None:
    grey = torch.full((1, 3, 9, 9), 0.4)
    assert (upscale(grey) - 0.4).abs().max() < 0.01


def test_a_batch_is_enlarged_picture_by_picture(tiny_superres: Superres, make_picture: Make) -> None:
    x, y = make_picture(2, 12, 15), make_picture(3, 12, 15)
    both = upscale(torch.cat([x, y]), network=tiny_superres)
    assert torch.allclose(both[1:], upscale(y, network=tiny_superres), atol=1e-6)


def test_progress(tiny_superres: Superres, make_picture: Make) -> None:
    parts = list(upscaling(make_picture(4, 20, 30), UpscaleSettings(tile=10), network=tiny_superres))
    assert [part.tile for part in parts] == list(range(1, 7)) and parts[-1].done == 1
    assert all(part.image is parts[0].image for part in parts)


@pytest.mark.parametrize("x", [torch.rand(3, 8, 8), torch.rand(1, 4, 8, 8), torch.rand(1, 3, 8, 8).double()])
def test_what_is_no_picture(tiny_superres: Superres, x: Tensor) -> None:
    with pytest.raises(PictureError, match="read_image"):
        upscale(x, network=tiny_superres)


@pytest.mark.parametrize("values", [{"factor": 1}, {"factor": 5}, {"factor": "x"}, {"variant": "soft"}, {"tile": 0}])
def test_settings_that_make_no_sense(values: dict[str, object]) -> None:
    with pytest.raises(RecipeError, match=next(iter(values))):
        checked(UpscaleSettings, values)


def test_tiles_shrink_until_they_fit(tiny_superres: Superres) -> None:
    x = torch.zeros(1, 3, 600, 900)
    assert tile_for(x, UpscaleSettings(memory="64GB"), tiny_superres) == LARGEST
    room = (resident() + LOADED + 4 * WRITTEN * 600 * 900 + tile_bytes(200, 2, tiny_superres)) / 2**20
    assert SMALLEST <= tile_for(x, UpscaleSettings(memory=f"{room:.0f}MB"), tiny_superres) < 200
    with pytest.raises(OutOfMemory, match="--memory"):
        tile_for(x, UpscaleSettings(memory="10MB"), tiny_superres)
