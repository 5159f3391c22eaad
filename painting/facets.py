"""Facets: a table of instruments seen from all sides at once, in ochre, grey and rust."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from painting.brush import Brush, cover, hairs
from painting.colour import Array, mix, pigments, to_lab, vary
from painting.noise import clouds, smooth, step
from painting.sheet import Sheet, light, weave

ASPECT = 3 / 4
TONES = pigments(
    "d9b878",
    "b98a48",
    "8a5a2e",
    "a8482a",
    "6b2e22",
    "ecdfc2",
    "a8a294",
    "5f6664",
    "37424a",
    "1f2126",
    "4f6468",
    "c7a07a",
    "74704c",
)
SHARES = np.array([4, 4, 3, 3, 2, 4, 3, 3, 3, 2, 2, 3, 1.5]) / 37.5
NEIGHBOURS = np.argsort(((to_lab(TONES)[:, None] - to_lab(TONES)[None]) ** 2 * [0.35, 1, 1]).sum(axis=-1), axis=1)[
    :, 1:4
]
AXES = (0.18, 1.05, -0.62, 1.57, -1.12)


def paint(sheet: Sheet, rng: np.random.Generator) -> None:
    """Design the planes, dab them over with a square brush, sharpen edges, draw umber lines."""
    design, angle = _design(sheet, rng)
    sheet.colour[:] = design
    sheet.body[:] = 0.4
    marks = hairs(rng)
    for long, wide, density, share in ((44, 15, 1.5, 1.0), (26, 8, 1.3, 0.85)):
        brush = Brush(long, wide, taper=0.12, dry=0.25, streak=0.05, body=1.1, ridge=0.5, opacity=share)
        cover(
            sheet,
            brush,
            rng,
            target=design,
            angle=angle,
            density=density,
            light=0.055,
            hue=0.008,
            wander=0.1,
            bending=0.0,
            marks=marks,
        )
    edges = _edges(design, sheet.unit)
    firm = step(0.002, 0.022, ndimage.gaussian_filter(edges, 3.0 * sheet.unit)) * 0.85
    sheet.colour[:] = mix(sheet.colour, design, firm)
    _contours(sheet, edges, rng)
    _lines(sheet, rng)
    light(sheet, strength=0.42, gloss=0.08)
    weave(sheet, rng, depth=0.035)


def _design(sheet: Sheet, rng: np.random.Generator) -> tuple[Array, Array]:
    """Planes from large to small, and the guitar, bottle and bowl among them; their directions."""
    ground = clouds(sheet.shape, 220 * sheet.unit, rng)
    plan = Sheet(np.zeros_like(sheet.colour), np.zeros_like(sheet.body))
    plan.colour[:] = pigments("a58a62")[0] * (1 + 0.2 * ground)[..., None]
    for size, count in ((420, 40), (240, 80), (140, 90)):
        for _ in range(count):
            _plane(plan, _corners(plan, rng, size), rng)
    for outline in _things():
        _plane(plan, (outline * plan.unit).astype(np.float32), rng)
    for size, count in ((150, 16), (85, 34)):
        for _ in range(count):
            _plane(plan, _corners(plan, rng, size), rng)
    return np.clip(plan.colour, 0, 1), plan.body


def _edges(design: Array, unit: float) -> Array:
    """Where two planes meet: the steepness of the design's lightness."""
    tone = ndimage.gaussian_filter(design.mean(axis=-1), 0.7 * unit)
    return np.asarray(np.hypot(*np.gradient(tone)) * unit, dtype=np.float32)


def _contours(sheet: Sheet, edges: Array, rng: np.random.Generator) -> None:
    """Umber drawing along the edges, here firm, there lost."""
    firm = step(-0.6, 0.9, smooth(sheet.shape, 70 * sheet.unit, rng))
    mark = step(0.018, 0.06, edges) * firm * 0.8
    umber = pigments("241a16")[0] + 0 * sheet.colour
    sheet.colour[:] = mix(sheet.colour, umber, ndimage.gaussian_filter(mark, 0.5 * sheet.unit))
    for curve in _things():
        block = Image.new("L", sheet.shape[::-1])
        outline = [tuple(map(float, c)) for c in curve * sheet.unit]
        ImageDraw.Draw(block).line(outline, fill=255, width=max(1, round(3.4 * sheet.unit)))
        worn = step(-1.0, 0.5, smooth(sheet.shape, 40 * sheet.unit, rng)) * 0.85
        sheet.colour[:] = mix(sheet.colour, umber, np.asarray(block, np.float32) / 255 * worn)


def _corners(sheet: Sheet, rng: np.random.Generator, size: float) -> Array:
    """A quadrilateral or triangle whose sides keep to the few axes of the picture."""
    centre = rng.random(2) * [750, 1000]
    if size < 200:
        centre = np.array([375, 500]) + rng.normal(size=2) * [195, 240]
    first, second = rng.choice(len(AXES), 2, replace=False)
    a = np.array([np.cos(AXES[first]), np.sin(AXES[first])]) * size * rng.uniform(0.35, 0.75)
    b = np.array([np.cos(AXES[second]), np.sin(AXES[second])]) * size * rng.uniform(0.25, 0.6)
    corners = np.array([-a - b, a - b * rng.uniform(0.2, 1), a * rng.uniform(0.3, 1) + b, b - a])
    corners = corners[:3] if rng.random() < 0.25 else corners
    return ((corners + centre) * sheet.unit).astype(np.float32)


