"""Recipes in films: the JSON text that makes the film again, kept as its comment."""

from __future__ import annotations

from pathlib import Path

from reverie.clips.footage import opened
from reverie.clips.joining import comment_of


def read_film_recipe(path: Path) -> str | None:
    """Read the recipe inside a film; None if there is none.

    Raises:
        ClipError: it is no film.
    """
    with opened(path) as (container, stream):
        for metadata in (container.metadata, stream.metadata):
            for name, text in metadata.items():
                if name.lower() == "comment":
                    return comment_of(text)
    return None
