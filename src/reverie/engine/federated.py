"""Federated training: clients keep what they learn from, and the server gets their updates only.

Source: McMahan et al. 2017, "Communication-efficient learning of deep networks from decentralized data"; the server's
adaptive step, Reddi et al. 2021; clipping and noise, McMahan et al. 2018; the account, Bun & Steinke 2016.
"""

from __future__ import annotations

import math
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from reverie.engine.descent import Descent, TrainingState, Update, Weights
from reverie.engine.fit import Learner, TrainingStep, update
from reverie.engine.iterates import State
from reverie.errors import RecipeError

B = TypeVar("B")
DELTA = 1e-5
"""Probability with which the privacy that is accounted for may fail."""


@dataclass(frozen=True, eq=False)
class ClientUpdate:
    """What a client tells the server of a round.

    Attributes:
        gradients: the mean gradient on its way, by weight.
        losses: each term's value at the beginning of the round.
        photos: how many it learns from.
    """

    gradients: Weights
    losses: Mapping[str, float]
    photos: int

    @property
    def norm(self) -> float:
        """Norm of all gradients as one vector."""
        return float(torch.stack([g.pow(2).sum() for g in self.gradients.values()]).sum().sqrt())


class Clients(ABC):
    """The clients of a training, wherever they are."""

    @abstractmethod
    def round(self, weights: Weights, step: int, terms: State) -> tuple[list[ClientUpdate], tuple[str, ...]]:
        """Have every client learn from these weights; return the updates, and notes on clients that are gone.

        Args:
            weights: of the server.
            step: number of the round, from 0.
            terms: the learner's state, which all clients share.
        """


@dataclass(frozen=True)
class Privacy:
    """Bounds on what a client's update may give away.

    Attributes:
        clip: largest norm of a client's update; None leaves it as it is, and clients count by their photos.
        noise: standard deviation of what is added to the sum of the updates, in clips.
    Raises:
        RecipeError: noise without a clip, which would hide nothing.
    """

    clip: float | None = None
    noise: float = 0.0

    def __post_init__(self) -> None:
        if self.noise and self.clip is None:
            raise RecipeError("noise hides a client whose update is bounded; give a clip with it.")

    def epsilon(self, rounds: int, *, delta: float = DELTA) -> float:
        """Account for the privacy of a client after so many rounds, in each of which all take part.

        Example:
            >>> round(Privacy(clip=1.0, noise=20.0).epsilon(100), 2)
            2.52
        """
        if not self.noise:
            return math.inf
        rho = rounds / (2 * self.noise**2)
        return rho + 2 * math.sqrt(rho * math.log(1 / delta))


def local_update(
    learner: Learner[B], weights: Weights, batches: Callable[[int], B], step: int, *, count: int, rate: float
) -> Update:
    """Compute a client's update: its mean gradient over some small steps away from the server's weights.

    Args:
        learner: with the client's own data.
        weights: of the server; not changed.
        batches: of the client, by number.
        step: number of the round, from 0.
        count: steps; of one the update is the gradient itself.
        rate: size of a step, along the gradient clipped to norm 1.
    """
    own = {key: x.detach().clone().requires_grad_(True) for key, x in weights.items()}
    total: dict[str, Tensor] = {}
    losses: Weights = {}
    for number in range(count):
        found = update(learner, own, {}, batches(step * count + number))
        losses = losses or found.losses
        shorter = rate / found.norm.clamp_min(1.0)
        for key, gradient in found.gradients.items():
            total[key] = total.get(key, 0) + gradient / count
            own[key] = (own[key].detach() - shorter * gradient).requires_grad_(True)
    return Update(total, {}, losses)


def combined(updates: Sequence[ClientUpdate], privacy: Privacy, generator: torch.Generator) -> Update:
    """Average the updates of clients: by their photos, or clipped, all alike, and with noise.

    Updates that are not finite are left out; of none there is none, which the training takes as a failed step.

    Args:
        updates: at least one.
        privacy: clip and noise.
        generator: of the noise.
    """
    sound = [each for each in updates if math.isfinite(each.norm)] or list(updates)
    shares = [1.0 if privacy.clip is not None else float(each.photos) for each in sound]
    factors = [1.0 if privacy.clip is None else min(1.0, privacy.clip / max(each.norm, 1e-12)) for each in sound]
    whole = sum(shares)
    gradients = {}
    for key in sound[0].gradients:
        parts = (s * f * each.gradients[key] for s, f, each in zip(shares, factors, sound, strict=True))
        gradients[key] = torch.stack([*parts]).sum(0) / whole
        if privacy.noise and privacy.clip is not None:
            drawn = torch.randn(gradients[key].shape, generator=generator)
            gradients[key] += privacy.noise * privacy.clip / len(sound) * drawn
    names = sound[0].losses
    losses = {n: sum(s * each.losses[n] for s, each in zip(shares, sound, strict=True)) / whole for n in names}
    return Update(gradients, {}, {name: torch.tensor(value) for name, value in losses.items()})


def federate(
    weights: Weights,
    learner: Learner[Any],
    clients: Clients,
    *,
    steps: int | None = None,
    seconds: float = 0.0,
    descent: Descent = Descent(),  # noqa: B008  # frozen
    privacy: Privacy = Privacy(),  # frozen
    seed: int = 0,
    state: State | None = None,
) -> Iterator[TrainingStep]:
    """Fit weights to what clients keep: each round is a step of the server along the mean of their updates.

    With one local step, no clip and no noise it is the training on all photos at once, each client's batch a part of
    the step's.

    Args:
        weights: to begin with; they are copied.
        learner: the server's, which has no data of the clients.
        clients: who learn.
        steps: rounds; None trains for so many seconds instead.
        seconds, descent, state: as for `fit`.
        privacy: clip and noise.
        seed: of the noise.
    Yields:
        A `TrainingStep` a round.
    Raises:
        RecipeError: there is no budget, or no client is left.
        Diverged: it is not finite again and again.
    """
    if not steps and seconds <= 0:
        raise RecipeError("a training takes so many rounds, or so many seconds; got neither.")
    training = TrainingState(weights, {}, descent)
    if state is not None:
        training.load(state)
    learner.begin(state and state["learner"], training.average)
    begun = time.monotonic() - training.seconds
    done = 0.0
    while done < 1:
        updates, notes = clients.round(training.weights, training.step, learner.state())
        generator = torch.Generator().manual_seed((seed * 1_000_003 + training.step + 1) % 2**63)
        told = training.apply(combined(updates, privacy, generator), done)
        training.seconds = time.monotonic() - begun
        done = min(1.0, training.step / steps if steps else training.seconds / seconds)
        losses = training.losses
        yield TrainingStep(training.step, done, training.seconds, losses, (*notes, *told), learner, training)
