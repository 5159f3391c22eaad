"""Losses that compare a style's features: the terms of each choice, scaled to about equal strength."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import Any, Literal

from reverie.objectives import PICTURE, Objective, histograms, nearest_neighbours, sliced_wasserstein
from reverie.objectives import style as moments

Loss = Literal["wasserstein", "gram", "sliced", "histogram", "neighbours"]


def _with_histograms(layers: Mapping[str, float], **more: Any) -> Objective:
    """Combine moments with histograms of the colours and of the middle layers."""
    return moments(layers, **more) + 0.5 * histograms([PICTURE, *list(layers)[1:3]], **more)


def _with_neighbours(layers: Mapping[str, float], **more: Any) -> Objective:
    """Combine moments with nearest features of coarser layers; at fine ones there are too many positions."""
    return moments(layers, **more) + 0.3 * nearest_neighbours(list(layers)[2:4] or list(layers)[-1:], **more)


def _sliced(layers: Mapping[str, float], **more: Any) -> Objective:
    """Compare whole distributions, weighted to be as strong as moments."""
    return 3 * sliced_wasserstein(layers, **more)


LOSSES: Mapping[Loss, Callable[..., Objective]] = MappingProxyType(
    {
        "wasserstein": moments,
        "gram": partial(moments, statistic="gram"),
        "sliced": _sliced,
        "histogram": _with_histograms,
        "neighbours": _with_neighbours,
    }
)
"""Terms by choice; each is called as `rv.style` is."""