def _plane(plan: Sheet, corners: Array, rng: np.random.Generator) -> None:
    """One plane: strong along one edge, lost at the other (the cubists' passage)."""
    low = np.maximum(np.floor(corners.min(axis=0)).astype(int) - 2, 0)
    high = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 2, plan.shape[::-1])
    if (high - low).min() < 4:
        return
    box = Image.new("L", (int(high[0] - low[0]), int(high[1] - low[1])))
    ImageDraw.Draw(box).polygon([tuple(map(float, c - low)) for c in corners], fill=255)
    mask = np.asarray(box, np.float32) / 255
    if mask.any():
        _shade(plan, (slice(low[1], high[1]), slice(low[0], high[0])), mask, rng)


def _shade(plan: Sheet, window: tuple[slice, slice], mask: Array, rng: np.random.Generator) -> None:
    """A gradient across the mask, from one tone towards another, and the plane's direction."""
    y, x = np.mgrid[: mask.shape[0], : mask.shape[1]].astype(np.float32)
    axis = AXES[int(rng.integers(len(AXES)))]
    across = axis + np.pi / 2 + (np.pi if rng.random() < 0.5 else 0)
    run = x * np.cos(across) + y * np.sin(across)
    inside = mask > 0
    run = np.clip((run - run[inside].min()) / max(float(np.ptp(run[inside])), 1.0), 0, 1)
    first = int(rng.choice(len(TONES), p=SHARES))
    second = NEIGHBOURS[first][int(rng.integers(3))]
    strong, weak = vary(TONES[[first, second]], rng, light=0.03, hue=0.006)
    paint = mix(strong + 0 * run[..., None], weak + 0 * run[..., None], run**0.8)
    paint = paint * (1.12 - 0.32 * run)[..., None]
    share = mask * np.clip(1.35 - run * rng.uniform(0.2, 1.0), 0, 1)
    plan.colour[window] = mix(plan.colour[window], paint, share)
    plan.body[window] = np.where(share > 0.5, axis, plan.body[window])


def _things() -> list[Array]:
    """Outlines (thousandths): halves of a guitar, its sound hole, a bottle, a bowl, scrolls."""
    turn = np.linspace(0, 2 * np.pi, 90)
    guitar = 1 + 0.33 * np.cos(2 * turn) - 0.13 * np.cos(turn)
    body = np.stack([120 * guitar * np.sin(turn), 200 * guitar * np.cos(turn)], 1)
    lean = np.array([[0.86, -0.5], [0.5, 0.86]])
    circle = np.stack([np.cos(turn), np.sin(turn)], 1)
    neck = np.array([[-16, -520], [16, -520], [22, -150], [-22, -150]])
    bottle = np.array(
        [
            [-20, -190],
            [20, -190],
            [22, -90],
            [62, -40],
            [62, 170],
            [-62, 170],
            [-62, -40],
            [-22, -90],
        ]
    )
    guitar_at, bottle_at = np.array([400, 590]), np.array([180, 390])
    halves = [body[:46], np.roll(body, 45, axis=0)[:46] * 1.06 + [14, -10]]
    return [
        *(half @ lean.T + guitar_at for half in halves),
        neck @ lean.T + guitar_at,
        circle * 46 + [430, 540],
        circle[:46] * 30 + [436, 530],
        bottle[:, ::1] + bottle_at,
        bottle[:5] * 1.05 + bottle_at + [8, 4],
        circle[:46] * [105, 80] + [560, 820],
        circle[45:] * [105, 26] + [560, 822],
        circle[:60] * 62 + [585, 230],
        circle[20:70] * 38 + [600, 240],
    ]


def _lines(sheet: Sheet, rng: np.random.Generator) -> None:
    """Strings, staves and broken edges drawn with a rigger in umber and cream."""
    u = sheet.unit
    for colour, count in (("241a16", 46), ("efe4cc", 14)):
        block = Image.new("L", sheet.shape[::-1])
        pen = ImageDraw.Draw(block)
        for _ in range(count):
            x, y = (np.array([375, 500]) + rng.normal(size=2) * [190, 250]) * u
            axis, half = AXES[int(rng.integers(len(AXES)))], rng.uniform(30, 190) * u
            sway = (np.cos(axis) * half, np.sin(axis) * half)
            pen.line(
                (x - sway[0], y - sway[1], x + sway[0], y + sway[1]),
                fill=230,
                width=max(1, round(rng.uniform(1.2, 3.4) * u)),
            )
        for string in range(6 if colour == "efe4cc" else 0):
            x, y = (440 + 7 * string) * u, (380 + 4 * string) * u
            pen.line(
                (x + 85 * u, y - 150 * u, x - 130 * u, y + 330 * u),
                fill=200,
                width=max(1, round(1.3 * u)),
            )
        worn = step(-1.2, 0.4, smooth(sheet.shape, 18 * u, rng))
        mark = (np.asarray(block, np.float32) / 255 * worn * 0.85)[..., None]
        sheet.colour[:] = sheet.colour * (1 - mark) + mark * pigments(colour)[0]
