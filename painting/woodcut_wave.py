"""Woodcut wave: rows of breaking waves, carved lines, indigo gradients, foam like claws."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from painting.colour import Array, mix, pigments, ramp
from painting.noise import clouds, smooth, step
from painting.sheet import Sheet, grain, stencil

ASPECT = 4 / 3
PAPER = pigments("efe2c4", "e6d3ac")
SKY = pigments("24406b", "7f9aa6", "d8cfae", "efd9a8", "eab98a")
SEA = pigments("e3e2cc", "a9c4c4", "5f93a8", "2c5f8c", "1b3566", "132548")
INK, SUN, FOAM = pigments("141c38"), pigments("c8402c", "dd6a3c"), pigments("f5eeda", "d3dcd2")
# x, y of the foot, size, mirrored or not: far rows first.
WAVES = (
    (60, 395, 95, 1),
    (265, 385, 85, 1),
    (450, 400, 100, 1),
    (640, 388, 85, 1),
    (850, 398, 105, 1),
    (150, 480, 150, 1),
    (415, 500, 135, 1),
    (700, 485, 160, 1),
    (970, 500, 150, 1),
    (20, 610, 210, 1),
    (365, 640, 200, 1),
    (790, 620, 330, -1),
    (150, 760, 300, 1),
    (560, 790, 250, 1),
    (-40, 850, 220, 1),
    (330, 880, 250, 1),
    (930, 850, 260, -1),
    (640, 900, 190, 1),
)


def paint(sheet: Sheet, rng: np.random.Generator) -> None:
    """Sky block, then each wave over the one behind it, then paper and wood grain."""
    _sky(sheet, rng)
    for foot_x, foot_y, size, side in WAVES:
        _wave(sheet, rng, foot=(foot_x, foot_y), size=size, side=side)
    _spray(sheet, rng)
    _print(sheet, rng)


def _sky(sheet: Sheet, rng: np.random.Generator) -> None:
    """A sky wiped from indigo to peach, a sun, and banks of cloud in contour."""
    x, y = sheet.grid()
    u = sheet.unit
    wood = smooth(sheet.shape, (5 * u, 260 * u), rng)
    sheet.colour[:] = ramp(SKY, np.clip(y / 330 + 0.03 * wood, 0, 1))
    far = np.hypot(x - 640, y - 150)
    disc = step(93, 91.5, far)
    sheet.colour[:] = mix(sheet.colour, ramp(SUN, np.clip((y - 60) / 180, 0, 1)), disc)
    bank = smooth(sheet.shape, (55 * u, 190 * u), rng) + 0.35 * smooth(sheet.shape, (25 * u, 60 * u), rng)
    lines = np.abs((bank * 2.6) % 1 - 0.5) * 2
    slope = np.hypot(*np.gradient(bank * 2.6)) * u * 2
    carved = step(1.5, 0.8, (1 - lines) / np.maximum(slope, 1e-4)) * step(0.3, 0.5, bank)
    pale = pigments("f0e4c6")[0] + 0 * sheet.colour
    sheet.colour[:] = mix(sheet.colour, pale, 0.75 * step(0.48, 0.5, bank))
    sheet.colour[:] = mix(sheet.colour, pigments("2d4a74")[0] + 0 * sheet.colour, 0.8 * carved)


def _bezier(points: list[tuple[float, float]], count: int = 80) -> Array:
    """A smooth curve through control points (Catmull-Rom)."""
    p = np.array([points[0], *points, points[-1]], dtype=np.float64)
    t = np.linspace(0, len(points) - 1 - 1e-9, count)
    k = t.astype(int)
    f = (t - k)[:, None]
    a, b, c, d = p[k], p[k + 1], p[k + 2], p[k + 3]
    curve = 0.5 * (2 * b + (c - a) * f + (2 * a - 5 * b + 4 * c - d) * f**2 + (3 * b - a - 3 * c + d) * f**3)
    return curve.astype(np.float32)


BACK = _bezier(
    [
        (-1.25, 0.06),
        (-0.8, 0.2),
        (-0.4, 0.55),
        (-0.02, 0.93),
        (0.34, 1.06),
        (0.66, 0.93),
        (0.78, 0.68),
    ]
)
HOLLOW = _bezier([(1.5, 0.0), (0.85, 0.0), (0.42, 0.1), (0.24, 0.36), (0.3, 0.62), (0.52, 0.74), (0.78, 0.68)])


def _wave(sheet: Sheet, rng: np.random.Generator, *, foot: tuple[float, float], size: float, side: int) -> None:
    """One wave: a body wiped from pale to indigo, carved lines that meet at the tip, and claws."""
    scale = np.array([size * side, -size], np.float32) * sheet.unit
    origin = np.array(foot, np.float32) * sheet.unit
    back, hollow = BACK * scale + origin, HOLLOW * scale + origin
    depth = np.array([[0, 1.2 * size * sheet.unit]], np.float32)
    skirt = np.concatenate([hollow[:1] + depth, back[:1] + depth])
    body = stencil(sheet.shape, np.concatenate([back, hollow[::-1], skirt]))
    _wipe(sheet, body, foot, size, rng)
    pen = _Pen(sheet)
    for t in np.linspace(0.0, 1.0, 15):
        curve = back * (1 - t) + hollow * t
        start = int(rng.integers(0, 10)) if 0 < t < 1 else 0
        heavy = 2.6 if t in (0.0, 1.0) else 1.5 if round(t * 14) % 2 else 2.1
        pen.line(curve[start:], heavy * (0.6 + size / 400))
    pen.ink(sheet, INK[0], body if size < 0 else None)
    _claws(sheet, rng, back, hollow, size)


def _wipe(sheet: Sheet, body: Array, foot: tuple[float, float], size: float, rng: np.random.Generator) -> None:
    """The hand-wiped gradient of a block: pale at the crest, deep at the foot, in broad stripes."""
    rows, columns = np.nonzero(body)
    if not len(rows):
        return
    x, y = columns / sheet.unit, rows / sheet.unit
    wood = smooth(sheet.shape, (4 * sheet.unit, 200 * sheet.unit), rng)[rows, columns]
    rise = (foot[1] - y) / size
    stripe = 0.14 * np.sin((x - foot[0]) / size * 9 + 5 * rise)
    sheet.colour[rows, columns] = ramp(SEA, np.clip(0.72 - 0.55 * rise + stripe + 0.03 * wood, 0.12, 1))
    swell = y + 0.04 * size * np.sin(x / size * 7) + 0.02 * size * np.sin(x / size * 17)
    cut = np.abs((swell / (0.05 * size + 3)) % 1 - 0.5) * (0.05 * size + 3)
    breaks = np.sin(x / size * 11 + np.floor(swell / (0.05 * size + 3)) * 2.4)
    carved = step(1.1, 0.5, cut) * step(0.3, 0.0, rise) * step(-0.5, 0.3, breaks)
    sheet.colour[rows, columns] = (
        sheet.colour[rows, columns] * (1 - 0.6 * carved)[:, None] + SEA[1] * (0.6 * carved)[:, None]
    )


class _Pen:
    """Carved lines that swell in the middle, gathered and printed in one go."""

    def __init__(self, sheet: Sheet) -> None:
        self.unit = sheet.unit
        self.block = Image.new("L", (sheet.shape[1], sheet.shape[0]))
        self.draw = ImageDraw.Draw(self.block)

    def line(self, curve: Array, heavy: float, colour: int = 255) -> None:
        """A line of ``heavy`` thousandths at its fullest."""
        for i in range(len(curve) - 1):
            swell = 0.45 + 0.55 * np.sin(np.pi * (i + 0.5) / len(curve))
            wide = max(1, round(heavy * swell * self.unit))
            ends = [tuple(map(float, curve[i])), tuple(map(float, curve[i + 1]))]
            self.draw.line(ends, fill=colour, width=wide)

    def disc(self, centre: Array, radius: float, colour: int = 255) -> None:
        """A round dot; radius in working pixels."""
        x, y = float(centre[0]), float(centre[1])
        self.draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)

    def ink(self, sheet: Sheet, colour: Array, inside: Array | None = None) -> None:
        """Print what was carved."""
        mask = np.asarray(self.block, dtype=np.float32) / 255
        mask = mask if inside is None else mask * inside
        sheet.colour[:] = mix(sheet.colour, colour + 0 * sheet.colour, mask)


def _claws(sheet: Sheet, rng: np.random.Generator, back: Array, hollow: Array, size: float) -> None:
    """Foam: scallops along the crest, and hooked fingers that reach out from the lip."""
    u, pen = sheet.unit, _Pen(sheet)
    lip = np.concatenate([back[34:], hollow[:54:-1]])
    outward = np.sign(back[60, 0] - back[20, 0])
    for i in range(0, len(lip), 2):
        pen.disc(lip[i] + rng.normal(size=2) * 0.012 * size * u, size * u * (0.035 + 0.03 * rng.random()))
    for i in range(2, len(lip) - 1, 3):
        reach = size * u * (0.13 + 0.12 * rng.random()) * (0.5 + 0.5 * i / len(lip))
        heading = np.arctan2(lip[i, 1] - lip[i - 2, 1], lip[i, 0] - lip[i - 2, 0])
        heading += outward * (-0.5 + 0.5 * rng.normal())
        _finger(pen, lip[i], heading, reach, outward, rng, branches=2)
    foam = np.asarray(pen.block) > 0
    edge = max(1.5, (1.0 + size / 220) * u)
    around = ndimage.distance_transform_edt(~foam) < edge
    within = ndimage.distance_transform_edt(foam) / u
    cloud = ramp(FOAM, step(0, 0.055 * size, within) * 0.8)
    sheet.colour[around] = INK[0]
    sheet.colour[foam] = cloud[foam]
    contour = np.abs(within / (0.02 * size + 3) % 1 - 0.5) * (0.02 * size + 3)
    broken = smooth(sheet.shape, 14 * u, rng) > 0.9
    thin = (contour < 0.55 + size / 900) & broken & (within > 0.02 * size)
    sheet.colour[thin] = SEA[3]


def _finger(
    pen: _Pen,
    root: Array,
    heading: float,
    reach: float,
    hook: float,
    rng: np.random.Generator,
    *,
    branches: int,
) -> None:
    """A tapering finger of beads that bends downwards like a claw, with smaller ones on it."""
    place, beads = root.copy(), 11
    for k in range(beads):
        heading += hook * 0.16 * (1 + 0.3 * rng.normal())
        place = place + np.array([np.cos(heading), np.sin(heading)]) * reach / beads * 1.2
        pen.disc(place, reach * 0.19 * (1 - 0.78 * k / beads))
        if branches and k in (4, 7):
            turn = heading + hook * rng.choice([-1.0, 0.9])
            _finger(pen, place, turn, reach * 0.5, hook, rng, branches=branches - 1)


def _spray(sheet: Sheet, rng: np.random.Generator) -> None:
    """Drops thrown from the crests."""
    pen = _Pen(sheet)
    for foot_x, foot_y, size, side in WAVES:
        for _ in range(14):
            x = foot_x + side * size * (0.75 + 0.3 * rng.normal())
            y = foot_y - size * (1.02 + 0.16 * rng.normal())
            pen.disc(np.array([x, y]) * sheet.unit, sheet.unit * rng.uniform(0.9, 1.5 + size / 90))
    pen.ink(sheet, FOAM[0])


def _print(sheet: Sheet, rng: np.random.Generator) -> None:
    """What hand printing adds: the grain of the wood, uneven ink, the tooth of the paper."""
    _, y = sheet.grid()
    u = sheet.unit
    rings = y + 16 * clouds(sheet.shape, (60 * u, 320 * u), rng, octaves=3)
    wood = np.sin(rings * 1.15 + 0.8 * smooth(sheet.shape, (3 * u, 90 * u), rng))
    sheet.colour *= (1 + 0.045 * wood)[..., None]
    bare = step(1.5, 3.0, clouds(sheet.shape, 4 * u, rng, octaves=2) + 0.4 * wood)
    sheet.colour[:] = mix(sheet.colour, PAPER[0] + 0 * sheet.colour, 0.45 * bare)
    sheet.colour[:] = sheet.colour * (0.35 + 0.65 * PAPER[0] / PAPER[0].max())
    grain(sheet, rng, depth=0.05)
    np.clip(sheet.colour, 0, 1, out=sheet.colour)
