"""The sheet being painted: colour, thickness of the paint, and the light that falls on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

from painting.colour import Array
from painting.noise import clouds, smooth

SUPERSAMPLING = 2


@dataclass
class Sheet:
    """Paint in work: ``colour`` (H, W, 3) sRGB in [0, 1], ``body`` (H, W) thickness, 0 = bare."""

    colour: Array
    body: Array

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in working pixels."""
        return self.body.shape[0], self.body.shape[1]

    @property
    def unit(self) -> float:
        """Working pixels in a thousandth of the longer side: lengths are given in these."""
        return max(self.shape) / 1000

    def grid(self) -> tuple[Array, Array]:
        """x to the right and y downwards, in thousandths of the longer side."""
        y, x = np.mgrid[: self.shape[0], : self.shape[1]].astype(np.float32) / self.unit
        return x, y


def blank(size: int, aspect: float) -> Sheet:
    """A bare sheet whose longer side is ``size`` finished pixels; aspect = width / height."""
    longer = size * SUPERSAMPLING
    wide, high = (longer, round(longer / aspect)) if aspect >= 1 else (longer * aspect, longer)
    shape = (round(high) // SUPERSAMPLING * SUPERSAMPLING, round(wide) // 2 * 2)
    return Sheet(np.ones((*shape, 3), np.float32), np.zeros(shape, np.float32))


def finished(sheet: Sheet) -> Image.Image:
    """The picture, brought down to its finished size."""
    eight = (np.clip(sheet.colour, 0, 1) * 255 + 0.5).astype(np.uint8)
    high, wide = sheet.shape
    size = (wide // SUPERSAMPLING, high // SUPERSAMPLING)
    return Image.fromarray(eight).resize(size, Image.Resampling.LANCZOS)


def light(sheet: Sheet, *, strength: float, gloss: float = 0.0, soften: float = 0.6) -> None:
    """Let light from the upper left fall on the thickness of the paint."""
    body = ndimage.gaussian_filter(sheet.body, soften * sheet.unit)
    down, right = np.gradient(body * sheet.unit)
    slope = np.tanh((down + right) * 0.7)
    sheet.colour *= (1 + strength * slope)[..., None]
    shine = np.clip(slope - 0.45, 0, 1) * gloss
    sheet.colour += shine[..., None] * np.array([1.0, 0.97, 0.9], np.float32)
    np.clip(sheet.colour, 0, 1, out=sheet.colour)


def weave(sheet: Sheet, rng: np.random.Generator, *, depth: float) -> None:
    """The threads of a canvas show through."""
    x, y = sheet.grid()
    wobble = smooth(sheet.shape, 40 * sheet.unit, rng) * 0.8
    threads = np.sin(x * 1.9 + wobble) * np.sin(y * 1.9 - wobble)
    sheet.colour *= (1 + depth * threads * (0.7 + 0.3 * wobble))[..., None]


def grain(sheet: Sheet, rng: np.random.Generator, *, depth: float) -> None:
    """The tooth and the fibres of a sheet of paper."""
    u = sheet.unit
    tooth = clouds(sheet.shape, 3.5 * u, rng, octaves=2)
    fibres = smooth(sheet.shape, (1.2 * u, 22 * u), rng) + smooth(sheet.shape, (22 * u, 1.2 * u), rng)
    cloudy = clouds(sheet.shape, 160 * u, rng, octaves=3)
    sheet.colour *= (1 + depth * (0.6 * tooth + 0.16 * fibres + 0.5 * cloudy))[..., None]


def stencil(shape: tuple[int, int], polygon: Array) -> NDArray[np.bool_]:
    """True inside a polygon of (x, y) working pixels."""
    mask = Image.new("1", (shape[1], shape[0]))
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in polygon], fill=1)
    return np.asarray(mask, dtype=bool)
