"""A custom style network paints whole where that fits, which is fastest, and in tiles where it does not."""

from __future__ import annotations

import pytest
import torch

from reverie.engine.memory import resident
from reverie.errors import OutOfMemory
from reverie.feedforward.johnson import draw_johnson
from reverie.recipes.parts.at_once import InstantSettings
from reverie.recipes.parts.custom_style import LARGEST, SMALLEST, CustomPainter, custom_painter

BIG = (2160, 3840)


def painter(**more: object) -> CustomPainter:
    settings = InstantSettings.model_validate({"precision": "bfloat16", **more})
    return custom_painter(draw_johnson(widths=(16, 32, 64)), settings)


def limit(megabytes: int) -> str:
    return f"{resident() // 2**20 + megabytes}MB"


def test_whole_where_it_fits_and_tiles_where_it_does_not() -> None:
    assert painter(memory=limit(3200)).tile(BIG) == 0, "measured: 2.4 GB beyond the interpreter"
    tile = painter(memory=limit(1500)).tile(BIG)
    assert SMALLEST <= tile <= LARGEST
    assert painter(memory=limit(950)).tile(BIG) < tile
    with pytest.raises(OutOfMemory, match="--memory"):
        painter(memory="1MB").tile(BIG)


def test_a_tile_asked_for_is_taken() -> None:
    assert painter(tile=200).tile(BIG) == 200 and painter(tile=0).tile(BIG) == 0
    assert painter(tile=200, memory=limit(9000)).tile(BIG) == 200


def test_whole_and_tiles_are_one_picture() -> None:
    photo = torch.rand(1, 3, 90, 130, generator=torch.Generator().manual_seed(0))
    whole, tiled = (painter(precision="float32", tile=tile).paint(photo) for tile in (0, 40))
    assert (whole - tiled).abs().max() < 1e-4 < whole.std()
