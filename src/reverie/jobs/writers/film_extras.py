"""What is written beside a film: a clip of source and result side by side, and a page of measures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from itertools import islice
from pathlib import Path

import torch
from torch import Tensor

from reverie.clips import ChunkEncoder, ClipFrame, Footage, film_format, open_footage
from reverie.files import Placing
from reverie.jobs.writers.film_page import RESULT, SINGLE, SOURCE, film_page
from reverie.motion import measured
from reverie.pictures import scaled, size_of

ALONE = 24
"""Frames that are painted one by one besides, for comparison."""
FramePainter = Callable[[Tensor], Tensor | None]
_SHOWN = 4  # frames that the page shows
_QUALITY = 80


def write_comparison(path: Path, footage: Footage, film: Path, *, into: Placing) -> Path:
    """Write source and result side by side, as an .mp4 without sound.

    Args:
        path: where to.
        footage: the clip, as far as it was taken.
        film: made of it.
        into: how the file comes to its place.
    """
    encoder: ChunkEncoder | None = None
    with into(path) as draft:
        for frame, result in both(footage, film):
            pair = torch.cat((frame.image, result), 3)
            encoder = encoder or ChunkEncoder(
                draft.file,
                film_format(path),
                size=size_of(pair),
                base=footage.base,
                rate=footage.pace,
                quality=_QUALITY,
            )
            encoder.add(pair, frame.time)
        if encoder is not None:
            encoder.close()
    return draft.placed or path


def write_film_report(
    path: Path, footage: Footage, film: Path, *, alone: FramePainter | None, title: str, into: Placing
) -> Path:
    """Write a page with source and result side by side, their measures and plots.

    Args:
        path: where to.
        footage, film: as of `write_comparison`.
        alone: paints a frame for itself; None where that takes too long.
        title: of the page.
        into: how the file comes to its place.
    """
    table = measured({SOURCE: frame.image, RESULT: result} for frame, result in both(footage, film))
    single = measured(_one_by_one(footage, film, alone)) if alone is not None else {}
    page = film_page(title, table, single, shown=_pictures(footage, film, alone), pace=float(footage.pace))
    with into(path) as draft:
        draft.file.write(page.encode("utf8"))
    return draft.placed or path


def both(footage: Footage, film: Path) -> Iterator[tuple[ClipFrame, Tensor]]:
    """Yield each frame of a clip in the size of the film made of it, and the film's."""
    made = open_footage(film)
    for frame, result in zip(footage.frames(), made.frames(), strict=False):
        image = scaled(frame.image, size_of(result.image)).clamp(0, 1)
        yield ClipFrame(image, frame.time, frame.duration), result.image


def _one_by_one(footage: Footage, film: Path, alone: FramePainter) -> Iterator[dict[str, Tensor]]:
    """Yield the first frames as they are, as they were made, and painted each for itself."""
    for frame, result in islice(both(footage, film), ALONE):
        single = alone(frame.image)
        if single is None:
            return
        yield {SOURCE: frame.image, RESULT: result, SINGLE: single}


def _pictures(footage: Footage, film: Path, alone: FramePainter | None) -> list[tuple[str, dict[str, Tensor]]]:
    """Return some frames from all over the clip, with their times."""
    made, lasting = open_footage(film), footage.lasting or Fraction(0)
    found = []
    for number in range(_SHOWN):
        time = lasting * (2 * number + 1) / (2 * _SHOWN)
        frame, result = footage.frame_at(time), made.frame_at(time)
        image = scaled(frame.image, size_of(result.image)).clamp(0, 1)
        single = None if alone is None else alone(image)
        versions = {SOURCE: image, RESULT: result.image, **({} if single is None else {SINGLE: single})}
        found.append((f"{float(frame.time):.1f} s", versions))
    return found
