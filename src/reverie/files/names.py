"""Names with numbers."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from pathlib import Path


def numbered(path: Path) -> Iterator[Path]:
    """Yield the path itself, then ``cat-2.png``, ``cat-3.png``…"""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")


def cut_to(name: str, most: int) -> str:
    """Cut a name to at most so many bytes on the disk, between characters.

    Example:
        >>> cut_to("grün", 4)
        'grü'
    """
    while len(os.fsencode(name)) > most:
        name = name[:-1]
    return name
