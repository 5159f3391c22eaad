"""Palette knife: a harbour at dusk in thick scraped slabs, warm against cold."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from painting.brush import Brush, cover, hairs
from painting.colour import Array, mix, pigments, ramp
from painting.noise import clouds, smooth, step
from painting.sheet import Sheet, light

ASPECT = 4 / 3
SKY = pigments("1f2f52", "3f5f86", "8fa3b0", "e8c9a0", "f3a65a", "e0622f", "a8323a")
TOWN = pigments("1a1c2e", "33324c", "6a3a3c", "a8492f", "d98a4a", "efe0c4")
WATER = pigments("a8323a", "e2692f", "d9a06a", "6f8a96", "2c5a78", "16314f", "0f2038")


def paint(sheet: Sheet, rng: np.random.Generator) -> None:
    """Slabs, then smaller slabs, then edges of light put down with the tip."""
    target, town, glow = _harbour(sheet, rng)
    angle = _directions(sheet, rng, town)
    sheet.colour[:] = target * 0.6 + 0.1
    marks = ndimage.gaussian_filter(hairs(rng), (0, 2.5, 6)) * 1.4 - 0.2
    for long, wide, density in ((150, 52, 2.4), (92, 36, 2.0), (58, 22, 1.1)):
        knife = Brush(long, wide, taper=0.08, dry=0.1, streak=0.025, body=1.5, ridge=1.5, blend=0.5)
        cover(
            sheet,
            knife,
            rng,
            target=target,
            angle=angle,
            density=density,
            light=0.05,
            hue=0.02,
            wander=0.3,
            bending=0.15,
            marks=marks,
        )
    tip = Brush(40, 11, taper=0.2, dry=0.1, streak=0.03, body=2.2, ridge=1.4, blend=0.3)
    bright = np.clip(target * 1.15 + 0.06, 0, 1)
    cover(
        sheet,
        tip,
        rng,
        target=bright,
        angle=angle,
        density=0.8,
        bending=0.1,
        where=0.1 + 0.8 * glow,
        light=0.07,
        hue=0.03,
        marks=marks,
    )
    light(sheet, strength=0.5, gloss=0.25, soften=0.8)


def _harbour(sheet: Sheet, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Sky, a row of houses, and their light on the water; the town's mask and the glow."""
    x, y = sheet.grid()
    u = sheet.unit
    drift = clouds(sheet.shape, (70 * u, 200 * u), rng)
    sun = np.hypot((x - 620) * 0.8, y - 300)
    sky = ramp(SKY, np.clip(0.12 + y / 420 + 0.16 * drift, 0, 1))
    sky = mix(sky, pigments("fff0c0")[0] + 0 * sky, np.exp(-((sun / 55) ** 2)))
    place = np.floor(x / 46 + 0.35 * np.sin(x / 70))
    chance = np.modf(np.abs(np.sin(place * 12.9898) * 43758.5453))[0]
    roof = 385 - 40 * chance - 90 * step(0.72, 0.8, chance) - 40 * np.exp(-(((x - 250) / 150) ** 2))
    town = step(-2, 2, y - roof) * step(455, 450, y)
    walls = ramp(TOWN, np.clip(0.15 + 0.75 * np.modf(chance * 7.3)[0] + 0.1 * drift, 0, 1))
    ripple = smooth(sheet.shape, (14 * u, 110 * u), rng)
    water = ramp(WATER, np.clip((y - 450) / 300 + 0.17 * ripple, 0, 1))
    column = np.modf(chance * 7.3)[0] * np.exp(-((y - 450) / 130).clip(0)) * 0.7
    water = mix(water, ramp(TOWN, 0.2 + 0.7 * chance), column)
    path = np.exp(-(((x - 620) / (40 + 0.2 * (y - 450).clip(0))) ** 2)) * step(-0.2, 0.9, ripple)
    water = mix(water, pigments("ffd890")[0] + 0 * water, 0.85 * path)
    target = mix(mix(sky, water, step(448, 454, y)), walls, town)
    glow = np.clip(step(0.55, 0.85, target.mean(axis=-1)) + path * (y > 452), 0, 1)
    return target, town, glow


def _directions(sheet: Sheet, rng: np.random.Generator, town: Array) -> Array:
    """Across the water, up the houses, and in leaning sweeps through the sky."""
    _, y = sheet.grid()
    lean = 0.8 * smooth(sheet.shape, 150 * sheet.unit, rng)
    sky = np.where(smooth(sheet.shape, 90 * sheet.unit, rng) > 0.7, lean + np.pi / 2, lean - 0.25)
    upright = np.where(town > 0.5, np.pi / 2, sky)
    return np.where(y > 452, 0.12 * lean, upright).astype(np.float32)
