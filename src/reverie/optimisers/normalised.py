"""Steps of a set length along a frequency-balanced gradient, as in DeepDream."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.errors import RecipeError
from reverie.optimisers.base import Closure, Optimiser, Parameters, Run
from reverie.pictures import resize_seamless, size_of


@dataclass(frozen=True)
class Normalised(Optimiser):
    """Descent by steps whose size does not depend on the gradient's.

    Args:
        rate: root mean square of a step, in the parameter's unit (sRGB values for pixels).
        bands: the gradient is split into this many Laplacian bands, each divided by its own rms, so that fine
            noise cannot drown large shapes; 1 leaves the gradient whole. Parameters that are no pictures
            (B, C, H, W), a latent code say, have none.
        sign: step by the gradient's sign instead.
        periodic: the parameters are pictures that wrap round their edges; so do their bands.
    In memory: nothing that lasts, beside the parameters and their gradient; one more picture during a step.
    Source: Mordvintsev (2016), "lap_norm"; sign steps, Madry et al. (2018).
    """

    rate: float = 0.02
    bands: int = 4
    sign: bool = False
    periodic: bool = False
    buffers: ClassVar[int] = 0

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
                    gradient, p.grad = p.grad, None
                    p.add_(self._direction(gradient), alpha=-self.rate)

    def _direction(self, gradient: Tensor) -> Tensor:
        choice = self.choice
        return gradient.sign_() if choice.sign else _balanced(gradient, choice.bands, periodic=choice.periodic)

    def state(self) -> dict[str, Any]:
        return {}

    def load(self, state: dict[str, Any]) -> None:
        pass


def balanced(gradient: Tensor, *, bands: int, periodic: bool = False) -> Tensor:
    """Divide each Laplacian band of the gradient by its rms, and add them up; rms about 1.

    Args:
        gradient: (B, C, H, W).
        bands: from the finest detail to the coarsest; bands under 4 px are left out.
        periodic: the picture wraps round its edges; bands of an odd number of pixels are then left out too.
    """
    return _balanced(gradient.clone(), bands, periodic=periodic)


def _balanced(gradient: Tensor, bands: int, *, periodic: bool) -> Tensor:
    """Do the same in the gradient's own memory, with at most one more tensor of its size."""
    if gradient.dim() != 4:
        return gradient.div_(_rms(gradient))
    low = gradient
    split: list[Tensor] = []
    while len(split) < bands - 1 and min(low.shape[-2:]) >= 8 and not (periodic and _odd(low)):
        down = F.avg_pool2d(low, 2, ceil_mode=True, count_include_pad=False)
        split.append(low.sub_(_enlarged(down, low, periodic)))
        low = down
    out = low.div_(_rms(low))
    for band in reversed(split):
        band.div_(_rms(band))
        out = band.add_(_enlarged(out, band, periodic))
    return out.div_((len(split) + 1) ** 0.5)


def _enlarged(x: Tensor, like: Tensor, periodic: bool) -> Tensor:
    if periodic:
        return resize_seamless(x, size_of(like), filter="bilinear")
    return F.interpolate(x, like.shape[-2:], mode="bilinear")


def _odd(x: Tensor) -> bool:
    return bool(x.shape[-1] % 2 or x.shape[-2] % 2)


def _rms(x: Tensor) -> Tensor:
    each = tuple(range(1, x.dim())) if x.dim() > 1 else (0,)
    norm: Tensor = torch.linalg.vector_norm(x, dim=each, keepdim=True)
    return norm.div_((x.numel() // norm.numel()) ** 0.5).clamp_min_(1e-20)
