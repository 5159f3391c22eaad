"""Optimisers: a frozen choice of settings, and the state of a run under it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from torch import Tensor

Parameters = tuple[Tensor, ...]
Closure = Callable[[], Tensor]  # computes the loss and leaves gradients in the parameters


class Run(ABC):
    """The state of an optimiser at work on some parameters."""

    @abstractmethod
    def step(self, closure: Closure) -> None:
        """Take one step down; the closure may be called more than once."""

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return all that is needed to go on, as tensors and numbers."""

    @abstractmethod
    def load(self, state: dict[str, Any]) -> None:
        """Restore a state."""


class Optimiser(ABC):
    """The settings of an optimiser.

    Attributes:
        bounded: whether the canvas may be brought back into range after each step; line searches do not allow it.
    """

    bounded: ClassVar[bool] = True

    @property
    @abstractmethod
    def buffers(self) -> int:
        """Tensors as large as the parameters that it needs beside them and their gradients."""

    @property
    def stored(self) -> int:
        """Those of them that its state holds, and a checkpoint."""
        return self.buffers

    @abstractmethod
    def start(self, parameters: Parameters, *, rate: float = 1.0, previous: Run | None = None) -> Run:
        """Begin on these parameters.

        Args:
            parameters: leaf tensors.
            rate: multiplies the optimiser's own rate.
            previous: the run on the last, smaller scale, whose state may be carried over.
        """
