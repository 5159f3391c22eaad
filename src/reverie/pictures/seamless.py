"""Seamless pictures, which wrap round their edges: resizing them, and making one of any picture."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.pictures.resize import Filter, resize, size_of

_REACH = 4  # pixels of the coarser picture that a resampling kernel reads on each side, and one to spare


def resize_seamless(x: Tensor, size: tuple[int, int], *, filter: Filter = "bicubic") -> Tensor:
    """Resample a picture that wraps round its edges; differentiable.

    Rolling the picture by whole pixels that are whole pixels at the new size too rolls the result.

    Args:
        x: (B, C, H, W) floating point.
        size: new (H, W), pixels.
        filter: as for `resize`.
    Returns:
        (B, C, *size), not clamped; ``x`` itself where the size does not change.
    Example:
        >>> resize_seamless(torch.rand(1, 3, 64, 48), (32, 24)).shape
        torch.Size([1, 3, 32, 24])
    """
    if tuple(size) == size_of(x):
        return x
    (top, above), (left, before) = (_margins(old, new) for old, new in zip(size_of(x), size, strict=True))
    wide = F.pad(x, (left, left, top, top), mode="circular")
    out = resize(wide, (size[0] + 2 * above, size[1] + 2 * before), filter=filter)
    return out[..., above : above + size[0], before : before + size[1]].contiguous()


def periodic_part(x: Tensor) -> Tensor:
    """Make a picture seamless: remove the smooth part that accounts for the jumps at its edges.

    The edges meet, what lies within is changed as little and as smoothly as can be.

    Args:
        x: (B, C, H, W), floating point.
    Returns:
        (B, C, H, W), of the same mean; it may leave [0, 1] a little.
    Source: Moisan (2011), "Periodic plus smooth image decomposition", equation 12.
    """
    h, w = size_of(x)
    jumps = torch.zeros_like(x)
    rows, columns = x[..., -1, :] - x[..., 0, :], x[..., -1] - x[..., 0]
    jumps[..., 0, :] += rows
    jumps[..., -1, :] -= rows
    jumps[..., 0] += columns
    jumps[..., -1] -= columns
    down = torch.cos(2 * math.pi * torch.fft.fftfreq(h, dtype=x.dtype, device=x.device))[:, None]
    across = torch.cos(2 * math.pi * torch.fft.rfftfreq(w, dtype=x.dtype, device=x.device))[None]
    laplacian = 2 * (down + across) - 4
    laplacian[0, 0] = 1  # the smooth part's mean is nothing
    waves = torch.fft.rfft2(jumps) / laplacian
    waves[..., 0, 0] = 0
    smooth: Tensor = torch.fft.irfft2(waves, s=(h, w))
    return x - smooth


def _margins(old: int, new: int) -> tuple[int, int]:
    """Return the pixels to pad an axis with before resampling, and to crop after it: both whole, in the same ratio."""
    common = math.gcd(old, new)
    unit = old // common
    reach = _REACH * max(1, -(-old // new))
    times = min(-(-reach // unit), common)
    return times * unit, times * new // common
