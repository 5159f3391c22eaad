"""Stained glass: a sun over hills and a river, in jewelled panes between dark leads."""

from __future__ import annotations

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from painting.colour import Array, mix, pigments, ramp, vary
from painting.noise import clouds, smooth, step
from painting.sheet import Sheet

ASPECT = 3 / 4
SUN, HORIZON = (375.0, 350.0), 660.0
RINGS = ((50, 8), (97, 12), (150, 16), (210, 16), (275, 24), (345, 32))
GOLDS = pigments("ffec96", "fbc02e", "f08a18", "dd4a1a", "a8182a")
RUBY = pigments("8a0f3c", "c2182c")
SKY = pigments("1b7fc8", "1456b8", "0d2f96", "14206e", "3a1f86", "6a1f7e")
EARTH = pigments("084a34", "0f7a44", "5aa02a", "b8a81e", "0a5f62")
WATER = pigments("0a3486", "0c6fa6", "2fb0b4", "12246c", "8fdcc8")
BORDER = pigments("a3122b", "d8a022", "a3122b", "14308a")
LEAD = pigments("0d0c10", "3a3a40", "77757a")


def paint(sheet: Sheet, rng: np.random.Generator) -> None:
    """Cut the panes, colour each, ripple the glass, then lead it."""
    seeds = _seeds(rng)
    rim, owner, radial = _panes(sheet, seeds, rng)
    colours = vary(_pane_colours(seeds, rng), rng, light=0.045, hue=0.02)
    glass = _glass(sheet, colours[owner], owner, radial, len(seeds), rng)
    sheet.colour[:] = _leaded(sheet, glass, rim, rng)


def _seeds(rng: np.random.Generator) -> Array:
    """Centres of the panes: rings about the sun, a loose mesh elsewhere, a regular border."""
    kept = [np.array(SUN)]
    for ring, count in RINGS:
        turn = (np.arange(count) + 0.5 * (ring % 2)) * (2 * np.pi / count)
        reach = ring * (1 + 0.015 * rng.normal(size=count))
        circle = np.stack([SUN[0] + reach * np.cos(turn), SUN[1] + reach * np.sin(turn)], 1)
        kept += [p for p in circle if p[1] < HORIZON - 25]
    outer = RINGS[-1][0] + 30
    for point in rng.random((6000, 2)) * [750, 1000]:
        low = point[1] > HORIZON
        if not low and np.hypot(*(point - SUN)) < outer:
            continue
        squeeze = np.array([0.5, 1.6]) if low else np.array([0.9, 1.1])
        if np.hypot(*((np.array(kept) - point) * squeeze).T).min() > (47 if low else 56):
            kept.append(point)
    inside = [p for p in kept if 48 < p[0] < 702 and 48 < p[1] < 952]
    return np.array([*inside, *_border_seeds()], dtype=np.float32)


def _border_seeds() -> list[tuple[float, float]]:
    """Small panes around the window."""
    across, down = np.linspace(22, 728, 13), np.linspace(22, 978, 17)
    rows = [(x, y) for x in across for y in (20.0, 980.0)]
    return rows + [(x, y) for y in down[1:-1] for x in (20.0, 730.0)]


def _panes(sheet: Sheet, seeds: Array, rng: np.random.Generator) -> tuple[Array, Array, Array]:
    """Distance to the nearest lead, pane number, and distance from the pane's centre."""
    x, y = sheet.grid()
    u = sheet.unit
    calm = _off_border(x, 750) * _off_border(y, 1000)
    x = x + 5 * smooth(sheet.shape, 80 * u, rng) * calm
    y = y + (5 * smooth(sheet.shape, 80 * u, rng) + _roll(x, y)) * calm
    places = _lengthened(np.stack([x, y], axis=-1).reshape(-1, 2))
    centres = _lengthened(seeds)
    far, near = cKDTree(centres).query(places, k=3)
    first = centres[near[:, 0]]
    rims = []
    for k in (1, 2):
        apart = np.linalg.norm(centres[near[:, k]] - first, axis=1)
        rims.append((far[:, k] ** 2 - far[:, 0] ** 2) / (2 * apart))
    rim = np.minimum(*rims).reshape(sheet.shape).astype(np.float32)
    rim /= np.maximum(np.hypot(*np.gradient(ndimage.gaussian_filter(rim, 1.0))) * u, 0.6)
    return rim, near[:, 0].reshape(sheet.shape), far[:, 0].reshape(sheet.shape).astype(np.float32)


def _roll(x: Array, y: Array) -> Array:
    """Hills and water roll: a sideways wave that begins at the horizon."""
    return 26 * np.sin(x / 85 + y / 120) * step(HORIZON - 60, HORIZON + 80, y)


