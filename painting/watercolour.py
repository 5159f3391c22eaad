"""Watercolour: poppies and cornflowers, wet in wet, with blooms, tide lines and granulation."""

from __future__ import annotations

import numpy as np

from painting.colour import Array, mix, pigments, vary
from painting.noise import clouds, step
from painting.sheet import Sheet, grain

ASPECT = 3 / 4
PAPER = pigments("fbf6ea")[0]
POPPY = pigments("d8321f", "e8582a", "f08a3a", "c01f3a", "e0506a")
CORN = pigments("2f4fb8", "4a78d0", "5a3fa0", "7a6ac8")
LEAF = pigments("3f7a3a", "6a9a3a", "2a5f58", "a0b04a", "1f4f4a")
WASH = pigments("8fc4d8", "f2d08a", "a8d0b0", "e8b0a8", "6fa0c8", "c8b0d8")


def paint(sheet: Sheet, rng: np.random.Generator) -> None:
    """Each touch filters the light of the paper: background, stems, leaves, flowers, spatter."""
    sheet.colour[:] = PAPER
    tooth = clouds(sheet.shape, 3.2 * sheet.unit, rng, octaves=2)
    warp = [clouds(sheet.shape, 90 * sheet.unit, rng, octaves=6, gain=0.58) for _ in range(4)]
    for _ in range(22):
        at = rng.random(2) * [750, 1000]
        _touch(
            sheet,
            rng,
            tooth,
            warp,
            at,
            (rng.uniform(130, 260),) * 2,
            0.0,
            WASH[int(rng.integers(len(WASH)))],
            load=0.55,
            ragged=0.5,
        )
    flowers = _flowers(rng)
    for at, size, _ in flowers:
        _stem(sheet, rng, tooth, warp, at, size)
    for at, size, kind in flowers:
        _flower(sheet, rng, tooth, warp, at, size, kind)
    _spatter(sheet, rng)
    sheet.colour *= (1 - 0.03 * tooth)[..., None]
    grain(sheet, rng, depth=0.04)
    np.clip(sheet.colour, 0, 1, out=sheet.colour)


def _touch(
    sheet: Sheet,
    rng: np.random.Generator,
    tooth: Array,
    warp: list[Array],
    at: Array,
    radii: tuple[float, float],
    turn: float,
    pigment: Array,
    *,
    load: float,
    ragged: float,
) -> None:
    """One pool of colour: ragged outline, dark tide line, pigment settled in the paper's tooth."""
    u = sheet.unit
    reach = max(radii) * 1.7 * u
    top, bottom = int(max(at[1] * u - reach, 0)), int(min(at[1] * u + reach, sheet.shape[0]))
    left, right = int(max(at[0] * u - reach, 0)), int(min(at[0] * u + reach, sheet.shape[1]))
    if top >= bottom or left >= right:
        return
    box = (slice(top, bottom), slice(left, right))
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32) / u
    along = (x - at[0]) * np.cos(turn) + (y - at[1]) * np.sin(turn)
    across = (y - at[1]) * np.cos(turn) - (x - at[0]) * np.sin(turn)
    first, second = (warp[int(k)] for k in rng.choice(len(warp), 2, replace=False))
    shift = np.roll(first, tuple(rng.integers(0, 400, 2)), (0, 1))[box]
    pool = np.roll(second, tuple(rng.integers(0, 400, 2)), (0, 1))[box]
    inside = (1 - np.hypot(along / radii[0], across / radii[1]) + 0.5 * ragged * shift) * min(radii)
    soft = step(-0.6, 1.2, inside) if ragged < 0.45 else step(-2, 10, inside)
    tide = np.exp(-(((inside - 1.6) / 1.7) ** 2)) + 0.4 * np.exp(-(((inside - 0.3 * min(radii) - 3 * pool) / 3) ** 2))
    bloom = np.exp(-((((pool % 1.1) - 0.1) / 0.06) ** 2))
    density = load * soft * (0.75 + 0.32 * pool + 0.55 * tide + 0.22 * bloom + 0.16 * tooth[box])
    colour = vary(pigment[None], rng, light=0.03, hue=0.02)[0]
    sheet.colour[box] *= np.clip(colour, 0.02, 1) ** np.clip(density, 0, 3)[..., None]


