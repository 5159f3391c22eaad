"""Watching a run: refusing values and gradients that are not finite, and warning where nothing moves."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from reverie.errors import Diverged, ReverieWarning

STILL = 3  # steps without any gradient after which a run says so
LATE = 16  # steps of an accelerator that are looked at together
NO_GRADIENT = (
    f"the gradient has been 0 for {STILL} steps: the objective asks for nothing that this picture can move towards;"
    " units that are off are woken by networks.load(..., leak=0.1), another start or another seed."
)


class Watch:
    """Looks at the steps of a stage.

    A processor's are looked at as they are taken. An accelerator would have to be waited for: its steps are looked at
    together, some steps later, and in any case before a picture or a state is taken.

    Args:
        device: on which values are computed.
    Attributes:
        late: whether steps are looked at later.
    """

    def __init__(self, device: torch.device) -> None:
        self.late = device.type != "cpu"
        self._still = 0
        self._names: tuple[str, ...] = ()
        self._waiting: list[Tensor] = []

    def see(self, total: Tensor, terms: Mapping[str, Tensor], gradients: Sequence[Tensor]) -> None:
        """Take note of a step.

        Raises:
            Diverged: it, or an earlier one, is not finite.
        """
        if not self.late:
            self._look_now(gradients)
            return
        largest = [torch.linalg.vector_norm(g.detach(), torch.inf).to(total) for g in gradients]
        step = [total, *terms.values(), torch.stack(largest).amax() if largest else total.new_zeros(())]
        self._names = tuple(terms)
        self._waiting.append(torch.stack([x.detach().float() for x in step]))
        if len(self._waiting) >= LATE:
            self.look()

    def look(self) -> None:
        """Look at the steps that were not looked at yet.

        Raises:
            Diverged: one is not finite.
        """
        waiting, self._waiting = self._waiting, []
        for total, *terms, largest in torch.stack(waiting).tolist() if waiting else ():
            check_finite(total, dict(zip(self._names, terms, strict=True)))
            self._check_gradient(finite=_is_finite(largest), moves=largest != 0)

    def _look_now(self, gradients: Sequence[Tensor]) -> None:
        sums = [g.sum() for g in gradients]
        finite = all(torch.isfinite(s) for s in sums)
        self._check_gradient(finite=finite, moves=any(s.any() for s in sums) or any(g.any() for g in gradients))

    def _check_gradient(self, *, finite: bool, moves: bool) -> None:
        """Refuse a gradient that is not finite, and warn once if it stays 0."""
        if not finite:
            raise Diverged("the gradient is not finite though the value is; try a smaller weight or step.")
        self._still = 0 if moves else self._still + 1
        if self._still == STILL:
            warnings.warn(NO_GRADIENT, ReverieWarning, stacklevel=2)


def check_finite(total: float, terms: Mapping[str, float]) -> None:
    """Refuse a value that is not finite; the message names its term.

    Raises:
        Diverged: it is not.
    """
    if not _is_finite(total):
        bad = next((name for name, v in terms.items() if not _is_finite(v)), "total")
        raise Diverged(f"the term '{bad}' is {terms.get(bad, total)}; try a smaller weight or step.")


def _is_finite(value: float) -> bool:
    return abs(value) < float("inf")
