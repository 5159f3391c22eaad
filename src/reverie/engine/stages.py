"""Stages of a run: the sizes it goes through, coarse to fine."""

from __future__ import annotations

import math
from dataclasses import dataclass

from reverie.errors import RecipeError
from reverie.objectives import Objective

Size = tuple[int, int]
_MOST = 200  # stages; more is a mistake, not a wish
_PARTS = 4  # of a cooling


@dataclass(frozen=True)
class Stage:
    """One scale of a run.

    Attributes:
        size: (H, W), pixels.
        steps: optimiser steps at this size.
        rate: multiplies the optimiser's rate.
        objective: what to minimise at this scale, where that is not the run's own.
        leak: share of the gradient that rectifiers let through while they are off; None: as the network's do.
    """

    size: Size
    steps: int
    rate: float = 1.0
    objective: Objective | None = None
    leak: float | None = None

    def __post_init__(self) -> None:
        if min(self.size) < 1:
            raise RecipeError(f"a stage is at least 1 pixel each way; got {self.size[1]}x{self.size[0]}.")
        if self.steps < 0:
            raise RecipeError(f"a stage has 0 or more steps; got {self.steps}.")
        if not 0 < self.rate < math.inf:
            raise RecipeError(f"the rate of a stage is above 0; got {self.rate}.")


def octaves(size: Size, *, count: int = 4, ratio: float = 1.4, steps: int = 10) -> tuple[Stage, ...]:
    """Sizes growing by `ratio`, the last one `size`: the scales of a dream.

    Source: Mordvintsev, Olah & Tyka (2015): 4 octaves of 1.4, 10 steps each.
    """
    if not 1 <= count <= _MOST:
        raise RecipeError(f"octaves are 1 to {_MOST}; got {count}.")
    if not 1 < ratio < math.inf:
        raise RecipeError(f"the ratio of octaves is above 1; got {ratio}.")
    return tuple(Stage(_scaled(size, ratio**-i), steps) for i in reversed(range(count)))


def pyramid(
    size: Size, *, smallest: int = 128, ratio: float = 2**0.5, steps: int = 100, growth: float = 1.0, least: int = 1
) -> tuple[Stage, ...]:
    """Sizes growing by `ratio` from about `smallest` (longer side, pixels) to `size`: the scales of a style.

    Args:
        size: (H, W) of the last stage.
        smallest: no stage's longer side is below it, unless the last is.
        ratio: from stage to stage, above 1.
        steps: at the smallest stage.
        growth: each stage has this many times the steps of the one before.
        least: steps that every stage has at least.
    """
    if not 1 < ratio < math.inf:
        raise RecipeError(f"the ratio of a pyramid is above 1; got {ratio}.")
    if smallest < 1 or steps < 1 or least < 1 or not 0 < growth < math.inf:
        raise RecipeError(f"smallest, steps, growth and least are above 0; got {smallest}, {steps}, {growth}, {least}.")
    factors = [1.0]
    while round(max(size) * factors[-1] / ratio) >= smallest and len(factors) < _MOST:
        factors.append(factors[-1] / ratio)
    return tuple(Stage(_scaled(size, f), max(least, round(steps * growth**i))) for i, f in enumerate(reversed(factors)))


def cooling(size: Size, steps: int, *, leak: float | None = None) -> tuple[Stage, ...]:
    """Stages of one size whose rate falls along half a cosine, in four parts: first what is there, last how it looks.

    Args:
        size: (H, W) of all.
        steps: of all together.
        leak: of the first part; half of it in the second, none after that, so that the picture is in the end one for
            the network as it is.
    """
    if steps < 1:
        raise RecipeError(f"cooling takes at least 1 step; got {steps}.")
    ends = [round(steps * part / _PARTS) for part in range(_PARTS + 1)]
    rates = [(1 + math.cos(math.pi * (part + 0.5) / _PARTS)) / 2 for part in range(_PARTS)]
    leaks = [None if leak is None else leak * max(0.0, 1 - 2 * part / _PARTS) for part in range(_PARTS)]
    return tuple(
        Stage(size, last - first, rate, leak=each)
        for first, last, rate, each in zip(ends, ends[1:], rates, leaks, strict=False)
        if last > first
    )


def _scaled(size: Size, factor: float) -> Size:
    if min(size) < 1:
        raise RecipeError(f"a picture is at least 1 pixel each way; got {size[1]}x{size[0]}.")
    return max(1, round(size[0] * factor)), max(1, round(size[1] * factor))
