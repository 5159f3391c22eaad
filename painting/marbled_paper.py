"""Marbled paper: drops of colour on water, combed and swirled with a stylus."""

from __future__ import annotations

import numpy as np

from painting.colour import Array, mix, pigments, vary
from painting.noise import clouds, smooth, step
from painting.sheet import Sheet, grain

ASPECT = 3 / 4
INKS = pigments("14213d", "8c1c2c", "e8d9b4", "1f5f6b", "d9902f", "24406e", "6fa39a", "b8472a")


def paint(sheet: Sheet, rng: np.random.Generator) -> None:
    """Undo the combing point by point, then ask which drop lies there."""
    x, y = sheet.grid()
    x = x + 1.2 * smooth(sheet.shape, 16 * sheet.unit, rng)
    y = y + 1.2 * smooth(sheet.shape, 16 * sheet.unit, rng)
    for turn in (
        (560, 240, 70, 5.5),
        (190, 700, 85, -6.5),
        (600, 840, 50, -5.0),
        (170, 180, 60, 4.5),
    ):
        x, y = _swirled(x, y, *turn)
    x, y = _combed(x, y, along=1, pitch=92, pull=70, sharp=17)
    x, y = _combed(x, y, along=0, pitch=125, pull=150, sharp=24)
    layer, edge = _drops(x, y, rng)
    sheet.colour[:] = _floated(sheet, layer, edge, rng)
    grain(sheet, rng, depth=0.07)
    np.clip(sheet.colour, 0, 1, out=sheet.colour)


def _combed(x: Array, y: Array, *, along: int, pitch: float, pull: float, sharp: float) -> tuple[Array, Array]:
    """A comb drawn through, neighbouring teeth in opposite directions."""
    across = y if along == 0 else x
    tooth = np.round(across / pitch)
    far = np.abs(across - tooth * pitch)
    shift = pull * np.exp(-far / sharp) * np.where(tooth % 2 == 0, 1, -1)
    shift = shift + 14 * np.sin(across / 41)
    return (x - shift, y) if along == 0 else (x, y - shift)


def _swirled(x: Array, y: Array, cx: float, cy: float, radius: float, turns: float) -> tuple[Array, Array]:
    """A stylus turned round a point: rotation that dies away outwards."""
    far = np.hypot(x - cx, y - cy)
    angle = turns * np.exp(-far / radius)
    cos, sin = np.cos(angle), np.sin(angle)
    return cx + (x - cx) * cos - (y - cy) * sin, cy + (x - cx) * sin + (y - cy) * cos


def _drops(x: Array, y: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """The drop on top at each point, and how near its edge; a drop pushes the others outwards."""
    shape = x.shape
    layer = np.full(x.size, -1, np.int16)
    edge = np.full(x.size, 99.0, np.float32)
    bare = np.arange(x.size)
    x, y = x.ravel(), y.ravel()
    for drop in range(330):
        cx, cy = rng.uniform(-120, 870), rng.uniform(-120, 1120)
        radius = rng.uniform(16, 46) * (1.5 if drop > 230 else 1.0)
        squared = (x - cx) ** 2 + (y - cy) ** 2
        edge[bare] = np.minimum(edge[bare], np.abs(np.sqrt(squared) - radius))
        inside = squared < radius**2
        layer[bare[inside]] = drop
        bare, x, y, squared = bare[~inside], x[~inside], y[~inside], squared[~inside]
        pull = np.sqrt(np.clip(1 - radius**2 / squared, 0, 1))
        x, y = cx + (x - cx) * pull, cy + (y - cy) * pull
    return layer.reshape(shape), edge.reshape(shape)


def _floated(sheet: Sheet, layer: Array, edge: Array, rng: np.random.Generator) -> Array:
    """Ink on water: paler veins at the edges, speckles of gall, uneven density."""
    u = sheet.unit
    order = np.concatenate([rng.permutation(len(INKS)) for _ in range(42)])
    colours = vary(INKS[order], rng, light=0.025)
    paint = colours[layer]
    density = 0.06 * clouds(sheet.shape, 90 * u, rng) + 0.05 * smooth(sheet.shape, 9 * u, rng)
    paint = paint * (1 + density)[..., None]
    vein = step(1.6, 0.4, edge)
    paint = mix(paint, pigments("f2e6c8")[0] + 0 * paint, 0.55 * vein)
    gall = step(2.5, 2.8, smooth(sheet.shape, 3.6 * u, rng))
    paint = mix(paint, pigments("f4ecd8")[0] + 0 * paint, 0.8 * gall)
    spot = step(2.7, 3.0, smooth(sheet.shape, 3.0 * u, rng))
    return mix(paint, INKS[0] + 0 * paint, 0.8 * spot)
