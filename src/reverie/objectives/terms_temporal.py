"""The term that ties a frame of a clip to an earlier one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from torch import Tensor

from reverie.objectives.algebra import Binding, Term
from reverie.objectives.inputs import Mask, mask, picture, region
from reverie.objectives.places import PICTURE, Size
from reverie.objectives.statistics import Measure, SquaredError
from reverie.pictures import scaled

if TYPE_CHECKING:
    from reverie.networks import Network


def temporal(previous: Tensor, *, where: Tensor | None = None) -> Term:
    """Mean squared difference of the colours from an earlier frame's, carried along the flow.

    Args:
        previous: the earlier frame's painting, warped to this frame, (1, 3, H, W) sRGB in [0, 1]; resized to each
            stage.
        where: (1, 1, H, W) in [0, 1], how far it can be followed; the mean is over it. Times its own mean, it is that
            over all of the frame.
    Example:
        rv.content("relu4_2", like=frame) + 300 * temporal(warped, where=followed)
    Source: Ruder, Dosovitskiy & Brox (2016), "Artistic style transfer for videos", eq. 7.
    """
    return Temporal(picture(previous), mask(where))


@dataclass(frozen=True, eq=False)
class Temporal(Term):
    previous: Tensor
    where: Mask | None
    name: str = field(default="temporal", init=False)

    def prepare(self, network: Network, size: Size, measure: Measure) -> Binding:
        statistic = SquaredError(PICTURE, scaled(self.previous, size), region(self.where, network, PICTURE, size))
        return (statistic,), lambda measured: measured[statistic].mean()

    def __str__(self) -> str:
        return "temporal()"
