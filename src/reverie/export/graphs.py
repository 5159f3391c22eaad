"""Networks as modules that an exporter can trace: whole pictures, no tiles, no checks, no caches."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from reverie.errors import RecipeError
from reverie.export.roots import moments, moved, target_of, transport_map
from reverie.feedforward import Instant, Superres
from reverie.feedforward.instant import HALOS, KEPT, LAYERS, STRIDE
from reverie.feedforward.johnson import Johnson
from reverie.feedforward.matching import COLOUR_RIDGE, RIDGE, Target, colour_map, whitening_map
from reverie.networks import Network
from reverie.networks.arithmetic import Filters
from reverie.networks.graph import PICTURE, schedule
from reverie.networks.network import LUMA
from reverie.networks.ops import Add, Concat, Conv, Op, Pool, Relu

STYLE_LAYERS = (PICTURE, *LAYERS)
"""What a painting is to the decoder: the statistics of these."""


class Enlarge(nn.Module):
    """Enlarges a picture."""

    def __init__(self, network: Superres, factor: int) -> None:
        """Enlarge with this network, by this factor."""
        super().__init__()
        self.network, self.factor = network, factor

    def forward(self, picture: Tensor) -> Tensor:
        """Map (B, 3, H, W) to (B, 3, factor H, factor W)."""
        around = F.pad(picture, (self.network.halo,) * 4, mode="replicate")
        return self.network.enlarge(around, self.factor).clamp(0, 1)


class PaintCustom(nn.Module):
    """Paints a photo in the one style that a network has learnt."""

    def __init__(self, network: Johnson) -> None:
        """Paint with this network."""
        super().__init__()
        self.network = network

    def forward(self, photo: Tensor) -> Tensor:
        """Map (B, 3, H, W) to the same."""
        return self.network(photo).clamp(0, 1)


class Maps(nn.Module):
    """Computes the feature maps of a picture, as ``Network.forward`` does."""

    def __init__(self, network: Network, layers: Sequence[str]) -> None:
        """Compute the maps of these layers, in this order."""
        super().__init__()
        self.network, self.layers = network, tuple(layers)
        self.steps = schedule(network.blueprint, self.layers)
        mean, std = (torch.tensor(v).view(1, -1, 1, 1) for v in (network.blueprint.mean, network.blueprint.std))
        self.register_buffer("mean", mean)
        self.register_buffer("std", std)
        self.register_buffer("luma", torch.tensor(LUMA).view(1, 3, 1, 1))

    def forward(self, picture: Tensor) -> tuple[Tensor, ...]:
        """Map (B, 3, H, W) to a map (B, C, h, w) for each layer."""
        mean, std, luma = (cast(Tensor, getattr(self, name)) for name in ("mean", "std", "luma"))
        x = (picture * luma).sum(1, keepdim=True) if mean.shape[1] == 1 else picture
        maps = {PICTURE: (x - mean) / std}
        for step in self.steps:
            filters = self.network.filters[step.node.name] if isinstance(step.node.op, Conv) else None
            maps[step.node.name] = _run(step.node.op, [maps[n] for n in step.node.inputs], cast(Filters, filters))
        return tuple(maps[layer] for layer in self.layers)


class StyleStatistics(nn.Module):
    """A painting's statistics: the mean and the root of the covariance of its colours and features."""

    def __init__(self, network: Network) -> None:
        """Encode with this network."""
        super().__init__()
        self.maps = Maps(network, LAYERS)

    def forward(self, painting: Tensor) -> tuple[Tensor, ...]:
        """(1, 3, h, w) to a mean (1, C) and a root (1, C, C) for each of ``STYLE_LAYERS``."""
        seen = dict(zip(STYLE_LAYERS, map(moments, (painting, *self.maps(painting))), strict=True))
        targets = (target_of(g, COLOUR_RIDGE if layer == PICTURE else RIDGE) for layer, g in seen.items())
        return tuple(part for target in targets for part in target)


