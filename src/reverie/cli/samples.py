"""``reverie styles``, ``presets``, ``classes``: what there is to choose from, as a list or a sheet of pictures."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from reverie import styles
from reverie.cli.codes import DONE

if TYPE_CHECKING:
    from reverie.jobs.choices import Choice


def show() -> int:
    """Print the sample styles' names."""
    for name in styles.names():
        print(name)
    return DONE


def show_presets() -> int:
    """Print the presets of each craft, a line each."""
    from reverie.jobs.presets import presets

    known = presets()
    width = max(map(len, known), default=0)
    for name, preset in sorted(known.items(), key=lambda pair: (pair[1].craft, pair[0])):
        print(f"{preset.craft:7}  {name:{width}}  {preset.summary}")
    return DONE


def show_classes(word: str | None) -> int:
    """Print the kinds and classes that a word names, or all.

    Raises:
        LayerNotFound: there is none.
    """
    from reverie.cli.networks import print_table
    from reverie.networks import find_class, listed_classes, load
    from reverie.recipes.parts.variety import FAINT

    rows = [*listed_classes(load(), word)]
    if not rows:
        find_class(load(), word or "")  # which says what lies near
    faint = dict.fromkeys(FAINT, "seldom recognised in dreams")
    more = [[f"also {also}" if also else "", faint.get(name, "")] for _, name, also in rows]
    print_table(
        [(name, number, "; ".join(filter(None, each))) for (number, name, _), each in zip(rows, more, strict=True)]
    )
    if word is None:
        print("\n'reverie classes WORD' lists those it may mean; 'reverie dream PHOTO --class NAME' dreams of one.")
    return DONE


def draw_styles(photo: Path, output: Path | None) -> int:
    """Write a sheet of a photo in every sample style."""
    from reverie.jobs.choices import in_every_style

    return _draw(in_every_style(str(photo)), photo.stem, "styles", output)


def draw_presets(photo: Path, output: Path | None) -> int:
    """Write a sheet of a photo by every preset."""
    from reverie.jobs.choices import by_every_preset

    return _draw(by_every_preset(str(photo)), photo.stem, "presets", output)


def draw_classes(word: str | None, output: Path | None) -> int:
    """Write a sheet of dreams of the classes that a word may mean.

    Raises:
        RecipeError: they are more than a sheet shows.
    """
    from reverie.jobs.choices import of_every_class
    from reverie.networks import listed_classes, load

    names = [name for _, name, _ in listed_classes(load(), word)]
    return _draw(of_every_class(names), word or "all", "classes", output)


def _draw(choices: Sequence[Choice], subject: str, of: str, output: Path | None) -> int:
    """Make a sheet, with a line of progress on a terminal."""
    from reverie.files import cut_name
    from reverie.jobs.choices import write_sheet

    name = Path(f"{cut_name(subject)}-{of}.png")
    for number, made in enumerate(write_sheet(choices, name=name, output=output), 1):
        if isinstance(made, Path):
            print(made)
        elif sys.stderr.isatty():
            print(f"\r{number}/{len(choices)} {made:20}\r", end="", file=sys.stderr, flush=True)
    return DONE
