"""Ink and wash: bamboo before mountains in the mist, splashed on fibrous paper."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from painting.brush import Brush, hairs, stroke
from painting.colour import Array, mix, pigments
from painting.noise import clouds, smooth, step
from painting.sheet import Sheet, grain

ASPECT = 3 / 4
PAPER = pigments("f6e2ba")[0]
INK = pigments("17181f", "2a2f3a", "50667a")
SUN, SEAL = pigments("c8503a")[0], pigments("a8281e")[0]
# Horizon, roughness, strength, fade of each range of mountains, far to near.
RANGES = ((430, 90, 0.45, 140), (530, 100, 0.8, 150), (660, 95, 1.2, 180), (820, 90, 1.9, 260))
# Foot x, top x, width, darkness of each cane.
CANES = ((610, 668, 30, 1.0), (690, 700, 20, 0.75), (520, 600, 14, 0.5), (45, 20, 22, 0.8))


def paint(sheet: Sheet, rng: np.random.Generator) -> None:
    """Washes first, wet; then the brush, dry; then what fell off it; then the seal."""
    tooth = clouds(sheet.shape, 4 * sheet.unit, rng, octaves=2)
    wash = _sky(sheet, rng) + _mountains(sheet, rng)
    density = np.clip(wash * (1 + 0.1 * tooth), 0, 4)
    brushed = _bamboo(sheet, rng, tooth)
    density = density + _splashes(sheet, rng)
    sheet.colour[:] = PAPER
    _sun(sheet, rng)
    tint = mix(INK[2] + 0 * sheet.colour, INK[0] + 0 * sheet.colour, step(0.15, 1.5, density))
    sheet.colour[:] = mix(sheet.colour, tint, 1 - np.exp(-1.15 * density))
    sheet.colour *= brushed
    _seal(sheet, rng)
    grain(sheet, rng, depth=0.045)
    np.clip(sheet.colour, 0, 1, out=sheet.colour)


def _wet(sheet: Sheet, rng: np.random.Generator) -> Array:
    """Blooms: the uneven drying of a wash, with darker tide lines."""
    pool = clouds(sheet.shape, (110 * sheet.unit, 160 * sheet.unit), rng, octaves=5, gain=0.55)
    tide = np.exp(-((((pool % 0.9) - 0.12) / 0.05) ** 2))
    return 0.8 + 0.25 * pool + 0.28 * tide


def _sky(sheet: Sheet, rng: np.random.Generator) -> Array:
    """A thin wash, dark at the top, swept sideways with a broad brush."""
    _, y = sheet.grid()
    u = sheet.unit
    swept = smooth(sheet.shape, (7 * u, 300 * u), rng) + 0.6 * smooth(sheet.shape, (3 * u, 120 * u), rng)
    bands = step(-0.1, 1.6, clouds(sheet.shape, (55 * u, 330 * u), rng) + 0.25 * swept)
    return np.clip((0.12 + 0.42 * step(330, 0, y) + 0.35 * bands) * _wet(sheet, rng), 0, 2)


def _mountains(sheet: Sheet, rng: np.random.Generator) -> Array:
    """Ranges whose crests are drawn dark and whose feet dissolve in mist."""
    x, y = sheet.grid()
    u = sheet.unit
    total = np.zeros_like(x)
    for level, rough, strength, fade in RANGES:
        line = clouds((1, sheet.shape[1]), (1000 * u, 190 * u), rng, octaves=6, gain=0.5)[0]
        crest = level - rough * np.abs(line)[None, :] * 1.5 + 26
        below = y - crest + 3 * smooth(sheet.shape, 6 * u, rng)
        body = step(-1.5, 2.5, below) * np.exp(-((below.clip(0) / fade) ** 1.3))
        folds = clouds(sheet.shape, (60 * u, 14 * u), rng, octaves=4)
        wrinkle = step(0.3, 1.3, folds + 0.4 * smooth(sheet.shape, (14 * u, 2.2 * u), rng))
        rim = np.exp(-((below / 5) ** 2)) * step(-1.0, 1.0, smooth((1, sheet.shape[1]), (1, 40 * u), rng))
        total *= 1 - 0.75 * step(-2, 8, below) * np.exp(-(below.clip(0) / (1.5 * fade)))
        total += strength * (body * (0.42 * _wet(sheet, rng) + 0.85 * wrinkle) + 0.9 * rim)
    return total


def _bamboo(sheet: Sheet, rng: np.random.Generator, tooth: Array) -> Array:
    """Canes in single upward strokes and fans of leaves: the light they leave."""
    plate = Sheet(np.ones_like(sheet.colour), np.zeros_like(sheet.body))
    marks = hairs(rng)
    for foot, top, width, dark in CANES:
        _cane(plate, rng, marks, foot, top, width, dark)
    bite = step(-2.6, -1.0, tooth + 1.2 * (1 - plate.colour.mean(axis=-1)))
    return mix(np.ones_like(plate.colour), plate.colour, 0.35 + 0.65 * bite)


def _cane(
    plate: Sheet,
    rng: np.random.Generator,
    marks: Array,
    foot: float,
    top: float,
    width: float,
    dark: float,
) -> None:
    """One cane, its joints, twigs and leaves."""
    u = plate.unit
    ink = 1 - dark * (1 - INK[0])
    joints = np.linspace(1050, -60, 8)
    for k in range(len(joints) - 1):
        middle = (joints[k] + joints[k + 1]) / 2
        x = foot + (top - foot) * (1000 - middle) / 1000
        lean = np.arctan2(-1000, top - foot)
        brush = Brush(joints[k] - joints[k + 1] - 7, width, taper=0.1, dry=0.42, streak=0.12)
        stroke(
            plate,
            brush,
            at=(x * u, middle * u),
            angle=lean,
            colour=ink * 1.6,
            marks=marks[k % len(marks)],
            curvature=rng.normal() * 0.0002 / u,
        )
        joint = Brush(width * 1.5, 7, taper=0.8, dry=0.15)
        stroke(
            plate,
            joint,
            at=(x * u, (joints[k] - 3) * u),
            angle=0.1,
            colour=INK[0],
            marks=marks[0],
            curvature=-0.02 / u,
        )
        for _ in range(int(2 + 2 * dark)):
            side = rng.choice([-1.0, 1.0])
            at = np.array([x + side * rng.uniform(15, 130), joints[k] + rng.normal() * 45])
            _leaves(plate, rng, marks, at, side, dark)


def _leaves(plate: Sheet, rng: np.random.Generator, marks: Array, at: Array, side: float, dark: float) -> None:
    """A fan of leaves that hang from one twig: pressed, then lifted to a point."""
    u = plate.unit
    tone = np.clip(dark * rng.uniform(0.6, 1.05), 0, 1)
    for turn in np.linspace(0.2, 1.5, int(rng.integers(3, 7))) + rng.normal() * 0.25:
        heading = turn if side > 0 else np.pi - turn
        long = rng.uniform(60, 130)
        middle = at + 0.5 * long * np.array([np.cos(heading), np.sin(heading)])
        brush = Brush(long, rng.uniform(11, 19), taper=1.0, dry=0.2, streak=0.08)
        stroke(
            plate,
            brush,
            at=(middle[0] * u, middle[1] * u),
            angle=heading,
            colour=1 - tone * (1 - INK[0]),
            marks=marks[int(rng.integers(len(marks)))],
            curvature=side * rng.normal(0.003, 0.002) / u,
        )


def _splashes(sheet: Sheet, rng: np.random.Generator) -> Array:
    """Flung ink: a few blots with ragged, darker rims, and showers of drops."""
    x, y = sheet.grid()
    density = np.zeros_like(x)
    ragged = clouds(sheet.shape, 30 * sheet.unit, rng, octaves=5, gain=0.6)
    sizes = np.concatenate([[58, 34, 20], rng.pareto(1.5, size=170) * 1.4 + 0.9])
    hubs = np.array([[170, 800], [420, 905], [330, 480]])
    for i, radius in enumerate(np.minimum(sizes, 64)):
        hub = hubs[i % 3]
        cx, cy = hub if i < 3 else hub + rng.normal(size=2) * [130, 120]
        reach = int(radius * 1.9 * sheet.unit) + 3
        top, left = int(cy * sheet.unit) - reach, int(cx * sheet.unit) - reach
        window = (
            slice(max(top, 0), max(top + 2 * reach, 0)),
            slice(max(left, 0), max(left + 2 * reach, 0)),
        )
        far = np.hypot(x[window] - cx, y[window] - cy) + ragged[window] * radius * (0.3 if i < 3 else 0.12)
        inside = step(radius + 0.8, radius - 0.8, far)
        rim = np.exp(-(((far - radius * 0.93) / (0.06 * radius + 0.8)) ** 2))
        wet = 0.5 if i < 3 else rng.uniform(0.5, 1.8)
        density[window] += inside * (wet * (0.75 + 0.35 * ragged[window]).clip(0.2) + 0.5 * rim)
    return density


def _sun(sheet: Sheet, rng: np.random.Generator) -> None:
    """A vermilion sun, one wet touch of a round brush."""
    x, y = sheet.grid()
    pool = clouds(sheet.shape, 60 * sheet.unit, rng, octaves=5)
    far = np.hypot(x - 265, y - 215) + 3 * pool
    load = step(98, 94, far) * (0.72 + 0.16 * pool + 0.25 * step(70, 97, far))
    sheet.colour[:] = mix(sheet.colour, SUN + 0 * sheet.colour, np.clip(load, 0, 1))


def _seal(sheet: Sheet, rng: np.random.Generator) -> None:
    """An artist's seal: strokes of an invented sign left white in cinnabar."""
    x, y = sheet.grid()
    across, down = (x - 78) / 60, (y - 905) / 60
    field = (np.abs(across - 0.5) < 0.5) & (np.abs(down - 0.5) < 0.5)
    cells = (np.floor(across * 9), np.floor(down * 9))
    bars = ((cells[0] % 4 == 1) & (cells[1] > 0) & (cells[1] < 8)) | (
        (cells[1] % 3 == 1) & (cells[0] > 2) & (cells[0] < 8)
    )
    worn = step(-1.2, -0.2, clouds(sheet.shape, 6 * sheet.unit, rng, octaves=3))
    mark = ndimage.gaussian_filter((field & ~bars).astype(np.float32), 0.6 * sheet.unit) * worn
    sheet.colour[:] = mix(sheet.colour, SEAL + 0 * sheet.colour, 0.92 * mark)
