"""Windows and channels of the modules of a third-party network, by their classes."""

from __future__ import annotations

from typing import Any

from torch import nn

from reverie.networks.ops import Pair, Window

POINTWISE_MODULES: tuple[type[nn.Module], ...] = (
    *(nn.ReLU, nn.ReLU6, nn.LeakyReLU, nn.PReLU, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU),
    *(nn.Mish, nn.Hardswish, nn.Hardsigmoid, nn.Hardtanh, nn.Sigmoid, nn.Tanh, nn.Softplus),
    *(nn.Dropout, nn.Dropout2d, nn.AlphaDropout, nn.Identity, nn.BatchNorm2d, nn.LocalResponseNorm),
)


def module_window(part: nn.Module) -> Window | None:
    """Return the window of its input that a feature of a module reads; None if it is not known."""
    if isinstance(part, nn.BatchNorm2d) and part.running_mean is None:
        return None  # it normalises by the whole picture
    if isinstance(part, POINTWISE_MODULES):
        return Window()
    if isinstance(part, nn.Conv2d):
        return _conv_window(part)
    if isinstance(part, nn.AvgPool2d) or (isinstance(part, nn.MaxPool2d) and not part.return_indices):
        stride = pair(part.stride or part.kernel_size)
        dilation = pair(getattr(part, "dilation", 1))
        return Window(pair(part.kernel_size), stride, pair(part.padding), dilation, part.ceil_mode)
    return None


def _conv_window(part: nn.Conv2d) -> Window | None:
    kernel, dilation = pair(part.kernel_size), pair(part.dilation)
    reach = [(k - 1) * d for k, d in zip(kernel, dilation, strict=True)]
    if part.padding == "same":
        padding: Pair = (reach[0] // 2, reach[1] // 2)
        if any(r % 2 for r in reach):
            return None
    else:
        padding = (0, 0) if part.padding == "valid" else pair(part.padding)
    mirrors_too_far = any(2 * p > r for p, r in zip(padding, reach, strict=True))
    if part.padding_mode == "circular" or (part.padding_mode == "reflect" and mirrors_too_far):
        return None
    return Window(kernel, pair(part.stride), padding, dilation)


def module_channels(part: nn.Module) -> int | None:
    """Return the number of output channels of a module; None if only running it tells."""
    if isinstance(part, nn.Sequential):
        ends = (inner for inner in reversed(list(part)) if module_channels(inner) or not _keeps_channels(inner))
        return next((module_channels(inner) for inner in ends), None)
    for attribute in ("out_channels", "out_features", "num_features", "num_channels"):
        if isinstance(found := getattr(part, attribute, None), int):
            return found
    return None


def _keeps_channels(part: nn.Module) -> bool:
    pools = (nn.MaxPool2d, nn.AvgPool2d, nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d, nn.Upsample)
    return isinstance(part, (*POINTWISE_MODULES, *pools))


def pair(value: Any) -> Pair:
    """Return a number for each side: the same one twice, or the two that are given."""
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[-1]))
