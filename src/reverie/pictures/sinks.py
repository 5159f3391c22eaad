"""Where decoded strips go: straight to their places, or summed over boxes into a smaller picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import final

import numpy as np
import torch
from torch import Tensor

from reverie.pictures.raster import Array, turned


class Sink(ABC):
    """Takes (rows, columns, C) of float32 until each pixel has come once."""

    @abstractmethod
    def put(self, rows: slice, columns: slice, values: Array) -> None:
        """Take some pixels; slices are those of the picture as stored."""

    @abstractmethod
    def result(self) -> Tensor:
        """The picture upright, (1, C, H, W)."""


@final
class Whole(Sink):
    """The picture as it is; its only memory is the result's.

    Args:
        size: (H, W) as stored.
        channels: C.
        orientation: 1 to 8; pixels are put where they belong once turned.
    """

    def __init__(self, size: tuple[int, int], channels: int, orientation: int) -> None:
        height, width = upright(size, orientation)
        self._pixels = torch.empty((1, channels, height, width))
        self._stored = turned(self._pixels[0].permute(1, 2, 0).numpy(), orientation, back=True)

    def put(self, rows: slice, columns: slice, values: Array) -> None:
        """Copy pixels to their places."""
        self._stored[rows, columns] = values

    def result(self) -> Tensor:
        """The picture upright, (1, C, H, W)."""
        return self._pixels


@final
class Reduced(Sink):
    """A smaller picture: each of its pixels is the mean of the area it covers, parts of pixels counted as parts.

    Args:
        size: (H, W) as stored.
        smaller: (H, W) of the result before turning, at most as large.
        channels: C.
        orientation: 1 to 8.
    """

    def __init__(self, size: tuple[int, int], smaller: tuple[int, int], channels: int, orientation: int) -> None:
        self._size, self._orientation = size, orientation
        self._sums = np.zeros((*smaller, channels), np.float32)

    def put(self, rows: slice, columns: slice, values: Array) -> None:
        """Add pixels to the one or two boxes each way that they lie in."""
        (height, width), (h, w) = self._size, self._sums.shape[:2]
        across = np.zeros((len(values), w, values.shape[2]), np.float32)
        _add(across, _places(columns, width), values, width, w, axis=1)
        down = np.zeros_like(self._sums[_reach(rows, height, h)])
        first = _reach(rows, height, h).start
        _add(down, _places(rows, height), across, height, h, axis=0, first=first)
        self._sums[_reach(rows, height, h)] += down

    def result(self) -> Tensor:
        """The picture upright, (1, C, H, W)."""
        values = turned(self._sums, self._orientation).transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(values))[None]


def upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """The (H, W) of a stored picture once turned, or back."""
    return (size[1], size[0]) if orientation >= 5 else size


def _places(part: slice, length: int) -> Array:
    return np.arange(*part.indices(length))


def _reach(rows: slice, height: int, h: int) -> slice:
    """The rows of the result that some stored rows lie in."""
    places = range(*rows.indices(height))
    return slice(places[0] * h // height, min(places[-1] * h // height + 2, h))


def _add(sums: Array, places: Array, values: Array, length: int, n: int, *, axis: int, first: int = 0) -> None:
    """Add values at places of an axis of ``length`` to boxes of an axis of n < length, numbered from ``first`` on.

    Box t covers [t, t + 1) * length / n; the pixel at y lies in box y * n // length, and where it reaches past its
    end, in the next one.
    """
    box = places * n // length
    over = np.maximum((places + 1) * n - (box + 1) * length, 0) / length  # the part in the next box
    shape = (-1, 1, 1) if axis == 0 else (1, -1, 1)
    for number, share in ((box, n / length - over), (box + 1, over)):
        if not share.any():
            continue
        inside = number < n  # at the end a share of zero lies beyond the last
        weighted = values * share.astype(np.float32).reshape(shape)
        found, starts = np.unique(np.where(inside, number, n - 1), return_index=True)
        part = np.add.reduceat(weighted, starts, axis=axis)
        if axis == 0:
            sums[found - first] += part
        else:
            sums[:, found] += part
