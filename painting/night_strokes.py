"""Night strokes: a turning sky over sleeping hills, in short thick strokes."""

from __future__ import annotations

import numpy as np

from painting.brush import Brush, cover, hairs
from painting.colour import Array, mix, pigments, ramp
from painting.noise import clouds, smooth, step
from painting.sheet import Sheet, light, weave

ASPECT = 4 / 3
SKY = pigments("0f1a4f", "182b78", "24489f", "3a72b8", "6aa3bf", "a9cbbd", "ece3b4", "4a86c0")
GLOW = pigments("fff6cf", "fbd65c", "eeb02f", "cfc06a", "7fa9a0")
HILLS = pigments("0d1f3d", "17405c", "1f5f6b", "4d8369", "a9a24f", "1b3f66")
TREE = pigments("0b1526", "12302f", "1e4a38", "4d5f2c", "a8862f")
# Foot, base, top and girth of each tree (x, y, y, width);
# x, y, radius, turn of each whirl; x, y, radius of each star: thousandths of the longer side.
POPLARS = ((915, 765, 318, 50), (838, 768, 432, 38), (60, 770, 500, 34))
WHIRLS = ((395, 285, 175, 1.0), (660, 400, 72, 0.75), (130, 150, 90, -0.7), (560, 175, 55, -0.7))
STARS = (
    (850, 120, 66),
    (265, 62, 30),
    (480, 40, 24),
    (690, 215, 28),
    (85, 330, 32),
    (225, 455, 24),
    (520, 445, 22),
    (640, 60, 20),
    (975, 300, 20),
)


def paint(sheet: Sheet, rng: np.random.Generator) -> None:
    """Underpaint, then three sizes of strokes along the stream, then the lights."""
    stream, target = _sky(sheet, rng)
    stream, target, trees = _land(sheet, rng, stream, target)
    down, right = np.gradient(stream)
    angle = np.arctan2(-right, down).astype(np.float32)
    sheet.colour[:] = target * 0.75
    marks = hairs(rng)
    for brush, density in (
        (Brush(78, 17, dry=0.25, body=0.7), 2.0),
        (Brush(52, 9.5, dry=0.35, streak=0.07), 1.7),
        (Brush(34, 6.0, dry=0.3, streak=0.07, body=1.3), 0.9),
    ):
        cover(
            sheet,
            brush,
            rng,
            target=target,
            angle=angle,
            density=density,
            marks=marks,
            light=0.045,
            hue=0.018,
        )
    slim = Brush(30, 6.0, taper=0.9, dry=0.25, streak=0.06, body=1.3)
    cover(
        sheet,
        slim,
        rng,
        target=target,
        angle=angle,
        density=4.0,
        where=trees,
        marks=marks,
        light=0.04,
        wander=0.06,
    )
    lights = np.clip(target * 1.12 + 0.04, 0, 1)
    bright = step(0.55, 0.8, target.mean(axis=-1)) * 0.9 + 0.05
    cover(
        sheet,
        Brush(26, 5.5, dry=0.2, body=1.9),
        rng,
        target=lights,
        angle=angle,
        density=0.8,
        where=bright,
        marks=marks,
        light=0.03,
    )
    light(sheet, strength=0.55, gloss=0.22)
    weave(sheet, rng, depth=0.03)


def _sky(sheet: Sheet, rng: np.random.Generator) -> tuple[Array, Array]:
    """The stream function of the air, whose level lines the strokes follow, and its colours."""
    x, y = sheet.grid()
    stream = 0.55 * y + 26 * smooth(sheet.shape, 240 * sheet.unit, rng)
    for cx, cy, radius, turn in WHIRLS:
        far = np.hypot(x - cx, (y - cy) * 1.15)
        stream += turn * radius * 1.9 * np.exp(-((far / radius) ** 2) / 1.6)
    glow = np.zeros_like(x)
    rings = np.zeros_like(x)
    for cx, cy, radius in STARS:
        far = np.hypot(x - cx, y - cy)
        stream += radius * 3.2 * np.exp(-far / radius)
        near = np.exp(-((far / (radius * 1.35)) ** 2))
        rings = np.where(near > glow, far / (radius * 2.1), rings)
        glow = np.maximum(glow, near)
    bands = 0.5 + 0.5 * np.sin(stream / 19 + 0.5 * clouds(sheet.shape, 60 * sheet.unit, rng))
    depth = np.clip(0.1 + 0.62 * bands**1.3 + 0.13 * clouds(sheet.shape, 170 * sheet.unit, rng), 0, 1)
    target = ramp(SKY, depth)
    rings += 0.05 * smooth(sheet.shape, 14 * sheet.unit, rng)
    return stream, mix(target, ramp(GLOW, rings), step(0.12, 0.5, glow))


def _land(sheet: Sheet, rng: np.random.Generator, stream: Array, target: Array) -> tuple[Array, Array, Array]:
    """Hills in three folds, and the trees before them (their mask comes last)."""
    x, y = sheet.grid()
    for fold, level in enumerate((535, 590, 660)):
        wave = 26 * np.sin(x / (95 + 30 * fold) + 1.7 * fold) + 18 * np.sin(x / 47 + fold)
        ridge = level + wave * (1 - 0.15 * fold)
        inside = step(-3, 3, y - ridge)
        furrow = y - ridge * (0.9 - 0.25 * fold) + 12 * smooth(sheet.shape, 90 * sheet.unit, rng)
        tone = 0.1 + 0.22 * fold + 0.3 * (0.5 + 0.5 * np.sin(furrow / (7 + 2 * fold)))
        stream = np.where(inside > 0.5, furrow, stream)
        target = mix(target, ramp(HILLS, tone - 0.1 * step(0, 60, y - ridge)), inside)
    return _poplars(sheet, stream, target)


def _poplars(sheet: Sheet, stream: Array, target: Array) -> tuple[Array, Array, Array]:
    """Poplars like dark flames: their strokes climb."""
    x, y = sheet.grid()
    trees = np.zeros_like(x)
    for foot, base, top, girth in POPLARS:
        rise = np.clip((base - y) / (base - top), 0, 1)
        offset = x - foot - 9 * np.sin(y / 33 + foot) * rise
        half = girth * 1.9 * rise**0.45 * (1 - rise) ** 0.8 * (1 + 0.14 * np.sin(y / 19 + foot))
        inside = step(0, -4, np.abs(offset) - half)
        flame = 0.5 + 0.5 * np.sin(offset / 5 + 2.2 * np.sin(y / 38 + foot))
        climb = 1.6 * (offset + 5 * np.sin(y / 24 + offset / 16))
        stream = np.where(inside > 0.5, climb, stream)
        target = mix(target, ramp(TREE, flame**1.6 * 0.85), inside)
        trees = np.maximum(trees, inside)
    return stream, target, trees
