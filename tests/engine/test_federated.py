"""Federated training: an average of clients is training on all they have; bounded, noisy, accounted for, resumed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import pytest
import torch
from torch import Tensor

from reverie.engine import Descent, Learner, State, TrainingStep
from reverie.engine.descent import Weights
from reverie.engine.federated import Clients, ClientUpdate, Privacy, combined, federate, local_update
from reverie.engine.fit import update
from reverie.errors import RecipeError

TRUE = torch.tensor([[1.0, -2.0, 0.5]])

DESCENT = Descent(rate=0.05, warmup=5)


class Line(Learner[Tensor]):
    """Learns a linear map by its squared error."""

    def loss(self, weights: Weights, batch: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        error = (batch @ (weights["slope"] - TRUE).T).pow(2).mean()
        return error, {"error": error}


class Here(Clients):
    """Clients in this process: one for each seed, each with inputs of its own scale; some die at a step."""

    def __init__(self, sizes: Sequence[int], *, dies: int | None = None, steps: int = 1) -> None:
        self.sizes, self.dies, self.steps = sizes, dies, steps

    def batch(self, client: int, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(1000 * client + number)
        return torch.randn(8, 3, generator=generator) * (1 + client)

    def round(self, weights: Weights, step: int, terms: State) -> tuple[list[ClientUpdate], tuple[str, ...]]:
        found = []
        for client, photos in enumerate(self.sizes):
            if client == 0 and self.dies is not None and step >= self.dies:
                continue
            batches = partial(self.batch, client)
            own = local_update(Line(), weights, batches, step, count=self.steps, rate=0.1)
            losses = {name: float(x) for name, x in own.losses.items()}
            found.append(ClientUpdate(own.gradients, losses, photos))
        gone = ("one is gone",) if step == self.dies else ()
        return found, gone


def weights() -> dict[str, Tensor]:
    return {"slope": torch.zeros(1, 3)}


def run(
    clients: Clients, *, steps: int = 120, privacy: Privacy | None = None, state: State | None = None
) -> TrainingStep:
    how = privacy or Privacy()
    *_, last = federate(weights(), Line(), clients, steps=steps, descent=DESCENT, privacy=how, state=state)
    return last


def test_the_average_of_equal_clients_is_the_gradient_of_all_they_have() -> None:
    here, start = (
        Here((5, 5)),
        {"slope": torch.randn(1, 3, generator=torch.Generator().manual_seed(2)).requires_grad_()},
    )
    updates, _ = here.round(start, 0, {})
    found = combined(updates, Privacy(), torch.Generator())
    joint = torch.cat([here.batch(client, 0) for client in (0, 1)])
    assert torch.allclose(found.gradients["slope"], update(Line(), start, {}, joint).gradients["slope"], atol=1e-5)


def test_clients_count_by_their_photos() -> None:
    ones, twos = ({"slope": torch.full((1, 3), x)} for x in (1.0, 2.0))
    updates = [ClientUpdate(ones, {"error": 1.0}, 30), ClientUpdate(twos, {"error": 4.0}, 10)]
    found = combined(updates, Privacy(), torch.Generator())
    assert torch.allclose(found.gradients["slope"], torch.tensor(1.25))
    assert float(found.losses["error"]) == pytest.approx(1.75)


@pytest.mark.parametrize("steps", [1, 4])
def test_unequal_clients_learn_what_is_true_of_all(steps: int) -> None:
    last = run(Here((50, 10, 3), steps=steps))
    assert torch.allclose(last.average["slope"], TRUE, atol=0.05)
    assert last.step == 120 and last.last


def test_a_client_that_dies_is_noted_and_the_others_go_on() -> None:
    notes: list[str] = []
    for step in federate(weights(), Line(), Here((5, 5), dies=10), steps=100, descent=DESCENT):
        notes += step.notes
    assert notes == ["one is gone"] and torch.allclose(step.average["slope"], TRUE, atol=0.05)


def test_an_update_that_is_not_finite_is_left_out() -> None:
    good = ClientUpdate({"slope": torch.ones(1, 3)}, {"error": 1.0}, 1)
    bad = ClientUpdate({"slope": torch.full((1, 3), math.nan)}, {}, 9)
    assert torch.equal(combined([bad, good], Privacy(), torch.Generator()).gradients["slope"], torch.ones(1, 3))
    assert not math.isfinite(float(combined([bad], Privacy(), torch.Generator()).norm))


def test_no_client_counts_for_more_than_its_clip() -> None:
    small, large = ({"slope": torch.full((1, 4), x)} for x in (0.25, 50.0))
    updates = [ClientUpdate(small, {}, 1), ClientUpdate(large, {}, 999)]
    found = combined(updates, Privacy(clip=1.0), torch.Generator()).gradients["slope"]
    assert torch.allclose(found, torch.full((1, 4), (0.25 + 0.5) / 2))


def test_the_noise_is_as_large_as_is_said() -> None:
    nothing = [ClientUpdate({"slope": torch.zeros(200, 100)}, {}, 1) for _ in range(4)]
    drawn = combined(nothing, Privacy(clip=2.0, noise=3.0), torch.Generator().manual_seed(0)).gradients["slope"]
    assert float(drawn.std()) == pytest.approx(2.0 * 3.0 / 4, rel=0.02)
    again = combined(nothing, Privacy(clip=2.0, noise=3.0), torch.Generator().manual_seed(0)).gradients["slope"]
    assert torch.equal(drawn, again)


def test_privacy_is_accounted_for() -> None:
    """Against the same account, searched over orders of Renyi divergence."""
    privacy, rounds, delta = Privacy(clip=1.0, noise=8.0), 300, 1e-5
    orders = [1 + x / 100 for x in range(1, 5000)]
    renyi = min(rounds * a / (2 * 8.0**2) + math.log(1 / delta) / (a - 1) for a in orders)
    assert privacy.epsilon(rounds) == pytest.approx(renyi, rel=1e-3)
    assert privacy.epsilon(600) > privacy.epsilon(300) > Privacy(clip=1.0, noise=16.0).epsilon(300)
    assert Privacy(clip=1.0).epsilon(1) == math.inf
    with pytest.raises(RecipeError, match="give a clip"):
        Privacy(noise=1.0)


def test_resumed_is_uninterrupted() -> None:
    privacy = Privacy(clip=1.0, noise=0.1)
    whole = run(Here((5, 2)), steps=12, privacy=privacy)
    for step in federate(weights(), Line(), Here((5, 2)), steps=12, descent=DESCENT, privacy=privacy):
        if step.step == 7:
            state = step.state()
            break
    again = run(Here((5, 2)), steps=12, privacy=privacy, state=state)
    assert torch.equal(whole.average["slope"], again.average["slope"])
