"""Runs on another device: what they wait for, what they do when memory runs out, and that they are the same again."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.canvas import Canvas
from reverie.engine import Synthesis, devices
from reverie.engine.placing import WORKSPACE
from reverie.engine.watch import LATE
from reverie.errors import Diverged, OutOfMemory, ReverieWarning
from reverie.networks import Network
from reverie.optimisers import Optimiser
from tests.conftest import MakePicture
from tests.standin import NAME, watched

SIZE, SIDE = (24, 28), 272


@pytest.fixture(scope="module")
def there(tiny: Network) -> Network:
    """The tiny network on the stand-in."""
    return tiny.with_precision(torch.float32, device=NAME)


def dream(network: Network, photo: Tensor, *, steps: int = 3, **more: object) -> Synthesis:
    objective = -rv.energy("relu3") + rv.content("relu2", like=photo)
    stages = (rv.Stage((16, 20), 2), rv.Stage(SIZE, steps))
    canvas = more.pop("canvas", None) or rv.PixelCanvas(photo)
    return Synthesis(objective, network, canvas, stages, **more)  # type: ignore[arg-type]


CANVASES: dict[str, Callable[[Tensor], Canvas]] = {
    "pixels": rv.PixelCanvas,
    "masked": lambda x: rv.PixelCanvas(x, base=x, natural=True, mask=torch.linspace(0, 1, 672).view(1, 1, *SIZE)),
    "finished": lambda x: rv.PixelCanvas(x, finish=lambda y: rv.pictures.keep_colours(y, x)),
    "pyramid": rv.PyramidCanvas,
    "spectrum": rv.FourierCanvas.of,
}
OPTIMISERS: dict[str, Optimiser] = {
    "adam": rv.Adam(),
    "lean": rv.Adam(lean=True),
    "lbfgs": rv.LBFGS(),
    "normalised": rv.Normalised(),
    "sign": rv.Normalised(sign=True),
    "torch": rv.FromTorch(lambda p: torch.optim.RAdam(p, lr=0.02)),
}


@pytest.mark.parametrize("name", CANVASES)
def test_every_canvas(name: str, tiny: Network, there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, *SIZE)
    images = [[*dream(n, photo, canvas=CANVASES[name](photo)).run()][-1].image for n in (tiny, there)]
    assert images[1].device == there.device
    assert (images[0] - images[1].cpu()).abs().mean() < 1e-3


@pytest.mark.parametrize("name", OPTIMISERS)
def test_every_optimiser(name: str, tiny: Network, there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, *SIZE)
    images = [[*dream(n, photo, optimiser=OPTIMISERS[name]).run()][-1].image.cpu() for n in (tiny, there)]
    assert (images[0] - images[1]).abs().mean() < 2e-3


@pytest.mark.parametrize("name", ["linf", "l2", "box"])
def test_every_projection(name: str, there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, *SIZE)
    sets = {
        "linf": rv.optimisers.linf(photo, 0.1),
        "l2": rv.optimisers.l2(photo, 1.0),
        "box": rv.optimisers.box(0.2, 0.9),
    }
    *_, last = dream(there, photo, projection=sets[name]).run()
    assert torch.isfinite(last.image.cpu()).all()


def test_views_and_regions(there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, *SIZE)
    where = torch.linspace(0, 1, 672).view(1, 1, *SIZE)
    objective = -rv.energy("relu3", where=where) - rv.neuron("relu3", 2) + rv.content("relu2", like=photo)
    run = rv.synthesize(
        objective, there, canvas=rv.PixelCanvas(photo), stages=(rv.Stage(SIZE, 2),), view=rv.views.standard()
    )
    *_, last = run
    assert last.image.device == there.device


def test_noise_is_the_same_on_every_device(tiny: Network, there: Network) -> None:
    canvases = [rv.FourierCanvas(SIZE, seed=3).to(n.device) for n in (tiny, there)]
    assert torch.equal(canvases[0].parameters[0], canvases[1].parameters[0].cpu())


def test_steps_wait_for_nothing(there: Network, make_picture: MakePicture) -> None:
    """Within a stage, after its first step: losses and gradients are looked at together, at its end."""
    photo = make_picture(1, *SIZE)
    run = dream(there, photo, steps=LATE - 1).run()
    for step in run:
        if step.at == (2, 1):
            break
    with watched() as ledger:
        for step in run:
            if step.at == (2, LATE - 2):
                break
        assert not ledger.waits and not ledger.uploads, dict(ledger.waits)
    with watched() as ledger:
        next(run).losses  # noqa: B018  # asks once for all
        assert sum(ledger.waits.values()) == 1


def test_a_style_waits_for_nothing(there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, *SIZE)
    objective = rv.style(["relu1", "relu2"], like=photo.flip(2)) + rv.content("relu2", like=photo)
    objective += rv.total_variation()
    run = rv.synthesize(objective, there, canvas=rv.PixelCanvas(photo), stages=(rv.Stage(SIZE, 5),), average=0.9)
    next(run)
    with watched() as ledger:
        next(run), next(run)
        assert not ledger.waits and not ledger.uploads, dict(ledger.waits)


def test_what_is_not_finite_is_refused_late_but_before_a_picture(there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, *SIZE)
    bad = rv.term("bad", "relu2", lambda x: x, lambda mean: mean.sum(1) / 0.0 * 0.0)
    run = rv.synthesize(bad, there, canvas=rv.PixelCanvas(photo), stages=(rv.Stage(SIZE, 99),))
    first = next(run)
    with pytest.raises(Diverged, match="the term 'bad' is nan"):
        first.image  # noqa: B018
    with pytest.raises(Diverged, match="the term 'bad' is nan"):
        for _ in run:
            pass


def test_a_gradient_that_stays_nothing_is_told_once(there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, *SIZE)
    nothing = rv.term("nothing", "relu2", lambda x: x, lambda mean: mean.sum(1) * 0.0)
    with pytest.warns(ReverieWarning, match="the gradient has been 0"):
        list(rv.synthesize(nothing, there, canvas=rv.PixelCanvas(photo), stages=(rv.Stage(SIZE, 6),)))


def test_the_same_bits_twice_and_resumed(there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, *SIZE)
    whole = [step.keep() for step in dream(there, photo, average=0.9).run()]
    again = [step.keep() for step in dream(there, photo, average=0.9).run()]
    assert torch.equal(whole[-1].image.cpu(), again[-1].image.cpu())
    run = dream(there, photo, average=0.9).run()
    stopped = [next(run) for _ in range(3)][-1].state()
    kept = _moved(stopped)  # as a checkpoint keeps it, on the host
    *_, last = dream(there, photo, average=0.9).run(state=kept)
    assert torch.equal(last.image.cpu(), whole[-1].image.cpu())


def _moved(state: Any) -> Any:
    if isinstance(state, Tensor):
        return state.cpu()
    if isinstance(state, dict):
        return {key: _moved(each) for key, each in state.items()}
    return [_moved(each) for each in state] if isinstance(state, list | tuple) else state


@pytest.mark.parametrize("home", [None, "cpu"])
def test_out_of_memory_halves_the_tile_and_goes_on(home: str | None, there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, 520, 540)
    objective = -rv.energy("relu3")
    expected = rv.evaluate(objective, there, photo, executor=rv.TiledExecutor(128, home=home))
    executor = rv.TiledExecutor(512, home=home)
    with watched(limit=4 * 2**20):
        found = rv.evaluate(objective, there, photo, executor=executor)
    assert executor.tile < 512
    assert float(found.total) == pytest.approx(float(expected.total), rel=1e-5)
    assert torch.allclose(found.gradient, expected.gradient, atol=1e-9)


def test_a_picture_too_large_for_the_device_stays_on_the_host(there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, 512, 512)
    executor = rv.TiledExecutor(128, home="cpu")
    run = rv.synthesize(
        -rv.energy("relu3"), there, canvas=rv.PixelCanvas(photo), stages=(rv.Stage((512, 512), 1),), executor=executor
    )
    with watched() as ledger:
        before = ledger.live
        (last,) = run
    assert last.image.device.type == "cpu"
    assert ledger.peak - before < 4 * 2**20  # the picture alone has 3 MB, the maps of the first layer 8


@pytest.fixture
def unlimited() -> Iterator[None]:
    """Lift the limit of the stand-in's memory afterwards."""
    yield
    devices.limit_memory(torch.device(NAME, 0), None)


