"""Several pictures in one: rows to compare, contact sheets, captions underneath."""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from reverie.errors import PictureError
from reverie.pictures.resize import resize

Ground = Literal["dark", "light"]
_PAPER: dict[str, tuple[float, float, float]] = {
    "dark": (0.086, 0.086, 0.102),
    "light": (1.0, 1.0, 1.0),
}
_INK: dict[str, tuple[float, float, float]] = {
    "dark": (0.88, 0.88, 0.86),
    "light": (0.13, 0.13, 0.15),
}


def side_by_side(
    pictures: Sequence[Tensor],
    *,
    height: int,
    captions: Sequence[str] | None = None,
    ground: Ground = "dark",
) -> Tensor:
    """Arrange pictures in one row, all of one height, with captions underneath.

    Args:
        pictures: each (B, 3, H, W) sRGB [0, 1], of any size; a batch counts as B pictures.
        height: of each picture, in pixels.
        captions: one line for each picture; long ones are shortened.
        ground: ``dark`` or ``light``.

    Returns:
        (1, 3, h, w) float32 sRGB [0, 1], on the CPU.

    Raises:
        PictureError: no pictures, or another number of captions.

    Example:
        >>> photo, dream = torch.rand(1, 3, 60, 80), torch.rand(1, 3, 60, 80)
        >>> row = side_by_side([photo, dream], height=120, captions=["before", "after"])
    """
    singles = single_pictures(pictures)
    widths = [max(1, round(height * p.shape[3] / p.shape[2])) for p in singles]
    shown = [_shown(p, (height, w)) for p, w in zip(singles, widths, strict=True)]
    margin = max(4, height // 32)
    return _page(
        [shown],
        [widths],
        _lines(captions, len(singles)),
        margin=margin,
        text=max(10, height // 18),
        ground=ground,
    )


def contact_sheet(
    pictures: Sequence[Tensor],
    *,
    columns: int,
    captions: Sequence[str] | None = None,
    width: int = 1200,
    ground: Ground = "dark",
) -> Tensor:
    """Arrange pictures in a grid of equal columns, with captions underneath.

    Args:
        pictures: each (B, 3, H, W) sRGB [0, 1], of any size; a batch counts as B pictures.
        columns: pictures in a row.
        captions: one line for each picture; long ones are shortened.
        width: of the whole sheet, in pixels.
        ground: ``dark`` or ``light``.

    Returns:
        (1, 3, h, width) float32 sRGB [0, 1], on the CPU.

    Raises:
        PictureError: no pictures, another number of captions, or a sheet too narrow.

    Example:
        >>> sheet = contact_sheet([torch.rand(9, 3, 32, 32)], columns=3, width=400)
        >>> sheet.shape[3]
        400
    """
    singles = single_pictures(pictures)
    if columns < 1 or width < 24 * columns:
        raise PictureError(
            f"a sheet needs a column or more and 24 pixels for each; got {columns} columns in "
            f"{width} pixels; use fewer columns or more width"
        )
    margin = max(4, width // (16 * columns))
    cell = (width - margin * (columns + 1)) // columns
    lines = _lines(captions, len(singles))
    shown = [_shown(p, (max(1, round(cell * p.shape[2] / p.shape[3])), cell)) for p in singles]
    rows = [shown[i : i + columns] for i in range(0, len(shown), columns)]
    text = max(10, min(24, cell // 12))
    sheet = _page(rows, [[cell] * columns] * len(rows), lines, margin=margin, text=text, ground=ground)
    return _widened(sheet, width, ground)


def sheet_width(cell: int, columns: int) -> int:
    """Return the width of a contact sheet whose cells are so many pixels wide, so that pictures stay as they are.

    Example:
        >>> contact_sheet([torch.rand(4, 3, 100, 100)], columns=4, width=sheet_width(100, 4)).shape[3]
        430
    """
    widths = range(columns * cell, 2 * columns * cell + 64)
    fitting = (w for w in widths if (w - max(4, w // (16 * columns)) * (columns + 1)) // columns == cell)
    return next(fitting, columns * cell)


def tile_preview(x: Tensor, *, repeats: int = 2) -> Tensor:
    """Repeat a picture as wallpaper does: seams of a tileable texture would show.

    Args:
        x: (B, 3, H, W).
        repeats: how often, each way.

    Returns:
        (B, 3, repeats * H, repeats * W).

    Raises:
        PictureError: fewer than one repeat.
    """
    if repeats < 1:
        raise PictureError(f"a picture is shown at least once each way; got {repeats}; 2 shows the seams")
    return x.repeat(1, 1, repeats, repeats)


def single_pictures(pictures: Sequence[Tensor]) -> list[Tensor]:
    """Split batches (B, 3, H, W) into pictures (1, 3, H, W).

    Raises:
        PictureError: no pictures, or another shape.
    """
    singles = [single[None] for batch in pictures for single in batch]
    if not singles:
        raise PictureError("a sheet shows at least one picture; got none; add some")
    for single in singles:
        if single.ndim != 4 or single.shape[1] != 3:
            raise PictureError(
                f"a sheet shows (B, 3, H, W) tensors; got {tuple(single.shape)}; read pictures with read_image"
            )
    return singles


def check_captions(captions: Sequence[str], count: int) -> None:
    """Refuse captions of which there is not one for each picture, by a PictureError."""
    if len(captions) != count:
        raise PictureError(
            f"every picture has one caption; got {len(captions)} captions for {count} pictures; give as many"
        )


def _lines(captions: Sequence[str] | None, count: int) -> list[str]:
    if captions is None:
        return []
    check_captions(captions, count)
    return [_plain(caption) for caption in captions]


def _plain(caption: str) -> str:
    """Reduce a caption to the letters that the built-in font has: accents dropped, one line."""
    bare = unicodedata.normalize("NFKD", caption.replace("ß", "ss"))
    kept = "".join(letter for letter in bare if not unicodedata.combining(letter))
    return " ".join(kept.encode("ascii", "replace").decode("ascii").split())


def _shown(picture: Tensor, size: tuple[int, int]) -> Tensor:
    plain = picture.detach().to(device="cpu", dtype=torch.float32)
    return resize(plain, size).clamp(0, 1)[0]


def _page(
    rows: list[list[Tensor]],
    widths: list[list[int]],
    lines: list[str],
    *,
    margin: int,
    text: int,
    ground: Ground,
) -> Tensor:
    """Lay out rows of (3, h, w) pictures on a background, each with its line underneath."""
    if ground not in _PAPER:
        raise PictureError(f"a ground is {' or '.join(_PAPER)}; got '{ground}'; choose one")
    under = math.ceil(1.7 * text) if lines else 0
    heights = [max(p.shape[1] for p in row) for row in rows]
    total = margin + sum(height + under + margin for height in heights)
    across = max(sum(row) + margin * (len(row) + 1) for row in widths)
    page = _paper((total, across), ground)
    top, number = margin, 0
    for row, row_widths, height in zip(rows, widths, heights, strict=True):
        left = margin
        for picture, width in zip(row, row_widths, strict=False):
            down = top + (height - picture.shape[1]) // 2
            page[:, down : down + picture.shape[1], left : left + picture.shape[2]] = picture
            if lines:
                box = page[:, top + height : top + height + under, left : left + width]
                _write_line(box, lines[number], text=text, ground=ground)
            left, number = left + width + margin, number + 1
        top += height + under + margin
    return page[None]


def _paper(size: tuple[int, int], ground: Ground) -> Tensor:
    return torch.tensor(_PAPER[ground])[:, None, None].expand(3, *size).clone()


def _widened(sheet: Tensor, width: int, ground: Ground) -> Tensor:
    """Centre a sheet on one a few pixels wider, if columns do not divide the width."""
    page = _paper((sheet.shape[2], width), ground)
    left = (width - sheet.shape[3]) // 2
    page[:, :, left : left + sheet.shape[3]] = sheet[0]
    return page[None]


def _write_line(box: Tensor, line: str, *, text: int, ground: Ground) -> None:
    """Draw a centred line into a (3, h, w) part of a page, in place."""
    height, width = box.shape[1:]
    font = ImageFont.load_default(text)
    mask = Image.new("L", (width, height))
    draw = ImageDraw.Draw(mask)
    draw.text((width / 2, height / 2), _shortened(line, font, width), 255, font, anchor="mm")
    strength = torch.from_numpy(np.asarray(mask, dtype=np.float32) / 255)
    box.lerp_(torch.tensor(_INK[ground])[:, None, None].expand_as(box), strength.expand_as(box))


def _shortened(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: int) -> str:
    """Cut a line to a width in pixels, with dots where it was cut."""
    if font.getlength(line) <= width:
        return line
    kept = line
    while kept and font.getlength(kept.rstrip() + "…") > width:
        kept = kept[:-1]
    return kept.rstrip() + "…" if kept else ""
