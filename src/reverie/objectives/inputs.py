"""The inputs of terms: pictures, masks and weights, checked where they come in."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from reverie.errors import LayerNotFound, PictureError, RecipeError
from reverie.networks.aligned import aligned
from reverie.objectives.places import Region, Size, map_of
from reverie.pictures import check_picture, resize, size_of

if TYPE_CHECKING:
    from reverie.networks import Network


def picture(x: Tensor) -> Tensor:
    """Check a reference picture, and detach it from the caller's graph."""
    check_picture(x)
    return aligned(x.detach().contiguous())


def pictures(many: Tensor | Sequence[Tensor], what: str) -> tuple[Tensor, ...]:
    """Check one or several reference pictures."""
    found = tuple(many) if isinstance(many, list | tuple) else (many,)
    if not found:
        raise RecipeError(f"{what} needs at least one picture; got none.")
    return tuple(picture(x) for x in found)


@dataclass(frozen=True, eq=False)
class Mask:
    """A soft mask, (1, 1, H, W) of weights 0 or more; compared by identity, so that terms can be compared."""

    weights: Tensor

    def __repr__(self) -> str:
        return f"Mask({self.weights.shape[-2]}x{self.weights.shape[-1]})"


def mask(x: Tensor | None) -> Mask | None:
    """Check a soft mask, and detach it from the caller's graph."""
    if x is None:
        return None
    if x.dim() != 4 or x.shape[:2] != (1, 1) or 0 in x.shape or not x.is_floating_point():
        raise PictureError(f"a mask is (1, 1, H, W) of weights 0 to 1; got {tuple(x.shape)} {x.dtype}.")
    x = x.detach()
    if not (torch.isfinite(x).all() and x.min() >= 0 and x.max() > 0):
        raise RecipeError(
            f"a mask's weights are 0 or more, some above 0; got {float(x.min()):g} to {float(x.max()):g}."
        )
    return Mask(x)


def region(where: Mask | None, network: Network, layer: str, size: Size) -> Region | None:
    """Turn a mask into a region of a layer's map, of pictures of a size.

    Raises:
        PictureError: the mask's shape is not the picture's.
    """
    rounded = 2 * max(map(network.stride, network.layers)) if network.periodic else 1
    check_shape(where, size, slack=rounded)
    return laid_on(where, network, layer, size)


def check_shape(where: Mask | None, size: Size, *, slack: int = 1) -> None:
    """Refuse a mask whose shape is not that of its picture.

    Args:
        where: the mask; None is none.
        size: (H, W) of the picture.
        slack: pixels of the smaller that are forgiven: two strides where sizes are rounded to whole strides twice, as
            those of a seamless picture and of its octaves are.
    """
    if where is None:
        return
    (h, w), (height, width) = size_of(where.weights), size
    if abs(h * width - w * height) > slack * max(h, w, height, width):
        raise PictureError(f"a mask has the shape of its picture, {width}x{height} or alike; got {w}x{h}.")


def laid_on(where: Mask | None, network: Network, layer: str, size: Size) -> Region | None:
    """Turn a mask into a region of a layer's map; by areas, so that no weight is lost."""
    if where is None:
        return None
    extent = map_of(network, layer, size)
    smaller = all(a >= b for a, b in zip(size_of(where.weights), extent, strict=True))
    return Region.of(resize(where.weights.to(network.device), extent, filter="area" if smaller else "bilinear"))


def weighted(layers: str | Sequence[str] | Mapping[str, float], what: str) -> tuple[tuple[str, float], ...]:
    """Return layers with weights that sum to 1."""
    layers = (layers,) if isinstance(layers, str) else layers
    weights = dict(layers) if isinstance(layers, Mapping) else dict.fromkeys(layers, 1.0)
    return tuple(zip(weights, shares(list(weights.values()), f"{what} layer"), strict=True))


def shares(weights: list[float], what: str) -> list[float]:
    """Normalise weights to sum to 1."""
    if not weights:
        raise RecipeError(f"a term needs at least one {what}; got none.")
    total = sum(weights)
    if not 0 < total < math.inf or any(w < 0 for w in weights):
        raise RecipeError(f"{what} weights are 0 or more and sum to more than 0; got {weights}.")
    return [w / total for w in weights]


def channel_of(network: Network, layer: str, index: int) -> int:
    """Check the index of a channel of the layer."""
    channels = network.channels(layer)
    if not 0 <= index < channels:
        raise LayerNotFound(f"{layer} of {network.name} has channels 0 to {channels - 1}; got {index}.")
    return index