def large(network: Network, photo: Tensor, steps: int = 1) -> Synthesis:
    """A run whose maps are large beside its picture."""
    objective = rv.style(["relu1", "relu2"], like=photo.flip(2), statistic="gram") + rv.total_variation()
    return Synthesis(objective, network, rv.PixelCanvas(photo), (rv.Stage((SIDE, SIDE), steps),))


def test_memory_that_runs_out_in_a_step_cuts_the_picture(there: Network, make_picture: MakePicture) -> None:
    what = large(there, make_picture(1, SIDE, SIDE))
    *_, expected = what.run()
    executor = rv.TiledExecutor(1024)
    with watched() as ledger:
        held = ledger.live
    with watched(limit=held + 6 * 2**20):
        *_, last = what.run(executor=executor)
    assert 128 <= executor.tile < SIDE
    assert (last.image - expected.image).abs().mean() < 1e-3


def test_memory_that_runs_out_in_the_smallest_tile_is_said(there: Network, make_picture: MakePicture) -> None:
    what = large(there, make_picture(1, SIDE, SIDE))
    with watched(limit=3 * 2**20), pytest.raises((torch.OutOfMemoryError, OutOfMemory)):
        list(what.run(executor=rv.TiledExecutor(1024)))


@pytest.mark.usefixtures("unlimited")
def test_the_planner_knows_both_memories(there: Network, make_picture: MakePicture) -> None:
    """First the device's, whole, then in tiles, then with the pictures on the host; and it keeps its word."""
    what = large(there, make_picture(1, SIDE, SIDE))
    plans = [rv.plan(what)]
    for less in (plans[0].device_peak - 1, rv.plan(what, tile=128).device_peak - 1):
        devices.limit_memory(there.device, less)
        plans.append(rv.plan(what))
    assert [(bool(p.tile), p.home == "cpu") for p in plans] == [(False, False), (True, False), (True, True)]
    assert all(p.device_peak <= p.device_limit and p.device == f"{NAME}:0" for p in plans)
    assert "of standin:0's" in str(plans[0])
    images = []
    for chosen in plans:
        with watched() as ledger:
            before = ledger.live
            *_, last = what.run(executor=chosen.executor())
            images.append(last.image.cpu())
        assert ledger.peak - before <= chosen.device_peak - WORKSPACE
    assert max(float((images[0] - image).abs().mean()) for image in images) < 1e-3
    devices.limit_memory(there.device, 2**20)
    with pytest.raises(OutOfMemory, match=r"of standin:0's memory; .* are allowed\. Try a smaller --size"):
        rv.plan(what)


def test_iterates_can_be_sent_elsewhere(there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, *SIZE)
    first = next(iter(dream(there, photo).run()))
    assert set(pickle.loads(pickle.dumps(first.losses))) == {"energy", "content"}
