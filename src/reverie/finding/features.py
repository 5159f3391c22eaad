"""Descriptions of a picture as short vectors: content, style and colour."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import torch
from torch import Tensor

from reverie.networks import Network
from reverie.objectives.statistics import full
from reverie.pictures import fit_area, scaled, size_of, srgb_to_oklab

ASPECTS = ("content", "style", "colour")
"""What pictures are compared by."""
VERSION = 1
"""Of the descriptions; those of another are made anew."""
SIDE = 144  # pixels; a picture is looked at with so many squared
_LENGTH = 256  # numbers of a style
_BINS = (5, 7, 7)  # of lightness and the two hues
_REACH = 0.16  # of a hue, either way
_SEED = 11  # of the directions that a style is projected onto

Description = Mapping[str, Tensor]
"""A vector of length 1 by aspect: the cosine of two is their likeness."""


class Describer:
    """Describes pictures.

    Content is the mean of the last features before the classes, style the means and deviations of the style layers
    projected onto fixed directions, colour a histogram in OKLab.

    Args:
        network: whose features are read.
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        self.deep = network.dream_layers[-1]
        self.layers = tuple(dict.fromkeys((*network.style_layers, self.deep)))

    @torch.no_grad()
    def __call__(self, picture: Tensor) -> Description:
        """Describe a picture (1, 3, H, W) sRGB in [0, 1], of any size."""
        seen = scaled(picture, fit_area(size_of(picture), pixels=SIDE**2))
        found = self.network(seen.to(self.network.device), self.layers)
        maps = {name: full(each)[0].cpu() for name, each in found.items()}
        return {
            "content": _unit(_damped(maps[self.deep].mean((1, 2)))),
            "style": _unit(self._style(maps)),
            "colour": _unit(_histogram(seen)),
        }

    def _style(self, maps: Mapping[str, Tensor]) -> Tensor:
        """Project each layer's means and deviations, layers weighing the same, onto the fixed directions."""
        parts = []
        for name in self.network.style_layers:
            moments = torch.cat([maps[name].mean((1, 2)), maps[name].flatten(1).std(1)])
            parts.append(_unit(_damped(moments)))
        projected: Tensor = torch.cat(parts) @ self._directions
        return projected

    @cached_property
    def _directions(self) -> Tensor:
        """Directions (D, 256): lengths and angles survive the projection, nearly (Johnson & Lindenstrauss 1984)."""
        length = 2 * sum(self.network.channels(name) for name in self.network.style_layers)
        generator = torch.Generator().manual_seed(_SEED)
        drawn: Tensor = torch.randn(length, _LENGTH, generator=generator) / _LENGTH**0.5
        return drawn


def _damped(x: Tensor) -> Tensor:
    """Square roots with their signs: no channel drowns the others."""
    root: Tensor = x.sign() * x.abs().sqrt()
    return root


def _unit(x: Tensor) -> Tensor:
    scaled_down: Tensor = x / x.norm().clamp_min(1e-12)
    return scaled_down


def _histogram(picture: Tensor) -> Tensor:
    """Count colours softly, each pixel shared among the eight bins nearest; their roots make likeness Hellinger's."""
    lab = srgb_to_oklab(picture)[0].flatten(1)
    low, high = lab.new_tensor([0, -_REACH, -_REACH]), lab.new_tensor([1, _REACH, _REACH])
    bins = torch.tensor(_BINS)
    place = ((lab.T - low) / (high - low)).clamp(0, 1) * (bins - 1)
    floor = torch.minimum(place.long(), bins - 2)
    share = place - floor
    counts = torch.zeros(int(bins.prod()))
    for corner in torch.cartesian_prod(*[torch.tensor([0, 1])] * 3):
        at = floor + corner
        weight = torch.where(corner == 1, share, 1 - share).prod(1)
        counts.index_add_(0, (at[:, 0] * bins[1] + at[:, 1]) * bins[2] + at[:, 2], weight)
    roots: Tensor = (counts / counts.sum()).sqrt()
    return roots
