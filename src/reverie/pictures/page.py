"""A page of pictures, words and lines, drawn with Pillow: what sheets with figures are made of."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from unicodedata import combining, normalize

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

_FINE = 2  # drawn this much larger, then reduced: smooth lines
PAPER, INK, DIM, GRID, EDGE = "#ffffff", "#1d1f24", "#6d727c", "#eceef1", "#c4c8cf"
LINES = (
    "#0b6fb8", "#d9541e", "#1c9a6c", "#b3498f", "#c98a00", "#4aa3d8", "#6a4fb3", "#7d8590",
)  # fmt: skip
"""Colours of lines that lie side by side, told apart by the colour-blind too."""


class Page:
    """Page of pictures, words and lines, with coordinates in final pixels.

    Args:
        size: (H, W), pixels.
    """

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        self._image = Image.new("RGB", (size[1] * _FINE, size[0] * _FINE), PAPER)
        self._draw = ImageDraw.Draw(self._image)

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float = 1) -> None:
        """Draw a line through points, round at its ends; a dot if there is only one point."""
        thick = round(width * _FINE)
        fine = [(x * _FINE, y * _FINE) for x, y in points]
        if len(fine) > 1:
            self._draw.line(fine, fill=colour, width=thick, joint="curve")
        if width > 1.5:
            radius = thick * (0.5 if len(fine) > 1 else 1.2)
            for x, y in {fine[0], fine[-1]}:
                self._draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def dashes(self, x: float, top: float, bottom: float, colour: str) -> None:
        """Draw a dashed vertical line."""
        for y in range(math.ceil(top), math.floor(bottom), 8):
            self.line([(x, y), (x, min(y + 4, bottom))], colour)

    def bar(self, box: tuple[float, float, float, float], colour: str) -> None:
        """Fill a rectangle: left, top, right, bottom."""
        left, top, right, bottom = (round(edge * _FINE) for edge in box)
        if right > left and bottom > top:
            self._draw.rectangle((left, top, right - 1, bottom - 1), fill=colour)

    def frame(self, box: tuple[float, float, float, float], colour: str, width: float = 2) -> None:
        """Draw the outline of a rectangle: left, top, right, bottom."""
        fine = tuple(round(edge * _FINE) for edge in box)
        self._draw.rectangle(fine, outline=colour, width=round(width * _FINE))

    def paste(self, picture: Tensor, at: tuple[int, int]) -> None:
        """Place a picture (1, 3, h, w) in [0, 1], pixel for pixel, its upper left corner at (x, y)."""
        values = picture.detach()[0].clamp(0, 1).mul(255).round().to("cpu", torch.uint8).permute(1, 2, 0)
        image = Image.fromarray(np.ascontiguousarray(values.numpy()))
        fine = image.resize((image.width * _FINE, image.height * _FINE), Image.Resampling.NEAREST)
        self._image.paste(fine, (at[0] * _FINE, at[1] * _FINE))

    def text(self, at: tuple[float, float], words: str, *, size: int, colour: str, anchor: str) -> None:
        """Draw text, anchored as in Pillow: "lm" is left middle."""
        font = ImageFont.load_default(size * _FINE)
        self._draw.text((at[0] * _FINE, at[1] * _FINE), _plain(words), colour, font, anchor=anchor)

    def png(self) -> bytes:
        """Encode the page as PNG."""
        memory = io.BytesIO()
        self._reduced().save(memory, format="PNG", optimize=True)
        return memory.getvalue()

    def picture(self) -> Tensor:
        """Return the page as a picture, (1, 3, H, W) in [0, 1]."""
        values = torch.from_numpy(np.asarray(self._reduced()).copy())
        return values.permute(2, 0, 1)[None].float().div_(255)

    def _reduced(self) -> Image.Image:
        return self._image.resize((self.size[1], self.size[0]), Image.Resampling.BOX)


def fitted(words: str, width: float, *, size: int) -> str:
    """Cut words to a width in pixels, with dots where they were cut.

    Example:
        >>> fitted("a suspension bridge", 80, size=12)
        'a suspension...'
    """
    font, kept = ImageFont.load_default(size * _FINE), _plain(words)
    if font.getlength(kept) <= width * _FINE:
        return kept
    while kept and font.getlength(f"{kept.rstrip()}...") > width * _FINE:
        kept = kept[:-1]
    return f"{kept.rstrip()}..."


def _plain(words: str) -> str:
    """Reduce words to the letters that the built-in font has."""
    bare = "".join(c for c in normalize("NFKD", words) if not combining(c))
    return bare.encode("ascii", "replace").decode("ascii")
