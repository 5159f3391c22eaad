"""Colours in which the channels of natural pictures do not vary together."""

from __future__ import annotations

import torch
from torch import Tensor

# Square root of the colour correlation of natural pictures, columns scaled to norm at most 1: one step along the
# first is a step in brightness, the others are opponent colours, and smaller.
# Source: Olah, Mordvintsev & Schubert (2017).
_ROOT = torch.tensor([[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]], dtype=torch.float64)
NATURAL = _ROOT / _ROOT.norm(dim=0).max()
SOFT = NATURAL / NATURAL.norm(dim=0).sqrt()


def to_rgb(x: Tensor, *, soft: bool = False) -> Tensor:
    """Convert decorrelated colours (B, 3, H, W) to red, green, blue.

    Args:
        soft: halfway between plain and natural: hues move more than natural ones, less than in plain RGB.
    """
    return _mixed(SOFT if soft else NATURAL, x)


def from_rgb(x: Tensor, *, soft: bool = False) -> Tensor:
    """Convert red, green, blue (B, 3, H, W) to decorrelated colours; the inverse of `to_rgb`."""
    return _mixed(torch.linalg.inv(SOFT if soft else NATURAL), x)


def _mixed(matrix: Tensor, x: Tensor) -> Tensor:
    return (matrix.to(x) @ x.flatten(2)).view_as(x)
