"""Optimisers against their formulas, and projections against theirs."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import reverie as rv
from reverie.errors import RecipeError
from reverie.optimisers import balanced, box, l2, linf


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def rms(x: Tensor) -> float:
    return float(x.detach().pow(2).mean().sqrt())


def pulled(p: Tensor, gradient: Tensor) -> Callable[[], Tensor]:
    """A closure whose gradient is given."""

    def closure() -> Tensor:
        p.grad = gradient.clone()
        return (p.detach() * gradient).sum()

    return closure


def quadratic(p: Tensor, target: Tensor, stiffness: Tensor) -> Callable[[], Tensor]:
    def closure() -> Tensor:
        p.grad = None
        loss = (stiffness * (p - target).pow(2)).sum()
        loss.backward()
        return loss.detach()

    return closure


# --- normalised steps ----------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1e-12, 1.0, 1e9])
@pytest.mark.parametrize("rate", [0.5, 1.0])
def test_a_step_has_the_rates_length(size: float, rate: float) -> None:
    p = torch.zeros(1, 3, 33, 40, requires_grad=True)
    run = rv.Normalised(rate=0.02, bands=1).start((p,), rate=rate)
    gradient = noise(1, 3, 33, 40) * size
    run.step(pulled(p, gradient))
    assert rms(p) == pytest.approx(0.02 * rate, rel=1e-4)
    assert torch.allclose(p.detach(), -0.02 * rate * gradient / rms(gradient / size) / size, atol=1e-5)


@pytest.mark.parametrize("bands", [2, 4, 8])
def test_a_banded_step_has_about_the_rates_length(bands: int, astronaut: Tensor) -> None:
    for gradient in (noise(1, 3, 128, 128), astronaut - astronaut.mean()):
        p = torch.zeros_like(gradient, requires_grad=True)
        rv.Normalised(rate=0.02, bands=bands).start((p,)).step(pulled(p, gradient))
        assert 0.65 < rms(p) / 0.02 < 1.35


def parts(x: Tensor, count: int) -> list[Tensor]:
    """Laplacian bands, each at the full size."""
    out, low = [], x
    for _ in range(count - 1):
        down = F.avg_pool2d(low, 2)
        out.append(low - F.interpolate(down, low.shape[-2:], mode="bilinear"))
        low = down
    return [F.interpolate(b, x.shape[-2:], mode="bilinear") for b in (*out, low)]


@pytest.mark.parametrize("drowned", ["shapes", "texture"])
def test_bands_are_balanced(drowned: str) -> None:
    """Whichever is a thousand times weaker in the gradient, it is seen in the step."""
    fine = noise(1, 3, 64, 64)
    coarse = F.interpolate(noise(1, 3, 8, 8, seed=1), (64, 64), mode="bilinear")
    gradient = 1000 * fine + coarse if drowned == "shapes" else fine + 1000 * coarse
    before = [rms(b) for b in parts(gradient, 4)]
    after = [rms(b) for b in parts(balanced(gradient, bands=4), 4)]
    assert max(after) / min(after) < 4
    assert max(before) / min(before) > 8


def test_one_band_is_the_gradient() -> None:
    gradient = noise(2, 3, 20, 24)
    each = gradient / gradient.pow(2).mean((1, 2, 3), keepdim=True).sqrt()
    assert torch.allclose(balanced(gradient, bands=1), each, atol=1e-6)


@pytest.mark.parametrize("size", [(1, 1), (3, 50), (7, 7), (8, 8), (33, 47)])
def test_bands_of_any_size(size: tuple[int, int]) -> None:
    out = balanced(noise(1, 3, *size), bands=6)
    assert out.shape == (1, 3, *size)
    assert torch.isfinite(out).all()


def test_pictures_of_a_batch_do_not_mix() -> None:
    gradient = noise(2, 3, 32, 32) * torch.tensor([1.0, 1e6])[:, None, None, None]
    together = balanced(gradient, bands=4)
    for i in (0, 1):
        assert torch.allclose(together[i : i + 1], balanced(gradient[i : i + 1], bands=4), atol=1e-5)


def test_no_gradient_is_no_step() -> None:
    p = torch.ones(1, 3, 16, 16, requires_grad=True)
    rv.Normalised().start((p,)).step(pulled(p, torch.zeros_like(p)))
    assert torch.equal(p.detach(), torch.ones(1, 3, 16, 16))


def test_sign_steps() -> None:
    p, gradient = torch.zeros(1, 3, 9, 9, requires_grad=True), noise(1, 3, 9, 9)
    rv.Normalised(rate=0.01, sign=True).start((p,)).step(pulled(p, gradient))
    assert torch.allclose(p.detach(), -0.01 * gradient.sign())


def test_old_gradients_are_forgotten() -> None:
    p = torch.zeros(1, 3, 8, 8, requires_grad=True)
    p.grad = noise(1, 3, 8, 8) * 1e6

    def closure() -> Tensor:
        (p.sum()).backward()
        return p.detach().sum()

    rv.Normalised(rate=0.1, bands=1).start((p,)).step(closure)
    assert torch.allclose(p.detach(), torch.full_like(p, -0.1))


def test_bands_are_refused_below_one() -> None:
    with pytest.raises(RecipeError, match="band"):
        rv.Normalised(bands=0)


# --- adam ----------------------------------------------------------------------------------------


def adam(
    p: np.ndarray, gradients: list[np.ndarray], m: np.ndarray, v: np.ndarray, t: int, rate: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Algorithm 1 of Kingma & Ba."""
    for g in gradients:
        t += 1
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        p = p - rate * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.99**t)) + 1e-8)
    return p, m, v


