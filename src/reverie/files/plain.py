"""Files of our own in a place of our own: the cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reverie.files.reasons import is_plain


@contextmanager
def append(path: Path, *, anew: bool = False) -> Iterator[BinaryIO]:
    """Open a file of our own to append to it.

    Args:
        path: in a place where nothing else writes.
        anew: whether to begin it again.

    Raises:
        OSError: it cannot be written.
    """
    with path.open("wb" if anew else "ab") as file:
        yield file


def put(file: Path, target: Path) -> None:
    """Give a file of our own its name, in one step.

    Raises:
        OSError: the system does not allow it.
    """
    file.replace(target)


def remove(path: Path) -> None:
    """Remove a file of our own; what is missing, or is a link or no plain file, is left alone.

    Raises:
        OSError: the system does not allow it.
    """
    if is_plain(path):
        path.unlink(missing_ok=True)
