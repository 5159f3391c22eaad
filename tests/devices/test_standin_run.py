"""Everything that is public runs a step on another device, and gives what the processor gives."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

import reverie as rv
from reverie.engine import Executor
from reverie.networks import Network
from tests.conftest import MakePicture
from tests.objectives.test_every_term import TERMS, Make
from tests.standin import NAME, watched


@pytest.fixture(scope="module")
def there(tiny: Network) -> Network:
    """The tiny network on the stand-in."""
    return tiny.with_precision(torch.float32, device=NAME)


def check_term(name: str, make: Make, here: Network, there: Network, photo: Tensor, executor: Executor | None) -> None:
    """Compare value and gradient of a term on the stand-in with the processor's."""
    other = photo.flip(2, 3).pow(2)
    expected = rv.evaluate(make(other), here, photo)
    theirs = other.to(NAME) if name == "term" else other  # a term of one's own computes with what it is given
    found = rv.evaluate(make(theirs), there, photo, executor=executor)
    assert found.total.device == there.device
    assert found.gradient.device == photo.device
    assert float(found.total) == pytest.approx(float(expected.total), rel=1e-3, abs=1e-5)
    assert (found.gradient - expected.gradient).norm() <= 1e-2 * expected.gradient.norm()


@pytest.mark.parametrize("name", TERMS)
def test_every_term(name: str, tiny: Network, there: Network, make_picture: MakePicture) -> None:
    """Even on a device without float64."""
    photo = make_picture(1, 20, 22, batch=2 if name == "diversity" else 1)
    with watched(float64=False):
        check_term(name, TERMS[name][-1], tiny, there, photo, None)


@pytest.mark.slow
@pytest.mark.parametrize("name", TERMS)
def test_every_term_in_tiles(name: str, tiny: Network, there: Network, make_picture: MakePicture) -> None:
    photo = make_picture(1, 20, 22, batch=2 if name == "diversity" else 1)
    for make in TERMS[name]:
        for executor in (rv.TiledExecutor(8), rv.TiledExecutor(8, home="cpu")):
            with watched():
                check_term(name, make, tiny, there, photo, executor)
