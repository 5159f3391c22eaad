"""What every canvas keeps: its picture through sizes, its parameters through drawing, its range."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.canvas import Canvas
from reverie.pictures import resize
from tests.conftest import MakePicture

SIZE = (30, 41)


def fourier(x: Tensor) -> Canvas:
    """A random spectrum of the picture's size."""
    return rv.FourierCanvas((x.shape[2], x.shape[3]), deviation=0.3)


MADE: dict[str, Callable[[Tensor], Canvas]] = {
    "pixels": rv.PixelCanvas,
    "pixels on a base": lambda x: rv.PixelCanvas(x, base=x.flip(3)),
    "natural pixels": lambda x: rv.PixelCanvas(x, natural=True),
    "natural pixels on a base": lambda x: rv.PixelCanvas(x, base=x.flip(3), natural=True),
    "pyramid": rv.PyramidCanvas,
    "fourier": fourier,
}
every = pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())
bounded = pytest.mark.parametrize("make", list(MADE.values())[:-1], ids=list(MADE)[:-1])


@pytest.fixture
def start(make_picture: MakePicture) -> Tensor:
    return make_picture(0, *SIZE, batch=1)


@bounded
def test_it_begins_with_the_picture(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    assert torch.allclose(make(start).picture(), start, atol=2e-6)


@every
def test_parameters_are_leaves_and_gradients_flow(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    canvas = make(start)
    picture = canvas.picture()
    assert picture.shape == (1, 3, *SIZE)
    assert picture.dtype == torch.float32
    assert canvas.size == SIZE
    (picture * torch.linspace(0, 1, SIZE[1])).sum().backward()
    for p in canvas.parameters:
        assert p.is_leaf
        assert p.grad is not None and float(p.grad.norm()) > 0


@every
def test_resized_to_its_own_size_is_a_copy(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    canvas = make(start)
    other = canvas.resized(SIZE)
    assert torch.allclose(other.picture(), canvas.picture(), atol=2e-6)
    with torch.no_grad():
        for p in other.parameters:
            p.add_(0.1)
    assert not torch.equal(other.picture(), canvas.picture())
    assert torch.allclose(canvas.picture(), make(start).picture())


@every
@pytest.mark.parametrize("size", [(15, 20), (30, 42), (61, 80), (7, 9)])
def test_resized_keeps_the_picture(start: Tensor, make: Callable[[Tensor], Canvas], size: tuple[int, int]) -> None:
    canvas = make(start)
    other = canvas.resized(size)
    assert other.size == size
    assert all(p.is_leaf and p.requires_grad for p in other.parameters)
    expected = resize(canvas.picture().detach(), size).clamp(0, 1)
    error = (other.picture().detach() - expected).abs()
    near = 0.01 if isinstance(canvas, rv.FourierCanvas) else 0.05
    assert float(error.mean()) < near / 5
    assert float(error.max()) < near


@every
def test_there_and_back(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    canvas = make(rv.pictures.resize(start, (15, 20)).clamp(0, 1))
    back = canvas.resized((60, 80)).resized((15, 20)).picture().detach()
    expected = resize(resize(canvas.picture().detach(), (60, 80)), (15, 20))
    assert float((back - expected).abs().mean()) < 0.01


@every
def test_drawn_leaves_the_parameters_alone(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    canvas = make(start)
    before = [p.detach().clone() for p in canvas.parameters]
    other = [p.detach() + 0.1 for p in canvas.parameters]
    image = canvas.drawn(other)
    assert all(torch.equal(p, b) for p, b in zip(canvas.parameters, before, strict=True))
    assert all(p.requires_grad for p in canvas.parameters)
    assert not image.requires_grad
    canvas.load(other)
    assert torch.equal(image, canvas.picture().detach().clamp(0, 1))


@every
def test_drawn_is_a_copy_within_range(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    canvas = make(start)
    image = canvas.drawn([p.detach() * 50 for p in canvas.parameters])
    assert 0 <= float(image.min()) <= float(image.max()) <= 1
    before = canvas.picture().detach().clone()
    canvas.drawn([p.detach() for p in canvas.parameters]).fill_(0.5)
    assert torch.equal(canvas.picture().detach(), before)


@bounded
def test_project_keeps_the_range(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    canvas = make(start)
    with torch.no_grad():
        canvas.parameters[0].add_(torch.randn(SIZE, generator=torch.Generator().manual_seed(0)))
    wild = canvas.picture().detach().clone()
    assert float(wild.min()) < 0
    assert float(wild.max()) > 1
    canvas.project()
    assert torch.allclose(canvas.picture(), wild.clamp(0, 1), atol=2e-6)
    assert all(p.requires_grad for p in canvas.parameters)


@bounded
def test_project_into_a_set(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    canvas = make(start)
    canvas.project(lambda x: x * 0 + 0.25)
    assert torch.allclose(canvas.picture(), torch.full_like(start, 0.25), atol=2e-6)


@bounded
def test_project_leaves_a_good_picture(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    canvas = make(start)
    before = canvas.picture().detach().clone()
    canvas.project()
    assert torch.allclose(canvas.picture(), before, atol=2e-6)


def test_fourier_cannot_leave_the_range() -> None:
    canvas = rv.FourierCanvas(SIZE, deviation=100.0)
    canvas.project()
    picture = canvas.picture().detach()
    assert 0 <= float(picture.min()) <= float(picture.max()) <= 1


@bounded
def test_the_starting_picture_is_not_touched(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    before = start.clone()
    canvas = make(start)
    with torch.no_grad():
        for p in canvas.parameters:
            p.fill_(0.3)
    canvas.project()
    assert torch.equal(start, before)
