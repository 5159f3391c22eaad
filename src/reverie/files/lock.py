"""Locks between processes; the operating system's own, so that a killed process leaves none behind."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO


@contextmanager
def one_at_a_time(path: Path) -> Iterator[Iterator[None]]:
    """Admit one process at a time: exhaust what is given, and it is your turn until the block ends.

    Args:
        path: of a file that serves nothing else; made where it is missing.

    Raises:
        OSError: it cannot be made.
    """
    with path.open("a+b") as file:
        yield _waits(file)


def _waits(file: IO[bytes]) -> Iterator[None]:
    while not locked(file):
        yield
        time.sleep(0.2)


@contextmanager
def sole(path: Path) -> Iterator[bool]:
    """Within the block, hold the lock of a file that serves nothing else, or be told that another process does.

    Args:
        path: of the file; made where it is missing.

    Raises:
        OSError: it cannot be made.
    """
    with path.open("a+b") as file:
        yield locked(file)


if sys.platform == "win32":
    import msvcrt

    _FAR = 1 << 40  # a lock on what is written would keep others from reading it

    def locked(file: IO[bytes]) -> bool:
        """Try to take a lock that lasts until the file is closed."""
        place = file.tell()
        try:
            file.seek(_FAR)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            file.seek(place)
        return True

else:
    import fcntl

    def locked(file: IO[bytes]) -> bool:
        """Try to take a lock that lasts until the file is closed."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
