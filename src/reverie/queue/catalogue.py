"""What there is to choose from, told at once where it was told before: the crafts take seconds to load."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from reverie.crafts.registry import listings
from reverie.errors import FileError
from reverie.files import data_folder, make_folder, write_bytes
from reverie.queue.desk import Ask
from reverie.untrusted import json_object
from reverie.version import __version__

_HOUSE = Path(__file__).parents[1]
_ROOMS = ("crafts", "recipes", "presets", "networks", "styles", "jobs")


class Catalogue:
    """The catalogue; see `questions.catalogue`.

    It is kept for all queues of this user, so that only the first start of a version loads the crafts for it.

    Args:
        ask: who knows it.
    """

    def __init__(self, ask: Ask) -> None:
        self._path, self._ask = data_folder() / "catalogue.json", ask
        self._lock = threading.Lock()
        self._known: tuple[str, dict[str, Any]] | None = None

    def get(self) -> dict[str, Any]:
        """Return it, from where it was kept unless something has changed since."""
        mark = _mark()
        with self._lock:
            if self._known is None:
                self._known = self._kept()
            if self._known is None or self._known[0] != mark:
                self._known = mark, self._ask("catalogue")
                self._keep(self._known)
            return self._known[1]

    def _keep(self, known: tuple[str, dict[str, Any]]) -> None:
        with suppress(FileError):  # it is asked for again
            make_folder(self._path.parent)
            write_bytes(self._path, json.dumps({"mark": known[0], "told": known[1]}).encode())

    def _kept(self) -> tuple[str, dict[str, Any]] | None:
        try:
            found = json_object(self._path.read_bytes())
            return str(found["mark"]), dict(found["told"])
        except (OSError, ValueError, KeyError, TypeError):  # there is none yet, or it is no longer whole
            return None


def _mark() -> str:
    """Sum up what the catalogue depends on: the version, the plugins, our own files, the custom style networks."""
    files = [path for room in _ROOMS for path in (_HOUSE / room).glob("*")]
    own = data_folder() / "styles"
    files += [own, *own.glob("*")] if own.is_dir() else []
    times = sorted((path.name, path.stat().st_mtime_ns) for path in files if path.is_file())
    return hashlib.sha256(json.dumps([__version__, sorted(listings()), times]).encode()).hexdigest()
