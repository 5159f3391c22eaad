"""Views: shapes, determinism, and what each does to a picture."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from reverie import views
from reverie.errors import RecipeError
from reverie.views import View, carried, compose, crop, crops, framed, jitter, noise, rotate, scale, standard
from tests.conftest import MakePicture


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def x(make_picture: MakePicture) -> Tensor:
    return make_picture(0, 31, 44, batch=2)


VIEWS: dict[str, View] = {
    "compose": compose(),
    "jitter": jitter(7),
    "scale": scale(0.5, 1.5),
    "rotate": rotate(20),
    "crop": crop(0.6),
    "crops": crops(0.3, 0.6, count=3, side=20),
    "framed": framed(scale(0.5, 1.5)),
    "noise": noise(0.1),
    "standard": standard(),
}
every = pytest.mark.parametrize("view", VIEWS.values(), ids=VIEWS.keys())
MOVING = {name: view for name, view in VIEWS.items() if name != "noise"}
"""Views that move pixels and leave their values alone."""
moving = pytest.mark.parametrize("view", MOVING.values(), ids=MOVING.keys())


def test_every_view_is_tested() -> None:
    assert set(views.__all__) - {"View", "carried"} == set(VIEWS)


@every
def test_the_generator_decides(x: Tensor, view: View) -> None:
    torch.manual_seed(1)
    first = view(x, generator(5))
    torch.manual_seed(2)
    assert torch.equal(first, view(x, generator(5)))
    if view is not VIEWS["compose"]:
        others = [view(x, generator(seed)) for seed in range(6)]
        assert any(o.shape != first.shape or not torch.equal(o, first) for o in others)


@every
def test_nobody_elses_randomness_is_touched(x: Tensor, view: View) -> None:
    before = torch.get_rng_state()
    view(x, generator())
    assert torch.equal(torch.get_rng_state(), before)


@moving
def test_pictures_stay_pictures(x: Tensor, view: View) -> None:
    before = x.clone()
    for seed in range(8):
        seen = view(x, generator(seed))
        assert seen.shape[1] == 3 and seen.shape[0] % len(x) == 0
        assert seen.dtype == x.dtype
        assert float(seen.min()) >= float(x.min()) - 1e-6
        assert float(seen.max()) <= float(x.max()) + 1e-6
    assert torch.equal(x, before)


@every
def test_gradients_flow(make_picture: MakePicture, view: View) -> None:
    x = make_picture(1, 9, 11, dtype=torch.float64).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda y: view(y, generator(2)), (x,), fast_mode=True)


@moving
def test_a_picture_of_one_colour_stays_so(view: View) -> None:
    seen = view(torch.full((1, 3, 21, 16), 0.37), generator(3))
    assert torch.allclose(seen, torch.full_like(seen, 0.37), atol=1e-6)


# --- jitter --------------------------------------------------------------------------------------


def test_jitter_is_a_roll(x: Tensor) -> None:
    seen = jitter(3)(x, generator(1))
    rolls = [(dy, dx) for dy in range(-3, 4) for dx in range(-3, 4)]
    assert any(torch.equal(seen, torch.roll(x, roll, (2, 3))) for roll in rolls)


def test_jitter_reaches_every_shift_alike() -> None:
    x = torch.zeros(1, 3, 9, 9)
    x[..., 4, 4] = 1
    g, seen = generator(), torch.zeros(9, 9)
    for _ in range(900):
        seen += jitter(1)(x, g)[0, 0]
    assert float(seen[3:6, 3:6].sum()) == 900
    assert 60 < float(seen[3:6, 3:6].min()) <= float(seen.max()) < 140


def test_jitter_of_nothing_is_the_picture(x: Tensor) -> None:
    assert torch.equal(jitter(0)(x, generator()), x)


def test_jitter_larger_than_the_picture(x: Tensor) -> None:
    assert jitter(500)(x, generator()).shape == x.shape


# --- scale ---------------------------------------------------------------------------------------


def test_scale_of_one_is_the_picture(x: Tensor) -> None:
    assert torch.allclose(scale(1, 1)(x, generator()), x, atol=1e-6)


@pytest.mark.parametrize(("factor", "size"), [(0.5, (16, 22)), (2.0, (62, 88)), (0.001, (1, 1))])
def test_scale_by_a_factor(x: Tensor, factor: float, size: tuple[int, int]) -> None:
    assert scale(factor, factor)(x, generator()).shape[-2:] == size


def test_scale_draws_evenly_in_its_logarithm() -> None:
    x, g = torch.zeros(1, 3, 200, 4), generator()
    heights = [scale(0.5, 2)(x, g).shape[2] for _ in range(300)]
    assert min(heights) >= 100
    assert max(heights) <= 400
    assert 0.4 < sum(h < 200 for h in heights) / 300 < 0.6


# --- rotate --------------------------------------------------------------------------------------


def spot(h: int, w: int, row: float, column: float) -> Tensor:
    rows, columns = torch.arange(h)[:, None] - row, torch.arange(w)[None] - column
    return torch.exp(-(rows**2 + columns**2) / 8).expand(1, 3, h, w).contiguous()


def centre_of(x: Tensor) -> tuple[float, float]:
    mass, (h, w) = x[0, 0], x.shape[-2:]
    total = mass.sum()
    return (
        float((mass.sum(1) * torch.arange(h)).sum() / total),
        float((mass.sum(0) * torch.arange(w)).sum() / total),
    )


@pytest.mark.parametrize("seed", range(4))
def test_rotate_turns_about_the_centre_without_stretching(seed: int) -> None:
    h, w, away = 61, 91, 18.0
    angle = 40 * (2 * float(torch.rand((), generator=generator(seed))) - 1)
    view, middle = rotate(40), (30.0, 45.0)
    right = centre_of(view(spot(h, w, middle[0], middle[1] + away), generator(seed)))
    below = centre_of(view(spot(h, w, middle[0] + away, middle[1]), generator(seed)))
    arms = [(r - middle[0], c - middle[1]) for r, c in (right, below)]
    assert [math.hypot(*arm) for arm in arms] == pytest.approx([away, away], abs=0.1)
    assert arms[0][0] * arms[1][0] + arms[0][1] * arms[1][1] == pytest.approx(0, abs=2)
    turned = math.degrees(math.atan2(arms[0][0], arms[0][1]))
    assert abs(turned) == pytest.approx(abs(angle), abs=0.3)


def test_rotate_by_nothing_is_the_picture(x: Tensor) -> None:
    assert torch.allclose(rotate(0)(x, generator()), x, atol=1e-5)


def test_rotate_repeats_the_border() -> None:
    x = torch.full((1, 3, 20, 20), 0.2)
    x[..., 2:-2, 2:-2] = 0.8
    assert float(rotate(45)(x, generator(1)).min()) >= 0.2 - 1e-6


# --- crop ----------------------------------------------------------------------------------------


def test_crop_is_a_window(x: Tensor) -> None:
    seen = crop(0.5)(x, generator(2))
    assert seen.shape[-2:] == (16, 22)
    windows = [(r, c) for r in range(31 - 16 + 1) for c in range(44 - 22 + 1)]
    assert any(torch.equal(seen, x[..., r : r + 16, c : c + 22]) for r, c in windows)


def test_crop_of_everything_is_the_picture(x: Tensor) -> None:
    assert torch.equal(crop(1)(x, generator()), x)


def test_crop_reaches_both_edges() -> None:
    x, g = torch.arange(100.0).view(10, 10).expand(1, 3, 10, 10), generator()
    corners = {int(crop(0.8)(x, g)[0, 0, 0, 0]) for _ in range(200)}
    assert corners == {10 * row + column for row in range(3) for column in range(3)}


# --- composition ---------------------------------------------------------------------------------


def test_compose_goes_in_order(x: Tensor) -> None:
    both = compose(crop(0.5), scale(2, 2))(x, generator(3))
    g = generator(3)
    assert torch.equal(both, scale(2, 2)(crop(0.5)(x, g), g))
    assert compose()(x, generator()) is x


@pytest.mark.parametrize(
    "make",
    [
        lambda: jitter(-1),
        lambda: scale(0, 1),
        lambda: scale(1.2, 1.1),
        lambda: scale(-1, 1),
        lambda: scale(float("nan"), 1),
        lambda: crop(0),
        lambda: crop(1.01),
        lambda: crop(float("nan")),
    ],
)
def test_refused(make: Callable[[], object]) -> None:
    with pytest.raises(RecipeError) as caught:
        make()
    assert "\n" not in str(caught.value)


def test_crops_of_a_picture_follow_each_other(x: Tensor) -> None:
    seen = crops(0.3, 0.6, count=3, side=20)(x * torch.tensor([0.0, 1.0]).view(2, 1, 1, 1), generator())
    assert seen.shape == (6, 3, 20, 20)
    assert not seen[:3].any() and all(window.any() for window in seen[3:])
    with pytest.raises(RecipeError, match="crops need"):
        crops(0.6, 0.3, count=3, side=20)


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.7])
def test_framed_views_keep_the_size(x: Tensor, factor: float) -> None:
    seen = framed(scale(factor, factor))(x, generator())
    assert seen.shape == x.shape
    middle = (..., slice(13, 18), slice(19, 25))
    assert torch.allclose(seen[middle].mean(), x[middle].mean(), atol=0.1)


def test_noise_leaves_places_where_they_are(x: Tensor) -> None:
    view, first, second = noise(0.1), generator(), generator()
    assert abs(float((view(x, first) - x).std()) - 0.1) < 0.01
    assert torch.equal(carried(view, x, second), x)
    assert torch.equal(first.get_state(), second.get_state())
