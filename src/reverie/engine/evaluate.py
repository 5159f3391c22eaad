"""One evaluation: an objective's value at a picture, and its gradient."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.engine.executors import Executor, WholeExecutor
from reverie.errors import Diverged, PictureError
from reverie.networks import Network
from reverie.networks.aligned import aligned
from reverie.objectives import Bound, Objective


@dataclass(frozen=True)
class Evaluation:
    """What an objective says of a picture.

    Attributes:
        total: the weighted sum, a scalar.
        terms: each term's natural value.
        gradient: of the total in the picture, (B, 3, H, W).
    """

    total: Tensor
    terms: dict[str, Tensor]
    gradient: Tensor

    def __iter__(self):  # type: ignore[no-untyped-def]  # total, terms, gradient = evaluate(...)
        return iter((self.total, self.terms, self.gradient))


def bind(objective: Objective, network: Network, size: tuple[int, int], executor: Executor) -> Bound:
    """Compute an objective's targets for pictures of one size."""
    with torch.no_grad():
        return objective.bind(network, size, lambda x, wanted: executor.measure(network, x, wanted))


def evaluate(
    objective: Objective | Bound,
    network: Network,
    picture: Tensor,
    *,
    executor: Executor | None = None,
) -> Evaluation:
    """Value and gradient of an objective at a picture.

    Args:
        objective: unbound, or bound already for this size (then its targets are not computed again).
        network: whose features it reads.
        picture: (B, 3, H, W) sRGB in [0, 1], float32 or float64; a plain tensor, not changed.
        executor: whole by default.
    Returns:
        total, {term: value}, gradient; unpacks like a tuple.
    Raises:
        PictureError: the picture has another shape.
        Diverged: a term is not finite; the message names it.
    Example:
        total, terms, gradient = rv.evaluate(-rv.energy("relu5_2"), network, photo)
    """
    if picture.dim() != 4 or picture.shape[1] != 3 or not picture.is_floating_point():
        raise PictureError(f"a picture is (B, 3, H, W) in [0, 1]; got {tuple(picture.shape)} {picture.dtype}.")
    executor = executor or WholeExecutor()
    size = (int(picture.shape[-2]), int(picture.shape[-1]))
    bound = bind(objective, network, size, executor) if isinstance(objective, Objective) else objective
    x = aligned(picture.detach().contiguous()).requires_grad_(True)
    total, terms = value(bound, network, x, executor)
    (gradient,) = torch.autograd.grad(total, x)
    return Evaluation(total.detach(), {k: v.detach() for k, v in terms.items()}, gradient)


def value(bound: Bound, network: Network, picture: Tensor, executor: Executor) -> tuple[Tensor, dict[str, Tensor]]:
    """Total and terms, differentiable in the picture. Raises Diverged where one is not finite."""
    measured = executor.measure(network, picture, bound.statistics, bound.slopes if bound.linear else None)
    total, terms = bound(dict(zip(bound.statistics, measured, strict=True)))
    if not torch.isfinite(total.detach()):
        bad = next((name for name, v in terms.items() if not torch.isfinite(v)), "total")
        found = float(terms.get(bad, total).detach())
        raise Diverged(f"the term '{bad}' is {found}; try a smaller weight or step.")
    return total, terms
