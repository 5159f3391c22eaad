"""Find the pictures in a folder that are like a photo: by what is in them, by their style, by their colours.

Example::

    sheet = find(photo, Path("Pictures"), FindSettings(by=("colour",)))
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field
from torch import Tensor

from reverie.crafts.craft import craft
from reverie.crafts.kinds import Photo, Place, Sheet
from reverie.crafts.settings import DIAL, DeviceSettings, Words
from reverie.engine import Findings, OnePass, Part
from reverie.errors import RecipeError, ReverieError, suggestion
from reverie.finding import ASPECTS, Describer, Found, Gallery, gallery
from reverie.networks import Network, NetworkUsed, load
from reverie.pictures import resize, size_of
from reverie.pictures.page import DIM, EDGE, GRID, INK, Page, fitted
from reverie.pictures.read import read_picture
from reverie.recipes.parts.looking import MARGIN, TOP, WIDTH, begun, placed, shown, within

_PHOTO, _GAP, _ROW = (420, 272), 14, 62  # pixels: the photo's box, between pictures, words around a row of them
HEADINGS = {"content": "The same things in it", "style": "The same style", "colour": "The same colours"}


class FindSettings(DeviceSettings):
    """Settings of a search."""

    by: Annotated[Words, DIAL] = Field(
        default=ASPECTS, description=f"what is to be alike, a row for each: {', '.join(ASPECTS)}; default: all"
    )
    count: Annotated[int, DIAL] = Field(default=6, ge=1, le=12, description="pictures in a row, the most similar first")
    index: str | None = Field(
        default=None,
        min_length=1,
        description="folder in which descriptions are kept, e.g. on the drive of the pictures; default: the cache",
    )
    network: str = Field(default="dreamnet", description="network that compares; 'reverie networks' lists them")


@craft(example="reverie find cat.jpg ~/Pictures -o alike.png", makes=Sheet)
def find(
    photo: Annotated[Photo, "the picture that others are to be like"],
    folder: Annotated[Place, "a folder of pictures, folders inside included"],
    settings: FindSettings = FindSettings(),
    *,
    network: Network | None = None,
) -> OnePass:
    """Find the pictures in a folder that are like a photo, by content, style and colour.

    Each picture is described once: the descriptions are kept, and only what is new or changed since the
    last search is described again.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1].
        folder: of pictures.
        settings: how.
        network: your own, instead of the one that the settings name.
    Returns:
        A sheet (1, 3, h, w), a row for each aspect.
    Raises:
        RecipeError: there is no such aspect.
        PictureError: no such folder, or no picture in it.
    """
    for aspect in settings.by:
        if aspect not in ASPECTS:
            raise RecipeError(
                f"pictures are found by {', '.join(ASPECTS)}; got '{aspect}'.{suggestion(aspect, ASPECTS)}"
            )
    describer = Describer(placed(load(settings.network), settings) if network is None else network)
    used = NetworkUsed(describer.network.name, describer.network.sha256)
    device = str(describer.network.device)
    return OnePass(
        _size(settings), lambda _: _search(photo, folder, describer, settings), networks=[used], device=device
    )


def _search(photo: Tensor, folder: Path, describer: Describer, settings: FindSettings) -> Iterator[Part]:
    """Bring the index up to date, picture by picture, and search it; whoever stops has what was found so far."""
    wanted = describer(photo)
    kept = None if settings.index is None else Path(settings.index).expanduser()
    with gallery(folder, describer, kept) as there:
        found, total = there.search(wanted, settings.by, settings.count), 0
        sheet = _sheet(photo, found, there, settings)
        for step in there.refresh():
            total = step.total
            yield Part(step.done, total + 1, sheet, _findings(found, there, step.done), unit="picture")
        found = there.search(wanted, settings.by, settings.count)
        sheet = _sheet(photo, found, there, settings)
        yield Part(total + 1, total + 1, sheet, _findings(found, there, total), unit="picture")


def _findings(found: Mapping[str, Sequence[Found]], there: Gallery, described: int) -> Findings:
    figures = {
        "pictures": len(there),
        "described": described,
        "unreadable": len(there.left_out),
        "found": {
            aspect: [{"name": each.name, "likeness": round(each.likeness, 4)} for each in many]
            for aspect, many in found.items()
        },
    }
    lines = [f"  {len(there)} pictures, {described} of them new"]
    for aspect, many in found.items():
        lines += [f"  {aspect:8} {each.likeness:.3f}  {each.name}" for each in many]
    lines += [f"  '{name}' is left out: {reason:.150}" for name, reason in there.left_out.items()]
    return Findings(figures, lines)


# --- the sheet -----------------------------------------------------------------------------------


def _cell(settings: FindSettings) -> int:
    """Return the side of a picture on the sheet."""
    across = WIDTH - 2 * MARGIN - _PHOTO[1] - 2 * _GAP
    return min(220, (across - (settings.count - 1) * _GAP) // settings.count)


def _size(settings: FindSettings) -> tuple[int, int]:
    """Return the (H, W) of the sheet."""
    rows = len(settings.by) * (_cell(settings) + _ROW)
    return TOP + max(rows, _PHOTO[0]) + MARGIN // 2, WIDTH


def _sheet(photo: Tensor, found: Mapping[str, Sequence[Found]], there: Gallery, settings: FindSettings) -> Tensor:
    """Draw the sheet: the photo on the left, a row of pictures for each aspect."""
    page = begun(_size(settings), "Pictures that are alike", f"{len(there)} pictures in {there.root.resolve().name}")
    size = within(size_of(photo), _PHOTO)
    page.paste(shown(photo, size), (MARGIN, TOP + 28))
    page.text((MARGIN, TOP + 12), "The photo", size=14, colour=INK, anchor="lm")
    left, cell = MARGIN + _PHOTO[1] + 2 * _GAP, _cell(settings)
    for row, (aspect, many) in enumerate(found.items()):
        top = TOP + row * (cell + _ROW)
        page.line([(left, top), (WIDTH - MARGIN, top)], EDGE)
        page.text((left, top + 14), HEADINGS[aspect], size=14, colour=INK, anchor="lm")
        for column, each in enumerate(many):
            _draw_found(page, there, each, (left + column * (cell + _GAP), top + 28), cell)
    return page.picture()


def _draw_found(page: Page, there: Gallery, each: Found, at: tuple[int, int], cell: int) -> None:
    """Draw a picture, cut to a square, with its name and its likeness."""
    left, top = at
    try:
        page.paste(_square(read_picture(there.root / each.name, longer=2 * cell).pixels, cell), at)
    except ReverieError:  # gone meanwhile
        page.bar((left, top, left + cell, top + cell), GRID)
    name = each.name.rpartition("/")[2]
    page.text((left, top + cell + 12), fitted(name, cell - 40, size=12), size=12, colour=INK, anchor="lm")
    page.text((left + cell, top + cell + 12), f"{each.likeness:.2f}", size=12, colour=DIM, anchor="rm")


def _square(picture: Tensor, side: int) -> Tensor:
    """Cut the middle out of a picture, and resize it."""
    height, width = size_of(picture)
    edge = min(height, width)
    top, left = (height - edge) // 2, (width - edge) // 2
    return resize(picture[..., top : top + edge, left : left + edge], (side, side)).clamp(0, 1)
