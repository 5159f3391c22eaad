"""The arithmetic of the rows of a network's table, forwards and backwards."""

from __future__ import annotations

import math
from dataclasses import replace

import torch.nn.functional as F
from torch import Tensor, nn

from reverie.networks.aligned import aligned
from reverie.networks.gradients import Halved
from reverie.networks.ops import Conv, Pool, Window


class Filters(nn.Module):
    """The weight and bias of one convolution."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """Store them, frozen."""
        super().__init__()
        self.weight = nn.Parameter(aligned(weight), requires_grad=False)
        self.bias = nn.Parameter(aligned(bias), requires_grad=False)


def convolve(x: Tensor, filters: Filters, op: Conv) -> Tensor:
    """Convolve a map (B, C, h, w), its border as the row says."""
    window, padding = op.window, op.window.padding
    if window.wraps:
        x, padding = _wrapped(x, window), (0, 0)
    elif op.border == "replicate":
        rows, columns = padding
        x, padding = F.pad(x, (columns, columns, rows, rows), mode="replicate"), (0, 0)
    return F.conv2d(x, filters.weight, filters.bias, window.stride, padding, window.dilation, op.groups)


def pool(x: Tensor, op: Pool) -> Tensor:
    """Pool a map (B, C, h, w) by maximum or average."""
    if op.window.wraps:
        x, op = _wrapped(x, op.window), replace(op, window=Window(op.window.kernel, op.window.stride))
    window = op.window
    if op.kind == "max":
        return F.max_pool2d(x, window.kernel, window.stride, window.padding, ceil_mode=window.ceil)
    if _halves(x, window):
        return Halved.apply(x, op.scale)  # type: ignore[no-any-return, no-untyped-call]
    divisor = _divisor(op)
    mean = F.avg_pool2d(
        x,
        window.kernel,
        window.stride,
        window.padding,
        window.ceil,
        count_include_pad=False,
        divisor_override=divisor,
    )
    return mean if op.scale == 1.0 or divisor else mean.mul_(op.scale)


def _wrapped(x: Tensor, window: Window) -> Tensor:
    """Pad the map circularly by as much as whole windows read."""
    around = window.around((x.shape[-2], x.shape[-1]))
    return F.pad(x, around, mode="circular") if any(around) else x


def _halves(x: Tensor, window: Window) -> bool:
    """True if a pool is the plain 2x2 one on an even map."""
    plain = window.kernel == window.stride == (2, 2) and window.padding == (0, 0)
    return plain and x.shape[-1] % 2 == 0 and x.shape[-2] % 2 == 0


def _divisor(op: Pool) -> int | None:
    """Return the divisor of a window's sum that averages and scales in one pass, if all windows are full."""
    divisor = math.prod(op.window.kernel) / op.scale
    full = op.window.padding == (0, 0) and not op.window.ceil
    return int(divisor) if full and op.scale != 1.0 and divisor.is_integer() else None
