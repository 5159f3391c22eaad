"""One evaluation: an objective's value at a picture, and its gradient."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor

from reverie.engine.executors import Executor, WholeExecutor, layers_of
from reverie.engine.tiles import TiledExecutor
from reverie.engine.watch import check_finite
from reverie.errors import RecipeError
from reverie.networks import Network
from reverie.networks.aligned import aligned
from reverie.objectives import PICTURE, Bound, Objective, Statistic
from reverie.pictures import check_picture, size_of

LOOKED_AT = 512  # pixels; the side of the tiles in which references that are larger than the picture are looked at


class Evaluation(NamedTuple):
    """Value and gradient of an objective at a picture.

    Attributes:
        total: the weighted sum, a scalar.
        terms: each term's natural value.
        gradient: of the total in the picture, (B, 3, H, W).
    """

    total: Tensor
    terms: dict[str, Tensor]
    gradient: Tensor

    def __repr__(self) -> str:
        terms = ", ".join(f"{name} {float(v):.4g}" for name, v in self.terms.items())
        return f"Evaluation(total {float(self.total):.4g}: {terms}; gradient {tuple(self.gradient.shape)})"


@contextmanager
def differentiating() -> Iterator[None]:
    """Gradients are computed, whatever mode the caller is in."""
    with torch.inference_mode(False), torch.enable_grad():
        yield


def bind(objective: Objective, network: Network, size: tuple[int, int], executor: Executor) -> Bound:
    """Compute an objective's targets for pictures of one size.

    A reference much larger than these is looked at in tiles, so that it takes no more memory than they do.
    """

    def measure(x: Tensor, wanted: tuple[Statistic, ...]) -> tuple[Tensor, ...]:
        larger = size_of(x)[0] * size_of(x)[1] > max(LOOKED_AT**2, size[0] * size[1])
        local = all(network.blueprint.is_local(layer) for layer in layers_of(wanted) if layer != PICTURE)
        cut = larger and local and isinstance(executor, WholeExecutor)
        return (TiledExecutor(LOOKED_AT) if cut else executor).measure(network, x, wanted)

    with torch.no_grad():
        return objective.bind(network, size, measure)


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
        picture: (B, 3, H, W) sRGB in [0, 1], float32 or float64; a plain tensor, not changed. `no_grad` and
            `inference_mode` round the call make no difference.
        executor: whole by default.
    Returns:
        total, {term: value}, gradient; unpacks like a tuple.
    Raises:
        PictureError: the picture has another shape or range.
        RecipeError: the objective is bound for another size.
        Diverged: a term is not finite; the message names it.
    Example:
        total, terms, gradient = rv.evaluate(-rv.energy("relu5_2"), network, photo)
    """
    check_picture(picture)
    executor, size = executor or WholeExecutor(), size_of(picture)
    with differentiating():
        bound = bind(objective, network, size, executor) if isinstance(objective, Objective) else objective
        if bound.size not in (None, size):
            raise RecipeError(f"the objective is bound for pictures of {bound.size}; got {size}: bind it anew.")
        plain = picture.clone() if picture.is_inference() else picture
        x = aligned(plain.detach().contiguous()).requires_grad_(True)
        total, terms = value(bound, network, x, executor)
        (gradient,) = torch.autograd.grad(total, x)
    return Evaluation(total.detach(), {k: v.detach() for k, v in terms.items()}, gradient)


def value(
    bound: Bound,
    network: Network,
    picture: Tensor,
    executor: Executor,
    statistics: tuple[Statistic, ...] | None = None,
    *,
    check: bool = True,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Total and terms, differentiable in the picture.

    Args:
        bound: the objective.
        statistics: what to measure in place of the objective's own, in their order: theirs through a view.
        check: whether to look at the value now, for which an accelerator has to be waited for.
    Raises:
        Diverged: one is not finite.
    """
    wanted = bound.statistics if statistics is None else statistics
    measured = executor.measure(network, picture, wanted, bound.gradients if bound.linear else None)
    total, terms = bound(dict(zip(bound.statistics, measured, strict=True)))
    if check and not torch.isfinite(total.detach()):
        check_finite(float(total.detach()), {name: float(v.detach()) for name, v in terms.items()})
    return total, terms