def test_adam() -> None:
    p = torch.zeros(1, 3, 8, 8, requires_grad=True)
    gradients = [noise(1, 3, 8, 8, seed=i) for i in range(4)]
    run = rv.Adam(rate=0.03).start((p,), rate=0.5)
    for g in gradients:
        run.step(pulled(p, g))
    zero = np.zeros((1, 3, 8, 8))
    expected, *_ = adam(zero, [g.double().numpy() for g in gradients], zero, zero, 0, 0.015)
    np.testing.assert_allclose(p.detach().numpy(), expected, atol=1e-6)


def test_lean_adam_is_adam_to_bfloat16() -> None:
    start, gradients = torch.rand(1, 3, 6, 7), [torch.randn(1, 3, 6, 7) for _ in range(4)]
    ends = []
    for lean in (False, True):
        p = start.clone().requires_grad_(True)
        run = rv.Adam(rate=0.03, lean=lean).start((p,))
        for g in gradients:
            run.step(pulled(p, g))
        grown = torch.rand(1, 3, 9, 8).requires_grad_(True)
        later = rv.Adam(rate=0.03, lean=lean).start((grown,), previous=run)
        begun = grown.detach().clone()
        later.step(pulled(grown, torch.ones_like(grown)))
        ends.append((p.detach(), grown.detach() - begun))
    assert (ends[0][0] - ends[1][0]).abs().max() < 0.03 * 4 * 2**-6
    assert (ends[0][1] - ends[1][1]).abs().max() < 0.03 * 2**-5
    assert rv.Adam(lean=True).buffers == 1


