"""The accelerators of this machine: agreement with the processor, the same bits, memory that runs out, and no waiting.

Run by `make test-device`; skipped, loudly, where there is none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.engine import devices, precision
from reverie.engine.devices import accelerators
from reverie.networks import Network
from tests.conftest import MakePicture

pytestmark = [pytest.mark.accelerator, pytest.mark.slow]
ALL = accelerators() or (None,)


@pytest.fixture(params=ALL, ids=str)
def device(request: pytest.FixtureRequest) -> Iterator[torch.device]:
    """Each accelerator, its limits lifted afterwards."""
    if request.param is None:
        pytest.skip("PyTorch finds no accelerator on this machine: nothing here was tested")
    devices.steady(deterministic=False)
    yield request.param
    devices.limit_memory(request.param, None)
    devices.steady(deterministic=False)


@pytest.fixture
def photo(make_picture: MakePicture) -> Tensor:
    """A picture, (1, 3, 192, 256)."""
    return make_picture(1, 192, 256)


def objective(photo: Tensor, network: Network) -> rv.Objective:
    """Everything that paintings and dreams read."""
    painted = rv.style(network.style_layers, like=photo.flip(2, 3).pow(2))
    return painted + rv.content(network.content_layer, like=photo) + rv.total_variation()


def test_values_and_gradients_agree(device: torch.device, dreamnet: Network, photo: Tensor) -> None:
    """In float32 to one percent of the gradient's length, in what is faithful by its direction."""
    expected = rv.evaluate(objective(photo.pow(2), dreamnet), dreamnet, photo)
    for name, least in (
        ("float32", 0.9999),
        *((t.candidate.name, 0.95) for t in trials(dreamnet, device)[1:] if t.faithful),
    ):
        there = precision.with_precision(dreamnet, name, device=device)  # type: ignore[arg-type]
        found = rv.evaluate(objective(photo.pow(2), there), there, photo)
        assert torch.cosine_similarity(found.gradient.flatten(), expected.gradient.flatten(), 0) > least, name
        assert float(found.total) == pytest.approx(float(expected.total), rel=1e-3 if name == "float32" else 5e-2)


def trials(network: Network, device: torch.device) -> list[precision.Tried]:
    return precision.tried(network.with_precision(torch.float32, True, device))


@pytest.mark.parametrize("home", [None, "cpu"])
def test_tiles_agree(device: torch.device, home: str | None, dreamnet: Network, photo: Tensor) -> None:
    there = precision.with_precision(dreamnet, "float32", device=device)
    whole = rv.evaluate(objective(photo.pow(2), there), there, photo)
    tiled = rv.evaluate(objective(photo.pow(2), there), there, photo, executor=rv.TiledExecutor(64, home=home))
    assert (whole.gradient - tiled.gradient).norm() < 1e-2 * whole.gradient.norm()


@pytest.mark.parametrize("craft", ["style", "dream", "instant", "upscale"])
def test_pictures_agree(device: torch.device, craft: str, photo: Tensor) -> None:
    images = [made(craft, photo, str(where)) for where in ("cpu", device)]
    assert (images[0] - images[1]).abs().mean() < 0.01


def made(craft: str, photo: Tensor, device: str, *, deterministic: bool = False) -> Tensor:
    how = {"device": device, "deterministic": deterministic}
    painting = photo.flip(2).pow(2)
    if craft == "style":
        settings = rv.StyleSettings(size=128, steps=8, precision="float32", **how)
        return [*rv.recipes.style(photo, painting, settings)][-1].image.cpu()
    if craft == "dream":
        dreamt = rv.DreamSettings(size=128, octaves=2, steps=(4,), precision="float32", **how)
        return [*rv.recipes.dream(photo, dreamt)][-1].image.cpu()
    if craft == "instant":
        return rv.recipes.instant(photo, painting, rv.InstantSettings(precision="float32", **how)).cpu()
    return rv.recipes.upscale(photo, rv.UpscaleSettings(**how)).cpu()


@pytest.mark.parametrize("craft", ["style", "dream", "instant"])
def test_the_same_bits_twice(device: torch.device, craft: str, photo: Tensor) -> None:
    """With --deterministic, which is what it is for."""
    first, second = (made(craft, photo, str(device), deterministic=True) for _ in range(2))
    assert torch.equal(first, second)


def test_memory_that_runs_out_cuts_the_picture(
    device: torch.device, dreamnet: Network, make_picture: MakePicture
) -> None:
    """A limit that the planner does not know of: the run notices, and goes on in tiles."""
    if device.type != "cuda":
        pytest.skip("only CUDA's memory can be limited from within")
    there, photo = precision.with_precision(dreamnet, "float32", device=device), make_picture(1, 1536, 1536)
    stages = (rv.Stage((1536, 1536), 1),)
    executor = rv.TiledExecutor(4096)
    devices.limit_memory(device, devices.held_on(device) + 700 * 2**20)
    *_, last = rv.synthesize(
        objective(photo.pow(2), there), there, canvas=rv.PixelCanvas(photo), stages=stages, executor=executor
    )
    assert executor.tile < 1536 and torch.isfinite(last.image.cpu()).all()


def test_steps_are_only_queued(device: torch.device, dreamnet: Network, make_picture: MakePicture) -> None:
    """Giving the device ten steps takes less than half the time in which it does them."""
    there, photo = precision.with_precision(dreamnet, device=device), make_picture(1, 1024, 1024)
    run = rv.synthesize(
        objective(photo.pow(2), there), there, canvas=rv.PixelCanvas(photo), stages=(rv.Stage((1024, 1024), 14),)
    )
    for _ in range(3):
        next(run)
    devices.wait_for(device)
    began = time.perf_counter()
    for _ in range(10):
        next(run)
    given = time.perf_counter() - began
    devices.wait_for(device)
    assert given < 0.5 * (time.perf_counter() - began)
