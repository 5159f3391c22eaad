"""Sample paintings to take a style from: painted by this project's own code, free to use."""

from __future__ import annotations

from pathlib import Path

from reverie.errors import RecipeError, suggestion

__all__ = ["names", "path"]

_ROOM = Path(__file__).parent


def names() -> tuple[str, ...]:
    """Return the names of the sample styles, in alphabetical order.

    Example:
        >>> "stained-glass" in names()
        True
    """
    return tuple(sorted(file.stem for file in _ROOM.glob("*.jpg")))


def path(name: str) -> Path:
    """Return the JPEG file of a sample style.

    Args:
        name: one of :func:`names`, such as ``"night-strokes"``.

    Raises:
        RecipeError: there is no sample style of that name.

    Example:
        >>> path("mosaic").name
        'mosaic.jpg'
    """
    known = names()
    if name not in known:
        hint = suggestion(name, known) or f" Choose one of: {', '.join(known)}."
        raise RecipeError(f"'{name}' is not a sample style.{hint}")
    return _ROOM / f"{name}.jpg"
