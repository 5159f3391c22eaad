"""Digests of files, remembered while the files stay as they are."""

from __future__ import annotations

import hashlib
import os
import time
from functools import lru_cache
from pathlib import Path

_SETTLED = 2.0  # seconds after a change in which another need not show in a file's times


def hash_file(path: Path) -> str:
    """Return the sha256 of a file, in hexadecimal; read again only if its path, size or times have changed.

    Raises:
        OSError: it cannot be read.
    """
    about = path.stat()
    stamp = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    if time.time() - max(about.st_mtime, about.st_ctime) < _SETTLED:
        return _hashed(path)
    return _remembered(os.fspath(path.absolute()), stamp)


@lru_cache(maxsize=64)
def _remembered(path: str, _stamp: tuple[int, ...]) -> str:
    return _hashed(Path(path))


def _hashed(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
