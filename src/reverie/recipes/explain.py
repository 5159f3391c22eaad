"""Explain what in a photo speaks for a class: several methods side by side, each with checks of its honesty.

>>> sheet = explain(photo, ExplainSettings(class_name="palace"))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from reverie.choices import Precision
from reverie.crafts.craft import craft
from reverie.crafts.kinds import Photo, Sheet
from reverie.crafts.settings import DIAL, MACHINE, SeedSettings, Words
from reverie.engine import Findings, OnePass
from reverie.engine.precision import with_precision
from reverie.insight.attribution import METHODS, SAMPLES, Question, ask, method
from reverie.insight.classes import looked_at, name_of
from reverie.insight.honesty import SAME, Curves, curves, likeness, randomised
from reverie.networks import Network, find_class
from reverie.pictures import size_of
from reverie.pictures.heat import AGAINST, FOR, heat
from reverie.pictures.page import DIM, EDGE, GRID, INK, LINES, Page, fitted
from reverie.recipes.parts.looking import (
    MARGIN,
    TOP,
    WIDTH,
    LookSettings,
    at_once,
    begun,
    column_width,
    draw_key,
    looking,
    shown,
    within,
)

_COLUMNS, _GAP, _PLOT, _WORDS = 3, 24, 300, 84  # maps in a row; pixels between them, of a plot, below a map
_FEW = 2  # gradients that are averaged where maps of random weights are compared
_EXACT = ("gradient", "lrp")  # maps by single gradients, which rounding alters
_BRIGHT = 0.995  # share of a map's values below its full colour


TITLES = {
    "gradient": "Gradient",
    "integrated": "Integrated gradients",
    "smooth": "SmoothGrad",
    "cam": "Grad-CAM",
    "occlusion": "Occlusion",
    "lrp": "Layer-wise relevance",
}


class ExplainSettings(LookSettings, SeedSettings):
    """Settings of an explanation."""

    class_name: Annotated[str | None, DIAL] = Field(
        default=None,
        alias="class",
        description="class to explain: a name, part of it, or its number; default: the likeliest",
    )
    method: Annotated[Words, DIAL] = Field(
        default=tuple(METHODS), description=f"methods, in this order: {', '.join(METHODS)}; default: all"
    )
    samples: int = Field(default=SAMPLES, ge=1, le=256, description="gradients that 'integrated' and 'smooth' average")
    precision: Annotated[Precision, MACHINE] = Field(
        default="auto",
        description="of what is averaged or only looked at: auto, float32, bfloat16; auto measures what is fastest",
    )


@dataclass(frozen=True, eq=False)
class Explained:
    """A method's map with its checks.

    Attributes:
        name: of the method.
        importance: (H, W); signed where the method tells for from against.
        curves: insertion and deletion.
        areas: under them.
        without: rank correlation with the map of the same network with random weights.
    """

    name: str
    importance: Tensor
    curves: Curves
    areas: tuple[float, float]
    without: float


@craft(example="reverie explain cat.jpg --class tabby -o sheet.png", makes=Sheet)
def explain(
    photo: Annotated[Photo, "the picture to explain"],
    settings: ExplainSettings = ExplainSettings(),
    *,
    network: Network | None = None,
) -> OnePass:
    """Explain what in a photo speaks for a class, by several methods side by side.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1].
        settings: how.
        network: your own, instead of the one that the settings name.
    Returns:
        A sheet (1, 3, h, w): a map for each method, curves of insertion and deletion, and how far each map depends on
        what the network has learnt.
    Raises:
        LayerNotFound: a class that the network lacks, or a network without classes.
        RecipeError: no such method.
    """
    own, network = network, looking(settings, network)
    for name in settings.method:
        method(name)
    fast = with_precision(network, settings.precision) if own is None else network
    index = None if settings.class_name is None else find_class(network, settings.class_name)
    size = _size(photo, len(settings.method))

    def look() -> tuple[Tensor, Findings]:
        asked = partial(ask, picture=looked_at(photo, settings.size), samples=settings.samples, seed=settings.seed)
        question = asked(network, index=index)
        quick = question if fast is network else asked(fast, index=question.index)
        found, lot = [*_explained(question, quick, settings.method)], _by_lot(quick)
        return _sheet(photo, question, found, lot, size), _findings(question, found, lot)

    return at_once(size, [network], look, precision=fast.precision)


def _explained(question: Question, quick: Question, names: Sequence[str]) -> Iterator[Explained]:
    """Apply each method to the network, and to the same one with random weights.

    Args:
        question: in full precision.
        quick: the same in the fastest precision.
        names: of the methods.
    """
    shuffled = randomised(question.network, question.seed)
    untaught = replace(question, network=shuffled, samples=min(_FEW, question.samples))
    for name in names:
        found = method(name)(question if name in _EXACT else quick)
        told = curves(quick, found)
        yield Explained(name, found, told, told.areas, likeness(found, method(name)(untaught)))


def _by_lot(question: Question) -> tuple[float, float]:
    """Return the areas under the curves of a map drawn by lot, in patches: what no explanation should fall short of."""
    generator = torch.Generator().manual_seed(question.seed)
    patches = torch.rand(1, 1, 8, 8, generator=generator)
    lot = torch.nn.functional.interpolate(patches, size_of(question.picture), mode="bilinear")[0, 0]
    return curves(question, lot).areas


def _findings(question: Question, found: Sequence[Explained], lot: tuple[float, float]) -> Findings:
    """List the figures of each method, and of a map drawn by lot."""
    name, chance = name_of(question.network, question.index), question.probability
    whole, nothing = (question.ends @ question.weights).tolist()
    height, width = size_of(question.picture)
    figures = {
        "class": {"name": name, "index": question.index, "probability": round(chance, 4)},
        "looked_at": [width, height],
        "evidence": round(whole, 4),
        "evidence_gained": round(whole - nothing, 4),
        "by_lot": {"insertion": round(lot[0], 4), "deletion": round(lot[1], 4)},
        "methods": {each.name: _figures(each) for each in found},
    }
    lines = [f"  {chance:.1%} {name}", "  method       insertion  deletion  random weights"]
    lines += [f"  {e.name:12} {e.areas[0]:9.3f} {e.areas[1]:9.3f} {e.without:15.2f}{_doubt(e, lot)}" for e in found]
    lines.append(f"  {'by lot':12} {lot[0]:9.3f} {lot[1]:9.3f}")
    return Findings(figures, lines)


def _figures(each: Explained) -> dict[str, float]:
    return {
        "insertion": round(each.areas[0], 4),
        "deletion": round(each.areas[1], 4),
        "random_weights": round(each.without, 4),
        "total": round(float(each.importance.double().sum()), 4),
    }


def _doubt(each: Explained, lot: tuple[float, float]) -> str:
    """Say why a map is not to be believed, if it is not."""
    if each.without > SAME:
        return "  hardly depends on what was learnt"
    if each.areas[0] - each.areas[1] <= lot[0] - lot[1]:
        return "  no better than by lot"
    return ""


# --- the sheet -----------------------------------------------------------------------------------


def _cell(photo: Tensor) -> tuple[int, int]:
    """Return the (H, W) of a map on the sheet."""
    return within(size_of(photo), (420, column_width(_COLUMNS, _GAP)))


def _size(photo: Tensor, count: int) -> tuple[int, int]:
    """Return the (H, W) of the sheet."""
    return TOP + _PLOT + 52 + -(-count // _COLUMNS) * (_cell(photo)[0] + _WORDS) + MARGIN // 2, WIDTH


def _sheet(
    photo: Tensor, question: Question, found: Sequence[Explained], lot: tuple[float, float], size: tuple[int, int]
) -> Tensor:
    """Draw the sheet: photo and curves above, a map for each method below."""
    told = f"{name_of(question.network, question.index)}, {question.probability:.1%}"
    page = begun(size, f"Why {question.network.name} sees: {told}", "")
    across = column_width(_COLUMNS, _GAP)
    small = within(size_of(photo), (_PLOT, across))
    page.paste(shown(photo, small), (MARGIN, TOP))
    for column, heading in enumerate(("Insertion (in): shown first", "Deletion (out): blurred first"), 1):
        left = MARGIN + column * (across + _GAP)
        lines = [each.curves.deletion if column == 2 else each.curves.insertion for each in found]
        _draw_plot(page, (left + 40, TOP + 28, left + across, TOP + _PLOT - 26), lines, heading)
    top = TOP + _PLOT + 52
    draw_key(page, top - 24, ((FOR, "speaks for the class"), (AGAINST, "speaks against it")))
    for number, each in enumerate(found):
        row, column = divmod(number, _COLUMNS)
        at = (MARGIN + column * (across + _GAP), top + row * (_cell(photo)[0] + _WORDS))
        _draw_map(page, photo, each, LINES[number % len(LINES)], at, _doubt(each, lot))
    return page.picture()


def _draw_map(page: Page, photo: Tensor, each: Explained, colour: str, at: tuple[int, int], doubt: str) -> None:
    """Draw a method's map, its name and its figures."""
    size, (left, top) = _cell(photo), at
    values = each.importance.abs().flatten()
    scale = float(values.kthvalue(max(1, round(_BRIGHT * len(values)))).values)
    page.paste(heat(shown(photo, size), each.importance, scale=scale or None), at)
    below, right = top + size[0], left + size[1]
    page.bar((left, below + 5, right, below + 8), colour)
    page.text((left, below + 24), TITLES[each.name], size=16, colour=INK, anchor="lm")
    figures = f"in {each.areas[0]:.2f}   out {each.areas[1]:.2f}"
    page.text((right, below + 24), figures, size=13, colour=DIM, anchor="rm")
    words = doubt.strip() or "depends on what was learnt"
    line = f"{words}: {each.without:.2f} like random weights"
    page.text((left, below + 46), fitted(line, size[1], size=13), size=13, colour=FOR if doubt else DIM, anchor="lm")


def _draw_plot(
    page: Page, box: tuple[float, float, float, float], lines: Sequence[Sequence[float]], heading: str
) -> None:
    """Draw curves over the share of the picture that is shown or blurred."""
    left, top, right, bottom = box
    highest = max([0.05, *(value for line in lines for value in line)]) * 1.05
    page.text((left, top - 16), heading, size=14, colour=INK, anchor="lm")
    for share in (0.0, 0.5, 1.0):
        y = bottom - share * (bottom - top)
        page.line([(left, y), (right, y)], EDGE if share == 0 else GRID)
        page.text((left - 8, y), f"{share * highest:.0%}", size=12, colour=DIM, anchor="rm")
        page.text((left + share * (right - left), bottom + 14), f"{share:.0%}", size=12, colour=DIM, anchor="mm")
    for number, line in enumerate(lines):
        places = [
            (left + i / (len(line) - 1) * (right - left), bottom - value / highest * (bottom - top))
            for i, value in enumerate(line)
        ]
        page.line(places, LINES[number % len(LINES)], 2)
