"""Explain what in a photo speaks for a class: several methods side by side, each with checks of its honesty.

>>> sheet = explain(photo, ExplainSettings(class_name="palace"))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from reverie.crafts.craft import craft
from reverie.crafts.kinds import Photo, Sheet
from reverie.crafts.settings import DIAL, SeedSettings, Words
from reverie.engine import Findings, OnePass, Part
from reverie.insight.attribution import METHODS, Question, ask, method
from reverie.insight.classes import looked_at, name_of
from reverie.insight.honesty import SAME, Curves, curves, likeness, randomised
from reverie.networks import Network, NetworkUsed, find_class
from reverie.pictures import size_of
from reverie.pictures.heat import AGAINST, FOR, heat
from reverie.pictures.page import DIM, EDGE, GRID, INK, LINES, Page, fitted
from reverie.recipes.parts.looking import MARGIN, TOP, WIDTH, LookSettings, begun, looking, shown, within

_COLUMNS, _GAP, _PLOT, _WORDS = 3, 24, 300, 84  # maps in a row; pixels between them, of a plot, below a map
_FEW = 4  # gradients that are averaged where maps of random weights are compared
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
    samples: int = Field(default=8, ge=1, le=256, description="gradients that 'integrated' and 'smooth' average")


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
    network = looking(settings, network)
    for name in settings.method:
        method(name)
    index = None if settings.class_name is None else find_class(network, settings.class_name)
    size = _size(photo, len(settings.method))

    def draw(_: int) -> Iterator[Part]:
        question, told, chance = _asked(network, photo, index, settings)
        found = [*_explained(question, told, settings)]
        chosen = _reference(question, told, settings)
        title = f"Why {network.name} sees: {name_of(network, told)}, {chance:.1%}"
        sheet = _sheet(photo, found, chosen, size, title)
        yield Part(1, 1, sheet, _findings(question, told, chance, found, chosen))

    used = [NetworkUsed(network.name, network.sha256)]
    return OnePass(size, draw, networks=used, device=str(network.device))


def _asked(
    network: Network, photo: Tensor, index: int | None, settings: ExplainSettings
) -> tuple[Question, int, float]:
    """Build the question; return it with the class it is about, and that class's probability."""
    seen = looked_at(photo, settings.size)
    any_class = ask(network, seen, 0, samples=settings.samples, seed=settings.seed)
    with torch.no_grad():
        chances = any_class.logits(seen).softmax(1)[0]
    told = int(chances.argmax()) if index is None else index
    return ask(network, seen, told, samples=settings.samples, seed=settings.seed), told, float(chances[told])


def _explained(question: Question, index: int, settings: ExplainSettings) -> Iterator[Explained]:
    """Apply each method to the network, and to the same one with random weights."""
    few = min(_FEW, settings.samples)
    shuffled = randomised(question.network, settings.seed)
    untaught = ask(shuffled, question.picture, index, samples=few, seed=settings.seed)
    for name in settings.method:
        found = method(name)(question)
        without = likeness(found, method(name)(untaught))
        told = curves(question, found, index)
        yield Explained(name, found, told, told.areas, without)


def _reference(question: Question, index: int, settings: ExplainSettings) -> tuple[float, float]:
    """Return the areas under the curves of a map drawn by lot, in patches: what no explanation should fall short of."""
    generator = torch.Generator().manual_seed(settings.seed)
    patches = torch.rand(1, 1, 8, 8, generator=generator)
    lot = torch.nn.functional.interpolate(patches, size_of(question.picture), mode="bilinear")[0, 0]
    return curves(question, lot, index).areas


def _findings(
    question: Question, index: int, chance: float, found: Sequence[Explained], lot: tuple[float, float]
) -> Findings:
    """List the figures of each method, and of a map drawn by lot."""
    name = name_of(question.network, index)
    with torch.no_grad():
        gained = question.score(torch.cat([question.picture, question.absent]))
    height, width = size_of(question.picture)
    figures = {
        "class": {"name": name, "index": index, "probability": round(chance, 4)},
        "looked_at": [width, height],
        "evidence": round(float(gained[0]), 4),
        "evidence_gained": round(float(gained[0] - gained[1]), 4),
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
    return within(size_of(photo), (420, (WIDTH - 2 * MARGIN - (_COLUMNS - 1) * _GAP) // _COLUMNS))


def _size(photo: Tensor, count: int) -> tuple[int, int]:
    """Return the (H, W) of the sheet."""
    return TOP + _PLOT + 52 + -(-count // _COLUMNS) * (_cell(photo)[0] + _WORDS) + MARGIN // 2, WIDTH


def _sheet(
    photo: Tensor, found: Sequence[Explained], lot: tuple[float, float], size: tuple[int, int], title: str
) -> Tensor:
    """Draw the sheet: photo and curves above, a map for each method below."""
    page = begun(size, title, "")
    across = (WIDTH - 2 * MARGIN - (_COLUMNS - 1) * _GAP) // _COLUMNS
    small = within(size_of(photo), (_PLOT, across))
    page.paste(shown(photo, small), (MARGIN, TOP))
    for column, heading in enumerate(("Insertion (in): shown first", "Deletion (out): blurred first"), 1):
        left = MARGIN + column * (across + _GAP)
        lines = [each.curves.deletion if column == 2 else each.curves.insertion for each in found]
        _draw_plot(page, (left + 40, TOP + 28, left + across, TOP + _PLOT - 26), lines, heading)
    top = TOP + _PLOT + 52
    _draw_key(page, top - 26)
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


def _draw_key(page: Page, y: float) -> None:
    page.line([(MARGIN, y - 14), (WIDTH - MARGIN, y - 14)], EDGE)
    for x, colour, words in ((MARGIN, FOR, "speaks for the class"), (MARGIN + 190, AGAINST, "speaks against it")):
        page.bar((x, y, x + 14, y + 12), colour)
        page.text((x + 22, y + 6), words, size=14, colour=DIM, anchor="lm")
