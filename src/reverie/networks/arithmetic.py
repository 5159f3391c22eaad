"""What the rows of a network's table compute, forwards and backwards."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reverie.networks.aligned import aligned
from reverie.networks.ops import Conv, Pool, Window


class Filters(nn.Module):
    """The weight and bias of one convolution."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        """Keep them, frozen."""
        super().__init__()
        self.weight = nn.Parameter(aligned(weight), requires_grad=False)
        self.bias = nn.Parameter(aligned(bias), requires_grad=False)


def convolve(x: Tensor, filters: Filters, op: Conv) -> Tensor:
    """A convolution of a map (B, C, h, w), its border as the row says."""
    window, padding = op.window, op.window.padding
    if window.wraps:
        x, padding = _wrapped(x, window), (0, 0)
    elif op.border == "replicate":
        rows, columns = padding
        x, padding = F.pad(x, (columns, columns, rows, rows), mode="replicate"), (0, 0)
    return F.conv2d(x, filters.weight, filters.bias, window.stride, padding, window.dilation, op.groups)


def pool(x: Tensor, op: Pool) -> Tensor:
    """A max or average pool of a map (B, C, h, w)."""
    if op.window.wraps:
        x, op = _wrapped(x, op.window), replace(op, window=Window(op.window.kernel, op.window.stride))
    window = op.window
    if op.kind == "max":
        return F.max_pool2d(x, window.kernel, window.stride, window.padding, ceil_mode=window.ceil)
    if _halves(x, window):
        return _Halved.apply(x, op.scale)  # type: ignore[no-any-return, no-untyped-call]
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
    """The map with as much of its other side beyond each edge as whole windows read."""
    around = window.around((x.shape[-2], x.shape[-1]))
    return F.pad(x, around, mode="circular") if any(around) else x


def _halves(x: Tensor, window: Window) -> bool:
    """Whether a pool is the plain 2x2 one on an even map."""
    plain = window.kernel == window.stride == (2, 2) and window.padding == (0, 0)
    return plain and x.shape[-1] % 2 == 0 and x.shape[-2] % 2 == 0


class Leaky(torch.autograd.Function):
    """max(0, x), whose backward pass is that of a leaky rectifier: units that are off still learn their way up.

    Source: the redirected gradients of Olah, Mordvintsev & Schubert (2017), for all steps.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, leak: float, overwrite: bool) -> Tensor:
        out = x.relu_() if overwrite else x.relu()
        if overwrite:
            ctx.mark_dirty(x)
        ctx.save_for_backward(out)
        ctx.leak = leak
        return out

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (out,) = ctx.saved_tensors
        return torch.ops.aten.leaky_relu_backward(gradients[0], out, ctx.leak, True), None, None


class _Halved(torch.autograd.Function):
    """2x2 average pooling times a scale; its backward pass repeats each value, five times as fast as PyTorch's."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: float) -> Tensor:
        ctx.share = scale / 4
        mean = F.avg_pool2d(x, 2)
        return mean if scale == 1.0 else mean.mul_(scale)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return F.interpolate(gradients[0] * ctx.share, scale_factor=2.0, mode="nearest"), None


def _divisor(op: Pool) -> int | None:
    """What to divide a window's sum by to average and scale in one pass, where all are full."""
    divisor = math.prod(op.window.kernel) / op.scale
    full = op.window.padding == (0, 0) and not op.window.ceil
    return int(divisor) if full and op.scale != 1.0 and divisor.is_integer() else None