def _flowers(rng: np.random.Generator) -> list[tuple[Array, float, int]]:
    """Places, sizes and kinds: large poppies, small cornflowers, nothing crowded."""
    kept: list[tuple[Array, float, int]] = []
    for k in range(400):
        kind = 0 if k < 120 else 1
        size = rng.uniform(70, 125) if kind == 0 else rng.uniform(34, 58)
        at = rng.random(2) * [750, 780] + [0, 40]
        if all(np.hypot(*(at - other)) > 0.95 * (size + girth) for other, girth, _ in kept):
            kept.append((at, size, kind))
    return kept


def _stem(sheet: Sheet, rng: np.random.Generator, tooth: Array, warp: list[Array], at: Array, size: float) -> None:
    """A stem down to the ground and leaves along it."""
    sway = rng.normal() * 0.12
    for k in range(8):
        place = at + np.array([sway, 1.0]) * (size * 0.5 + 62 * k)
        _touch(
            sheet,
            rng,
            tooth,
            warp,
            place,
            (38, 2.6),
            np.pi / 2 - sway,
            LEAF[k % 5],
            load=0.9,
            ragged=0.2,
        )
        if rng.random() < 0.75:
            heading = np.pi / 2 + rng.choice([-1, 1]) * rng.uniform(0.5, 1.3)
            long = rng.uniform(35, 75)
            leaf = place - np.array([np.cos(heading), np.sin(heading)]) * long * 0.8
            _touch(
                sheet,
                rng,
                tooth,
                warp,
                leaf,
                (long, rng.uniform(8, 16)),
                heading,
                LEAF[int(rng.integers(5))],
                load=0.85,
                ragged=0.3,
            )


def _flower(
    sheet: Sheet,
    rng: np.random.Generator,
    tooth: Array,
    warp: list[Array],
    at: Array,
    size: float,
    kind: int,
) -> None:
    """Petals around a heart; the paper is lifted first so that the colours stay clear."""
    x, y = sheet.grid()
    lifted = step(size * 1.0, size * 0.7, np.hypot(x - at[0], y - at[1])) * 0.75
    sheet.colour[:] = mix(sheet.colour, PAPER + 0 * sheet.colour, lifted)
    palette, petals = (POPPY, 6) if kind == 0 else (CORN, 11)
    for turn in np.linspace(0, 2 * np.pi, petals, endpoint=False) + rng.random():
        heading = turn + rng.normal() * 0.15
        place = at + np.array([np.cos(heading), 0.85 * np.sin(heading)]) * size * 0.5
        wide = size * (0.5 if kind == 0 else 0.2)
        _touch(
            sheet,
            rng,
            tooth,
            warp,
            place,
            (size * 0.56, wide),
            heading,
            palette[int(rng.integers(len(palette)))],
            load=0.72,
            ragged=0.34,
        )
    dark = pigments("241a3a")[0]
    for _ in range(3):
        _touch(
            sheet,
            rng,
            tooth,
            warp,
            at + rng.normal(size=2) * 0.08 * size,
            (size * 0.2, size * 0.17),
            0.0,
            dark,
            load=0.6,
            ragged=0.4,
        )
    for _ in range(16 if kind == 0 else 6):
        speck = at + rng.normal(size=2) * size * 0.2
        _touch(sheet, rng, tooth, warp, speck, (2.6, 2.2), 0.0, dark, load=1.0, ragged=0.2)


def _spatter(sheet: Sheet, rng: np.random.Generator) -> None:
    """Drops knocked off the brush: colour, and clear water that pushes colour away."""
    x, y = sheet.grid()
    everything = np.concatenate([POPPY, CORN, LEAF])
    for _ in range(170):
        cx, cy = rng.random(2) * [750, 1000]
        radius = min(rng.pareto(1.6) * 1.4 + 0.8, 13)
        reach = int((radius + 3) * sheet.unit) + 2
        top, left = int(cy * sheet.unit), int(cx * sheet.unit)
        box = (slice(max(top - reach, 0), top + reach), slice(max(left - reach, 0), left + reach))
        far = np.hypot(x[box] - cx, y[box] - cy)
        density = step(radius + 0.5, radius - 0.5, far) * (0.5 + 0.4 * step(0.5 * radius, radius, far))
        pigment = everything[int(rng.integers(len(everything)))]
        sheet.colour[box] *= pigment ** density[..., None]
