"""Sinks for decoded strips: copied straight to their places, or summed over boxes into a smaller picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
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
        """Return the picture upright, (1, C, H, W)."""


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
        self._pixels = torch.empty((1, channels, height, width), dtype=torch.float32)
        self._stored = turned(self._pixels[0].permute(1, 2, 0).numpy(), orientation, back=True)

    def put(self, rows: slice, columns: slice, values: Array) -> None:
        """Copy pixels to their places."""
        self._stored[rows, columns] = values

    def result(self) -> Tensor:
        """Return the picture upright, (1, C, H, W)."""
        return self._pixels


@final
class Reduced(Sink):
    """A smaller picture: each of its pixels is the mean of the area it covers, parts of pixels counted as parts.

    Args:
        size: (H, W) of the whole picture, before turning.
        smaller: (H, W) of the result before turning, at most as large as what is put.
        channels: C.
        orientation: 1 to 8.
        scale: pixels of the whole picture, each way, that each one put stands for; those at the far edges for fewer.
    """

    def __init__(
        self, size: tuple[int, int], smaller: tuple[int, int], channels: int, orientation: int, *, scale: int = 1
    ) -> None:
        self._rows = _Boxes(size[0], smaller[0], scale)
        self._columns = _Boxes(size[1], smaller[1], scale)
        self._orientation = orientation
        self._sums = np.zeros((*smaller, channels), np.float32)

    def put(self, rows: slice, columns: slice, values: Array) -> None:
        """Add pixels to the one or two boxes each way that they lie in; rows first, as few are left of them."""
        tall, down = self._sums_of_rows(rows, values)
        for wide, share in self._columns.shares(_places(columns)):
            some = np.flatnonzero(share)
            if len(some):
                found, starts = np.unique(wide[some], return_index=True)
                part = np.add.reduceat(down[:, some] * share[some, None], starts, axis=1)
                self._sums[tall][:, found] += part

    def _sums_of_rows(self, rows: slice, values: Array) -> tuple[slice, Array]:
        """Return the rows of the result that some stored ones lie in, and their sums, (rows, columns, C)."""
        shares = list(self._rows.shares(_places(rows)))
        tall = slice(int(shares[0][0][0]), int(shares[1][0][-1]) + 1)
        down = np.zeros((tall.stop - tall.start, *values.shape[1:]), np.float32)
        for number, share in shares:
            for row in np.flatnonzero(share):
                down[number[row] - tall.start] += values[row] * share[row]
        return tall, down

    def result(self) -> Tensor:
        """Return the picture upright, (1, C, H, W)."""
        values = turned(self._sums.clip(0, 1), self._orientation).transpose(2, 0, 1)
        return torch.from_numpy(np.ascontiguousarray(values))[None]


@dataclass(frozen=True)
class _Boxes:
    """One way across a picture, cut into equal boxes.

    Args:
        length: pixels of the whole picture.
        count: of the boxes; box t covers [t, t + 1) * length / count.
        scale: as of `Reduced`.
    """

    length: int
    count: int
    scale: int

    def shares(self, places: Array) -> Iterator[tuple[Array, Array]]:
        """Return each pixel's box and its share there; then the same for the next box."""
        start, end = places * self.scale, np.minimum((places + 1) * self.scale, self.length)
        box = start * self.count // self.length
        over = np.maximum(end * self.count - (box + 1) * self.length, 0)
        yield box, (((end - start) * self.count - over) / self.length).astype(np.float32)
        yield np.minimum(box + 1, self.count - 1), (over / self.length).astype(np.float32)


def upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return the (H, W) of a stored picture once turned, or back."""
    return (size[1], size[0]) if orientation >= 5 else size


def _places(part: slice) -> Array:
    return np.arange(part.start or 0, part.stop, part.step or 1)
