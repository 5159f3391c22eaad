"""A loaded brush: bristled, tapered strokes that follow an arc and leave thick paint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from painting.colour import Array, vary
from painting.noise import smooth
from painting.sheet import Sheet

HAIRS, REACH = 96, 256


@dataclass(frozen=True)
class Brush:
    """How a brush behaves. Lengths in thousandths of the longer side.

    ``taper`` 0 leaves square ends, 1 pointed ones; ``dry`` is how much the hairs part;
    ``streak`` how unevenly the colour is mixed; ``body`` how thick the paint lies;
    ``ridge`` how much of it is pushed to the sides; ``blend`` how much of a second colour,
    picked up nearby, streaks the first.
    """

    length: float
    width: float
    taper: float = 0.7
    dry: float = 0.35
    streak: float = 0.05
    body: float = 1.0
    ridge: float = 0.3
    opacity: float = 1.0
    blend: float = 0.0


def hairs(rng: np.random.Generator, *, kinds: int = 12) -> Array:
    """(kinds, HAIRS, REACH) marks of bristles in [0, 1]: rows across the stroke, columns along."""
    marks = []
    for _ in range(kinds):
        fine = smooth((HAIRS, REACH), (3.0, 150.0), rng) + 0.6 * smooth((HAIRS, REACH), (7.0, 60.0), rng)
        rank = fine.ravel().argsort().argsort().reshape(fine.shape)
        marks.append(rank / rank.max())
    return np.array(marks, dtype=np.float32)


def bend(along: Array, across: Array, curvature: float) -> tuple[Array, Array]:
    """Coordinates along and across an arc of this curvature (1/pixel) that starts out straight."""
    if abs(curvature) < 1e-5:
        return along, across
    radius = 1 / abs(curvature)
    side = np.sign(curvature)
    inward = radius - side * across
    return radius * np.arctan2(along, inward), side * (radius - np.hypot(along, inward))


def stroke(
    sheet: Sheet,
    brush: Brush,
    *,
    at: tuple[float, float],
    angle: float,
    colour: Array,
    marks: Array,
    curvature: float = 0.0,
    stretch: float = 1.0,
    second: Array | None = None,
) -> None:
    """One stroke about ``at`` (x, y in working pixels), towards ``angle`` (radians, y down)."""
    long, wide = brush.length * sheet.unit * stretch, brush.width * sheet.unit * stretch
    x, y = at
    reach_x, reach_y = _reach(long, wide, angle, curvature)
    left, right = max(int(x - reach_x), 0), min(int(x + reach_x) + 2, sheet.shape[1])
    top, bottom = max(int(y - reach_y), 0), min(int(y + reach_y) + 2, sheet.shape[0])
    if left >= right or top >= bottom:
        return
    dx = np.arange(left, right, dtype=np.float32)[None, :] - np.float32(x)
    dy = np.arange(top, bottom, dtype=np.float32)[:, None] - np.float32(y)
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u, v = bend(dx * cos + dy * sin, dy * cos - dx * sin, curvature)
    window = (slice(top, bottom), slice(left, right))
    _deposit(sheet, window, u / long + 0.5, v / wide * 2, brush, colour, marks, wide, second)


def _reach(long: float, wide: float, angle: float, curvature: float) -> tuple[float, float]:
    """Half the box that holds a stroke, with the sagging of its arc."""
    sag = min(abs(curvature) * long * long / 8, long / 2)
    cos, sin = abs(np.cos(angle)), abs(np.sin(angle))
    side = wide / 2 + sag
    return long / 2 * cos + side * sin + 1, long / 2 * sin + side * cos + 1


def _deposit(
    sheet: Sheet,
    window: tuple[slice, slice],
    t: Array,
    v: Array,
    brush: Brush,
    colour: Array,
    marks: Array,
    wide: float,
    second: Array | None,
) -> None:
    """Lay paint where the brush touched: t in [0, 1] along, v in [-1, 1] across."""
    end = np.clip(1 - np.abs(2 * t - 0.94) ** 3, 0, 1)
    half = (1 - brush.taper) + brush.taper * np.sqrt(end)
    row = np.clip((v * 0.5 + 0.5) * (HAIRS - 1), 0, HAIRS - 1).astype(np.intp)
    column = np.clip(t * (REACH - 1), 0, REACH - 1).astype(np.intp)
    hair = marks[row, column]
    edge = np.clip((half - np.abs(v)) * wide / 2 + 0.5, 0, 1)
    ends = np.clip(np.minimum(t + 0.02 - 0.05 * hair, 1.02 - t - 0.1 * hair * brush.dry) * 40, 0, 1)
    wet = np.clip((hair - brush.dry * (0.25 + 1.1 * t**2)) * 6 + 1, 0, 1)
    cover = edge * ends * wet * brush.opacity
    shade = 1 + brush.streak * 4 * (hair - 0.5)
    if second is not None:
        part = (np.clip((marks[-row - 1, REACH - 1 - column] - 1 + brush.blend) * 5, 0, 1))[..., None]
        colour = colour * (1 - part) + second * part
    paint = np.clip(colour * shade[..., None], 0, 1)
    share = cover[..., None]
    sheet.colour[window] = sheet.colour[window] * (1 - share) + paint * share
    rim = brush.ridge * np.clip(np.abs(v) / np.maximum(half, 0.05), 0, 1) ** 4
    thick = brush.body * (0.35 + 0.65 * hair + rim)
    sheet.body[window] = sheet.body[window] * (1 - 0.75 * cover) + thick * cover


def cover(
    sheet: Sheet,
    brush: Brush,
    rng: np.random.Generator,
    *,
    target: Array,
    angle: Array,
    density: float = 1.5,
    where: Array | None = None,
    light: float = 0.035,
    hue: float = 0.015,
    wander: float = 0.12,
    bending: float = 1.0,
    marks: Array | None = None,
) -> None:
    """Cover the sheet with strokes that take their colour and direction from two maps.

    Args:
        target: (H, W, 3) the picture meant.
        angle: (H, W) directions in radians, y down.
        density: how often, on average, a point of the sheet is crossed.
        where: (H, W) chance in [0, 1] that a stroke begins at a point; everywhere when None.
        light, hue: deviations of the mixed colour in OKLab.
        wander: deviation of the direction in radians.
        bending: 1 for a brush that follows the curves, 0 for a stiff knife.
    """
    high, wide = sheet.shape
    marks = hairs(rng) if marks is None else marks
    count = int(density * high * wide / (brush.length * brush.width * sheet.unit**2))
    x, y = scattered(count, (high, wide), rng)
    if where is not None:
        kept = rng.random(len(x)) < where[y.astype(int), x.astype(int)]
        x, y = x[kept], y[kept]
    rows, columns = y.astype(int), x.astype(int)
    turning = _curvature(angle, sheet.unit)[rows, columns]
    turning = bending * np.clip(turning, -2.6 / (brush.length * sheet.unit), 2.6 / (brush.length * sheet.unit))
    colours = vary(target[rows, columns], rng, light=light, hue=hue)
    heading = angle[rows, columns] + rng.normal(size=len(x)) * wander
    stretch = np.exp(rng.normal(size=len(x)) * 0.22)
    kinds = rng.integers(len(marks), size=len(x))
    flips = rng.random(len(x)) < 0.5
    seconds = _picked_up(sheet, target, rows, columns, rng) if brush.blend else [None] * len(x)
    for i in range(len(x)):
        mark = marks[kinds[i]][::-1] if flips[i] else marks[kinds[i]]
        stroke(
            sheet,
            brush,
            at=(float(x[i]), float(y[i])),
            angle=float(heading[i]),
            colour=colours[i],
            marks=mark,
            curvature=float(turning[i]),
            stretch=float(stretch[i]),
            second=seconds[i],
        )


def _picked_up(sheet: Sheet, target: Array, rows: Array, columns: Array, rng: np.random.Generator) -> Array:
    """Colours meant within a hand's breadth of each stroke."""
    away = rng.normal(size=(2, len(rows))) * 45 * sheet.unit
    near_y = np.clip(rows + away[0], 0, sheet.shape[0] - 1).astype(np.intp)
    near_x = np.clip(columns + away[1], 0, sheet.shape[1] - 1).astype(np.intp)
    return vary(target[near_y, near_x], rng, light=0.05, hue=0.02)


