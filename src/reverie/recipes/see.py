"""Tell the classes that a network sees in a photo, and where they are.

>>> sheet = see(photo, SeeSettings(count=3))
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field
from torch import Tensor

from reverie.crafts.craft import craft
from reverie.crafts.kinds import Photo, Sheet
from reverie.crafts.settings import DIAL, Words
from reverie.engine import Findings, OnePass
from reverie.insight import Sighting
from reverie.insight import see as sightings
from reverie.insight.classes import looked_at
from reverie.networks import Network, find_class
from reverie.pictures import size_of
from reverie.pictures.heat import AGAINST, FOR, heat
from reverie.pictures.page import DIM, GRID, INK, LINES, Page, fitted
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

_BOXED = 3  # classes with a box on the photo; more would hide it
_PHOTO, _GAP, _LINE = (560, 640), 40, 58  # pixels: the photo's box, beside it, a class
_BETWEEN, _FOOT = 16, 44  # pixels: between maps, below them


class SeeSettings(LookSettings):
    """Settings of a look."""

    count: Annotated[int, DIAL] = Field(default=5, ge=1, le=8, description="classes to tell, the likeliest first")
    class_name: Annotated[Words, DIAL] = Field(
        default=(), alias="class", description="classes to tell instead: names, parts of them, or numbers"
    )


@craft(example="reverie see cat.jpg -o sheet.png", makes=Sheet)
def see(
    photo: Annotated[Photo, "the picture to look at"],
    settings: SeeSettings = SeeSettings(),
    *,
    network: Network | None = None,
) -> OnePass:
    """Tell the classes that a network sees in a photo, and where.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1].
        settings: how.
        network: your own, instead of the one that the settings name.
    Returns:
        A sheet (1, 3, h, w): the photo with boxes, probabilities, and a map for each class.
    Raises:
        LayerNotFound: a class that the network lacks, or a network without classes.
    """
    network = looking(settings, network)
    told = [find_class(network, word) for word in settings.class_name]
    size = _size(photo, len(told) or settings.count)

    def look() -> tuple[Tensor, Findings]:
        found = sightings(network, photo, size=settings.size, count=settings.count, classes=told)
        return _sheet(photo, found, size, network, settings), _findings(photo, found, settings)

    return at_once(size, [network], look)


def _findings(photo: Tensor, found: Sequence[Sighting], settings: SeeSettings) -> Findings:
    """List the classes with their boxes, in the photo's pixels."""
    seen = size_of(looked_at(photo, settings.size))
    boxes = [_pixels(each, size_of(photo)) for each in found]
    classes = [
        {"name": each.name, "index": each.index, "probability": round(each.probability, 4), "box": box}
        for each, box in zip(found, boxes, strict=True)
    ]
    lines = [
        f"  {each.probability:6.1%}  {each.name}" + (f"  at {box[0]},{box[1]} to {box[2]},{box[3]}" if box else "")
        for each, box in zip(found, boxes, strict=True)
    ]
    return Findings({"looked_at": [seen[1], seen[0]], "classes": classes}, lines)


def _pixels(each: Sighting, size: tuple[int, int]) -> list[int] | None:
    """Convert a class's box to pixels: left, top, right, bottom."""
    sides = (size[1], size[0]) * 2
    return None if each.box is None else [round(edge * side) for edge, side in zip(each.box, sides, strict=True)]


# --- the sheet -----------------------------------------------------------------------------------


def _cells(photo: Tensor, count: int) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the (H, W) of the photo and of each map on the sheet."""
    return within(size_of(photo), _PHOTO), within(size_of(photo), (300, column_width(max(count, 4), _BETWEEN)))


def _size(photo: Tensor, count: int) -> tuple[int, int]:
    """Return the (H, W) of the sheet."""
    large, small = _cells(photo, count)
    upper = max(large[0], _LINE * count)
    return TOP + upper + 64 + small[0] + _FOOT + MARGIN // 2, WIDTH


def _sheet(
    photo: Tensor, found: Sequence[Sighting], size: tuple[int, int], network: Network, settings: SeeSettings
) -> Tensor:
    """Draw the sheet: the photo with boxes, the classes beside it, their maps below."""
    seen = size_of(looked_at(photo, settings.size))
    page = begun(size, f"What {network.name} sees", f"looked at in {seen[1]}x{seen[0]} px")
    large, small = _cells(photo, len(found))
    page.paste(shown(photo, large), (MARGIN, TOP))
    for number, each in reversed([*enumerate(found[:_BOXED])]):
        if each.box is not None:
            _draw_box(page, each, LINES[number], large)
    left = MARGIN + large[1] + _GAP
    for number, each in enumerate(found):
        _draw_class(page, each, LINES[number], (left, TOP + number * _LINE))
    top = TOP + max(large[0], _LINE * len(found)) + 64
    draw_key(page, top - 24, ((FOR, "for the class"), (AGAINST, "against it")), "Evidence at each place")
    for number, each in enumerate(found):
        x = MARGIN + number * (column_width(max(len(found), 4), _BETWEEN) + _BETWEEN)
        page.paste(heat(shown(photo, small), each.evidence), (x, top))
        page.bar((x, top + small[0] + 4, x + small[1], top + small[0] + 7), LINES[number])
        page.text((x, top + small[0] + 22), fitted(each.name, small[1], size=14), size=14, colour=INK, anchor="lm")
    return page.picture()


def _draw_box(page: Page, each: Sighting, colour: str, size: tuple[int, int]) -> None:
    left, top, right, bottom = each.box or (0, 0, 0, 0)
    edges = (MARGIN + left * size[1], TOP + top * size[0], MARGIN + right * size[1] - 1, TOP + bottom * size[0] - 1)
    page.frame((edges[0] - 1, edges[1] - 1, edges[2] + 1, edges[3] + 1), "#ffffff", 1)
    page.frame(edges, colour, 3)


def _draw_class(page: Page, each: Sighting, colour: str, at: tuple[float, float]) -> None:
    """Draw a class's name, probability and bar."""
    (left, top), right = at, WIDTH - MARGIN
    page.text((left, top + 14), fitted(each.name, right - left - 90, size=17), size=17, colour=INK, anchor="lm")
    page.text((right, top + 14), f"{each.probability:.1%}", size=17, colour=DIM, anchor="rm")
    page.bar((left, top + 30, right, top + 38), GRID)
    page.bar((left, top + 30, left + max(2.0, (right - left) * each.probability), top + 38), colour)
