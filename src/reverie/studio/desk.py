"""What the service does with the queue, apart from HTTP: brings pictures, takes orders, changes jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reverie.errors import StateConflict
from reverie.files import put, remove, remove_folder
from reverie.queue.entries import Entry, Order, Plan, Stored, new_id
from reverie.queue.foreman import Foreman
from reverie.queue.home import Home
from reverie.queue.office import Office
from reverie.queue.store import Store

PIXELS = 200_000_000
"""Most pixels of a picture that is brought."""


class Desk:
    """The queue as the service sees it.

    Args:
        home: of the queue.
        store: its journal.
        foreman: who has its jobs done.
        office: who knows the crafts.
    """

    def __init__(self, home: Home, store: Store, foreman: Foreman, office: Office) -> None:
        self.home, self.store, self.foreman, self.office = home, store, foreman, office
        self._catalogue: dict[str, Any] | None = None

    def catalogue(self) -> dict[str, Any]:
        """Everything that may be chosen."""
        if self._catalogue is None:
            self._catalogue = self.office.ask("catalogue")
        return self._catalogue

    def bring(self, draft: Path, name: str) -> Stored:
        """Take in a picture that was received.

        Args:
            draft: the file, in the home's folder of pictures; it is moved or removed.
            name: as its owner knows it.
        Raises:
            RecipeError: it is no picture, or too large.
        """
        try:
            found = self.office.ask("picture", path=str(draft), pixels=PIXELS)
            id = new_id()
            stored = Stored(
                id, plain_name(name, found["suffix"]), found["sha256"], draft.stat().st_size, found["width"],
                found["height"], None, self.home.picture(id),
            )  # fmt: skip
            kept = self.store.keep(stored)
            if kept.id == id:
                put(draft, stored.path)
        finally:
            remove(draft)
        return kept

    def record(self, stored: Stored) -> dict[str, Any]:
        """Tell what made a picture; each of its inputs with the id of a file that is the very same, where one is here.

        Raises:
            RecipeError: it has no record.
        """
        found = self.office.ask("record", path=str(stored.path))
        for each in found["inputs"]:
            known = self.store.known(each["sha256"])
            each["id"] = None if known is None else known.id
        return found

    def order(
        self, order: Order, *, priority: int = 0, again: bool = False, batch: str | None = None
    ) -> tuple[Entry, bool]:
        """Put a job into the queue, or find the one that is the very same; return it, and whether it is new.

        Raises:
            RecipeError: it makes no sense.
        """
        inputs = {name: [self._described(name, word) for word in words] for name, words in order.inputs.items()}
        told = self.office.ask(
            "check", craft=order.craft, settings=dict(order.settings), preset=order.preset, inputs=inputs
        )
        plan = Plan(told["output"], told["kept"], tuple(told["folders"]), tuple(told["names"]))
        id, new = self.store.add(
            order,
            plan,
            title=told["title"],
            fingerprint=told["fingerprint"],
            priority=priority,
            batch=batch,
            again=again,
        )
        self.foreman.wake()
        return self.store.get(id), new

    def _described(self, name: str, word: str) -> dict[str, Any]:
        stored = self.store.find(word)
        return {"word": word} if stored is None else {"name": stored.name, "sha256": stored.sha256}

    def cancel(self, id: str, *, keep: bool = False) -> Entry:
        """Cancel a job, at its next step where it runs."""
        entry = self.store.get(id)
        if not self.store.wish(id, "keep" if keep else "cancel") and not self.store.move(id, "cancelled"):
            raise StateConflict(f"the job is {entry.state} already; there is nothing to cancel.")
        return self._told(id)

    def pause(self, id: str) -> Entry:
        """Pause a job, at its next step where it runs."""
        entry = self.store.get(id)
        if not self.store.wish(id, "pause") and not self.store.move(id, "paused", reason="user"):
            raise StateConflict(f"the job is {entry.state}; there is nothing to pause.")
        return self._told(id)

    def retry(self, id: str) -> Entry:
        """Put a job that is paused, failed or cancelled into the queue again; it goes on where it was."""
        entry = self.store.get(id)
        if not self.store.move(id, "queued", deaths=0):
            raise StateConflict(f"the job is {entry.state}; only one that is paused, failed or cancelled can go on.")
        return self._told(id)

    def remove(self, id: str) -> None:
        """Delete a job with its results."""
        self.store.get(id)
        if not self.store.remove(id):
            raise StateConflict("the job is running; cancel it first.")
        remove_folder(self.home.job(id))
        self.foreman.wake()

    def _told(self, id: str) -> Entry:
        self.foreman.wake()
        return self.store.get(id)


def plain_name(name: str, suffix: str) -> str:
    """Make a client's name for a file a plain one: its last part, without what systems or terminals obey.

    Example:
        >>> plain_name("../my\\\\cat\\n.jpeg", ".jpg")
        'cat.jpg'
    """
    last = name.replace("\\", "/").split("/")[-1]
    stem = last.rpartition(".")[0] or last
    kept = "".join(c if c.isalnum() or c in " -_()+,'" else "-" if c.isprintable() else "" for c in stem)
    return (kept.strip(" -.'")[:60].strip() or "picture") + suffix
