"""The journal of the queue: jobs, pictures, results and events, in SQLite; every change is whole or not at all."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, get_args

from reverie.errors import UnknownId
from reverie.files import Database
from reverie.queue.entries import Entry, Event, Order, Plan, Stored, entry_of, new_id, stored_of
from reverie.queue.schema import ADDED, SCHEMA
from reverie.queue.states import OVER, State, Wish, before

STATES: tuple[State, ...] = get_args(State)


THIN = 200
"""Events of a job's progress that are kept once it is over, about."""
_THINNED = (
    "DELETE FROM events WHERE kind='progress' AND job=?1 AND number NOT IN (SELECT number FROM (SELECT number,"
    " row_number() OVER (ORDER BY number) AS nth, count(*) OVER () AS many FROM events"
    " WHERE kind='progress' AND job=?2) WHERE nth=many OR nth % (many / ?3 + 1)=0)"
)
_WAITING = "nullif(state IN ('running', 'queued', 'paused'), 0)"


class Store:
    """The journal.

    Args:
        path: of the database.
    Raises:
        FileError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.database = Database(path, SCHEMA)
        self._add_missing_columns()

    def close(self) -> None:
        """Close it."""
        self.database.close()

    def _add_missing_columns(self) -> None:
        """Bring a journal of an earlier Reverie up to date."""
        known = {row["name"] for row in self.database.rows("PRAGMA table_info(files)")}
        for name, kind in ADDED.items():
            if name not in known:
                with self.database.transaction() as all_:
                    all_.execute(f"ALTER TABLE files ADD COLUMN {name} {kind}")

    # --- jobs ------------------------------------------------------------------------------------

    def add(
        self,
        order: Order,
        plan: Plan,
        *,
        title: str,
        fingerprint: str,
        priority: int = 0,
        batch: str | None = None,
        again: bool = False,
    ) -> tuple[str, bool]:
        """Add a job, or find the one that does or did the very same.

        Args:
            order: what it is to make.
            plan: how.
            title: by which a user knows it.
            fingerprint: of all that its result depends on.
            priority, batch: see `Entry`.
            again: whether it is made though the same is there.
        Returns:
            Its id, and whether it is new.
        """
        with self.database.transaction() as all_:
            same = "SELECT id FROM jobs WHERE fingerprint=? AND state NOT IN ('failed', 'cancelled') ORDER BY number"
            found = None if again else all_.execute(same, (fingerprint,)).fetchone()
            if found is not None:
                return str(found["id"]), False
            id, now = new_id(), time.time()
            all_.execute(
                "INSERT INTO jobs (id, craft, request, plan, title, fingerprint, priority, batch, position, created)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(position), 0) + 1 FROM jobs), ?)",
                (id, order.craft, order.to_json(), json.dumps(asdict(plan)), title, fingerprint, priority, batch, now),
            )
            _note(all_, id, "state", {"state": "queued"})
        return id, True

    def get(self, id: str) -> Entry:
        """Look up a job.

        Raises:
            UnknownId: there is none.
        """
        found = self.database.rows("SELECT * FROM jobs WHERE id=?", id)
        if not found:
            raise UnknownId(f"there is no job '{id:.40}'; 'reverie jobs' lists them.")
        return self._entries(found)[0]

    def some(self, ids: Sequence[str]) -> list[Entry]:
        """Look up several jobs, in their order; those that are gone are left out."""
        marks = ",".join("?" * len(ids))
        rows = self.database.rows(f"SELECT * FROM jobs WHERE id IN ({marks})", *ids)
        found = {each.id: each for each in self._entries(rows)}
        return [found[id] for id in ids if id in found]

    def is_over(self, id: str) -> bool:
        """True if nothing more happens to a job by itself, or there is no such job."""
        rows = self.database.rows("SELECT state FROM jobs WHERE id=?", id)
        return not rows or rows[0]["state"] in OVER

    def jobs(
        self,
        *,
        states: Iterable[State] = STATES,
        craft: str | None = None,
        batch: str | None = None,
        starred: bool = False,
        search: str = "",
        most: int = 1000,
        past: int = 0,
    ) -> list[Entry]:
        """List jobs: those that are not over in their order, then the others, the last one first.

        Args:
            states, craft, batch, starred: which ones.
            search: words that are all in the title, the craft's name or the settings, in any case.
            most: how many.
            past: how many to leave out at the beginning.
        """
        chosen = tuple(states)
        wanted = [f"state IN ({','.join('?' * len(chosen))})", *(["starred"] if starred else [])]
        values: list[object] = [*chosen]
        for column, value in (("craft", craft), ("batch", batch)):
            if value is not None:
                wanted.append(f"{column}=?")
                values.append(value)
        for word in search.split():
            wanted.append("instr(lower(title || ' ' || request), lower(?))")
            values.append(word)
        rows = self.database.rows(
            f"SELECT * FROM jobs WHERE {' AND '.join(wanted)} ORDER BY state!='running', {_WAITING} IS NULL,"
            f" CASE WHEN {_WAITING} THEN -priority END, CASE WHEN {_WAITING} THEN position END, number DESC"
            " LIMIT ? OFFSET ?",
            *values, most, past,
        )  # fmt: skip
        return self._entries(rows)

    def following(self) -> Entry | None:
        """The job that is to be done next; None where there is none, or the queue is paused."""
        if self.fact("paused"):
            return None
        rows = self.database.rows(
            "SELECT * FROM jobs WHERE state='queued' ORDER BY priority DESC, position, number LIMIT 1"
        )
        return self._entries(rows)[0] if rows else None

    def move(self, id: str, to: State, **fields: Any) -> bool:
        """Bring a job from one state to another.

        Args:
            id: of the job.
            to: the state.
            fields: columns that change with it.
        Returns:
            Whether it was in a state from which that is allowed; otherwise nothing is changed.
        """
        changes = {"state": to, "wish": None, "ended": None, "error": None, "reason": None, **_times(to), **fields}
        with self.database.transaction() as all_:
            names = ", ".join(f"{name}=?" for name in changes)
            from_ = before(to)
            known = ",".join("?" * len(from_))
            done = all_.execute(
                f"UPDATE jobs SET {names} WHERE id=? AND state IN ({known})", (*changes.values(), id, *from_)
            )
            if done.rowcount:
                told = {name: value for name, value in changes.items() if name in ("state", "error", "reason")}
                _note(all_, id, "state", {name: value for name, value in told.items() if value is not None})
            return bool(done.rowcount)

    def change(self, id: str, **fields: Any) -> None:
        """Change columns of a job other than its state."""
        with self.database.transaction() as all_:
            names = ", ".join(f"{name}=?" for name in fields)
            if all_.execute(f"UPDATE jobs SET {names} WHERE id=?", (*fields.values(), id)).rowcount:
                _note(all_, id, "changed", {})

    def wish(self, id: str, wish: Wish) -> bool:
        """Ask a running job for something; return whether it runs."""
        with self.database.transaction() as all_:
            return bool(all_.execute("UPDATE jobs SET wish=? WHERE id=? AND state='running'", (wish, id)).rowcount)

    def stepped(self, id: str, data: Mapping[str, Any]) -> None:
        """Note how far a running job is: cheaply, as it comes often and may be lost."""
        with self.database.transaction(durable=False) as all_:
            preview = data.get("preview")
            all_.execute(
                "UPDATE jobs SET progress=?, place=?, deaths=0, preview=coalesce(?, preview) WHERE id=?",
                (data["progress"], data.get("place", ""), preview, id),
            )
            _note(all_, id, "progress", data)

    def say(self, id: str | None, kind: str, data: Mapping[str, Any]) -> None:
        """Note an event of a job, or of all."""
        with self.database.transaction(durable=False) as all_:
            _note(all_, id, kind, data)

    def finish(self, id: str, results: Sequence[Stored], state: State, **fields: Any) -> bool:
        """End a job with what it made, in one step; return whether it was running."""
        with self.database.transaction() as all_:
            if not self.move(id, state, **fields):
                return False
            all_.execute("DELETE FROM files WHERE job=?", (id,))
            for each in results:
                _keep(all_, each)
            all_.execute(_THINNED, (id, id, THIN))
            _note(all_, id, "changed", {})
        return True

    def remove(self, id: str) -> bool:
        """Forget a job that does not run, with its results and events; return whether that was so."""
        with self.database.transaction() as all_:
            gone = all_.execute("DELETE FROM jobs WHERE id=? AND state!='running'", (id,)).rowcount
            if gone:
                _note(all_, None, "removed", {"removed": id})
            return bool(gone)

    # --- files -----------------------------------------------------------------------------------

    def keep(self, stored: Stored) -> Stored:
        """Note a picture that was brought; one of the same name and bytes is the same."""
        with self.database.transaction() as all_:
            same = "SELECT * FROM files WHERE job IS NULL AND sha256=? AND name=?"
            found = all_.execute(same, (stored.sha256, stored.name)).fetchone()
            if found is not None:
                return stored_of(found)
            _keep(all_, stored)
        return stored

    def find(self, id: str) -> Stored | None:
        """Look up a picture or a result; None where there is none of that id."""
        rows = self.database.rows("SELECT * FROM files WHERE id=?", id)
        return stored_of(rows[0]) if rows else None

    def file(self, id: str, *, brought: bool) -> Stored:
        """Look up a picture that was brought, or a result.

        Raises:
            UnknownId: there is none.
        """
        found = self.find(id)
        if found is None or (found.job is None) is not brought:
            raise UnknownId(f"there is no {'picture' if brought else 'result'} '{id:.40}'; it may have been deleted.")
        return found

    def files(self, *, brought: bool, most: int = 1000) -> list[Stored]:
        """List the pictures that were brought, or the results, the last one first."""
        null = "" if brought else "NOT "
        return [
            stored_of(row)
            for row in self.database.rows(
                f"SELECT * FROM files WHERE job IS {null}NULL ORDER BY number DESC LIMIT ?", most
            )
        ]

    def known(self, sha256: str) -> Stored | None:
        """Find a file by its bytes; one that was brought comes first."""
        rows = self.database.rows("SELECT * FROM files WHERE sha256=? ORDER BY job IS NOT NULL LIMIT 1", sha256)
        return stored_of(rows[0]) if rows else None

    def keep_batch(self, id: str, order: Order, varied: Mapping[str, Any], jobs: Sequence[str]) -> None:
        """Note which jobs belong to a batch, in their order; one may belong to several."""
        with self.database.transaction() as all_:
            values = (id, order.to_json(), json.dumps(dict(varied)), json.dumps(list(jobs)))
            all_.execute("INSERT INTO batches VALUES (?, ?, ?, ?)", values)

    def batch(self, id: str) -> tuple[Order, dict[str, Any], list[str]]:
        """Look up a batch: what is common to its jobs, what varies, and their ids.

        Raises:
            UnknownId: there is none.
        """
        rows = self.database.rows("SELECT * FROM batches WHERE id=?", id)
        if not rows:
            raise UnknownId(f"there is no batch '{id:.40}'.")
        row = rows[0]
        return Order.from_json(row["request"]), json.loads(row["varied"]), json.loads(row["jobs"])

    # --- events and facts ------------------------------------------------------------------------

    def events(self, past: int, *, job: str | None = None, most: int = 500) -> list[Event]:
        """List the events after a number, of one job or of all."""
        if job is None:
            rows = self.database.rows("SELECT * FROM events WHERE number>? ORDER BY number LIMIT ?", past, most)
        else:
            rows = self.database.rows(
                "SELECT * FROM events WHERE job=? AND number>? ORDER BY number LIMIT ?", job, past, most
            )
        return [Event(row["number"], row["job"], row["kind"], json.loads(row["data"])) for row in rows]

    @property
    def last_event(self) -> int:
        """Number of the last event."""
        return int(self.database.rows("SELECT coalesce(max(number), 0) FROM events")[0][0])

    def fact(self, name: str) -> Any:
        """Look up a fact of the queue itself; None where it was never set."""
        rows = self.database.rows("SELECT value FROM facts WHERE name=?", name)
        return json.loads(rows[0]["value"]) if rows else None

    def counts(self) -> dict[State, int]:
        """Count the jobs by their state."""
        rows = self.database.rows("SELECT state, count(*) AS many FROM jobs GROUP BY state")
        return {**dict.fromkeys(STATES, 0), **{row["state"]: row["many"] for row in rows}}

    def place(self, id: str, before_: str | None) -> None:
        """Give a job a place in the queue.

        Args:
            id: of the job.
            before_: the job it comes before, whose priority it takes; None: the last place.
        Raises:
            UnknownId: there is no such job.
        """
        self.get(id)
        with self.database.transaction() as all_:
            if before_ is None:
                last = all_.execute("SELECT max(position) FROM jobs").fetchone()[0]
                self.change(id, position=last + 1)
                return
            other = self.get(before_)
            above = all_.execute(
                "SELECT max(position) FROM jobs WHERE position<? AND priority=? AND id!=?"
                " AND state IN ('queued', 'paused', 'running')",
                (other.position, other.priority, id),
            ).fetchone()[0]
            middle = other.position - 1 if above is None else (above + other.position) / 2
            self.change(id, position=middle, priority=other.priority)

    def set_fact(self, name: str, value: Any) -> None:
        """Set a fact of the queue itself."""
        with self.database.transaction() as all_:
            all_.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, json.dumps(value)))
            _note(all_, None, "queue", {name: value})

    def _entries(self, rows: Sequence[sqlite3.Row]) -> list[Entry]:
        ids = [row["id"] for row in rows]
        made: dict[str, list[str]] = {id: [] for id in ids}
        marks = ",".join("?" * len(ids))
        for row in self.database.rows(f"SELECT id, job FROM files WHERE job IN ({marks}) ORDER BY number", *ids):
            made[row["job"]].append(row["id"])
        return [entry_of(row, made[row["id"]]) for row in rows]


def _keep(all_: sqlite3.Connection, each: Stored) -> None:
    all_.execute(
        "INSERT INTO files (id, name, sha256, bytes, width, height, seconds, job, path, created)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            each.id,
            each.name,
            each.sha256,
            each.bytes,
            each.width,
            each.height,
            each.seconds,
            each.job,
            str(each.path),
            time.time(),
        ),
    )


def _note(all_: sqlite3.Connection, job: str | None, kind: str, data: Mapping[str, Any]) -> None:
    all_.execute("INSERT INTO events (job, kind, data) VALUES (?, ?, ?)", (job, kind, json.dumps(dict(data))))


def _times(to: State) -> dict[str, float]:
    if to == "running":
        return {"began": time.time()}
    return {"ended": time.time()} if to in OVER else {}
