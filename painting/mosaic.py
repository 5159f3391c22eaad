"""Mosaic: two fish circling in a sea of small stones, with gold among them."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from painting.brush import scattered
from painting.colour import Array, mix, pigments, ramp, vary
from painting.noise import clouds, smooth, step
from painting.sheet import Sheet

ASPECT = 1.0
SEA = pigments("e8e2cc", "8fcfc8", "3a9fb0", "1f6f9c", "17457c", "12285a", "2a7f8c")
FISH = pigments("f2d98a", "f0a83a", "e0702a", "bb3a24", "7a1f24", "f6ead0")
FRAME = pigments("7a2a24", "efe4c8", "1c2a58", "d6a83a", "b5472c", "efe4c8")
GOLD = pigments("8a5a14", "d9a02a", "ffe79a")
PITCH = 14.0


def paint(sheet: Sheet, rng: np.random.Generator) -> None:
    """Design, set the stones along its contours, then cut, tilt and grout them."""
    design, level, gold = _design(sheet, rng)
    angle = _directions(sheet, level)
    stones = _set_stones(sheet, angle, rng)
    owner, gap = _cut(sheet, stones, angle)
    _lay(sheet, design, gold, stones, owner, gap, rng)


def _fish(x: Array, y: Array, cx: float, cy: float, turn: float) -> tuple[Array, Array, Array]:
    """Signed distance (< 0 inside) and the coordinates along and across a bent fish."""
    cos, sin = np.cos(turn), np.sin(turn)
    along = (x - cx) * cos + (y - cy) * sin
    across = -(x - cx) * sin + (y - cy) * cos - 0.0009 * along**2 + 18
    body = np.hypot(along, np.abs(across) + 190) - 305
    tail = np.maximum(np.abs(across) - 0.75 * (-along - 165), np.maximum(-along - 285, along + 165))
    fin = np.maximum(np.abs(along + 10) - 130 - 0.8 * across, np.abs(across + 110) - 42)
    return np.minimum(np.minimum(body, tail * 0.8), fin), along, across


def _design(sheet: Sheet, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Colours, the level function whose contours the stones follow, and where gold may lie."""
    x, y = sheet.grid()
    u = sheet.unit
    level = np.full_like(x, 1e3)
    colours = np.zeros((*sheet.shape, 3), np.float32)
    gold = np.zeros_like(x)
    fishes = [_fish(x, y, 505, 330, 0.2), _fish(x, y, 495, 670, np.pi + 0.2)]
    for far, _, _ in fishes:
        level = np.minimum(level, far)
    drift = 14 * smooth(sheet.shape, 120 * u, rng)
    waves = 0.5 + 0.5 * np.sin((level + drift) / 17)
    deep = np.clip(0.06 + 0.46 * waves + level / 520 + 0.05 * clouds(sheet.shape, 60 * u, rng), 0, 1)
    colours = ramp(SEA, np.where(level < 18, 0.0, deep))
    for far, along, across in fishes:
        colours, gold = _scales(colours, gold, far, along, across)
    sun = np.hypot(x - 500, y - 500)
    colours = mix(colours, ramp(FISH, 0.15 + sun / 130 * 0.4), step(44, 42, sun))
    gold = np.where(sun < 42, 0.9, gold)
    level = np.where(sun < 60, sun - 44, level)
    return _framed(x, y, colours, level, gold)


def _scales(colours: Array, gold: Array, far: Array, along: Array, across: Array) -> tuple[Array, Array]:
    """A fish's scales, head, fins and eye."""
    scale = 0.5 + 0.5 * np.sin(along / 9.5 + 1.8 * np.cos(across / 15))
    tone = np.clip(0.2 + 0.45 * scale + 0.003 * across, 0, 0.85)
    head = along > 105
    tone = np.where(head, 0.08 + 0.001 * (across + 60), tone)
    tone = np.where(np.abs(along - 105) < 10, 0.8, tone)
    tone = np.where((far > -15) | (along < -170), 0.5 + 0.35 * np.sin(across / 8), tone)
    eye = np.hypot(along - 150, across + 18)
    inside = (far < 0)[..., None]
    painted = np.where(inside, ramp(FISH, np.clip(tone, 0, 1)), colours)
    painted = np.where((eye < 26)[..., None], FISH[5], painted)
    painted = np.where((eye < 13)[..., None], SEA[5], painted)
    glint = np.where((far < 0) & (scale > 0.72) & (along < 100), 0.65, gold)
    return painted.astype(np.float32), np.where(eye < 26, 0.0, glint)


def _framed(x: Array, y: Array, colours: Array, level: Array, gold: Array) -> tuple[Array, Array, Array]:
    """Bands around the picture, one of them a running wave."""
    rim = np.minimum(np.minimum(x, 1000 - x), np.minimum(y, 1000 - y))
    along = np.where(np.minimum(x, 1000 - x) < np.minimum(y, 1000 - y), y, x)
    band = np.clip(np.floor(rim / PITCH), 0, 5).astype(np.intp)
    frame = FRAME[band]
    diamond = (np.abs(along % (6 * PITCH) - 3 * PITCH) < 1.6 * PITCH) & (band == 2)
    frame = np.where(diamond[..., None], FRAME[4], frame)
    inside = (rim > 5 * PITCH)[..., None]
    gold = np.where(inside[..., 0], gold, np.where(band == 3, 0.9, 0.0))
    return np.where(inside, colours, frame), np.where(inside[..., 0], level, -rim), gold


