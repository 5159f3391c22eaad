"""The page of an atlas: one file with its pictures inside, for any browser, offline."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from reverie.pictures import jpeg_bytes

TEMPLATE = Path(__file__).with_name("atlas.html")
IN_A_SPRITE = 64
"""Cells in a picture of cells."""
_ACROSS = 8


@dataclass(frozen=True, eq=False)
class LayerPage:
    """A layer on the page.

    Attributes:
        name: of the layer.
        icons: of its channels, (C, 3, s, s) in [0, 1].
        figures: of each channel, plain values.
        patches: (C, K, 3, s, s) in [0, 1]; None without photos.
    """

    name: str
    icons: Tensor
    figures: Sequence[Mapping[str, Any]]
    patches: Tensor | None = None


@dataclass(frozen=True, eq=False)
class GridPage:
    """The activation atlas of a layer on the page.

    Attributes:
        layer: its name.
        icons: of its cells, (side * side, 3, s, s) in [0, 1].
        counts: activations in each cell.
        classes: names of the likeliest classes of each cell's picture.
    """

    layer: str
    icons: Tensor
    counts: Sequence[int]
    classes: Sequence[Sequence[str]]


def page_of(title: str, about: Mapping[str, Any], layers: Sequence[LayerPage], grid: GridPage | None) -> bytes:
    """Build the page.

    Args:
        title: of the page: the network's name.
        about: what else is said of it, plain values.
        layers: in their order.
        grid: the activation atlas; None without photos.
    """
    data = {
        "title": title,
        "about": dict(about),
        "layers": [_layer(each) for each in layers],
        "grid": None if grid is None else _grid(grid),
    }
    text = json.dumps(data, ensure_ascii=True, separators=(",", ":")).replace("<", "\\u003c")
    return TEMPLATE.read_text(encoding="utf8").replace("{{data}}", text).encode()


def _layer(layer: LayerPage) -> dict[str, Any]:
    return {
        "name": layer.name,
        "cell": layer.icons.shape[-1],
        "across": _ACROSS,
        "sprites": list(_sprites(layer.icons, _ACROSS)),
        "figures": [dict(each) for each in layer.figures],
        "patches": None if layer.patches is None else _patches(layer.patches),
    }


def _patches(patches: Tensor) -> dict[str, Any]:
    """Each row of a sprite has the patches of one channel."""
    count, cell = patches.shape[1], patches.shape[-1]
    parts = torch.split(patches, IN_A_SPRITE)
    return {"cell": cell, "count": count, "sprites": [next(_sprites(some.flatten(0, 1), count)) for some in parts]}


def _grid(grid: GridPage) -> dict[str, Any]:
    side = round(len(grid.icons) ** 0.5)
    sprite = next(_sprites(grid.icons, side))
    return {
        "layer": grid.layer,
        "cell": grid.icons.shape[-1],
        "side": side,
        "sprite": sprite,
        "counts": list(grid.counts),
        "classes": [list(each) for each in grid.classes],
    }


def _sprites(cells: Tensor, across: int) -> Iterator[str]:
    """Yield pictures of up to so many cells that one row holds `across`, as JPEG in base64."""
    most = max(IN_A_SPRITE, len(cells)) if across != _ACROSS else IN_A_SPRITE
    for some in torch.split(cells, most):
        missing = -len(some) % across
        padded = torch.cat([some, some.new_ones(missing, *some.shape[1:])])
        rows, (size, _) = len(padded) // across, padded.shape[2:]
        sheet = (
            padded.view(rows, across, 3, size, size).permute(2, 0, 3, 1, 4).reshape(1, 3, rows * size, across * size)
        )
        yield base64.b64encode(jpeg_bytes(sheet, quality=82)).decode("ascii")
