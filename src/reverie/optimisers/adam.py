"""Adam whose moments are carried from scale to scale, and L-BFGS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.optimisers.base import Optimiser, Parameters, Run
from reverie.optimisers.from_torch import TorchRun
from reverie.optimisers.lean import Carried, LeanRun
from reverie.pictures import resize_seamless, size_of
from reverie.pictures.resize import Filter


@dataclass(frozen=True)
class Adam(Optimiser):
    """Adam (Kingma & Ba 2015), warm at every scale but the first.

    Args:
        rate: size of a step in the parameter's unit, here sRGB values.
        betas: decay of the first and second moment.
        periodic: the parameters are pictures that wrap round their edges.
        lean: keep the moments in bfloat16, for large pictures.
    In memory: two moments (lean: as much as one), beside the parameters and their gradient; with an average of the
    iterates five pictures (lean: four).
    Source: the carried moments, K. Crowson (2021): first moments bicubic, second bilinear and not below 0.
    """

    rate: float = 0.02
    betas: tuple[float, float] = (0.9, 0.99)
    periodic: bool = False
    lean: bool = False

    @property
    def buffers(self) -> int:
        return 1 if self.lean else 2

    def start(self, parameters: Parameters, *, rate: float = 1.0, previous: Run | None = None) -> Run:
        if self.lean and isinstance(previous, LeanRun):
            return previous.carried(parameters, self.rate * rate, self._at)
        if self.lean:
            return LeanRun(parameters, self.rate * rate, self.betas)
        run = TorchRun(torch.optim.Adam(parameters, lr=self.rate * rate, betas=self.betas, fused=True))
        if isinstance(previous, TorchRun):
            _carry(previous.optimiser, run.optimiser, self._at)
        return run

    def _at(self, moment: Tensor, like: Tensor, second: bool) -> Tensor:
        """Resize a moment; the second has no sign."""
        mode: Filter = "bilinear" if second else "bicubic"
        if self.periodic:
            moment = resize_seamless(moment, size_of(like), filter=mode)
        else:
            moment = F.interpolate(moment, like.shape[-2:], mode=mode)
        return moment.relu_() if second else moment


@dataclass(frozen=True)
class LBFGS(Optimiser):
    """L-BFGS, one iteration a step, with a strong Wolfe line search.

    Args:
        rate: first step length tried by the line search.
        history: corrections kept.
    In memory: two pictures for each correction and six for the line search, beside the parameters and their gradient;
        48 pictures with the default history. Lower it, or take Adam, where the picture is large.
    Source: Liu & Nocedal (1989); the usual choice for style since Gatys et al. (2016).
    """

    bounded: ClassVar[bool] = False
    rate: float = 1.0
    history: int = 20

    @property
    def buffers(self) -> int:
        return 2 * self.history + 6

    @property
    def stored(self) -> int:
        return 2 * self.history + 2  # with the direction and the gradient before; the line search keeps nothing

    def start(self, parameters: Parameters, *, rate: float = 1.0, previous: Run | None = None) -> Run:
        return TorchRun(
            torch.optim.LBFGS(
                parameters,
                lr=self.rate * rate,
                max_iter=1,
                max_eval=6,
                history_size=self.history,
                tolerance_grad=0,
                tolerance_change=0,
                line_search_fn="strong_wolfe",
            )
        )


def _carry(old: torch.optim.Optimizer, new: torch.optim.Optimizer, at: Carried) -> None:
    """Take over the old moments: pictures' of another size resized, others where their shape is the same."""
    before, after = old.param_groups[0]["params"], new.param_groups[0]["params"]
    if len(before) != len(after):
        return
    for b, a in zip(before, after, strict=True):
        state, same = old.state.get(b), b.shape == a.shape
        if not state or not (same or (a.dim() == 4 and b.shape[:2] == a.shape[:2])):
            continue
        first, second = state["exp_avg"], state["exp_avg_sq"]
        new.state[a] = {
            "step": state["step"].clone(),
            "exp_avg": first.clone() if same else at(first, a, False),
            "exp_avg_sq": second.clone() if same else at(second, a, True),
        }
