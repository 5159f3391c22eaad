"""Iterates: safe to keep, to send and to show; and what a run says when nothing moves."""

from __future__ import annotations

import io
import pickle
import warnings
from collections.abc import Callable

import pytest
import torch
from PIL import Image
from torch import Tensor

import reverie as rv
from reverie.errors import RecipeError
from reverie.networks import Network
from reverie.optimisers import l2, linf
from reverie.optimisers.projections import Projection
from tests.conftest import MakePicture

SIZE = (20, 24)
STAGES = [rv.Stage((14, 17), 2), rv.Stage(SIZE, 2)]


def run(tiny: Network, start: Tensor, **choices):  # type: ignore[no-untyped-def]
    objective = choices.pop("objective", -rv.energy("relu3"))
    choices = {"stages": STAGES, **choices}
    return rv.synthesize(objective, tiny, canvas=choices.pop("canvas", None) or rv.PixelCanvas(start), **choices)


@pytest.fixture
def start(make_picture: MakePicture) -> Tensor:
    return make_picture(0, *SIZE)


def test_kept_iterates_keep_their_pictures(tiny: Network, start: Tensor) -> None:
    images = [step.image for step in run(tiny, start)]
    kept = [step.keep() for step in run(tiny, start)]
    assert all(torch.equal(a, b.image) for a, b in zip(images, kept, strict=True))
    assert kept[0].image.shape[-2:] == STAGES[0].size
    assert kept[-1].losses and kept[-1].last
    with pytest.raises(RecipeError, match="no state"):
        kept[0].state()


def test_an_iterate_that_is_past_says_so(tiny: Network, start: Tensor) -> None:
    steps = list(run(tiny, start))
    for old in steps[:-1]:
        with pytest.raises(RecipeError, match=r"gone on.*keep"):
            _ = old.image
        with pytest.raises(RecipeError, match="gone on"):
            old.state()
    assert steps[-1].image.shape[-2:] == SIZE
    assert steps[0].total != steps[-1].total


def test_iterates_can_be_sent(tiny: Network, start: Tensor) -> None:
    for step in run(tiny, start):
        again = pickle.loads(pickle.dumps(step))
        assert torch.equal(again.image, step.image)
        assert str(again) == str(step)


def test_iterates_are_pictures_in_a_notebook(tiny: Network, start: Tensor) -> None:
    *_, last = run(tiny, start)
    with Image.open(io.BytesIO(last._repr_png_())) as shown:
        assert shown.size == (SIZE[1], SIZE[0])
        assert shown.tobytes() == rv.to_pil(last.image).tobytes()


def test_to_pil_is_the_picture(start: Tensor) -> None:
    import numpy as np

    expected = (start[0].permute(1, 2, 0).numpy() * 255 + 0.5).astype(np.uint8)
    assert np.array_equal(np.asarray(rv.to_pil(start)), expected)
    assert rv.to_pil(start[0]).tobytes() == rv.to_pil(start).tobytes()
    with pytest.raises(rv.PictureError):
        rv.to_pil(start.repeat(2, 1, 1, 1))


def test_short_names(start: Tensor) -> None:
    assert repr(rv.PixelCanvas(start)) == "PixelCanvas(20x24)"
    assert repr(rv.FourierCanvas((8, 9))) == "FourierCanvas(8x9)"
    assert repr(linf(start, 0.1)) == "linf(0.1)"


# --- nothing moves -------------------------------------------------------------------------------


def test_a_dead_run_says_so_once_a_scale(tiny: Network, start: Tensor) -> None:
    dead = rv.term("dead", "relu3", lambda f: (f - 1e6).relu(), lambda m: m.sum(1))
    with pytest.warns(rv.ReverieWarning, match="gradient has been 0") as said:
        list(run(tiny, start, objective=dead, stages=[rv.Stage(SIZE, 7)]))
    assert len(said) == 1


def test_a_run_that_moves_says_nothing(tiny: Network, start: Tensor) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        list(run(tiny, start, stages=[rv.Stage(SIZE, 5)]))


# --- optimisers of PyTorch -----------------------------------------------------------------------

THEIRS = {
    "radam": rv.FromTorch(lambda p: torch.optim.RAdam(p, lr=0.01)),
    "sgd, cosine": rv.FromTorch(
        lambda p: torch.optim.SGD(p, lr=0.5, momentum=0.9),
        schedule=lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=4),
        kept=1,
    ),
    "adam, one cycle": rv.FromTorch(
        lambda p: torch.optim.Adam(p),
        schedule=lambda o: torch.optim.lr_scheduler.OneCycleLR(o, max_lr=0.05, total_steps=9),
    ),
    "adam, own": rv.FromTorch(
        lambda p: torch.optim.Adam(p, lr=0.02),
        schedule=lambda o: torch.optim.lr_scheduler.LambdaLR(o, lambda step: 0.8**step),
    ),
}
CANVASES: dict[str, Callable[[Tensor], rv.Canvas]] = {
    "pixels": rv.PixelCanvas,
    "fourier": rv.FourierCanvas.of,
    "pyramid": rv.PyramidCanvas,
}


