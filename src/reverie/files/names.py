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


_LONGEST = 100  # bytes of a word: a disk takes 255 for a name, of which a second word, companions and numbers need some


def cut_name(word: str) -> str:
    """Cut a word of a name that nobody chose to what a disk takes, between characters.

    Example:
        >>> cut_name("grün"), len(cut_name("ü" * 80))
        ('grün', 50)
    """
    while len(os.fsencode(word)) > _LONGEST:
        word = word[:-1]
    return word
