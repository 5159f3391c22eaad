"""Feature visualisation: what is asked for grows, silent units wake, and the same seed is the same picture."""

from __future__ import annotations

import pytest
import torch

import reverie as rv
from reverie.networks import Network
from reverie.recipes import visualise


def test_what_is_asked_for_grows() -> None:
    steps = [step.total for step in visualise(-rv.channel("relu3_2", 11), "dreamnet", (48, 48), steps=12)]
    assert steps[-1] < 2 * steps[0] < 0


def test_same_seed_same_picture(tiny: Network) -> None:
    a, b, c = (
        [*visualise(-rv.channel("relu3", 2), tiny, (24, 28), steps=3, seed=seed, batch=2)][-1].image
        for seed in (1, 1, 2)
    )
    assert a.shape == (2, 3, 24, 28)
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_silent_units_wake_by_a_leak(tiny: Network) -> None:
    silent = next(i for i in range(16) if float(_slope(tiny, i, leak=0.0)) == 0)
    assert float(_slope(tiny, silent, leak=0.1)) > 0
    with pytest.raises(rv.RecipeError, match="leak"):
        visualise(-rv.channel("relu3", 2), tiny, leak=2)


def _slope(network: Network, channel: int, *, leak: float) -> torch.Tensor:
    grey = torch.full((1, 3, 24, 24), 0.5)
    return rv.evaluate(rv.neuron("relu3", channel), network.with_leak(leak), grey).gradient.norm()
