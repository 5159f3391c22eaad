"""Steps of a set length along a frequency-balanced gradient: the DeepDream's way of moving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.errors import RecipeError
from reverie.optimisers.base import Closure, Optimiser, Parameters, Run


@dataclass(frozen=True)
class Normalised(Optimiser):
    """Descent by steps whose size does not depend on the gradient's.

    Args:
        rate: root mean square of a step, in the parameter's unit (sRGB values for pixels).
        bands: the gradient is split into this many Laplacian bands, each divided by its own rms, so that fine
            noise cannot drown large shapes; 1 leaves the gradient whole.
        sign: step by the gradient's sign instead.
    Source: Mordvintsev (2016), "lap_norm"; sign steps, Madry et al. (2018).
    """

    rate: float = 0.02
    bands: int = 4
    sign: bool = False
    buffers: ClassVar[int] = 4

    def __post_init__(self) -> None:
        if self.bands < 1:
            raise RecipeError(f"the gradient has at least 1 band; got {self.bands}.")

    def start(self, parameters: Parameters, *, rate: float = 1.0, previous: Run | None = None) -> Run:
        return _NormalisedRun(parameters, self, self.rate * rate)


class _NormalisedRun(Run):
    def __init__(self, parameters: Parameters, choice: Normalised, rate: float) -> None:
        self.parameters, self.choice, self.rate = parameters, choice, rate

    def step(self, closure: Closure) -> None:
        for p in self.parameters:
            p.grad = None
        closure()
        with torch.no_grad():
            for p in self.parameters:
                if p.grad is not None:
                    p.sub_(self.rate * self._direction(p.grad))

    def _direction(self, gradient: Tensor) -> Tensor:
        return gradient.sign() if self.choice.sign else balanced(gradient, bands=self.choice.bands)

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: dict[str, Any]) -> None:
        pass


def balanced(gradient: Tensor, *, bands: int) -> Tensor:
    """The gradient with its Laplacian bands, each divided by its rms, added up; rms about 1.

    Args:
        gradient: (B, C, H, W).
        bands: from the finest detail to the coarsest; bands under 4 px are left out.
    """
    low = gradient
    split: list[Tensor] = []
    while len(split) < bands - 1 and min(low.shape[-2:]) >= 8:
        down = F.avg_pool2d(low, 2, ceil_mode=True, count_include_pad=False)
        split.append(low - F.interpolate(down, low.shape[-2:], mode="bilinear"))
        low = down
    out = low / _rms(low)
    for band in reversed(split):
        out = F.interpolate(out, band.shape[-2:], mode="bilinear").add_(band / _rms(band))
    return out.div_((len(split) + 1) ** 0.5)


def _rms(x: Tensor) -> Tensor:
    return x.pow(2).mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-20)
