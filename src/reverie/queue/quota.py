"""What a queue may take of the disk, and what is given up for it; results and pictures never are."""

from __future__ import annotations

import math
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from reverie.errors import DiskFull, RecipeError
from reverie.files import remove, remove_folder
from reverie.queue.home import Home
from reverie.queue.store import Store

LARGEST = 50 * 2**30
"""Bytes that a queue may take, unless it is told otherwise."""
ROOM, SHARE = 200 * 2**20, 0.02
"""What stays free of the disk: so many bytes, or on a small one such a share."""
SELDOM = 10.0
"""Seconds between counts of what is used."""
_UNITS = {"KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}


class Quota:
    """What a queue may take of the disk.

    Args:
        home: of the queue.
        store: its journal.
        largest: bytes.
    """

    def __init__(self, home: Home, store: Store, largest: int = LARGEST) -> None:
        self._home, self._store, self.largest = home, store, largest
        self._used, self._when = 0, -math.inf

    def used(self) -> int:
        """Bytes that lie in its folder, counted now and then; what lies there under two names counts once."""
        if time.monotonic() - self._when > SELDOM:
            self._used = sum({(each.st_dev, each.st_ino): each.st_size for each in _files(self._home.path)}.values())
            self._when = time.monotonic()
        return self._used

    def free(self) -> int:
        """Bytes that are free on its disk."""
        return shutil.disk_usage(self._home.path).free

    @property
    def full(self) -> bool:
        """True if no job is begun, as the disk has too little room."""
        about = shutil.disk_usage(self._home.path)
        return about.free < min(ROOM, SHARE * about.total)

    def check(self) -> None:
        """Refuse more, where the quota is used up even after what can be made again has been given up.

        Raises:
            DiskFull: it is.
        """
        if self.full:
            raise DiskFull(f"the disk of '{self._home.path}' is full; free some space, and all goes on by itself.")
        if self.used() > self.largest and self.tidy() > self.largest:
            raise DiskFull(
                f"the studio holds {self.used() / 1e9:.1f} GB, and {self.largest / 1e9:.1f} are allowed; delete some"
                " results, or allow more with --quota."
            )

    def tidy(self) -> int:
        """Give up what can be made again: small copies, previews, runs of jobs that are over; return what is used."""
        for path in (self._home.path / "small").glob("*.jpg"):
            remove(path)
        for entry in self._store.jobs(states=["done", "cancelled", "failed"], most=2**31):
            remove(self._home.preview(entry.id))
            if entry.state != "failed":
                remove_folder(self._home.run(entry.id))
        self._when = -math.inf
        return self.used()


def parse_bytes(text: str) -> int:
    """Read an amount such as "20GB".

    Raises:
        RecipeError: it is none.

    Example:
        >>> parse_bytes("1.5GB")
        1500000000
    """
    number, unit = text.strip()[:-2], text.strip()[-2:].upper()
    try:
        return int(float(number) * _UNITS[unit])
    except (ValueError, KeyError, OverflowError):
        raise RecipeError(f"an amount is a number and KB, MB, GB or TB, e.g. 20GB; got '{text:.40}'.") from None


def _files(folder: Path) -> Iterator[os.stat_result]:
    for path in folder.rglob("*"):
        try:
            about = path.lstat()
        except OSError:  # it has just gone
            continue
        yield about