def _lengthened(places: Array) -> Array:
    """Below the horizon height counts double, so that panes there lie long and low."""
    y = places[:, 1]
    deep = np.clip(y - HORIZON, 0, 952 - HORIZON)
    return np.stack([places[:, 0], y + 1.1 * deep], axis=1).astype(np.float32)


def _off_border(place: Array, end: float) -> Array:
    """0 in the border of the window, 1 inside it."""
    return step(42, 90, np.minimum(place, end - place))


def _pane_colours(seeds: Array, rng: np.random.Generator) -> Array:
    """What each pane stands for: sun, petal, ray, sky, hill, river or border."""
    colours = np.zeros((len(seeds), 3), np.float32)
    for i, (x, y) in enumerate(seeds):
        far, turn = np.hypot(x - SUN[0], y - SUN[1]), np.arctan2(y - SUN[1], x - SUN[0])
        ring = int(np.argmin([abs(far - r) for r in (0, *(r for r, _ in RINGS))]))
        if min(x, y, 750 - x, 1000 - y) < 42:
            colours[i] = BORDER[round((x + y) / 59) % 4]
        elif y > HORIZON - 12:
            river = abs(x - 370 - 110 * np.sin(y / 75)) < 35 + 0.45 * (y - HORIZON)
            colours[i] = ramp(WATER if river else EARTH, rng.random())
        elif far < RINGS[-1][0] + 30:
            colours[i] = _rose(ring, turn, rng)
        else:
            colours[i] = ramp(SKY, 0.55 + 0.45 * rng.random())
    return colours


def _rose(ring: int, turn: float, rng: np.random.Generator) -> Array:
    """The sun as a rose: gold heart, ruby petals, rays of flame between panes of sky."""
    ray = np.cos(8 * turn) > 0
    if ring < 3:
        return GOLDS[(0, 1, 2)[ring]]
    if ring == 3:
        return RUBY[int(ray)]
    place = 0.1 + 0.1 * (ring - 3) + 0.12 * rng.random()
    return ramp(GOLDS, 0.28 + 0.2 * (ring - 3)) if ray else ramp(SKY, place)


def _glass(sheet: Sheet, panes: Array, owner: Array, radial: Array, count: int, rng: np.random.Generator) -> Array:
    """Hand-blown glass: ripples, streaks, seeds of air, and another light in each pane."""
    u = sheet.unit
    tilt = rng.normal(size=(count, 2)).astype(np.float32)[owner] * 0.004
    x, y = sheet.grid()
    ripple = clouds(sheet.shape, (11 * u, 46 * u), rng, octaves=3, gain=0.5)
    streak = smooth(sheet.shape, (120 * u, 4 * u), rng)
    slope = np.gradient(ndimage.gaussian_filter(ripple, 1.5 * u), axis=0) * u
    wave = np.sin((x * tilt[..., 0] + y * tilt[..., 1]) * 40 + ripple)
    glow = 1.16 - 0.3 * (radial / 60) ** 2 + 0.12 * wave + 0.07 * ripple + 0.05 * streak + slope
    depth = np.clip(1.9 - glow, 0.35, 3.0)[..., None]
    jewel = panes**depth * np.clip(0.55 + 0.45 * glow, 0, 1.15)[..., None]
    hot = step(1.15, 1.55, glow + 0.1 * ripple)
    glass = mix(jewel, 0.75 * panes + 0.25, 0.4 * hot)
    smoke = step(0.4, 2.0, clouds(sheet.shape, 50 * u, rng))
    bubbles = step(2.9, 3.6, smooth(sheet.shape, 3.0 * u, rng))
    return np.clip(glass * (1 - 0.3 * smoke)[..., None] + 0.25 * bubbles[..., None], 0, 1)


def _leaded(sheet: Sheet, glass: Array, rim: Array, rng: np.random.Generator) -> Array:
    """Round leads with a dull shine, and the shadow they throw on the glass."""
    u = sheet.unit
    width = 4.6 + 0.5 * smooth(sheet.shape, 50 * u, rng)
    lead = step(0.7, -0.7, rim - width)
    shadow = step(9, 0, rim - width)
    round_ = np.sqrt(np.clip(1 - (rim / np.maximum(width, 1)) ** 2, 0, 1))
    down, right = np.gradient(ndimage.gaussian_filter(round_, 0.8 * u) * u * 2)
    worn = 0.06 * smooth(sheet.shape, 9 * u, rng)
    metal = ramp(LEAD, np.clip(0.16 + 0.55 * (down + right) + worn, 0, 1))
    return mix(glass * (1 - 0.5 * shadow)[..., None], metal, lead)
