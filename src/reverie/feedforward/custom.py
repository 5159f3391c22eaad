"""Custom style networks: the folder they are kept in, and finding them by name."""

from __future__ import annotations

import os
from pathlib import Path

from reverie.errors import WeightsError, suggestion
from reverie.files import data_folder

SUFFIX = ".safetensors"


def styles_folder() -> Path:
    """Return the folder of custom style networks: ``$REVERIE_HOME/styles``, or the platform's folder for data.

    Not the cache folder: what took twenty minutes to train must survive a clean-up.
    """
    return data_folder() / "styles"


def custom_styles() -> dict[str, Path]:
    """Return the networks in that folder, by name."""
    try:
        files = sorted(path for path in styles_folder().iterdir() if path.suffix == SUFFIX)
    except OSError:  # there is none yet
        return {}
    return {path.stem: path for path in files if not path.name.startswith(".")}


def find_custom_style(word: str) -> Path:
    """Find the file of a custom style network by its path, or by its name in the folder; a path comes first.

    Raises:
        WeightsError: neither exists.

    Example:
        >>> find_custom_style("mine.safetensors").name
        'mine.safetensors'
    """
    path, known = Path(word).expanduser(), custom_styles()
    if os.path.isfile(path):  # noqa: PTH113 (a name of any length)
        return path
    if word in known:
        return known[word]
    raise WeightsError(
        f"there is no file or style network '{word}'; 'reverie networks' lists your own.{suggestion(word, known)}"
    )
