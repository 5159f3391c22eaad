"""Colours in which the channels of natural pictures do not vary together."""

from __future__ import annotations

import torch
from torch import Tensor

from reverie.canvas.natural import colour_root

# Columns as long as they are in photos, the longest of them 1. Source: Olah, Mordvintsev & Schubert (2017).
NATURAL = colour_root()
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
