"""Plot of a run's losses by step, drawn with Pillow."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from reverie.engine import Iterate
from reverie.files import Placing, replacing
from reverie.pictures.page import DIM, EDGE, GRID, INK, LINES, Page

_WIDTH, _HEIGHT = 1280, 800
_LEFT, _RIGHT, _TOP, _BOTTOM, _GAP = 92, 246, 90, 60, 72
_TOTAL_SHARE = 0.42  # of the height, for the total
_USEFUL = 20  # largest over smallest value from which a logarithmic axis shows more
_DECADES = 6  # at most, below the largest value


@dataclass(frozen=True)
class StepLosses:
    """Losses of one step of a run, as the report shows them; size is (H, W)."""

    stage: int
    size: tuple[int, int]
    total: float
    losses: dict[str, float]

    @classmethod
    def of(cls, iterate: Iterate) -> StepLosses:
        """Extract what the report needs from an iterate: numbers, not pictures."""
        return cls(iterate.stage, iterate.size, iterate.total, iterate.losses)


@dataclass(frozen=True)
class Line:
    """A named curve: one value a step, None where there is none."""

    name: str
    colour: str
    values: tuple[float | None, ...]


@dataclass(frozen=True)
class Axis:
    """A vertical axis: values from ``low`` to ``high``, logarithmic or not."""

    low: float
    high: float
    logarithmic: bool

    @classmethod
    def around(cls, lines: Iterable[Line]) -> Axis:
        """Choose the axis that shows these lines best."""
        values = [v for line in lines for v in line.values if v is not None] or [0.0]
        positive = [v for v in values if v > 0]
        if min(values) >= 0 and positive and max(positive) > _USEFUL * min(positive):
            high, first = max(positive), sorted(positive)[len(positive) // 50]
            return cls(max(first / 1.5, high * 10**-_DECADES), high * 1.15, True)
        margin = (max(values) - min(values)) * 0.06 or abs(max(values)) * 0.1 or 1.0
        return cls(min(values) - margin, max(values) + margin, False)

    def share(self, value: float) -> float:
        """Position of a value along the axis, 0 at the bottom and 1 at the top."""
        if not self.logarithmic:
            return (value - self.low) / (self.high - self.low)
        return math.log(value / self.low) / math.log(self.high / self.low)

    def ticks(self) -> list[float]:
        """Return round values to label."""
        return _decades(self.low, self.high) if self.logarithmic else _round(self.low, self.high)


@dataclass(frozen=True)
class Frame:
    """Rectangle of a plot on the page, in pixels, and the number of steps it spans."""

    left: float
    top: float
    right: float
    bottom: float
    steps: int

    def across(self, step: float) -> float:
        """Return the x of a step, counted from 1."""
        return self.left + (self.right - self.left) * (step - 0.5) / self.steps

    def up(self, share: float) -> float:
        """Return the y of a share of the height."""
        return self.bottom - (self.bottom - self.top) * share


def write_report(path: Path, history: Sequence[StepLosses], *, title: str, into: Placing = replacing) -> Path:
    """Write the plot of a run: the objective above, its terms below; return where it lies.

    Args:
        path: a ``.png`` file.
        history: one a step, at least one.
        title: one line.
        into: how the file comes to its place.

    Raises:
        PictureError: the file cannot be written.
    """
    with into(path) as draft:
        draft.file.write(draw_report(history, title=title))
    return draft.placed or path


def draw_report(history: Sequence[StepLosses], *, title: str) -> bytes:
    """Draw the plot as the bytes of a PNG."""
    page = Page((_HEIGHT, _WIDTH))
    right, middle = _WIDTH - _RIGHT, _TOP + (_HEIGHT - _TOP - _BOTTOM - _GAP) * _TOTAL_SHARE
    above = Frame(_LEFT, _TOP, right, middle, len(history))
    below = Frame(_LEFT, middle + _GAP, right, _HEIGHT - _BOTTOM, len(history))
    page.text((24, 32), _cut(title, 90), size=20, colour=INK, anchor="lm")
    steps = f"{len(history)} step{'s' if len(history) > 1 else ''}"
    page.text((_WIDTH - 24, 32), steps, size=14, colour=DIM, anchor="rm")
    _draw_plot(page, above, [_total(history)], history, heading="objective")
    _draw_plot(page, below, _terms(history), history, heading="terms, each by itself")
    _draw_stages(page, above, history)
    _draw_steps(page, below)
    return page.png()


def _total(history: Sequence[StepLosses]) -> Line:
    return Line("total", INK, tuple(m.total for m in history))


def _terms(history: Sequence[StepLosses]) -> list[Line]:
    names = list(dict.fromkeys(name for m in history for name in m.losses))
    return [
        Line(name, LINES[i % len(LINES)], tuple(m.losses.get(name) for m in history)) for i, name in enumerate(names)
    ]


def _draw_plot(page: Page, frame: Frame, lines: Sequence[Line], history: Sequence[StepLosses], *, heading: str) -> None:
    """Draw a plot: heading, grid, boundaries of stages, lines and legend."""
    axis = Axis.around(lines)
    scale = ", logarithmic" if axis.logarithmic else ""
    page.text((frame.left, frame.top - 14), heading + scale, size=13, colour=DIM, anchor="lm")
    for value in axis.ticks():
        y = frame.up(axis.share(value))
        page.line([(frame.left, y), (frame.right, y)], GRID)
        page.text((frame.left - 10, y), f"{value:g}", size=13, colour=DIM, anchor="rm")
    for first in _firsts(history)[1:]:
        page.dashes(frame.across(first - 0.5), frame.top, frame.bottom, EDGE)
    page.line([(frame.left, frame.bottom), (frame.right, frame.bottom)], EDGE)
    for line in lines:
        for run in _runs(line, history, axis):
            points = [(frame.across(s), frame.up(axis.share(v))) for s, v in run]
            page.line(points, line.colour, 2)
    _draw_legend(page, frame, lines)


def _draw_legend(page: Page, frame: Frame, lines: Sequence[Line]) -> None:
    """Draw colour, name and last value of each line, right of the plot."""
    page.text((_WIDTH - 24, frame.top - 14), "at the end", size=13, colour=DIM, anchor="rm")
    x, pitch = frame.right + 22, min(26.0, (frame.bottom - frame.top) / max(1, len(lines)))
    for number, line in enumerate(lines):
        y = frame.top + 8 + number * pitch
        last = next((v for v in reversed(line.values) if v is not None), math.nan)
        page.line([(x, y), (x + 18, y)], line.colour, 3)
        page.text((x + 28, y), _cut(line.name, 16), size=14, colour=INK, anchor="lm")
        page.text((_WIDTH - 24, y), f"{last:.3g}", size=14, colour=DIM, anchor="rm")


def _draw_stages(page: Page, frame: Frame, history: Sequence[StepLosses]) -> None:
    """Draw each stage's size below the plot, where there is room."""
    firsts = [*_firsts(history), len(history) + 1]
    free = frame.left
    for first, end in itertools.pairwise(firsts):
        height, width = history[first - 1].size
        words, x = f"{width}x{height}", frame.across((first + end - 1) / 2)
        half = 4.2 * len(words)
        if x - half >= free:
            page.text((x, frame.bottom + 16), words, size=13, colour=DIM, anchor="mm")
            free = x + half + 10


