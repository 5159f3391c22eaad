"""The widest precision of a device: some accelerators have no float64."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor


@cache
def has_float64(device: torch.device) -> bool:
    """True if the device has float64; Apple's have not."""
    if device.type in ("cpu", "cuda"):
        return True
    try:
        torch.zeros(1, dtype=torch.float64, device=device)
    except (TypeError, RuntimeError):
        return False
    return True


def widest(device: torch.device) -> torch.dtype:
    """Return float64, or float32 where the device has no other."""
    return torch.float64 if has_float64(device) else torch.float32


def exact(x: Tensor) -> Tensor:
    """Return a copy of a tensor in the widest precision of its device, in which sums over tiles are taken."""
    return x.to(widest(x.device), copy=True)