class Paint(nn.Module):
    """Paints a photo in a style, as ``engine.feedforward`` does."""

    def __init__(self, network: Network, decoder: Instant) -> None:
        """Paint with this encoder and decoder."""
        super().__init__()
        self.maps, self.decoder = Maps(network, KEPT), decoder

    def forward(self, photo: Tensor, noise: Tensor, style: Sequence[Tensor]) -> Tensor:
        """Paint.

        Args:
            photo: (1, 3, H, W).
            noise: (85 h w,) normal numbers, h and w the sixteenths of H and W, rounded up: for the four stages.
            style: as ``StyleStatistics`` gives it.
        """
        height, width = photo.shape[2], photo.shape[3]
        targets = targets_in(style)
        maps = dict(zip(KEPT, self.maps(_filled_up(photo)), strict=True))
        x = maps[KEPT[0]]
        first, area = 0, x.shape[2] * x.shape[3]
        for number, (layer, halo) in enumerate(zip(LAYERS, HALOS, strict=True)):
            made, x = x, maps.get(layer, x)
            change = (transport_map if layer in maps else whitening_map)(moments(x), targets[layer])
            x = moved(x, change).relu()
            x = x + made if number and layer in maps else x
            here = torch.arange(area * 4**number) + first  # a slice would have to know how long the noise is
            grain = noise.index_select(0, here).view(1, 1, x.shape[2], x.shape[3])
            first = first + area * 4**number
            x = self.decoder.stage(number, *(F.pad(each, (halo,) * 4, mode="replicate") for each in (x, grain)))
        painted = moved(x, colour_map(moments(x), targets[PICTURE])).clamp(0, 1)
        return painted[..., :height, :width]


class PaintLike(nn.Module):
    """Paints a photo in the style of a painting."""

    def __init__(self, network: Network, decoder: Instant) -> None:
        """Paint with this encoder and decoder."""
        super().__init__()
        self.manner, self.paint = StyleStatistics(network), Paint(network, decoder)

    def forward(self, photo: Tensor, painting: Tensor, noise: Tensor) -> Tensor:
        """Map (1, 3, H, W), (1, 3, h, w) and noise to (1, 3, H, W)."""
        return cast(Tensor, self.paint(photo, noise, self.manner(painting)))


class PaintBaked(nn.Module):
    """Paints a photo in the style of one painting that is stored inside."""

    def __init__(self, network: Network, decoder: Instant, painting: Tensor) -> None:
        """Paint with this encoder and decoder; the painting (1, 3, h, w) is at the scale of the strokes wanted."""
        super().__init__()
        self.paint = Paint(network, decoder)
        with torch.no_grad():
            self.kept = nn.ParameterList(
                nn.Parameter(x, requires_grad=False) for x in StyleStatistics(network)(painting)
            )

    def forward(self, photo: Tensor, noise: Tensor) -> Tensor:
        """Map (1, 3, H, W) and noise to (1, 3, H, W)."""
        return cast(Tensor, self.paint(photo, noise, list(self.kept)))


def targets_in(style: Sequence[Tensor]) -> dict[str, Target]:
    """Name the output of ``StyleStatistics`` by layer."""
    parts = [Target(mean, root) for mean, root in zip(style[::2], style[1::2], strict=True)]
    return dict(zip(STYLE_LAYERS, parts, strict=True))


def _filled_up(photo: Tensor) -> Tensor:
    """Pad a photo to multiples of the stride by repeating its last row and column."""
    for axis in (2, 3):
        length = photo.shape[axis]
        places = torch.arange((length + STRIDE - 1) // STRIDE * STRIDE)
        photo = photo.index_select(axis, places.clamp_max(length - 1))
    return photo


def _run(op: Op, inputs: list[Tensor], filters: Filters) -> Tensor:
    """Apply one operation of a network."""
    match op:
        case Conv():
            return _convolved(inputs[0], filters, op)
        case Relu():
            return inputs[0].relu()
        case Pool():
            return _pooled(inputs[0], op)
        case Concat():
            return torch.cat(inputs, dim=1)
        case Add():
            return functools.reduce(torch.add, inputs)
        case _:
            raise RecipeError("a network with functions of its own cannot be exported; export one of Reverie's.")


def _convolved(x: Tensor, filters: Filters, op: Conv) -> Tensor:
    window, padding = op.window, op.window.padding
    if op.border == "replicate":
        rows, columns = padding
        x, padding = F.pad(x, (columns, columns, rows, rows), mode="replicate"), (0, 0)
    return F.conv2d(x, filters.weight, filters.bias, window.stride, padding, window.dilation, op.groups)


def _pooled(x: Tensor, op: Pool) -> Tensor:
    window = op.window
    if op.kind == "max":
        return F.max_pool2d(x, window.kernel, window.stride, window.padding, ceil_mode=window.ceil)
    return op.scale * F.avg_pool2d(x, window.kernel, window.stride, window.padding, window.ceil, False)
