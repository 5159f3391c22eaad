"""Files of our own in a place of our own: the cache."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reverie.files.drafts import drafting
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


def share(file: Path, target: Path) -> None:
    """Let a file of our own lie in a second place too, without its bytes a second time where the disk can do that.

    Raises:
        OSError: the system does not allow it.
    """
    if not target.exists():
        try:
            os.link(file, target)
        except OSError:
            with file.open("rb") as original, drafting(target) as draft:
                shutil.copyfileobj(original, draft.file)
                draft.replace()


def remove_folder(path: Path) -> None:
    """Remove a folder of our own with all that is in it; what a link in it leads to stays."""
    with contextlib.suppress(OSError):
        if path.is_symlink():
            return
        shutil.rmtree(path, ignore_errors=True)
