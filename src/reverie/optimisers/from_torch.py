"""PyTorch's own optimisers and schedules, at work in stages."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from reverie.optimisers.base import Closure, Optimiser, Parameters, Run

Make = Callable[[list[Tensor]], torch.optim.Optimizer]
Schedule = Callable[[torch.optim.Optimizer], torch.optim.lr_scheduler.LRScheduler]


class TorchRun(Run):
    """A run of one of PyTorch's own optimisers."""

    def __init__(self, optimiser: torch.optim.Optimizer) -> None:
        self.optimiser = optimiser

    def step(self, closure: Closure) -> None:
        self.optimiser.step(closure)  # type: ignore[arg-type]  # ours returns a tensor, which float() takes

    def state(self) -> dict[str, Any]:
        return copy.deepcopy(self.optimiser.state_dict()["state"])

    def load(self, state: dict[str, Any]) -> None:
        groups = self.optimiser.state_dict()["param_groups"]
        self.optimiser.load_state_dict({"state": state, "param_groups": groups})


@dataclass(frozen=True)
class FromTorch(Optimiser):
    """Any optimiser of `torch.optim`, with any of its schedules; both begin anew at every scale.

    Args:
        make: takes the parameters, gives the optimiser.
        schedule: takes the optimiser, gives what changes its rate after every step.
        kept: tensors as large as the parameters that the optimiser keeps, for the memory planner; Adam keeps 2.
    Example:
        rv.optimisers.FromTorch(lambda p: torch.optim.RAdam(p, lr=0.02))
    """

    make: Make = field(repr=False)
    schedule: Schedule | None = field(default=None, repr=False)
    kept: int = 2

    @property
    def buffers(self) -> int:
        return self.kept

    def start(self, parameters: Parameters, *, rate: float = 1.0, previous: Run | None = None) -> Run:
        optimiser = self.make(list(parameters))
        for group in optimiser.param_groups:
            group["lr"] = group["lr"] * rate
        return _Scheduled(optimiser, self.schedule(optimiser) if self.schedule else None)


class _Scheduled(TorchRun):
    """A run whose hyperparameters belong to its state, since a schedule changes them."""

    def __init__(self, optimiser: torch.optim.Optimizer, schedule: torch.optim.lr_scheduler.LRScheduler | None) -> None:
        super().__init__(optimiser)
        self.schedule = schedule

    def step(self, closure: Closure) -> None:
        super().step(closure)
        if self.schedule is not None:
            self.schedule.step()

    def state(self) -> dict[str, Any]:
        schedule = {} if self.schedule is None else self.schedule.state_dict()
        return copy.deepcopy({"optimiser": self.optimiser.state_dict(), "schedule": schedule})

    def load(self, state: dict[str, Any]) -> None:
        state = copy.deepcopy(state)
        self.optimiser.load_state_dict(state["optimiser"])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