def _draw_steps(page: Page, frame: Frame) -> None:
    """Draw round step numbers below the plot."""
    for step in _round(1, frame.steps) or [1.0]:
        if step == int(step) and 1 <= step <= frame.steps:
            at = (frame.across(step), frame.bottom + 18)
            page.text(at, f"{step:g}", size=13, colour=DIM, anchor="mm")
    middle = (frame.left + frame.right) / 2
    page.text((middle, frame.bottom + 40), "step", size=13, colour=DIM, anchor="mm")


def _firsts(history: Sequence[StepLosses]) -> list[int]:
    """List the first step of each stage, counted from 1 over the run."""
    return [n for n, m in enumerate(history, 1) if n == 1 or m.stage != history[n - 2].stage]


def _runs(line: Line, history: Sequence[StepLosses], axis: Axis) -> list[list[tuple[int, float]]]:
    """Split a line's points into pieces, broken between stages and where it cannot be drawn."""
    pieces: list[list[tuple[int, float]]] = [[]]
    for step, value in enumerate(line.values, 1):
        drawable = value is not None and (value >= axis.low or not axis.logarithmic)
        if not drawable or (step > 1 and history[step - 1].stage != history[step - 2].stage):
            pieces.append([])
        if drawable and value is not None:
            pieces[-1].append((step, value))
    return [piece for piece in pieces if piece]


def _round(low: float, high: float) -> list[float]:
    """Return four to nine round values within a range."""
    if high <= low:
        return [low]
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    pitch = next(power * m for m in (1, 2, 5, 10) if power * m >= rough * 0.99)
    first, last = math.ceil(low / pitch), math.floor(high / pitch)
    return [round(n * pitch, 12) for n in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return powers of ten within a range, and multiples of them where they are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    multiples = (1,) if len(powers) > 4 else (1, 2, 5) if len(powers) > 2 else (1, 2, 3, 5, 7)
    marks = [float(f"{m}e{p}") for p in powers for m in multiples]
    return [mark for mark in marks if low <= mark <= high]


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 3] + "..."
