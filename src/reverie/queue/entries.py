"""What the journal holds: orders, jobs, files, events."""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reverie.queue.states import State, Wish


@dataclass(frozen=True)
class Order:
    """What a job is to make, as a client asks for it.

    Attributes:
        craft: its name.
        inputs: ids of pictures or results, or names of sample styles, by the craft's inputs.
        settings: by the names users know.
        preset: whose settings it begins with.
    """

    craft: str
    inputs: Mapping[str, Sequence[str]]
    settings: Mapping[str, Any]
    preset: str | None = None

    def to_json(self) -> str:
        """Serialise it as JSON text."""
        inputs = {name: list(ids) for name, ids in self.inputs.items()}
        values = {"craft": self.craft, "inputs": inputs, "settings": dict(self.settings), "preset": self.preset}
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Parse what `to_json` wrote."""
        return cls(**json.loads(text))


@dataclass(frozen=True)
class Plan:
    """How a job is carried out.

    Attributes:
        output: name of its result's file.
        kept: whether its run is kept in a folder that is named, step by step.
        folders: names of inputs that are folders of files.
        names: words among the inputs that are names of custom style networks or sample styles.
        beside: names and ids of files that a result among the inputs was made from.
    """

    output: str
    kept: bool
    folders: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    beside: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Entry:
    """A job in the queue.

    Attributes:
        id: opaque.
        order: what it is to make.
        plan: how.
        title: by which a user knows it, such as "cat, dream".
        state: of the job.
        progress: share of the work that is done, in [0, 1].
        place: where the run is, in a few words.
        wish: what it is asked for while it runs.
        error: one line; None where nothing is wrong.
        reason: why it is paused: "user" or "disk".
        priority: higher ones come first.
        position: in the queue, among those of the same priority.
        starred: whether a user keeps it in mind.
        batch: id of the variations or the grid that it belongs to.
        preview: number of the picture on the way; 0 where there is none.
        tile: side of the tiles since larger ones were too large for the memory, pixels.
        deaths: of its worker since its last step.
        results: ids of what it made.
        created, began, ended: seconds since 1970, for people only; None where that has not happened.
    """

    id: str
    order: Order
    plan: Plan
    title: str
    state: State
    progress: float
    place: str
    wish: Wish | None
    error: str | None
    reason: str | None
    priority: int
    position: float
    starred: bool
    batch: str | None
    preview: int
    tile: int | None
    deaths: int
    results: tuple[str, ...]
    created: float
    began: float | None
    ended: float | None


@dataclass(frozen=True)
class Event:
    """Something that happened, with a number that only grows."""

    number: int
    job: str | None
    kind: str
    data: dict[str, Any]


@dataclass(frozen=True)
class Stored:
    """A picture that was brought, or a result.

    Attributes:
        id: opaque.
        name: of the file, as people know it.
        sha256: of its bytes.
        bytes: its size.
        width, height: pixels; None of what is no picture.
        seconds: of a clip that was brought, 0 where it does not say; None of what does not move.
        job: that made it; None of what was brought.
        path: of its file.
    """

    id: str
    name: str
    sha256: str
    bytes: int
    width: int | None
    height: int | None
    seconds: float | None
    job: str | None
    path: Path


def new_id() -> str:
    """Draw an id that tells nothing and that nobody guesses."""
    return secrets.token_hex(10)


def entry_of(row: sqlite3.Row, results: Sequence[str]) -> Entry:
    """Read a job from its row of the journal."""
    values = {name: row[name] for name in dict(row) if name not in ("number", "request", "fingerprint", "craft")}
    return Entry(
        **{
            **values,
            "order": Order.from_json(row["request"]),
            "plan": _plan(row["plan"]),
            "starred": bool(row["starred"]),
            "results": tuple(results),
        }
    )


def _plan(text: str) -> Plan:
    values = json.loads(text)
    beside = tuple((name, id) for name, id in values["beside"])
    return Plan(values["output"], values["kept"], tuple(values["folders"]), tuple(values["names"]), beside)


def stored_of(row: sqlite3.Row) -> Stored:
    """Read a picture or a result from its row of the journal."""
    names = ("id", "name", "sha256", "bytes", "width", "height", "seconds", "job")
    return Stored(**{name: row[name] for name in names}, path=Path(row["path"]))
