"""Places in a picture: regions of a layer's map, and how large that map is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reverie.errors import RecipeError
from reverie.pictures import size_of

if TYPE_CHECKING:
    from reverie.networks import Network

Size = tuple[int, int]
PICTURE = "picture"
"""The layer that is the picture itself."""


@dataclass(frozen=True)
class Window:
    """The window of the whole feature map that a piece covers, in positions of that map."""

    top: int
    left: int
    height: int
    width: int
    of: tuple[int, int]

    @staticmethod
    def whole(features: Tensor) -> Window:
        """Return the window that covers the whole map."""
        h, w = features.shape[-2:]
        return Window(0, 0, h, w, (h, w))

    @property
    def positions(self) -> int:
        """Number of positions of the whole map."""
        return self.of[0] * self.of[1]


@dataclass(frozen=True, eq=False)
class Region:
    """The region of a statistic: a weight for each position of the whole map, 1 on average.

    A mean over positions times these weights is the mean over the region, and still adds up window by window.

    Attributes:
        weights: (1, 1, h, w), the layer's own extent.
    """

    weights: Tensor

    def __repr__(self) -> str:
        return f"Region({self.weights.shape[-2]}x{self.weights.shape[-1]})"

    @staticmethod
    def of(mask: Tensor) -> Region:
        """Return the region of a mask (1, 1, h, w) of weights 0 or more.

        Raises:
            RecipeError: the mask is empty.
        """
        mean = mask.mean()
        if not 0 < float(mean) < math.inf:
            raise RecipeError("a region needs some weight; this mask is empty here: paint more of it.")
        return Region(mask / mean)

    def at(self, window: Window, like: Tensor) -> Tensor:
        """Return the weights in a window, (1, 1, height, width), in float32 or better, on the device of `like`."""
        rows, columns = slice(window.top, window.top + window.height), slice(window.left, window.left + window.width)
        return self.weights[..., rows, columns].to(like.device).to(wide(like.dtype))


def map_of(network: Network, layer: str, size: Size) -> Size:
    """Return the (h, w) of a layer's map; the picture is a layer too. If need be, the network is run."""
    if layer == PICTURE:
        return size
    try:
        return network.extent(layer, size)
    except RecipeError:
        with torch.no_grad():
            found = network(torch.zeros(1, 3, *size, device=network.device), (layer,))[layer]
        return size_of(found) if found.dim() > 2 else (1, 1)


def wide(dtype: torch.dtype) -> torch.dtype:
    """Return the precision in which sums are taken."""
    return torch.float32 if dtype in (torch.bfloat16, torch.float16) else dtype