def scattered(count: int, shape: tuple[int, int], rng: np.random.Generator) -> tuple[Array, Array]:
    """About ``count`` points in random order, none too crowded: a jittered lattice."""
    high, wide = shape
    count = max(1, min(count, high * wide // 8))  # a tiny sheet has no room for more
    pitch = np.sqrt(high * wide / count)
    rows, columns = int(np.ceil(high / pitch)), int(np.ceil(wide / pitch))
    row, column = np.divmod(rng.permutation(rows * columns), columns)
    x = (column + rng.random(len(column))) * pitch
    y = (row + rng.random(len(row))) * pitch
    return np.clip(x, 0, wide - 1), np.clip(y, 0, high - 1)


def _curvature(angle: Array, unit: float) -> Array:
    """How fast a direction turns along itself, in radians per pixel."""
    cos, sin = np.cos(angle), np.sin(angle)
    smooth_cos = ndimage.gaussian_filter(cos, 2 * unit)
    smooth_sin = ndimage.gaussian_filter(sin, 2 * unit)
    cos_y, cos_x = np.gradient(smooth_cos)
    sin_y, sin_x = np.gradient(smooth_sin)
    turn_x, turn_y = cos * sin_x - sin * cos_x, cos * sin_y - sin * cos_y
    return np.asarray(cos * turn_x + sin * turn_y, dtype=np.float32)