def _directions(sheet: Sheet, level: Array) -> Array:
    """The direction of the contours."""
    calm = ndimage.gaussian_filter(level, 3 * sheet.unit)
    down, right = np.gradient(calm)
    return np.arctan2(down, right).astype(np.float32)


def _nearest(places: Array, stones: Array, turn: Array) -> tuple[Array, Array, Array]:
    """The stone nearest to each place in its own square metric, and the two smallest distances."""
    _, near = cKDTree(stones).query(places, k=6)
    away = places[:, None, :] - stones[near]
    cos, sin = np.cos(turn[near]), np.sin(turn[near])
    first = np.abs(away[..., 0] * cos + away[..., 1] * sin)
    second = np.abs(away[..., 1] * cos - away[..., 0] * sin)
    far = np.maximum(first, second)
    order = np.argsort(far, axis=1)[:, :2]
    rows = np.arange(len(places))
    return near[rows, order[:, 0]], far[rows, order[:, 0]], far[rows, order[:, 1]]


def _set_stones(sheet: Sheet, angle: Array, rng: np.random.Generator) -> Array:
    """Stones pushed apart until each is the middle of its own square (Hausner 2001)."""
    unit = sheet.unit
    high, wide = sheet.shape
    x, y = scattered(int(high * wide / (PITCH * unit) ** 2), (high, wide), rng)
    stones = np.stack([x, y], axis=1)
    pitch = max(1.0, PITCH * unit / 6)
    grid_y, grid_x = np.mgrid[0:high:pitch, 0:wide:pitch]
    places = np.stack([grid_x.ravel(), grid_y.ravel()], axis=1)
    for _ in range(14):
        turn = angle[stones[:, 1].astype(int), stones[:, 0].astype(int)]
        owner, _, _ = _nearest(places, stones, turn)
        count = np.maximum(np.bincount(owner, minlength=len(stones)), 1)
        for axis in (0, 1):
            total = np.bincount(owner, weights=places[:, axis], minlength=len(stones))
            stones[:, axis] = np.where(total > 0, total / count, stones[:, axis])
    return stones.astype(np.float32)


def _cut(sheet: Sheet, stones: Array, angle: Array) -> tuple[Array, Array]:
    """The stone at each point, and the distance to its edge in thousandths."""
    high, wide = sheet.shape
    grid_y, grid_x = np.mgrid[0:high, 0:wide].astype(np.float32)
    turn = angle[stones[:, 1].astype(int), stones[:, 0].astype(int)]
    owner, first, second = _nearest(np.stack([grid_x.ravel(), grid_y.ravel()], 1), stones, turn)
    gap = np.minimum((second - first) / 2, 0.62 * PITCH * sheet.unit - first) / sheet.unit
    return owner.reshape(high, wide), gap.reshape(high, wide).astype(np.float32)


def _lay(
    sheet: Sheet,
    design: Array,
    gold: Array,
    stones: Array,
    owner: Array,
    gap: Array,
    rng: np.random.Generator,
) -> None:
    """Each stone one colour, tilted its own way, chipped and veined; grout between."""
    u = sheet.unit
    rows, columns = stones[:, 1].astype(int), stones[:, 0].astype(int)
    stone = vary(design[rows, columns], rng, light=0.05, hue=0.02)
    golden = rng.random(len(stones)) < gold[rows, columns] * 0.6
    stone[golden] = ramp(GOLD, np.clip(rng.normal(0.55, 0.25, size=int(golden.sum())), 0, 1))
    grid_y, grid_x = np.mgrid[: sheet.shape[0], : sheet.shape[1]].astype(np.float32)
    tilt = rng.normal(size=(len(stones), 2)).astype(np.float32) * (1 + golden[:, None])
    slope = ((grid_x - columns[owner]) * tilt[owner, 0] + (grid_y - rows[owner]) * tilt[owner, 1]) / (PITCH * u)
    vein = clouds(sheet.shape, 7 * u, rng, octaves=3)
    shade = 1 + 0.16 * slope + 0.05 * vein
    chip = 1.15 + 0.35 * smooth(sheet.shape, 5 * u, rng)
    face = step(chip.mean() - 0.5, chip.mean() + 0.5, gap - chip + chip.mean())
    dome = ndimage.gaussian_filter(step(0.5, 3.2, gap), 0.7 * u)
    down, right = np.gradient(dome)
    shade = shade + 0.8 * (down + right) * u
    grout = pigments("5a5046")[0] * (0.75 + 0.16 * clouds(sheet.shape, 6 * u, rng))[..., None]
    sheet.colour[:] = np.clip(mix(grout, stone[owner] * shade[..., None], face), 0, 1)
