"""The endless zoom: frames go on where one left off, colours stay, the geometry does not drift."""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.crafts.settings import checked
from reverie.engine.runs import FrameStep
from reverie.errors import RecipeError
from reverie.pictures import magnified, scaled
from reverie.recipes.dream import DreamInputs, dream_synthesis
from reverie.recipes.zoom import ZoomSettings, frame_alpha, next_frame, zoom, zoom_steps
from tests.conftest import MakePicture

SETTINGS = ZoomSettings(size=48, steps=2, octaves=2, precision="float32", frames=4, rate=1.1, frame_steps=1)


def frames(steps: Iterable[FrameStep]) -> list[Tensor]:
    return [step.image for step in steps if step.image is not None]


@pytest.fixture
def photo(make_picture: MakePicture) -> Tensor:
    return make_picture(8, 36, 48)


def test_the_first_frame_is_the_dream(photo: Tensor) -> None:
    *_, last = dream_synthesis(photo, SETTINGS).run()
    first, *rest = frames(zoom(photo, SETTINGS))
    assert torch.equal(first, last.image) and len(rest) == 3


def test_going_on_is_never_having_stopped(photo: Tensor) -> None:
    whole = frames(zoom(photo, SETTINGS))
    what = dream_synthesis(photo, SETTINGS)
    for number in range(3):
        state = {"number": number, "frame": whole[number], "palette": whole[0]}
        left = frames(zoom_steps(what, SETTINGS, inputs=DreamInputs(), executor=rv.WholeExecutor(), state=state))
        assert all(torch.equal(a, b) for a, b in zip(left, whole[number + 1 :], strict=True))


def test_progress(photo: Tensor) -> None:
    steps = list(zoom(photo, SETTINGS))
    assert [s.done for s in steps] == sorted(s.done for s in steps) and steps[-1].done == 1
    assert [s.number for s in steps if s.image is not None] == [0, 1, 2, 3]


def test_frames_begin_where_the_rate_says(photo: Tensor) -> None:
    what = dream_synthesis(photo, SETTINGS)
    frame = next_frame(what, photo, SETTINGS, DreamInputs(), 1).canvas.resized((36, 48)).drawn()
    assert torch.allclose(frame, magnified(photo, 1.1).clamp(0, 1), atol=1e-4)
    elsewhere = SETTINGS.model_copy(update={"at": (0.2, 0.9)})
    frame = next_frame(what, photo, elsewhere, DreamInputs(), 1).canvas.resized((36, 48)).drawn()
    assert torch.allclose(frame, magnified(photo, 1.1, at=(0.2, 0.9)).clamp(0, 1), atol=1e-4)


def test_colours_do_not_drift(photo: Tensor) -> None:
    long = SETTINGS.model_copy(update={"frames": 12})
    first, *rest = frames(zoom(photo, long))
    for frame in rest:
        assert (frame.mean((2, 3)) - first.mean((2, 3))).abs().max() < 0.02
        assert float(frame.std() / first.std()) == pytest.approx(1, abs=0.1)


def test_frames_are_of_their_seed(photo: Tensor) -> None:
    one, same = (frames(itertools.islice(zoom(photo, SETTINGS), 7)) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    other = frames(zoom(photo, SETTINGS.model_copy(update={"seed": 1})))
    assert not torch.equal(one[1], other[1])


def test_a_frames_alpha_is_magnified_with_it(photo: Tensor) -> None:
    alpha = torch.zeros(1, 1, 72, 96)
    alpha[..., 40:, 30:] = 1
    elsewhere = SETTINGS.model_copy(update={"at": (0.2, 0.9)})
    first, third = (frame_alpha(alpha, elsewhere, number, size=(36, 48)) for number in (0, 3))
    assert torch.allclose(first, scaled(alpha, (36, 48)), atol=1e-6)
    assert torch.allclose(third, magnified(first, 1.1**3, at=(0.2, 0.9)).clamp(0, 1), atol=1e-4)
    far = frame_alpha(alpha, elsewhere.model_copy(update={"rate": 2.0}), 999_999, size=(36, 48))
    assert far.isfinite().all() and float(far.max() - far.min()) < 1e-3


def test_no_frames() -> None:
    with pytest.raises(RecipeError, match=r"frames: .*greater than or equal to 1; got 0"):
        checked(ZoomSettings, {"frames": 0})
