"""Checks on attributions, so that a map that is only pretty is found out.

Source: insertion and deletion, Petsiuk et al. 2018, "RISE"; random weights, Adebayo et al. 2018, "Sanity checks for
saliency maps".
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor

from reverie.insight.attribution import Question
from reverie.networks import Network
from reverie.pictures import resize

_POINTS = 5  # of a curve, besides its beginning
_COARSE = 24  # places a side at which maps are compared
_BATCH = 16
SAME = 0.5
"""Rank correlation from which a map hardly depends on what the network has learnt."""


@dataclass(frozen=True)
class Curves:
    """Probability of a class while a picture's places are shown or blurred, the most important first.

    Attributes:
        insertion: from the blurred picture to the whole one.
        deletion: from the whole picture to the blurred one.
    """

    insertion: tuple[float, ...]
    deletion: tuple[float, ...]

    @property
    def areas(self) -> tuple[float, float]:
        """Areas under both, in [0, 1]: a faithful map's first is large, its second small."""
        return _area(self.insertion), _area(self.deletion)


@torch.no_grad()
def curves(question: Question, importance: Tensor) -> Curves:
    """Show and blur a picture's places in the order of a map.

    Args:
        question: about the picture.
        importance: (H, W).
    """
    order = importance.flatten().argsort(descending=True, stable=True)
    rank = torch.empty_like(order)
    rank[order] = torch.arange(len(order))
    share = rank.view(1, 1, *importance.shape) / len(order)
    levels = torch.linspace(0, 1, _POINTS + 1)[1:-1, None, None, None]
    first = (share < levels).to(question.picture)
    picture, absent = question.picture, question.absent
    seen = torch.cat([absent.lerp(picture, first), picture.lerp(absent, first)])
    logits = torch.cat([question.ends, *map(question.logits, torch.split(seen, _BATCH))])
    whole, nothing, *inner = logits.softmax(1)[:, question.index].tolist()
    inserted, deleted = inner[: _POINTS - 1], inner[_POINTS - 1 :]
    return Curves((nothing, *inserted, whole), (whole, *deleted, nothing))


def randomised(network: Network, seed: int) -> Network:
    """Return the network with its weights shuffled, layer by layer: what it had learnt is gone, their sizes are not."""
    twin = copy.deepcopy(network)
    generator = torch.Generator().manual_seed(seed)
    for weight in twin.parameters():
        order = torch.randperm(weight.numel(), generator=generator).to(weight.device)
        weight.data = weight.data.flatten()[order].view_as(weight)
    return twin


def likeness(one: Tensor, other: Tensor) -> float:
    """Compare two maps (H, W) by the ranks of their sizes at a coarse resolution: 1 is the same order."""
    coarse = [resize(x.abs()[None, None], (_COARSE, _COARSE), filter="bilinear") for x in (one, other)]
    ranks = torch.stack([_ranks(x) for x in coarse])
    centred = ranks - ranks.mean(1, keepdim=True)
    return float((centred[0] @ centred[1]) / centred.norm(dim=1).prod().clamp_min(1e-12))


def _ranks(x: Tensor) -> Tensor:
    """Rank values; those that are equal to rounding share a rank, so that a flat map is like no other."""
    flat = (x.flatten() / x.max().clamp_min(1e-12)).float().mul(1e5).round()
    ordered = flat.sort().values
    low, high = torch.searchsorted(ordered, flat), torch.searchsorted(ordered, flat, right=True)
    return (low + high).double() / 2


def _area(values: tuple[float, ...]) -> float:
    """Area under a curve over [0, 1], by trapezia."""
    inner = sum(values) - (values[0] + values[-1]) / 2
    return inner / (len(values) - 1)
