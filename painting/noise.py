"""Smooth randomness: clouds, streaks and the curves between them."""

from __future__ import annotations

import numpy as np
from PIL import Image
from scipy import ndimage

from painting.colour import Array


def smooth(shape: tuple[int, int], cell: tuple[float, float] | float, rng: np.random.Generator) -> Array:
    """Smooth noise, about zero mean and unit deviation; bumps of ``cell`` (y, x) pixels."""
    high, wide = shape
    tall, broad = cell if isinstance(cell, tuple) else (cell, cell)
    if max(tall, broad) < 10:
        return _fine(shape, (tall, broad), rng)
    rows, columns = int(high / tall) + 4, int(wide / broad) + 4
    grid = rng.normal(size=(rows, columns)).astype(np.float32)
    x, y = rng.random(2)
    box = (x + 0.5, y + 0.5, x + 0.5 + wide / broad, y + 0.5 + high / tall)
    picture = Image.fromarray(grid).resize((wide, high), Image.Resampling.BICUBIC, box=box)
    return np.asarray(picture, dtype=np.float32) * 1.5


def _fine(shape: tuple[int, int], cell: tuple[float, float], rng: np.random.Generator) -> Array:
    """Noise of small bumps, blurred from single points: a lattice would show at this size."""
    points = rng.normal(size=shape).astype(np.float32)
    blurred = ndimage.gaussian_filter(points, (0.42 * cell[0], 0.42 * cell[1]), truncate=3)
    return np.asarray(blurred / max(float(blurred.std()), 1e-6), dtype=np.float32)


def clouds(
    shape: tuple[int, int],
    cell: tuple[float, float] | float,
    rng: np.random.Generator,
    *,
    octaves: int = 4,
    gain: float = 0.5,
) -> Array:
    """Fractal noise, about zero mean and unit deviation: each octave is half as large."""
    tall, broad = cell if isinstance(cell, tuple) else (cell, cell)
    total = np.zeros(shape, dtype=np.float32)
    for octave in range(octaves):
        scale = 0.5**octave
        if min(tall, broad) * scale < 1:
            break
        total += gain**octave * smooth(shape, (tall * scale, broad * scale), rng)
    return total / np.float32(np.sqrt(sum(gain ** (2 * k) for k in range(octaves))))


def step(edge: float, end: float, value: Array) -> Array:
    """0 before ``edge``, 1 after ``end``, and an S-shaped slope between (edge may exceed end)."""
    t = np.clip((value - edge) / (end - edge), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)
