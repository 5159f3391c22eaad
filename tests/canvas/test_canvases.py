"""What every canvas keeps: its picture through sizes, its parameters through drawing, its range."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

import reverie as rv
from reverie.canvas import Canvas
from reverie.errors import RecipeError
from reverie.pictures import resize, size_of
from tests.conftest import MakePicture

SIZE = (30, 41)


def fourier(x: Tensor) -> Canvas:
    """A random spectrum of the picture's size."""
    return rv.FourierCanvas((x.shape[2], x.shape[3]), deviation=0.3)


class Decoder(nn.Module):
    """Makes a picture of the size of these tests from a code of sixteen numbers, plus or minus 1."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.maps = nn.Parameter(torch.randn(16, 3, 5, 6, generator=generator))

    def forward(self, code: Tensor) -> Tensor:
        coarse = torch.einsum("bk,kchw->bchw", code, self.maps).tanh()
        return nn.functional.interpolate(coarse, SIZE, mode="bicubic", align_corners=False)


def latent(x: Tensor) -> Canvas:
    """The code of a decoder."""
    code = torch.randn(len(x), 16, generator=torch.Generator().manual_seed(4))
    return rv.LatentCanvas(Decoder(), 0.3 * code, values=(-1.3, 1.3))


def cppn(x: Tensor) -> Canvas:
    """A network of coordinates that is not grey any more."""
    canvas = rv.CPPNCanvas(size_of(x), seed=5, batch=len(x), width=8, depth=2)
    last = torch.randn(canvas.parameters[-1].shape, generator=torch.Generator().manual_seed(6))
    canvas.load((*(p.detach() for p in canvas.parameters[:-1]), 0.1 * last))
    return canvas


BOUNDED: dict[str, Callable[[Tensor], Canvas]] = {
    "pixels": rv.PixelCanvas,
    "pixels on a base": lambda x: rv.PixelCanvas(x, base=x.flip(3)),
    "natural pixels": lambda x: rv.PixelCanvas(x, natural=True),
    "natural pixels on a base": lambda x: rv.PixelCanvas(x, base=x.flip(3), natural=True),
    "pyramid": rv.PyramidCanvas,
}
"""Canvases that begin with a picture, and of which a projection brings it back into range."""
SAME = {**BOUNDED, "fourier": fourier, "cppn": cppn, "latent": latent}
"""Canvases that draw the same picture at every size."""
MADE = {**SAME, "phases": lambda x: rv.PhaseCanvas.of(x), "prior": lambda x: rv.PriorCanvas(size_of(x), seed=2)}
every = pytest.mark.parametrize("make", MADE.values(), ids=MADE.keys())
same = pytest.mark.parametrize("make", SAME.values(), ids=SAME.keys())
bounded = pytest.mark.parametrize("make", BOUNDED.values(), ids=BOUNDED.keys())


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


@same
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


@same
def test_there_and_back(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    canvas = make(rv.pictures.resize(start, (15, 20)).clamp(0, 1)).resized((15, 20))
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


UNBOUNDED = {name: make for name, make in MADE.items() if name not in BOUNDED}


@pytest.mark.parametrize("make", UNBOUNDED.values(), ids=UNBOUNDED.keys())
def test_others_cannot_leave_the_range_and_refuse_projections(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    canvas = make(start)
    with torch.no_grad():
        for p in canvas.parameters:
            p.mul_(100)
    canvas.project()
    picture = canvas.drawn()
    assert 0 <= float(picture.min()) <= float(picture.max()) <= 1
    with pytest.raises(RecipeError, match="PixelCanvas"):
        canvas.project(lambda x: x)


@bounded
def test_the_starting_picture_is_not_touched(start: Tensor, make: Callable[[Tensor], Canvas]) -> None:
    before = start.clone()
    canvas = make(start)
    with torch.no_grad():
        for p in canvas.parameters:
            p.fill_(0.3)
    canvas.project()
    assert torch.equal(start, before)
