"""The counter of the queue: pictures are brought, orders taken, jobs changed; for the service and the command line."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from reverie.errors import RecipeError, StateConflict
from reverie.files import append, put, remove, remove_folder, sole
from reverie.queue.entries import Entry, Order, Plan, Stored, new_id
from reverie.queue.home import Home
from reverie.queue.quota import Quota
from reverie.queue.store import Store

PIXELS = 150_000_000
"""Most pixels of a picture that is brought; a clip's frame has fewer, see `brought`."""
MOST_AT_ONCE = 400
"""Most jobs of one batch."""
LONGEST = 60
"""Characters of a file's name that are kept."""


class Ask(Protocol):
    """Puts a question, by a process of its own or here; see `questions`."""

    def __call__(self, question: str, **words: Any) -> dict[str, Any]: ...


@dataclass(frozen=True)
class Checked:
    """An order that makes sense.

    Attributes:
        order: as it was given.
        plan: how it is carried out.
        title: by which people know it.
        fingerprint: of all that its result depends on.
        seeded: whether its craft has a seed.
    """

    order: Order
    plan: Plan
    title: str
    fingerprint: str
    seeded: bool


class Desk:
    """The counter of a queue.

    Args:
        home: of the queue.
        store: its journal.
        ask: who answers questions about crafts and pictures.
        changed: called when something was written into the journal.
        quota: what the queue may take of the disk.
    """

    def __init__(
        self, home: Home, store: Store, ask: Ask, changed: Callable[[], None] = lambda: None, quota: Quota | None = None
    ) -> None:
        self.home, self.store, self.ask = home, store, ask
        self.quota = quota or Quota(home, store)
        self._changed = changed

    # --- pictures --------------------------------------------------------------------------------

    @contextmanager
    def receiving(self) -> Iterator[Path]:
        """Lend a place for a file that is being received; it is free again when the block ends.

        Raises:
            DiskFull: the queue has no room for more.
        """
        self.quota.check()
        draft = self.home.picture(f".{secrets.token_hex(8)}")
        try:
            yield draft
        finally:
            remove(draft)

    def bring(self, draft: Path, name: str) -> Stored:
        """Take in a picture or a clip that was received.

        Args:
            draft: the file, in the place that was lent; it is moved.
            name: as its owner knows it.
        Raises:
            RecipeError: it is neither, or too large.
        """
        shown = printable_name(name)
        found = self.ask("brought", path=str(draft), pixels=PIXELS, name=shown)
        id = new_id()
        path = self.home.picture(id)
        stored = Stored(
            id, plain_name(name, found["suffix"]), found["sha256"], draft.stat().st_size, found["width"],
            found["height"], found["seconds"], None, path,
        )  # fmt: skip
        put(draft, path)  # first the file, then the journal, so that what is in the journal is there
        kept = self.store.keep(stored)
        if kept.id != id:
            remove(path)
        return kept

    def bring_file(self, file: Path) -> Stored:
        """Take in a copy of a file of this machine's user.

        Raises:
            PictureError, RecipeError: it is neither picture nor clip.
            DiskFull: the queue has no room for more.
        """
        with self.receiving() as draft:
            share_or_copy(file, draft)
            return self.bring(draft, file.name)

    def small(self, kind: str, stored_id: str, path: Path, side: int) -> Path:
        """Return a small copy of a picture, made where it is missing.

        Raises:
            RecipeError: it is no picture.
        """
        to = self.home.small(kind, stored_id, side)
        if not to.exists():
            self.ask("small", path=str(path), to=str(to), side=side)
        return to

    def record(self, stored: Stored) -> dict[str, Any]:
        """Tell what made a picture; each of its inputs with the id of a file that is the very same, where one is here.

        Raises:
            RecipeError: it has no record.
        """
        found = self.ask("record", path=str(stored.path), name=stored.name)
        for each in found["inputs"]:
            known = self.store.known(each["sha256"])
            each["id"] = None if known is None else known.id
        return found

    # --- orders ----------------------------------------------------------------------------------

    def order(
        self, order: Order, *, priority: int = 0, again: bool = False, batch: str | None = None
    ) -> tuple[Entry, bool]:
        """Put a job into the queue, or find the one that is the very same; return it, and whether it is new.

        Args:
            order: what it is to make.
            priority, batch: see `Entry`.
            again: whether it is made though the same is there.
        Raises:
            RecipeError: it makes no sense.
        """
        found = self._added(self.check(order), priority=priority, again=again, batch=batch)
        self._changed()
        return found

    def order_each(
        self, order: Order, grid: Mapping[str, Sequence[Any]], variations: int, *, priority: int = 0
    ) -> tuple[str, list[Entry]]:
        """Put a job for each combination of values into the queue, all of them or none; return the batch and its jobs.

        Args:
            order: what is common to all.
            grid: values by setting; the last one varies fastest.
            variations: seeds of each combination, the order's own and those after it.
            priority: of the jobs.
        Raises:
            RecipeError: one makes no sense, or they are too many.
        """
        count = variations
        for values in grid.values():
            count *= len(values)
        if not 1 <= count <= MOST_AT_ONCE:
            raise RecipeError(f"a batch has 1 to {MOST_AT_ONCE} jobs; got {count}.")
        if variations > 1 and not self.check(order).seeded:
            raise RecipeError(f"{order.craft} uses no randomness, so that there are no variations of it.")
        every = [self.check(each) for each in _varied(order, grid, variations)]
        batch = new_id()
        entries = [self._added(each, priority=priority, batch=batch)[0] for each in every]
        self.store.keep_batch(batch, order, {"grid": dict(grid), "variations": variations}, [e.id for e in entries])
        self._changed()
        return batch, entries

    def check(self, order: Order) -> Checked:
        """Check an order.

        Raises:
            RecipeError: it makes no sense.
        """
        inputs = {name: [self._described(word) for word in words] for name, words in order.inputs.items()}
        told = self.ask("check", craft=order.craft, settings=dict(order.settings), preset=order.preset, inputs=inputs)
        beside = [(each["name"], known.id) for each in told["beside"] if (known := self.store.known(each["sha256"]))]
        plan = Plan(told["output"], told["kept"], tuple(told["folders"]), tuple(told["names"]), tuple(beside))
        return Checked(order, plan, told["title"], told["fingerprint"], told["seeded"])

    def command(self, id: str) -> str:
        """Return the command that does the same as a job."""
        order = self.store.get(id).order
        inputs = {name: [self._named(word) for word in words] for name, words in order.inputs.items()}
        told = self.ask("command", craft=order.craft, settings=dict(order.settings), preset=order.preset, inputs=inputs)
        return str(told["command"])

    def _described(self, word: str) -> dict[str, Any]:
        stored = self.store.find(word)
        if stored is None:
            return {"word": word}
        return {"name": stored.name, "sha256": stored.sha256, "path": str(stored.path)}

    def _named(self, word: str) -> str:
        stored = self.store.find(word)
        return word if stored is None else stored.name

    def _added(
        self, checked: Checked, *, priority: int = 0, again: bool = False, batch: str | None = None
    ) -> tuple[Entry, bool]:
        id, new = self.store.add(
            checked.order, checked.plan, title=checked.title, fingerprint=checked.fingerprint,
            priority=priority, again=again, batch=batch,
        )  # fmt: skip
        return self.store.get(id), new

    # --- jobs ------------------------------------------------------------------------------------

    def cancel(self, id: str, *, keep: bool = False) -> Entry:
        """Cancel a job, at its next step where it runs.

        Raises:
            UnknownId: there is none.
            StateConflict: it is over.
        """
        entry = self.store.get(id)
        if not self.store.wish(id, "keep" if keep else "cancel") and not self.store.move(id, "cancelled"):
            raise StateConflict(f"the job is {entry.state} already; there is nothing to cancel.")
        return self._told(id)

    def pause(self, id: str) -> Entry:
        """Pause a job, at its next step where it runs.

        Raises:
            UnknownId: there is none.
            StateConflict: it is over, or paused.
        """
        entry = self.store.get(id)
        if not self.store.wish(id, "pause") and not self.store.move(id, "paused", reason="user"):
            raise StateConflict(f"the job is {entry.state}; there is nothing to pause.")
        return self._told(id)

    def retry(self, id: str) -> Entry:
        """Put a job that is paused, failed or cancelled into the queue again; it goes on where it was.

        Raises:
            UnknownId: there is none.
            StateConflict: it is in no such state.
        """
        entry = self.store.get(id)
        if not self.store.move(id, "queued", deaths=0):
            raise StateConflict(f"the job is {entry.state}; only one that is paused, failed or cancelled can go on.")
        return self._told(id)

    def change(self, id: str, **fields: Any) -> Entry:
        """Change title, star or priority of a job.

        Raises:
            UnknownId: there is none.
        """
        self.store.get(id)
        if fields:
            self.store.change(id, **fields)
        return self._told(id)

    def place(self, id: str, before: str | None) -> Entry:
        """Move a job to before another in the queue, or to its end.

        Raises:
            UnknownId: there is no such job.
        """
        self.store.place(id, before)
        return self._told(id)

    def remove(self, id: str) -> None:
        """Delete a job with its results.

        Raises:
            UnknownId: there is none.
            StateConflict: it is running.
        """
        entry = self.store.get(id)
        if not self.store.remove(id):
            raise StateConflict("the job is running; cancel it first.")
        remove_folder(self.home.job(id))
        for result in entry.results:
            self.home.forget("result", result)
        self._changed()

    def at_work(self) -> bool:
        """True if a process gives out the queue's work."""
        with sole(self.home.lock) as free:
            return not free

    def pause_all(self, paused: bool) -> None:
        """Begin no more jobs, or go on with the queue."""
        self.store.set_fact("paused", paused)
        self._changed()

    def _told(self, id: str) -> Entry:
        self._changed()
        return self.store.get(id)


