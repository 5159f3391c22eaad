"""Engraving: sun over mountains in swelling, crossing lines, with two tint blocks."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from painting.colour import Array, mix, pigments, ramp
from painting.noise import clouds, smooth, step
from painting.sheet import Sheet, grain

ASPECT = 4 / 3
PAPER = pigments("f0e4c8")[0]
INK = pigments("2a1a1c")[0]
TINTS = pigments("2f5f66", "6f9488", "cdb98a", "d98f52", "b5523a")
SUN = (610.0, 205.0)
PITCH = 5.6


def paint(sheet: Sheet, rng: np.random.Generator) -> None:
    """Tint blocks, then the engraved lines, then the press."""
    ground, tone, tint = _landscape(sheet, rng)
    sheet.colour[:] = PAPER
    sheet.colour[:] = mix(sheet.colour, tint, 0.72)
    lines = _hatching(sheet, ground, tone, rng)
    highlight = step(0.72, 0.9, tone) * _stripes(ground + 0.5 * PITCH, 0.3, sheet.unit)
    sheet.colour[:] = mix(sheet.colour, pigments("fbf4e0")[0] + 0 * tint, 0.8 * highlight)
    sheet.colour[:] = mix(sheet.colour, INK + 0 * tint, 0.93 * lines)
    bare = step(1.3, 2.8, clouds(sheet.shape, 4 * sheet.unit, rng, octaves=2))
    sheet.colour[:] = mix(sheet.colour, PAPER + 0 * tint, 0.5 * bare)
    grain(sheet, rng, depth=0.05)
    np.clip(sheet.colour, 0, 1, out=sheet.colour)


def _landscape(sheet: Sheet, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Phase of the main lines (thousandths), lightness in [0, 1], and the tints."""
    x, y = sheet.grid()
    far = np.hypot(x - SUN[0], y - SUN[1])
    phase, tone, tint = _sky(sheet, far, rng)
    u = sheet.unit
    for k, (level, rough) in enumerate(((350, 95), (455, 100), (580, 90), (700, 70))):
        line = clouds((1, sheet.shape[1]), (1000 * u, 230 * u), rng, octaves=5, gain=0.45)[0]
        crest = level - rough * np.abs(line)[None, :] * 1.4 + 35
        below = y - crest
        relief = 58 * clouds(sheet.shape, (210 * u, 115 * u), rng, octaves=3, gain=0.42)
        relief += 30 * np.exp(-below.clip(0) / 60)
        down, right = np.gradient(ndimage.gaussian_filter(relief, 3 * u) * u)
        lit = 0.55 - 0.62 * right * np.tanh((SUN[0] - x) / 120) - 0.25 * down
        shade = np.clip(lit - 0.1 * k + 0.25 * step(80, 260, below) + 0.12, 0.06, 1)
        inside = below > 0
        slant = (1, -1, 1, -1)[k]
        phase = np.where(inside, 0.85 * y + 0.8 * relief + slant * 0.3 * x, phase)
        tone = np.where(inside, shade - 0.5 * np.exp(-below.clip(0) / 4), tone)
        colour = ramp(
            TINTS,
            np.clip((0.16, 0.02, 0.5, 0.1)[k] + (0.3, 0.25, 0.5, 0.3)[k] * step(0.35, 0.75, shade), 0, 1),
        )
        tint = np.where(inside[..., None], colour, tint)
    return phase.astype(np.float32), tone.astype(np.float32), tint.astype(np.float32)


def _sky(sheet: Sheet, far: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Rings around the sun, broken by rays and by rolls of cloud."""
    x, y = sheet.grid()
    turn = np.arctan2(y - SUN[1], x - SUN[0])
    rays = 0.5 + 0.5 * np.sin(turn * 28 + 0.4 * np.sin(far / 30))
    roll = clouds(sheet.shape, (70 * sheet.unit, 170 * sheet.unit), rng, octaves=4)
    cloud = step(0.35, 0.5, roll)
    slope, _ = np.gradient(ndimage.gaussian_filter(roll, 5 * sheet.unit) * sheet.unit)
    tone = np.clip(0.95 - far / 900 - 0.28 * (rays > 0.5) * step(95, 130, far), 0.1, 1)
    tone = tone * (1 - cloud) + cloud * np.clip(0.7 + 14 * slope, 0.15, 1)
    tone = np.where(np.abs(far - 82) < 3, 0.0, np.where(far < 80, 0.8, tone))
    phase = np.where(cloud > 0.5, y + 26 * roll, far)
    tint = ramp(TINTS, np.clip(0.85 - far / 620, 0.12, 1) * (1 - cloud) + 0.5 * cloud)
    tint = np.where((far < 82)[..., None], TINTS[4], tint)
    return np.where(far < 80, y, phase), tone, tint


def _stripes(phase: Array, weight: Array | float, unit: float) -> Array:
    """Lines at whole pitches of a phase, ``weight`` (share of the pitch) thick, antialiased."""
    fold = np.abs((phase / PITCH) % 1 - 0.5) * 2
    slope = np.hypot(*np.gradient(phase)) * unit
    width = np.clip(slope, 0.35, 3.0) * 2 / PITCH / unit
    return step(-0.5, 0.5, (np.asarray(weight) - (1 - fold)) / width)


def _hatching(sheet: Sheet, phase: Array, tone: Array, rng: np.random.Generator) -> Array:
    """Main lines that swell with the dark; crossed in the half dark, crossed again in the dark."""
    x, y = sheet.grid()
    u = sheet.unit
    tremble = 0.7 * smooth(sheet.shape, 14 * u, rng)
    dark = np.clip(1 - tone + 0.05 * smooth(sheet.shape, 6 * u, rng), 0, 1)
    main = _stripes(phase + tremble, np.clip(0.06 + 0.62 * dark, 0, 0.8), u)
    first = _stripes(0.75 * x - 0.66 * y + tremble + 0.2 * phase, (dark - 0.42) * 0.9, u)
    second = _stripes(0.9 * x + 0.43 * y - tremble, (dark - 0.68) * 1.1, u)
    flick = step(-2.2, -1.2, smooth(sheet.shape, (9 * u, 9 * u), rng) + dark)
    return np.clip(np.maximum(main * flick, np.maximum(first, second)), 0, 1)
