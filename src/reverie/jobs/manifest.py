"""Manifest of a batch: the outcome of each item, as CSV for people and as JSON lines for programs."""

from __future__ import annotations

import csv
import io
import json
import math
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from reverie.errors import RecipeError
from reverie.files import Owned
from reverie.jobs.items import Item, Origin, origin
from reverie.untrusted import contents, json_object, refusing

CSV, LINES = "manifest.csv", "manifest.jsonl"
SELDOM = 1.0  # seconds between writings, while items end faster than that
Status = Literal["waiting", "made", "there", "failed"]


@dataclass(frozen=True)
class Row:
    """Outcome of an item; "there" means that an earlier call made it."""

    item: Item
    status: Status = "waiting"
    seconds: float | None = None
    error: str | None = None
    note: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the row as a JSON object."""
        return {
            "item": self.item.name,
            "inputs": {name: ", ".join(files) for name, files in self.item.job.inputs.items()},
            "settings": {"craft": self.item.job.craft, **self.item.job.settings},
            "status": self.status,
            "seconds": None if self.seconds is None else round(self.seconds, 3),
            "output": self.item.output.name if self.status in ("made", "there") else None,
            "error": self.error,
            "note": self.note,
        }


class Manifest:
    """Rows of a batch, kept in its folder.

    Args:
        folder: of the batch.
        items: all of them.
    """

    def __init__(self, folder: Owned, items: Sequence[Item]) -> None:
        self._folder, self._written = folder, 0.0
        self._rows = {item.output: Row(item) for item in items}
        self._earlier = _known_of(folder.path / LINES)

    @property
    def rows(self) -> list[Row]:
        """Rows of the items, in the order of the batch."""
        return list(self._rows.values())

    def row(self, item: Item) -> Row:
        """Return the row of an item."""
        return self._rows[item.output]

    def count(self, status: Status) -> int:
        """Count the items with this status."""
        return sum(row.status == status for row in self._rows.values())

    def set(
        self,
        item: Item,
        status: Status,
        seconds: float | None = None,
        *,
        error: str | None = None,
        note: str | None = None,
    ) -> None:
        """Record the outcome of an item; it is written at once, or within a second."""
        if status == "there":
            seconds, note = self._earlier.get(item.name, (None, None))
        row = self._rows[item.output]
        self._rows[item.output] = replace(row, status=status, seconds=seconds, error=error, note=note)
        if time.monotonic() - self._written > SELDOM:
            self.write()

    def write(self) -> None:
        """Write both files, each whole.

        Raises:
            FileError: the folder cannot be written to.
        """
        plain = [row.as_json() for row in self._rows.values()]
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in plain)
        self._folder.write(LINES, lines.encode("utf8", "replace"))
        self._folder.write(CSV, _table(plain).encode("utf8", "replace"))
        self._written = time.monotonic()


def _table(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    table = csv.DictWriter(text, ["item", "inputs", "settings", "status", "seconds", "output", "error", "note"])
    table.writeheader()
    for row in rows:
        inputs = "; ".join(f"{role}={path}" for role, path in row["inputs"].items())
        table.writerow({**row, "inputs": inputs, "settings": json.dumps(row["settings"], ensure_ascii=False)})
    return text.getvalue()


def names_in(folder: Path) -> Mapping[Origin, Collection[str]]:
    """The names that an earlier batch into a folder gave; of a damaged manifest, those before the damage."""
    found: defaultdict[Origin, set[str]] = defaultdict(set)
    with suppress(RecipeError), refusing(RecipeError, f"the manifest in '{folder}' is damaged."):
        for row in _rows_of(folder / LINES):
            inputs = {str(name): [str(path)] for name, path in row["inputs"].items()}
            found[origin(str(row["settings"]["craft"]), inputs)].add(str(row["item"]))
    return found


def _known_of(path: Path) -> dict[str, tuple[float, str | None]]:
    """The seconds that items took in an earlier call, and its notes; a damaged manifest is as good as none."""
    with suppress(RecipeError), refusing(RecipeError, f"'{path}' is damaged."):
        return {str(row["item"]): _known(row) for row in _rows_of(path) if row["seconds"] is not None}
    return {}


def _rows_of(path: Path) -> Iterator[dict[str, Any]]:
    return map(json_object, contents(path, RecipeError).decode("utf8").splitlines())


def _known(row: Mapping[str, Any]) -> tuple[float, str | None]:
    seconds, note = float(row["seconds"]), row["note"]
    if not 0 <= seconds < math.inf or not isinstance(note, str | None):
        raise ValueError("such a row was never written")
    return seconds, note