def _varied(order: Order, grid: Mapping[str, Sequence[Any]], variations: int) -> Iterator[Order]:
    """Yield the orders of a batch."""
    for values in itertools.product(*grid.values()):
        chosen = {**order.settings, **dict(zip(grid, values, strict=True))}
        for number in range(variations):
            seed = {"seed": int(chosen.get("seed") or 0) + number} if variations > 1 else {}
            yield replace(order, settings={**chosen, **seed})


def share_or_copy(file: Path, draft: Path) -> None:
    """Copy a user's file; never a link to it, as they may write into it."""
    with file.open("rb") as source, append(draft, anew=True) as target:
        while part := source.read(2**20):
            target.write(part)


def printable_name(name: str) -> str:
    """A client's name for a file, in a message: its last part."""
    return name.replace("\\", "/").split("/")[-1][:LONGEST] or "the picture"


def plain_name(name: str, suffix: str) -> str:
    """Make a client's name for a file a plain one: its last part, without what systems or terminals obey.

    Example:
        >>> plain_name("../my\\\\cat\\n.jpeg", ".jpg")
        'cat.jpg'
    """
    last = name.replace("\\", "/").split("/")[-1]
    stem = last.rpartition(".")[0] or last
    kept = "".join(c if c.isalnum() or c in " -_()+,'" else "-" if c.isprintable() else "" for c in stem)
    return (kept.strip(" -.'")[:LONGEST].strip() or "picture") + suffix
