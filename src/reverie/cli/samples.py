"""Paintings by the word a user types: a file, or the name of a sample style."""

from __future__ import annotations

import os
from pathlib import Path

from reverie import styles
from reverie.errors import PictureError, suggestion


def painting(word: str) -> Path:
    """The file that a word means; a file of that name wins over a sample style.

    Raises:
        PictureError: neither exists.
    """
    here = Path(word)
    if os.path.exists(here) or here.suffix or here.name != word:  # noqa: PTH110 (of any length)
        return here
    if word in styles.names():
        return styles.path(word)
    raise PictureError(
        f"there is no file or sample style '{word}'; 'reverie styles' lists those.{suggestion(word, styles.names())}"
    )


def show() -> int:
    """Print the sample styles' names."""
    for name in styles.names():
        print(name)
    return 0


def show_presets() -> int:
    """Print the presets of each recipe, a line each."""
    from reverie.recipes.presets import presets

    known = presets()
    width = max(map(len, known), default=0)
    for name, preset in sorted(known.items(), key=lambda pair: (pair[1].recipe, pair[0])):
        print(f"{preset.recipe:7}  {name:{width}}  {preset.summary}")
    return 0
