"""An objective for each picture of a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reverie.errors import RecipeError
from reverie.objectives.algebra import Binding, Objective, Term
from reverie.objectives.places import Size
from reverie.objectives.statistics import Measure, Statistic

if TYPE_CHECKING:
    from reverie.networks import Network


def by_picture(objectives: Sequence[Objective]) -> Term:
    """Mean of several objectives, each of an equal share of the batch: the first of the first pictures, and so on.

    The pictures do not influence each other, and one pass through the network serves all of them.

    Args:
        objectives: as many as there are pictures, or as groups of consecutive pictures.
    Raises:
        RecipeError: no objective; when measured, a batch that they do not divide.
    Example:
        rv.by_picture([-rv.channel("relu4_2", i) for i in range(8)])  # on FourierCanvas(size, batch=8)
    """
    if not objectives:
        raise RecipeError("by_picture needs at least one objective; got none.")
    return ByPicture(tuple(objectives))


@dataclass(frozen=True)
class ByPicture(Term):
    objectives: tuple[Objective, ...]
    name: str = field(default="by picture", init=False)

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        bound = [each.bind(network, size, measure) for each in self.objectives]
        statistics = tuple(dict.fromkeys(s for each in bound for s in each.statistics))

        def value(measured: Mapping[Statistic, Tensor]) -> Tensor:
            pictures = len(next(iter(measured.values())))
            group, left = divmod(pictures, len(bound))
            if left or not group:
                raise RecipeError(f"{len(bound)} objectives do not divide a batch of {pictures} pictures.")
            totals = [
                each({s: measured[s][i * group : (i + 1) * group] for s in each.statistics})[0]
                for i, each in enumerate(bound)
            ]
            return torch.stack(totals).mean()

        return statistics, value

    def __str__(self) -> str:
        return f"by_picture({', '.join(map(str, self.objectives))})"
