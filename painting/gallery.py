"""All the pictures, by name."""

from __future__ import annotations

import importlib
import zlib

import numpy as np
from PIL import Image

from painting.sheet import blank, finished

NAMES = (
    "night-strokes",
    "stained-glass",
    "woodcut-wave",
    "pointillist",
    "ink-wash",
    "mosaic",
    "facets",
    "palette-knife",
    "marbled-paper",
    "engraving",
    "watercolour",
)


def picture(name: str, *, size: int = 640, seed: int = 0) -> Image.Image:
    """Paint one picture; the same name, size and seed give the same pixels."""
    style = importlib.import_module(f"painting.{name.replace('-', '_')}")
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    sheet = blank(size, style.ASPECT)
    style.paint(sheet, rng)
    return finished(sheet)
