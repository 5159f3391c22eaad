"""Pointillist: a river evening in dots of pure colour that mix in the eye."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from painting.brush import scattered
from painting.colour import Array, mix, pigments, ramp, to_lab, vary
from painting.noise import clouds, smooth, step
from painting.sheet import Sheet, light, weave

ASPECT = 4 / 3
SKY = pigments("4f7fd0", "86b4e4", "cdd3e6", "fbdcae", "f8ac72", "ee7f78")
TREES = pigments("1c2560", "1f4a7a", "1f6b58", "5f9a4a", "d8b84a", "f59a4a")
MEADOW = pigments("35308a", "2f5f96", "2f8068", "86ad4a", "e3c654", "f2a04a")
PURE = pigments(
    "1c2a7a",
    "2d5fc4",
    "6fa8e0",
    "17604f",
    "3f944e",
    "9dbf4c",
    "f7dc62",
    "f6ae3a",
    "ea6f30",
    "c8343a",
    "e0789a",
    "a484cc",
    "54378f",
    "fbf1dc",
    "f6cba4",
    "b9d6e8",
    "1d4a6c",
)
SIZES = ((15.0, 1.6, 0.08), (11.0, 1.7, 0.07), (8.0, 1.0, 0.065), (5.5, 0.4, 0.06))


def paint(sheet: Sheet, rng: np.random.Generator) -> None:
    """Four rounds of dots on a warm ground, large to small."""
    scene, flow = _scene(sheet, rng)
    sheet.colour[:] = mix(scene, np.full_like(scene, 0.55) * [1.25, 1.0, 0.8], 0.6)
    for size, density, spread in SIZES:
        _dots(sheet, scene, flow, rng, size=size, density=density, spread=spread)
    light(sheet, strength=0.2, gloss=0.08, soften=1.2)
    weave(sheet, rng, depth=0.02)


def _scene(sheet: Sheet, rng: np.random.Generator) -> tuple[Array, Array]:
    """Sky, sun, trees with their shadow, the river that mirrors them, and the directions."""
    x, y = sheet.grid()
    u = sheet.unit
    sun = np.hypot(x - 660, (y - 270) * 1.05)
    fleece = clouds(sheet.shape, (45 * u, 120 * u), rng)
    sky = ramp(SKY, np.clip(y / 420 + 0.07 * fleece, 0, 1))
    sky = mix(sky, pigments("fff0a0")[0] + 0 * sky, np.exp(-((sun / 85) ** 4)))
    shore, bank = 372.0, 560 + 60 * np.sin(x / 160 + 2.4) - 0.1 * x
    mirrored = np.where(y > shore, 2 * shore - y, y)
    crowns = _crowns(x, mirrored)
    leaf = ramp(TREES, np.clip(0.32 + 0.5 * crowns[1] + 0.1 * smooth(sheet.shape, 16 * u, rng), 0, 1))
    above = mix(sky, leaf, step(-4, 6, crowns[0]))
    rows = np.clip((mirrored * u).astype(np.intp), 0, sheet.shape[0] - 1)
    water = np.take_along_axis(above, np.repeat(rows[..., None], 3, axis=-1), axis=0)
    path = np.exp(-(((x - 660) / (26 + 0.16 * (y - shore).clip(0))) ** 2))
    ripple = step(0.1, 0.9, np.sin(y / 5.2 + 1.5 * smooth(sheet.shape, (20 * u, 90 * u), rng)))
    water = mix(water, pigments("4a6fc8")[0] + 0 * water, 0.28 + 0.2 * ripple)
    water = mix(water, pigments("ffd878")[0] + 0 * water, path * (0.35 + 0.6 * ripple))
    tufts = clouds(sheet.shape, (18 * u, 40 * u), rng)
    shade = step(0.25, 0.7, np.sin((x + 0.9 * (y - bank)) / 38 + 0.5 * np.sin(y / 40)) * 0.5 + 0.5)
    grass = np.clip(0.42 + (y - bank) / 420 + 0.1 * tufts - 0.45 * shade, 0, 1)
    scene = mix(mix(above, water, step(-2, 2, y - shore)), ramp(MEADOW, grass), step(-4, 4, y - bank))
    flow = np.where(y > bank, -1.2, np.where(y > shore, 0.0, np.arctan2(y - 270, x - 660) + np.pi / 2))
    return scene, flow.astype(np.float32)


def _crowns(x: Array, y: Array) -> tuple[Array, Array]:
    """Depth inside the trees (> 0 inside) and how much of the sun each side catches."""
    inside, lit = np.full_like(x, -99.0), np.zeros_like(x)
    for cx, cy, rx, ry in (
        (95, 215, 120, 165),
        (240, 285, 95, 95),
        (345, 325, 80, 56),
        (440, 350, 70, 34),
        (150, 345, 190, 40),
        (910, 300, 100, 80),
        (830, 345, 70, 30),
        (985, 260, 70, 120),
        (560, 362, 130, 14),
        (930, 352, 130, 34),
    ):
        far = np.hypot((x - cx) / rx, (y - cy) / ry)
        depth = (1 - far) * min(rx, ry)
        side = 0.5 + 0.5 * np.tanh(((x - cx) * np.sign(660 - cx) / rx - (y - cy) / ry) * 1.3)
        lit = np.where(depth > inside, side, lit)
        inside = np.maximum(inside, depth)
    return inside, lit


def _dots(
    sheet: Sheet,
    scene: Array,
    flow: Array,
    rng: np.random.Generator,
    *,
    size: float,
    density: float,
    spread: float,
) -> None:
    """One round of dots of about ``size`` across."""
    u = sheet.unit
    high, wide = sheet.shape
    x, y = scattered(int(density * high * wide / (size * u) ** 2), (high, wide), rng)
    meant = scene[y.astype(int), x.astype(int)]
    colours = vary(PURE[_chosen(meant, rng, spread=spread)], rng, light=0.02, hue=0.012)
    across = size * u * np.exp(rng.normal(size=len(x)) * 0.16) / 2
    turn = flow[y.astype(int), x.astype(int)] + rng.normal(size=len(x)) * 0.3
    body = Image.fromarray(sheet.body)
    picture = Image.fromarray((sheet.colour * 255).clip(0, 255).astype(np.uint8))
    brush, relief = ImageDraw.Draw(picture), ImageDraw.Draw(body)
    circle = np.linspace(0, 2 * np.pi, 14, endpoint=False)
    long, short = np.cos(circle) * 1.2, np.sin(circle) * 0.88
    for i in range(len(x)):
        wobble = across[i] * (1 + 0.08 * np.sin(3 * circle + i))
        px = x[i] + wobble * (long * np.cos(turn[i]) - short * np.sin(turn[i]))
        py = y[i] + wobble * (long * np.sin(turn[i]) + short * np.cos(turn[i]))
        outline = list(zip(px.tolist(), py.tolist(), strict=True))
        brush.polygon(outline, fill=tuple((colours[i] * 255).astype(int).tolist()))
        relief.polygon(outline, fill=float(0.8 + 0.6 * (i * 0.618 % 1)))
    sheet.colour[:] = np.asarray(picture, dtype=np.float32) / 255
    sheet.body[:] = np.asarray(body)


def _chosen(meant: Array, rng: np.random.Generator, *, spread: float) -> Array:
    """A pure colour for each dot: near the one meant, and one in twelve near its complement."""
    lab = to_lab(meant)
    lab[:, 1:] *= 1.2
    accent = rng.random(len(lab)) < 0.085
    lab[accent, 1:] *= -1.0
    pure = to_lab(PURE)
    far = ((lab[:, None, :] - pure[None]) ** 2 * [1.3, 1, 1]).sum(axis=-1)
    odds = -far / (2 * spread**2) + rng.gumbel(size=far.shape)
    return odds.argmax(axis=1)
