"""Names with numbers."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path


def numbered(path: Path) -> Iterator[Path]:
    """Yield the path itself, then ``cat-2.png``, ``cat-3.png``…"""
    yield path
    for number in itertools.count(2):
        yield path.with_name(f"{path.stem}-{number}{path.suffix}")
