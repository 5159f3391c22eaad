"""Iterates: a run yields one after every step."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from reverie.engine.stages import Size
from reverie.errors import RecipeError
from reverie.pictures import png_bytes

State = dict[str, Any]  # of numbers, strings, tensors, lists and dicts of them


@dataclass(frozen=True)
class Iterate:
    """One step of a run.

    Its picture and state are those of the run, which moves on: take them before the next step is asked for, or `keep()`
    the iterate.

    Attributes:
        stage, stages: number of the scale, from 1, and how many there are.
        step, steps: number of the step within the scale, from 1, and how many there are.
        size: (H, W) of this scale.
        done: share of the whole run's work that is done, pixels times steps, in [0, 1].
        seconds: since the run began.
    """

    stage: int
    stages: int
    step: int
    steps: int
    size: Size
    done: float
    seconds: float
    _total: Tensor = field(repr=False)
    _terms: dict[str, Tensor] = field(repr=False)
    _draw: Callable[[], Tensor] = field(repr=False)
    _state: Callable[[], State] = field(repr=False)

    @property
    def image(self) -> Tensor:
        """Present picture, (B, 3, H, W) in [0, 1], a copy.

        Raises:
            RecipeError: the run has gone on since.
        """
        return self._draw()

    def keep(self) -> Iterate:
        """Keep this iterate's picture for good: `[step.keep() for step in run]`. It has no state to go on from."""
        return replace(self, _draw=partial(torch.clone, self.image), _state=_no_state)

    def __reduce__(self) -> tuple[Callable[..., Iterate], tuple[Any, ...]]:
        kept = self.keep()
        return Iterate, tuple(getattr(kept, each) for each in self.__dataclass_fields__)

    def _repr_png_(self) -> bytes:
        """Return the picture, for notebooks; of several the first."""
        return png_bytes(self.image[:1])

    @property
    def total(self) -> float:
        """The objective's value at the beginning of the step."""
        return float(self._total)

    @property
    def losses(self) -> dict[str, float]:
        """Each term's natural value at the beginning of the step."""
        values = torch.stack(list(self._terms.values())).tolist() if self._terms else []  # an accelerator is asked once
        return dict(zip(self._terms, values, strict=True))

    def state(self) -> State:
        """Return all the run needs to go on from here, bit for bit.

        Raises:
            RecipeError: the run has gone on since.
        """
        return {"stage": self.stage, "step": self.step, "seconds": self.seconds, **self._state()}

    @property
    def last(self) -> bool:
        """True if the run ends with this step."""
        return self.stage == self.stages and self.step == self.steps

    @property
    def at(self) -> tuple[int, int]:
        """Stage and step."""
        return self.stage, self.step

    @property
    def place(self) -> str:
        """Position of the run in words: ``stage 2/4  384x256  step 7/16``."""
        step = f"{self.step}/{self.steps}"
        return f"stage {self.stage}/{self.stages}  {self.size[1]}x{self.size[0]}  step {step:>7}"

    def facts(self) -> dict[str, Any]:
        """Position of the run and its losses, as plain values for a program."""
        return {
            "stage": self.stage,
            "stages": self.stages,
            "step": self.step,
            "steps": self.steps,
            "width": self.size[1],
            "height": self.size[0],
            "done": round(self.done, 6),
            "seconds": round(self.seconds, 3),
            "loss": self.total,
            "losses": self.losses,
        }

    def __str__(self) -> str:
        terms = "  ".join(f"{name} {v:.3g}" for name, v in self.losses.items())
        where = f"stage {self.stage}/{self.stages}  {self.size[1]}x{self.size[0]}  {self.step}/{self.steps}"
        return f"{where}  loss {self.total:.4g}  {terms}"


def _no_state() -> State:
    raise RecipeError("a kept iterate has a picture and no state; take state() in the loop.")
