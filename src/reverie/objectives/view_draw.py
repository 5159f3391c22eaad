"""A view applied to everything that has a place in a picture: masks, reference pictures and positions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.objectives.places import Region, Size, map_of

if TYPE_CHECKING:
    from reverie.networks import Network


@dataclass(frozen=True, eq=False)
class ViewDraw:
    """One draw of a view, as statistics follow it.

    Attributes:
        network: whose maps the regions lie on.
        size: (H, W) of the picture.
        seen: (H, W) of what the view made of it.
        carry: takes a picture (B, 3, H, W) of that size through the same draw.
    """

    network: Network
    size: Size
    seen: Size
    carry: Callable[[Tensor], Tensor]

    @torch.no_grad()
    def picture(self, reference: Tensor) -> Tensor:
        """Show a reference picture through the view."""
        return self.carry(reference)

    @torch.no_grad()
    def region(self, region: Region, layer: str) -> Region:
        """Move a region as the view does; its weights are 0 if the view leaves it out."""
        weights = F.interpolate(region.weights, self.size, mode="nearest").expand(1, 3, *self.size)
        moved = self.carry(weights)[:, :1].clamp_min(0)
        laid = F.interpolate(moved, map_of(self.network, layer, self.seen), mode="area")
        return Region(laid / laid.mean().clamp_min(1e-12))

    def place(self, layer: str, row: int, column: int) -> Region:
        """Return the region that one position of a layer's map is moved to."""
        extent = map_of(self.network, layer, self.size)
        weights = torch.zeros(1, 1, *extent, dtype=torch.float32, device=self.network.device)
        weights[..., row, column] = 1
        return self.region(Region(weights), layer)
