"""The operations of a network's table, and the window of its input that each feature reads."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from torch import Tensor

Pair = tuple[int, int]
Pooling = Literal["native", "average"]
Padding = Literal["zeros", "replicate", "circular"]


@dataclass(frozen=True)
class Window:
    """The window of the input map that one feature reads, along (rows, columns).

    Where it ``wraps``, the map goes on beyond its right edge with its left one, and so downwards.
    """

    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    ceil: bool = False
    wraps: bool = False

    def before(self) -> int:
        """Return the input positions read before ``index * stride``."""
        return max(self.padding)

    def after(self) -> int:
        """Return the input positions read after ``index * stride``."""
        spans = zip(self.kernel, self.dilation, self.padding, strict=True)
        return max((k - 1) * d - p for k, d, p in spans)

    def extent(self, size: Pair) -> Pair:
        """Return the (h, w) of the map made from a map of ``size``."""
        return self._extent(size[0], 0), self._extent(size[1], 1)

    def around(self, size: Pair) -> tuple[int, int, int, int]:
        """Return the padding (left, right, top, bottom) that a map of ``size`` needs for whole windows."""
        rows, columns = (self._around(size[axis], axis) for axis in (0, 1))
        return *columns, *rows

    def _around(self, length: int, axis: int) -> Pair:
        before = self.padding[axis]
        last = (self._extent(length, axis) - 1) * self.stride[axis] + (self.kernel[axis] - 1) * self.dilation[axis]
        return before, max(0, last + 1 - before - length)

    def _extent(self, length: int, axis: int) -> int:
        pad, step = self.padding[axis], self.stride[axis]
        if self.wraps:
            return -(-length // step)
        room = length + 2 * pad - (self.kernel[axis] - 1) * self.dilation[axis] - 1
        if room < 0 and not self.ceil:
            return 0
        count = (math.ceil(room / step) if self.ceil else room // step) + 1
        # A ceil-mode pool drops a last window that would lie wholly in the padding.
        return count - 1 if self.ceil and (count - 1) * step >= length + pad else count


@dataclass(frozen=True)
class Conv:
    """A convolution; ``source`` and ``norm`` name it and its batch norm in the checkpoint."""

    channels: int
    window: Window
    groups: int = 1
    source: str = ""
    norm: str = ""
    border: Padding = "zeros"


@dataclass(frozen=True)
class Relu:
    """max(0, x); going back, a unit that is off lets ``leak`` of the gradient through."""

    leak: float = 0.0


@dataclass(frozen=True)
class Pool:
    """Max or average pooling; an average counts real positions only, times ``scale``."""

    kind: Literal["max", "average"]
    window: Window
    scale: float = 1.0


@dataclass(frozen=True)
class Concat:
    """Channels of all inputs, side by side."""


@dataclass(frozen=True)
class Add:
    """Sum of all inputs."""


@dataclass(frozen=True)
class Call:
    """A custom function of maps; ``window`` is None when it sees the whole picture."""

    function: Callable[..., Tensor] = field(compare=False)
    window: Window | None
    channels: int | None = None


Op = Conv | Relu | Pool | Concat | Add | Call


def channels_of(op: Op, inputs: Sequence[int]) -> int:
    """Return the number of output channels of an op; 0 if it is not known."""
    if isinstance(op, Conv):
        return op.channels
    if isinstance(op, Concat):
        return sum(inputs) if all(inputs) else 0
    if isinstance(op, Call) and (op.channels is not None or op.window is None):
        return op.channels or 0
    return max(inputs, default=0)


def window_of(op: Op) -> Window | None:
    """Return the window of its input that a feature of an op reads; None if it may read everything."""
    return op.window if isinstance(op, Conv | Pool | Call) else Window()