def test_adam_carries_its_moments() -> None:
    small, large = (torch.zeros(1, 3, n, n, requires_grad=True) for n in (8, 13))
    gradients = [noise(1, 3, 8, 8, seed=i).abs() for i in range(3)]
    run = rv.Adam(rate=0.03).start((small,))
    for g in gradients:
        run.step(pulled(small, g))
    zero = np.zeros((1, 3, 8, 8))
    _, m, v = adam(zero, [g.double().numpy() for g in gradients], zero, zero, 0, 0.03)
    m, v = (
        F.interpolate(torch.from_numpy(a), (13, 13), mode=mode).numpy() for a, mode in ((m, "bicubic"), (v, "bilinear"))
    )
    last = noise(1, 3, 13, 13, seed=9)
    rv.Adam(rate=0.03).start((large,), previous=run).step(pulled(large, last))
    expected, *_ = adam(np.zeros_like(m), [last.double().numpy()], m, np.maximum(v, 0), 3, 0.03)
    np.testing.assert_allclose(large.detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize(
    "after",
    [
        [(2, 3, 16, 16)],  # another batch
        [(1, 3, 16, 16), (1, 3, 8, 8)],  # another number
        [(1, 3, 16, 9, 2)],  # spectra
    ],
)
def test_adam_begins_anew_where_nothing_can_be_carried(after: list[tuple[int, ...]]) -> None:
    old = torch.zeros(1, 3, 8, 8, requires_grad=True)
    run = rv.Adam().start((old,))
    run.step(pulled(old, torch.ones(1, 3, 8, 8)))
    new = tuple(torch.zeros(shape, requires_grad=True) for shape in after)
    rv.Adam(rate=0.02).start(new, previous=run).step(lambda: _set(new))
    for p in new:
        assert torch.allclose(p.detach(), torch.full_like(p, -0.02), atol=1e-6)


def _set(parameters: tuple[Tensor, ...]) -> Tensor:
    for p in parameters:
        p.grad = torch.ones_like(p)
    return torch.zeros(())


def test_adam_after_another_optimiser_begins_anew() -> None:
    p = torch.zeros(1, 3, 8, 8, requires_grad=True)
    previous = rv.Normalised().start((p,))
    rv.Adam(rate=0.02).start((p,), previous=previous).step(lambda: _set((p,)))
    assert torch.allclose(p.detach(), torch.full_like(p, -0.02), atol=1e-6)


def test_carrying_does_not_disturb_the_old_run() -> None:
    old, new = (torch.zeros(1, 3, 8, 8, requires_grad=True) for _ in range(2))
    run = rv.Adam().start((old,))
    run.step(pulled(old, noise(1, 3, 8, 8)))
    before: dict[Any, Any] = run.state()
    later = rv.Adam().start((new,), previous=run)
    later.step(pulled(new, noise(1, 3, 8, 8, seed=5)))
    after: dict[Any, Any] = run.state()
    assert before[0].keys() == after[0].keys()
    assert all(torch.equal(before[0][key], after[0][key]) for key in before[0])


# --- l-bfgs --------------------------------------------------------------------------------------


def test_lbfgs_descends_a_quadratic() -> None:
    p = torch.zeros(1, 3, 6, 6, dtype=torch.float64, requires_grad=True)
    target = noise(1, 3, 6, 6).double()
    stiffness = torch.logspace(0, 3, 108, dtype=torch.float64).view(1, 3, 6, 6)
    closure = quadratic(p, target, stiffness)
    run, losses = rv.LBFGS().start((p,)), [float(closure())]
    for _ in range(60):
        run.step(closure)
        losses.append(float(closure()))
    assert all(b <= a for a, b in itertools.pairwise(losses))
    assert losses[-1] < 1e-4 * losses[0]


def test_lbfgs_goes_on_where_it_was() -> None:
    def run(breaks: bool) -> Tensor:
        p = torch.zeros(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
        stiffness = torch.logspace(0, 2, 48, dtype=torch.float64).view(1, 3, 4, 4)
        closure = quadratic(p, noise(1, 3, 4, 4).double(), stiffness)
        state = rv.LBFGS().start((p,))
        for i in range(6):
            state.step(closure)
            if breaks and i == 2:
                fresh = rv.LBFGS().start((p,))
                fresh.load(state.state())
                state = fresh
        return p.detach()

    assert torch.equal(run(False), run(True))


def test_line_searches_are_not_bounded() -> None:
    assert not rv.LBFGS.bounded
    assert rv.Adam.bounded
    assert rv.Normalised.bounded


# --- all of them ---------------------------------------------------------------------------------

ALL = [
    rv.Adam(rate=0.05),
    rv.Adam(rate=0.05, lean=True),
    rv.LBFGS(),
    rv.Normalised(rate=0.05),
    rv.Normalised(0.05, 1, True),
]


@pytest.mark.parametrize("optimiser", ALL)
def test_it_descends(optimiser: rv.optimisers.Optimiser) -> None:
    p = torch.zeros(1, 3, 16, 16, requires_grad=True)
    closure = quadratic(p, noise(1, 3, 16, 16), torch.ones(1, 3, 16, 16))
    before, run = float(closure()), optimiser.start((p,))
    for _ in range(5):
        run.step(closure)
    assert float(closure()) < before


@pytest.mark.bits
@pytest.mark.parametrize("optimiser", ALL)
def test_state_goes_on(optimiser: rv.optimisers.Optimiser) -> None:
    pictures = []
    for breaks in (False, True):
        p = torch.zeros(1, 3, 16, 16, requires_grad=True)
        closure = quadratic(p, noise(1, 3, 16, 16), torch.ones(1, 3, 16, 16))
        run = optimiser.start((p,))
        for i in range(4):
            run.step(closure)
            if breaks and i == 1:
                fresh = optimiser.start((p,))
                fresh.load(run.state())
                run = fresh
        pictures.append(p.detach())
    assert torch.equal(*pictures)


@pytest.mark.parametrize("optimiser", ALL)
def test_settings_are_frozen(optimiser: rv.optimisers.Optimiser) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        optimiser.rate = 1.0  # type: ignore[attr-defined]


# --- projections ---------------------------------------------------------------------------------


def test_box() -> None:
    x = noise(1, 3, 8, 8) * 3
    assert torch.equal(box()(x), x.clamp(0, 1))
    assert torch.equal(box(-0.5, 0.25)(x), x.clamp(-0.5, 0.25))


@pytest.mark.parametrize("radius", [0.01, 0.5, 100.0])
def test_linf(radius: float) -> None:
    centre, x = noise(2, 3, 8, 8), noise(2, 3, 8, 8, seed=1) * 3
    expected = np.clip(x.numpy(), (centre - radius).numpy(), (centre + radius).numpy())
    np.testing.assert_allclose(linf(centre, radius)(x).numpy(), expected)


@pytest.mark.parametrize("radius", [0.01, 5.0, 1e4])
def test_l2(radius: float) -> None:
    centre, x = (
        noise(2, 3, 8, 8),
        noise(2, 3, 8, 8, seed=1) * torch.tensor([0.1, 3])[:, None, None, None],
    )
    projected = l2(centre, radius)(x)
    for c, before, after in zip(centre.numpy(), x.numpy(), projected.numpy(), strict=True):
        norm = np.linalg.norm(before - c)
        expected = c + (before - c) * min(1, radius / norm)
        np.testing.assert_allclose(after, expected, atol=1e-5)


def test_the_centre_stays() -> None:
    centre = noise(1, 3, 8, 8)
    for ball in (linf, l2):
        assert torch.equal(ball(centre, 0.1)(centre), centre)


@pytest.mark.parametrize("ball", [linf, l2])
def test_projecting_twice_is_projecting_once(ball: Callable[[Tensor, float], Callable[[Tensor], Tensor]]) -> None:
    project = ball(noise(1, 3, 8, 8), 0.3)
    once = project(noise(1, 3, 8, 8, seed=1))
    assert torch.allclose(project(once), once, atol=1e-6)


@pytest.mark.parametrize("ball", [linf, l2])
@pytest.mark.parametrize("radius", [0.0, -1.0])
def test_a_ball_has_a_radius(ball: Callable[[Tensor, float], Callable[[Tensor], Tensor]], radius: float) -> None:
    with pytest.raises(RecipeError, match="radius"):
        ball(torch.zeros(1, 3, 2, 2), radius)


# --- pictures that go on round their edges -------------------------------------------------------


def test_periodic_bands_roll_with_the_gradient() -> None:
    gradient = noise(1, 3, 48, 32).double()
    shift = (16, 8)
    here, there = (balanced(g, bands=4, periodic=True) for g in (gradient, gradient.roll(shift, (2, 3))))
    assert torch.allclose(here.roll(shift, (2, 3)), there, atol=1e-12)
    assert not torch.allclose(balanced(gradient, bands=4), here, atol=1e-3)
    inside = (slice(None), slice(None), slice(20, 28), slice(12, 20))
    wide = noise(1, 3, 96, 96, seed=1).double()
    plain, round_ = (balanced(wide, bands=2, periodic=p)[inside] for p in (False, True))
    assert torch.allclose(plain / plain.norm(), round_ / round_.norm(), atol=1e-3)


def test_periodic_moments_are_carried_round_the_edges() -> None:
    def carried(shift: int) -> Tensor:
        small = torch.zeros(1, 3, 8, 8, requires_grad=True)
        run = rv.Adam(periodic=True).start((small,))
        run.step(pulled(small, noise(1, 3, 8, 8).roll(shift, 3)))
        large = torch.zeros(1, 3, 16, 16, requires_grad=True)
        later = rv.Adam(periodic=True).start((large,), previous=run)
        moments: dict[Any, Any] = later.state()
        return moments[0]["exp_avg"]

    assert torch.allclose(carried(3), carried(0).roll(6, 3), atol=1e-7)
