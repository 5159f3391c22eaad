"""Training of weights: an optimiser, its schedule, an average, and the return to weights that were good."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.engine.iterates import State
from reverie.errors import Diverged

Weights = Mapping[str, Tensor]
"""Tensors by name."""
_SAFE = 50  # steps between copies of the weights that can be gone back to
_PATIENCE, _RETURNS = 3, 4  # steps in a row that are not finite, and returns, before it is given up


@dataclass(frozen=True)
class Descent:
    """Settings of the training of weights: Adam with clipping, a schedule, and an average.

    Attributes:
        rate: the largest size of a step.
        warmup: steps until it is reached.
        decay_from: share of the budget after which it falls, with a square root, to 0.
        betas: decay of the first and second moment.
        weight_decay: of AdamW.
        clip: largest norm of the gradient of all weights.
        ema_decay: share of the moving average of the weights that stays at a step.
        ema_warmup: after n steps (n + 1) / (n + ema_warmup) of it stay, if that is less.
    """

    rate: float = 2e-3
    warmup: int = 60
    decay_from: float = 0.6
    betas: tuple[float, float] = (0.9, 0.99)
    weight_decay: float = 0.0
    clip: float = 1.0
    ema_decay: float = 0.995
    ema_warmup: int = 10

    def rate_at(self, step: int, spent: float) -> float:
        """Return the size of a step (from 0), once this share of the budget is spent.

        Example:
            >>> Descent(rate=1e-3).rate_at(500, 0.3), Descent(rate=1e-3).rate_at(900, 1.0)
            (0.001, 0.0)
        """
        late = max(0.0, spent - self.decay_from) / max(1 - self.decay_from, 1e-9)
        return self.rate * min(1.0, (step + 1) / self.warmup) * (1 - math.sqrt(late))


@dataclass(frozen=True, eq=False)
class Update:
    """Gradients and losses of a batch.

    Attributes:
        gradients: of the loss, by weight; those that had no part in it are left out.
        carried: what is not learned but carried along, such as running means, as it is now.
        losses: each term's value.
    """

    gradients: Weights
    carried: Weights
    losses: Weights

    @property
    def norm(self) -> Tensor:
        """Norm of all gradients as one vector: a scalar, not finite if one of them is not."""
        return torch.stack([g.pow(2).sum() for g in self.gradients.values()]).sum().sqrt()


class TrainingState:
    """All that changes while weights are fitted."""

    def __init__(self, weights: Weights, carried: Weights, descent: Descent) -> None:
        # plain layout: moments come back from a checkpoint so, and the fused optimiser reads memory as it lies
        self.weights = {key: x.requires_grad_() for key, x in copied(weights).items()}
        self.carried, self.descent = copied(carried), descent
        self.average, self.safe = copied(self.every), copied(self.every)
        self.adam = self._new_optimiser()
        self.step, self.seconds, self.losses = 0, 0.0, dict[str, float]()
        self.share, self.failed, self.returns = 1.0, 0, 0

    @property
    def every(self) -> dict[str, Tensor]:
        """The weights, and what is carried along."""
        return {**self.weights, **self.carried}

    @torch.no_grad()
    def apply(self, update: Update, spent: float) -> tuple[str, ...]:
        """Apply an update, or skip it; return notes for the user.

        Raises:
            Diverged: updates are not finite again and again.
        """
        norm, descent, step = update.norm, self.descent, self.step
        self.step, self.losses = step + 1, {}
        if not torch.isfinite(norm):
            return self._skip()
        for key, x in self.weights.items():
            g = update.gradients.get(key)
            x.grad = None if g is None else (g / (norm / descent.clip).clamp_min(1.0)).contiguous()
        for group in self.adam.param_groups:
            group["lr"] = self.share * descent.rate_at(step, spent)
        self.adam.step()
        _write(update.carried, self.carried)
        self._update_average(min(descent.ema_decay, (step + 1) / (step + descent.ema_warmup)))
        self.losses = {name: float(x) for name, x in update.losses.items()}
        return ()

    def _update_average(self, decay: float) -> None:
        """Update the average; now and then keep a copy of it to go back to."""
        for mine, its in zip(self.average.values(), self.every.values(), strict=True):
            mine.copy_(mine.lerp(its, 1 - decay) if mine.is_floating_point() else its)
        self.failed = 0
        if self.step % _SAFE == 0:
            self.safe = copied(self.average)

    def _skip(self) -> tuple[str, ...]:
        """Count a step that is not finite; after several in a row, go back to good weights at half the rate."""
        self.failed += 1
        if self.failed < _PATIENCE:
            return ()
        self.failed, self.returns, self.share = 0, self.returns + 1, self.share / 2
        if self.returns > _RETURNS:
            raise Diverged(
                f"the training is not finite at step {self.step}, even at 1/{1 / self.share:.0f} of its rate; lower"
                " --rate or the weight of a term, or take --precision float32."
            )
        for mine in (self.every, self.average):
            _write(self.safe, mine)
        self.adam = self._new_optimiser()
        return (f"step {self.step} was not finite: back to the last good weights, at half the rate.",)

    def _new_optimiser(self) -> torch.optim.AdamW:
        d = self.descent
        return torch.optim.AdamW(self.weights.values(), d.rate, d.betas, weight_decay=d.weight_decay, fused=True)

    def state(self) -> State:
        """Return all of it."""
        return {
            "weights": {key: x.detach() for key, x in self.every.items()},
            "average": self.average,
            "safe": self.safe,
            "adam": self.adam.state_dict()["state"],
            "counts": [self.step, self.seconds, self.share, self.failed, self.returns],
            "losses": self.losses,
        }

    @torch.no_grad()
    def load(self, state: State) -> None:
        """Restore a state."""
        for mine, its in ((self.every, "weights"), (self.average, "average"), (self.safe, "safe")):
            _write(state[its], mine)
        groups = self.adam.state_dict()["param_groups"]
        self.adam.load_state_dict({"state": copy.deepcopy(state["adam"]), "param_groups": groups})
        self.step, self.seconds, self.share, self.failed, self.returns = state["counts"]
        self.losses = dict(state["losses"])


def copied(tensors: Weights) -> dict[str, Tensor]:
    """Copy tensors, contiguous and without gradients."""
    return {key: x.detach().clone(memory_format=torch.contiguous_format) for key, x in tensors.items()}


def _write(source: Weights, target: Weights) -> None:
    for key, x in target.items():
        x.copy_(source[key])