@pytest.mark.parametrize("name", THEIRS)
@pytest.mark.parametrize("canvas", CANVASES)
def test_any_torch_optimiser_works_in_stages_and_resumes(tiny: Network, start: Tensor, name: str, canvas: str) -> None:
    from reverie.jobs.states import flatten, unflatten

    stages = [rv.Stage((14, 17), 3), rv.Stage(SIZE, 3)]
    choices = {"stages": stages, "optimiser": THEIRS[name], "average": 0.5, "view": rv.views.jitter(2)}
    images, states = [], []
    for step in run(tiny, start, canvas=CANVASES[canvas](start), **choices):
        images.append(step.image)
        states.append(unflatten(*flatten(step.state())))
    before, after = (float(rv.evaluate(-rv.energy("relu3"), tiny, x).total) for x in (start, images[-1]))
    assert after < before
    for at in (0, 2, 4):
        rest = run(tiny, start, canvas=CANVASES[canvas](start), state=states[at], **choices)
        assert torch.equal([*rest][-1].image, images[-1])


def test_a_schedule_moves_the_rate(tiny: Network, start: Tensor) -> None:
    rates: list[float] = []

    def halved(optimiser: torch.optim.Optimizer) -> torch.optim.lr_scheduler.LRScheduler:
        schedule = torch.optim.lr_scheduler.StepLR(optimiser, 1, gamma=0.5)
        optimiser.register_step_pre_hook(lambda o, *_: rates.append(o.param_groups[0]["lr"]))
        return schedule

    theirs = rv.FromTorch(lambda p: torch.optim.SGD(p, lr=1.0), schedule=halved)
    list(run(tiny, start, optimiser=theirs, stages=[rv.Stage((14, 17), 3), rv.Stage(SIZE, 2, rate=0.1)]))
    assert rates == pytest.approx([1, 0.5, 0.25, 0.1, 0.05])


# --- projections and latents ---------------------------------------------------------------------


@pytest.mark.parametrize("ball", [linf, l2])
def test_balls_go_through_stages(
    tiny: Network, make_picture: MakePicture, start: Tensor, ball: Callable[[Tensor, float], Projection]
) -> None:
    radius = 0.03 if ball is linf else 0.5
    *_, last = run(
        tiny, start, projection=pickle.loads(pickle.dumps(ball(start, radius))), optimiser=rv.Adam(rate=0.05)
    )
    away = last.image - start
    size = away.abs().max() if ball is linf else away.norm()
    assert radius * 0.5 < float(size) <= radius * 1.001


class Latent(rv.Canvas):
    """A picture that is a fixed linear map of a few numbers."""

    def __init__(self, size: tuple[int, int], code: Tensor | None = None) -> None:
        self.size = size
        self.parameters = ((torch.zeros(1, 6) if code is None else code).detach().clone().requires_grad_(True),)

    def paint(self, parameters):  # type: ignore[no-untyped-def]
        h, w = self.size
        waves = torch.stack([torch.sin(torch.arange(3 * h * w) * (0.1 + 0.37 * k)) for k in range(6)])
        return torch.sigmoid((parameters[0] @ waves).view(1, 3, h, w))

    def resized(self, size: tuple[int, int]) -> Latent:
        return Latent(size, self.parameters[0])

    def project(self, projection=None) -> None:  # type: ignore[no-untyped-def]
        """Nothing to do."""


@pytest.mark.parametrize("optimiser", [rv.Normalised(), rv.Normalised(sign=True), rv.Adam(), rv.Adam(lean=True)])
def test_a_latent_code_is_optimised(tiny: Network, start: Tensor, optimiser: rv.optimisers.Optimiser) -> None:
    objective = rv.content(rv.objectives.PICTURE, like=start)
    choices = {"canvas": Latent(SIZE), "optimiser": optimiser, "objective": objective}
    losses = [step.total for step in run(tiny, start, **{**choices, "stages": [rv.Stage(SIZE, 4)]})]
    assert losses[-1] < losses[0]
    *_, last = run(tiny, start, **choices)
    assert last.image.shape[-2:] == SIZE


def test_a_step_on_a_latent_has_the_rate_for_length() -> None:
    code = torch.zeros(3, 8, requires_grad=True)
    steps = rv.Normalised(rate=0.1).start((code,))
    target = torch.arange(24.0).view(3, 8) * torch.tensor([[1.0], [100], [0.01]])

    def closure() -> Tensor:
        loss = (code * target).sum()
        loss.backward()
        return loss.detach()

    steps.step(closure)
    assert torch.allclose(code.detach().pow(2).mean(1).sqrt(), torch.tensor(0.1))


def test_a_spectrum_begins_with_a_picture(start: Tensor) -> None:
    canvas = rv.FourierCanvas.of(start)
    assert float((canvas.drawn() - start).abs().max()) < 2e-3
    assert canvas.resized((40, 48)).size == (40, 48)
    a, b, c = (rv.FourierCanvas((16, 18), seed=seed).picture() for seed in (3, 3, 4))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)
