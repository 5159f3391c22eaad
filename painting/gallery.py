"""All the pictures, by name."""

from __future__ import annotations

import importlib
import zlib

import numpy as np
from PIL import Image, ImageDraw

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


def contact_sheet(pictures: dict[str, Image.Image], *, wide: int = 880, rows: int = 3) -> Image.Image:
    """All the pictures in justified rows on dark ground, each with its name underneath."""
    names, gap, foot = list(pictures), 10, 22
    lines = [list(part) for part in np.array_split(np.array(names), rows)]
    strips = []
    for line in lines:
        shapes = [pictures[name].width / pictures[name].height for name in line]
        high = round((wide - gap * (len(line) + 1)) / sum(shapes))
        strips.append((line, high))
    tall = sum(high + gap + foot for _, high in strips) + gap
    sheet = Image.new("RGB", (wide, tall), (24, 23, 26))
    top = gap
    for line, high in strips:
        left = gap
        for name in line:
            size = (round(pictures[name].width / pictures[name].height * high), high)
            sheet.paste(pictures[name].resize(size, Image.Resampling.LANCZOS), (left, top))
            ImageDraw.Draw(sheet).text((left, top + high + 5), name, fill=(222, 214, 198))
            left += size[0] + gap
        top += high + gap + foot
    return sheet


def picture(name: str, *, size: int = 640, seed: int = 0) -> Image.Image:
    """Paint one picture; the same name, size and seed give the same pixels."""
    style = importlib.import_module(f"painting.{name.replace('-', '_')}")
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    sheet = blank(size, style.ASPECT)
    style.paint(sheet, rng)
    return finished(sheet)
