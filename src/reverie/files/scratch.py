"""Scratch files: they are gone once unused, and lie in the folder of temporary files."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from reverie.files.reasons import FULL, unwritable


def scratch_place() -> Path:
    """Return the folder of temporary files."""
    return Path(tempfile.gettempdir())


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder that is removed, with all that is in it, when the block ends.

    Raises:
        FileError: the disk of temporary files took no more in the block.
    """
    with tempfile.TemporaryDirectory(prefix="reverie-") as folder:
        try:
            yield Path(folder)
        except OSError as error:
            if error.errno not in FULL:
                raise
            raise unwritable(scratch_place(), error) from error


def mapped(size: int) -> mmap.mmap:
    """Map writable memory that the system may put on the disk, in a file without a name; all zero.

    It lasts as long as something refers to it.

    Args:
        size: bytes, more than 0.

    Raises:
        FileError: the disk of temporary files has no room for it.
    """
    with tempfile.TemporaryFile(prefix="reverie-") as file:
        try:
            file.truncate(size)
            _fill(file.fileno(), size)
        except OSError as error:
            raise unwritable(scratch_place(), error) from error
        return mmap.mmap(file.fileno(), size)


def null_file() -> TextIO:
    """Return a text file that discards everything."""
    return open(os.devnull, "w", encoding="utf8")  # noqa: PTH123 (its user closes it)


def _fill(file: int, size: int) -> None:
    """Allocate the room now: a map on a full disk would kill the process without a message."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:  # some disks cannot do that
            if error.errno in FULL:
                raise
