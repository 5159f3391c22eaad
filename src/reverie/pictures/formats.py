"""The one registry of file formats: suffixes, depths, and what each can hold."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from reverie.errors import PictureError, suggestion
from reverie.files import AnyPath as AnyPath


@dataclass(frozen=True)
class Format:
    """A file format and what it can hold.

    Args:
        name: the format's common name.
        suffixes: lower-case suffixes, dot included; the first is the usual one.
        depths: bits a channel that can be written.
        alpha: whether it keeps transparency.
        recipe: whether it keeps a recipe.
        longest: most pixels a side.
        lossless: whether the pixels come back as they were.
        written: whether it is written, and not only read.
    """

    name: str
    suffixes: tuple[str, ...]
    depths: tuple[int, ...]
    alpha: bool
    recipe: bool
    longest: int
    lossless: bool = True
    written: bool = True


FORMATS = (
    Format("PNG", (".png",), (8, 16), alpha=True, recipe=True, longest=2**31 - 1),
    Format("JPEG", (".jpg", ".jpeg"), (8,), alpha=False, recipe=True, longest=65_500, lossless=False),
    Format("WebP", (".webp",), (8,), alpha=True, recipe=True, longest=16_383, lossless=False),
    Format("TIFF", (".tif", ".tiff"), (8, 16), alpha=True, recipe=True, longest=2**31 - 1),
    Format("NumPy", (".npy",), (8, 16), alpha=False, recipe=False, longest=2**31 - 1),
    Format("BMP", (".bmp",), (), alpha=False, recipe=False, longest=2**31 - 1, written=False),
    Format("GIF", (".gif",), (), alpha=False, recipe=False, longest=65_535, lossless=False, written=False),
)


def suffixes() -> tuple[str, ...]:
    """Return every suffix that can be written, dots included."""
    return tuple(suffix for format_ in FORMATS if format_.written for suffix in format_.suffixes)


def readable() -> tuple[str, ...]:
    """Return every suffix that can be read, dots included."""
    return tuple(suffix for format_ in FORMATS for suffix in format_.suffixes)


def keeps_recipe() -> tuple[str, ...]:
    """Return every suffix of a format that keeps a recipe, dots included."""
    return tuple(suffix for format_ in FORMATS if format_.recipe for suffix in format_.suffixes)


def is_lossless(path: AnyPath) -> bool:
    """True if the pixels in a file of that suffix come back unchanged and are read as 8 or 16 bits."""
    suffix = Path(path).suffix.lower()
    return any(suffix in format_.suffixes and format_.lossless and format_.recipe for format_ in FORMATS)


def format_of(path: AnyPath) -> Format:
    """Return the format that a path's suffix asks for.

    Raises:
        PictureError: no format has that suffix.

    Example:
        >>> format_of("dream.jpeg").name
        'JPEG'
    """
    suffix = Path(path).suffix.lower()
    for format_ in FORMATS:
        if format_.written and suffix in format_.suffixes:
            return format_
    came = f"'{suffix}'" if suffix else "none"
    raise PictureError(
        f"the suffix says the format, and '{path}' has {came}; use one of "
        f"{', '.join(suffixes())}.{suggestion(suffix, suffixes())}"
    )
