"""A grid of averaged activations: what a layer can hold, neighbours alike.

Source: Carter et al. (2019), "Activation atlas", who lay activations out by UMAP and average within the cells of a
grid. We differ: a self-organising map (Kohonen 1982) lays them out on the grid itself, so that hardly a cell stays
empty, and nothing but PyTorch is needed.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

_ROUNDS = 24
_LAST = 0.5  # cells: width of the neighbourhood in the last round


def activation_grid(vectors: Tensor, side: int) -> tuple[Tensor, Tensor]:
    """Lay activations out on a square grid, and average them in each of its cells.

    Args:
        vectors: activations, (N, C), at least one.
        side: cells of the grid, each way.
    Returns:
        The mean of each cell, (side * side, C), and how many activations it has, (side * side,). A cell without any has
        its neighbourhood's mean.

    Example:
        >>> means, counts = activation_grid(torch.rand(500, 16), 4)
        >>> means.shape, int(counts.sum())
        (torch.Size([16, 16]), 500)
    """
    unit = F.normalize(vectors.float(), dim=1)
    y, x = torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij")
    places = torch.stack([y.flatten(), x.flatten()], dim=1).float()
    apart = torch.cdist(places, places)
    cells = _plane(unit, places)
    for turn in range(_ROUNDS):
        width = side / 2 * (2 * _LAST / side) ** (turn / (_ROUNDS - 1))
        cells = _organised(unit, cells, apart, width)
    nearest = (unit @ cells.T).argmax(1)
    counts = torch.bincount(nearest, minlength=len(places))
    sums = torch.zeros(len(places), vectors.shape[1]).index_add_(0, nearest, vectors.float())
    reach = torch.exp(-0.5 * apart.pow(2))
    near = reach @ sums / (reach @ counts.float()[:, None]).clamp_min(1e-9)
    means = torch.where(counts[:, None] > 0, sums / counts.clamp_min(1)[:, None], near)
    return means, counts


def _plane(unit: Tensor, places: Tensor) -> Tensor:
    """Begin with the plane of the two directions in which activations differ most."""
    mean = unit.mean(0)
    _, values, directions = torch.linalg.svd(unit - mean, full_matrices=False)
    axes = directions[:2] * torch.where(directions[:2].sum(1, keepdim=True) < 0, -1.0, 1.0)
    spread = values[:2] / max(1, len(unit)) ** 0.5
    at = (places - places.mean(0)) / places.std(0, correction=0).clamp_min(1e-9)
    return F.normalize(mean + (at[:, : len(axes)] * spread) @ axes, dim=1)


def _organised(unit: Tensor, cells: Tensor, apart: Tensor, width: float) -> Tensor:
    """Move each cell to the mean of what is nearest to it and, less, to its neighbours."""
    nearest = (unit @ cells.T).argmax(1)
    counts = torch.bincount(nearest, minlength=len(cells)).float()
    sums = torch.zeros_like(cells).index_add_(0, nearest, unit)
    reach = torch.exp(-0.5 * (apart / width) ** 2)
    found = reach @ counts
    return torch.where(found[:, None] > 1e-6, F.normalize(reach @ sums, dim=1), cells)
