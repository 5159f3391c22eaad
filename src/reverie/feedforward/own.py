"""Style networks of one's own: the folder they are kept in, and how they are found by name."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from reverie.errors import WeightsError, suggestion

SUFFIX = ".safetensors"


def styles_folder() -> Path:
    """Return the folder of custom style networks: ``$REVERIE_HOME/styles``, or the platform's folder for data.

    Not the cache folder: what took twenty minutes to train must survive a clean-up.
    """
    if home := os.environ.get("REVERIE_HOME"):
        return Path(home).expanduser() / "styles"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "reverie" / "styles"


def own_styles() -> dict[str, Path]:
    """The networks in that folder, by name."""
    try:
        files = sorted(path for path in styles_folder().iterdir() if path.suffix == SUFFIX)
    except OSError:  # there is none yet
        return {}
    return {path.stem: path for path in files if not path.name.startswith(".")}


def own_style(word: str) -> Path:
    """The file of a network that a word means: a path, or the name of one in the folder; a file here wins.

    Raises:
        WeightsError: neither exists.

    Example:
        >>> own_style("mine.safetensors").name
        'mine.safetensors'
    """
    path, known = Path(word).expanduser(), own_styles()
    if os.path.isfile(path):  # noqa: PTH113 (a name of any length)
        return path
    if word in known:
        return known[word]
    raise WeightsError(
        f"there is no file or style network '{word}'; 'reverie networks' lists your own.{suggestion(word, known)}"
    )
