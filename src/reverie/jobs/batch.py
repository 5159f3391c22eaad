"""A batch: a craft over many pictures and settings, item by item; what fails does not stop the others."""

from __future__ import annotations

import contextlib
import itertools
from collections import Counter, deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from reverie.errors import ReverieError
from reverie.files import Owned, numbered, own
from reverie.jobs.items import Item, is_made
from reverie.jobs.manifest import CSV, LINES, Manifest, Row
from reverie.jobs.pool import ItemEnded, ItemStepped, WorkerPool
from reverie.pictures import contact_sheet, fit, read_image, resize, size_of, write_image

SHEET = "contact-sheet.jpg"
TRIES = 2
_ON_A_SHEET, _COLUMNS, _WIDTH = 120, 6, 1800


@dataclass(frozen=True)
class Progress:
    """Progress of a batch.

    Attributes:
        done: share of the items that this call makes, those at work in part, in [0, 1].
        item: what this is about; None where nothing happened for a while.
        row: what became of it, once that is known.
        retry: why it will be tried again.
    """

    done: float
    item: Item | None = None
    row: Row | None = None
    retry: str | None = None


def run(items: Sequence[Item], folder: Path, pool: Callable[[int], WorkerPool]) -> Generator[Progress, None, None]:
    """Make all items that are not made yet; failed ones are tried once more, after the others.

    An item whose worker was killed, as the system does where memory runs out, is tried in tiles of half the side,
    down to the smallest.

    The folder gets a manifest as it goes and contact sheets at the end. Close the iterator to stop: what is made
    stays, and the next call goes on.

    Args:
        items: their outputs lie in the folder.
        folder: made where it is missing.
        pool: makes the workers for so many items; called only if there is something to make.
    Yields:
        What happens.
    Raises:
        FileError: the folder cannot be written to, another process works on it, or a file in it that this would
            write is not its own.
    """
    with own(folder, others="always", beside="name another --output") as owned:
        there = [item for item in items if is_made(item)]
        outputs = [item.output.name for item in items if item not in there]
        owned.claim(*outputs, LINES, CSV, *(path.name for path in _sheets(folder, len(items))))
        manifest = Manifest(owned, items)
        for item in there:
            manifest.set(item, "there")
        manifest.write()
        for item in there:
            yield Progress(0.0, item, manifest.row(item))
        todo = [row.item for row in manifest.rows if row.status == "waiting"]
        try:
            if todo:
                with closing(pool(len(todo))) as workers:
                    yield from _BatchRun(todo, manifest).run(workers)
        finally:
            manifest.write()
        if todo or not (folder / SHEET).exists():
            write_sheets(owned, [row.item for row in manifest.rows if row.status in ("made", "there")])


def _sheets(folder: Path, count: int) -> list[Path]:
    """List the paths of the contact sheets for a number of items."""
    return list(itertools.islice(numbered(folder / SHEET), -(-count // _ON_A_SHEET)))


def write_sheets(folder: Owned, items: Sequence[Item]) -> list[Path]:
    """Write thumbnails of the items' outputs side by side: one contact sheet, or several if there are many."""
    written: list[Path] = []
    free = numbered(folder.path / SHEET)
    for first in range(0, len(items), _ON_A_SHEET):
        small = [(item.name, _small(item)) for item in items[first : first + _ON_A_SHEET]]
        shown = [(name, picture) for name, picture in small if picture is not None]
        if shown:
            columns = min(_COLUMNS, len(shown))
            width = _WIDTH * columns // _COLUMNS
            sheet = contact_sheet([p for _, p in shown], columns=columns, captions=[n for n, _ in shown], width=width)
            written.append(write_image(next(free), sheet, into=folder.replacing))
    return written


class _BatchRun:
    """State of a batch at work: items left to do, tries and progress of each."""

    def __init__(self, todo: Sequence[Item], manifest: Manifest) -> None:
        self._queue, self._manifest = deque(todo), manifest
        self._count, self._ended = len(todo), 0
        self._tries, self._parts = Counter[Path](), dict[Path, float]()

    def run(self, workers: WorkerPool) -> Iterator[Progress]:
        """Run until nothing is left to do."""
        while self._queue or workers.busy:
            while self._queue and workers.free:
                item = self._queue.popleft()
                self._tries[item.output] += 1
                workers.give(item)
            events = workers.wait(0.5)
            for event in events:
                yield self._ended_with(event) if isinstance(event, ItemEnded) else self._stepped(event)
            if not events:
                yield Progress(self._done())

    def _stepped(self, event: ItemStepped) -> Progress:
        self._parts[event.item.output] = event.done
        return Progress(self._done(), event.item)

    def _ended_with(self, event: ItemEnded) -> Progress:
        item, error = event.item, event.error
        self._parts.pop(item.output, None)
        if error is not None and event.smaller is not None:
            self._tries[item.output] -= 1  # each size of tiles is a try of its own
            self._queue.append(replace(item, tile=event.smaller))
            return Progress(self._done(), item, retry=f"{error} Next in tiles of {event.smaller} px.")
        if error is not None and self._tries[item.output] < TRIES:
            self._queue.append(item)
            return Progress(self._done(), item, retry=error)
        self._ended += 1
        note = None if item.tile is None else f"in tiles of {item.tile} px, since its worker was killed"
        self._manifest.set(item, "made" if error is None else "failed", event.seconds, error=error, note=note)
        return Progress(self._done(), item, self._manifest.row(item))

    def _done(self) -> float:
        return (self._ended + sum(self._parts.values())) / self._count


def _small(item: Item) -> Tensor | None:
    """Read a thumbnail of an item's output; None if somebody has removed it meanwhile."""
    with contextlib.suppress(ReverieError):
        picture = read_image(item.output)
        side = _WIDTH // _COLUMNS
        return resize(picture, fit(size_of(picture), longer=side)).clamp(0, 1)
    return None
