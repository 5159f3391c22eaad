"""Johnson's network on pictures of any size: layer by layer, each in tiles, its statistics summed over them.

A layer normalises by statistics of its whole map, so a pass over the picture ends with every layer. Maps smaller than
the picture are kept whole; those as large as it are not, but computed twice: once for their statistics, and once more
where the next layer reads them. Tiles mirror what lies beyond the picture's border only, and give what the whole
picture gives, to rounding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional as F

from reverie.engine.grids import Grid, Size, weights_at
from reverie.feedforward.johnson import EPSILON, Johnson, Layer, check_size
from reverie.networks.widest import widest
from reverie.pictures import size_of

_LEAST = 8  # positions of a tile on a side
Range = tuple[int, int]
Ranges = tuple[Range, Range]


@torch.no_grad()
def stylise(
    network: Johnson,
    picture: Tensor,
    tile: int,
    *,
    opaque: Tensor | None = None,
    changes: Mapping[str, Change] | None = None,
) -> Tensor:
    """Paint a picture of any size by a network.

    Args:
        network: in any precision.
        picture: (1, 3, H, W) sRGB in [0, 1], 16 pixels or more each way.
        tile: side of the tiles, in pixels; 0 takes the picture whole.
        opaque: (1, 1, H, W) in [0, 1], how much each pixel counts in the statistics; None: all alike.
        changes: that normalise its maps, by layer, of `changes_of` a clip that it belongs to; None: the picture's own.

    Returns:
        (1, 3, H, W) float32 sRGB in [0, 1], on the picture's device.

    Raises:
        PictureError: the picture is no such tensor.

    Example:
        >>> stylise(read_johnson(Path("mine.safetensors")), torch.rand(1, 3, 600, 800), 256).shape
        torch.Size([1, 3, 600, 800])
    """
    check_size(picture, network.least)
    whole = not tile or tile >= max(size_of(picture))
    if whole and opaque is None and changes is None:
        return network(picture).clamp_(0, 1).to(picture.device)
    there = picture.to(network.device)
    opaque = None if opaque is None else opaque.to(network.device)
    maps = _Maps(network, there, max(size_of(picture)) if whole else tile, opaque)
    for number, layer in enumerate(network.layers[:-1], 1):
        sums = _Sums()
        out = maps.computed(number, layer, sums)
        maps.settle(number, layer, out, sums.change(network, layer) if changes is None else changes[layer.name])
    return maps.end(network.layers[-1]).to(picture.device)


@torch.no_grad()
def changes_of(network: Johnson, pictures: Sequence[Tensor], tile: int) -> dict[str, Change]:
    """Return the changes that normalise the maps of several pictures as if they were one.

    Args:
        network: in any precision.
        pictures: frames of a clip, (1, 3, H, W) in [0, 1]; their maps are kept in memory at once.
        tile: side of the tiles, in pixels; 0 takes each picture whole.
    """
    every = [_Maps(network, p.to(network.device), tile or max(size_of(p)), None) for p in pictures]
    changes: dict[str, Change] = {}
    for number, layer in enumerate(network.layers[:-1], 1):
        sums = _Sums()
        made = [maps.computed(number, layer, sums) for maps in every]
        changes[layer.name] = sums.change(network, layer)
        for maps, out in zip(every, made, strict=True):
            maps.settle(number, layer, out, changes[layer.name])
    return changes


@dataclass(frozen=True)
class ReadRange:
    """The range of one axis of its map that a layer reads to give a range of its output.

    Attributes:
        seen: positions of the map.
        cut: of these, made larger by the layer's factor.
        beyond: positions mirrored before and after.
    """

    seen: Range
    cut: slice
    beyond: Range


def read_range(layer: Layer, own: Range, length: int) -> ReadRange:
    """Return what a layer reads of an axis of so many positions to give the range `own` of its output.

    Example:
        >>> read_range(Layer("up.0", 3, factor=2), (0, 6), 10)
        ReadRange(seen=(0, 4), cut=slice(0, 7, None), beyond=(1, 0))
    """
    low, high = own[0] * layer.stride - layer.reach, (own[1] - 1) * layer.stride + layer.reach + 1
    first, last = max(low, 0), min(high, length * layer.factor)
    seen = first // layer.factor, -(-last // layer.factor)
    start = first - seen[0] * layer.factor
    return ReadRange(seen, slice(start, start + last - first), (first - low, high - last))


def size_after(layer: Layer, size: Size) -> Size:
    """Return the (h, w) of a layer's output for a map of this (h, w)."""
    return -(-size[0] * layer.factor // layer.stride), -(-size[1] * layer.factor // layer.stride)


@dataclass(frozen=True)
class Change:
    """The affine change, (1, C, 1, 1) each, that normalises a map, and whether it is rectified."""

    scale: Tensor
    shift: Tensor
    rectified: bool

    def of(self, x: Tensor) -> Tensor:
        """Change a piece of the map, in float32."""
        y = torch.addcmul(self.shift, x.float(), self.scale)
        return y.relu_() if self.rectified else y


class _Sums:
    """Sums over the tiles of a map of each channel and its square, in float64."""

    def __init__(self) -> None:
        self._first: Tensor | float = 0.0
        self._second: Tensor | float = 0.0
        self._count = 0.0

    def add(self, x: Tensor, weights: Tensor | None = None) -> None:
        counted = x.float() if weights is None else x.float() * weights
        dtype = widest(x.device)
        self._first = self._first + counted.sum((0, 2, 3), dtype=dtype)
        self._second = self._second + (counted * x).sum((0, 2, 3), dtype=dtype)
        self._count += x.shape[2] * x.shape[3] if weights is None else float(weights.sum(dtype=dtype))

    def change(self, network: Johnson, layer: Layer) -> Change:
        """Return the change that the network applies to a map with these sums."""
        mean, square = torch.as_tensor(self._first) / self._count, torch.as_tensor(self._second) / self._count
        gain, shift = (network.tensors[f"{layer.name}.{part}"].to(mean.dtype) for part in ("gain", "shift"))
        scale = gain / ((square - mean.pow(2)).clamp_min(0) + EPSILON).sqrt()
        across = (1, -1, 1, 1)
        return Change(
            scale.float().view(across), (shift - mean * scale).float().view(across), rectified=layer.rectified
        )


class _Maps:
    """Progress of the network: the last map kept whole, and the layers since, whose statistics are known."""

    def __init__(self, network: Johnson, picture: Tensor, tile: int, opaque: Tensor | None) -> None:
        self.network, self.tile, self.opaque = network, tile, opaque
        self.picture = self.base = picture
        self.added: dict[int, Tensor] = {}  # by number, the maps that a layer may still add
        self.chain: list[tuple[Layer, Size, Change]] = []  # layers, their maps' sizes, what follows them
        self.size = size_of(picture)

    @cached_property
    def last(self) -> dict[int, int]:
        """Map the number of each added map to that of the last layer that adds it; the picture's is 0."""
        return {i - layer.adds: i for i, layer in enumerate(self.network.layers, 1) if layer.adds}

    def is_small(self, layer: Layer) -> bool:
        """True if a layer's output has fewer positions than the picture."""
        (h, w), (height, width) = size_after(layer, self.size), size_of(self.picture)
        return h * w < height * width

    def computed(self, number: int, layer: Layer, sums: _Sums) -> Tensor | None:
        """Add a layer's output to its statistics, and return the output itself if that is to be kept whole."""
        kept = bool(layer.adds) or number in self.last or self.is_small(layer)
        size = size_after(layer, self.size)
        channels = self.network.tensors[f"{layer.name}.weight"].shape[0]
        out = self._room(int(channels), size) if kept else None
        weights = weights_at(self.opaque, size)
        for rows, columns in self._places(size):
            made = self._made(layer, (rows, columns))
            sums.add(made, None if weights is None else weights[..., slice(*rows), slice(*columns)])
            if out is not None:
                out[..., slice(*rows), slice(*columns)] = made
        return out

    def settle(self, number: int, layer: Layer, out: Tensor | None, change: Change) -> None:
        """Go on to the next layer, once it is known what follows this one's output."""
        size = size_after(layer, self.size)
        if out is None:
            self.chain.append((layer, self.size, change))
        else:
            self._keep(number, layer, out, change)
        self.size = size

    def end(self, layer: Layer) -> Tensor:
        """Return the last layer's picture."""
        height, width = size_of(self.picture)
        out = torch.empty(1, 3, height, width, dtype=torch.float32, device=self.picture.device)
        for rows, columns in self._places((height, width)):
            made = self.network.to_pictures(self._made(layer, (rows, columns)))
            out[..., slice(*rows), slice(*columns)] = made.clamp_(0, 1)
        return out

    def _keep(self, number: int, layer: Layer, out: Tensor, change: Change) -> None:
        """Finish a map in place, and free those that are no longer needed."""
        added = self.added[number - layer.adds] if layer.adds else None
        for rows, columns in self._places(size_of(out)):
            part = (..., slice(*rows), slice(*columns))
            made = change.of(out[part]).to(out.dtype)
            out[part] = made if added is None else made + added[part]
        self.base, self.chain = out, []
        self.added = {n: x for n, x in {**self.added, number: out}.items() if self.last.get(n, 0) > number}

    def _made(self, layer: Layer, own: Ranges) -> Tensor:
        """Compute a piece of a layer's convolution, from the base through all layers since."""
        return self._from(self.chain, layer, self.size, own)

    def _from(self, chain: Sequence[tuple[Layer, Size, Change]], layer: Layer, size: Size, own: Ranges) -> Tensor:
        """Do the same for a layer whose map has this size."""
        rows, columns = (read_range(layer, span, length) for span, length in zip(own, size, strict=True))
        if chain:
            *earlier, (before, its, change) = chain
            window = change.of(self._from(earlier, before, its, (rows.seen, columns.seen))).to(self.network.dtype)
        else:
            window = self.base[..., slice(*rows.seen), slice(*columns.seen)]
            window = self.network.to_input(window) if self.base is self.picture else window
        if layer.factor > 1:
            window = F.interpolate(window, scale_factor=float(layer.factor), mode="nearest")
        window = window[..., rows.cut, columns.cut]
        return self.network.convolve_window(layer, F.pad(window, (*columns.beyond, *rows.beyond), mode="reflect"))

    def _places(self, size: Size) -> list[Ranges]:
        """Return the tiles of a map of this size."""
        height = size_of(self.picture)[0]
        tile = max(_LEAST, self.tile * size[0] // height)
        return [(rows.own, columns.own) for rows, columns in Grid(size, step=1, halo=0, tile=tile)]

    def _room(self, channels: int, size: Size) -> Tensor:
        dtype, device = self.network.dtype, self.picture.device
        return torch.empty(1, channels, *size, dtype=dtype, device=device, memory_format=torch.channels_last)
