"""Report a batch to the user: one bar over all items, JSON lines, or only failures and the end."""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column

from reverie.cli.messages import piece, told
from reverie.errors import printable
from reverie.jobs import batch
from reverie.jobs.items import Item

SELDOM = 1.0  # seconds between lines of progress


def tally(*, machine: bool, folder: Path) -> Tally:
    """Choose a tally: JSON lines if requested, a bar on a terminal, only failures and the end elsewhere."""
    kind = Lines if machine else Screen if sys.stderr.isatty() else Tally
    return kind(folder)


class Tally:
    """Reporter of a batch that prints only failures and the end.

    Args:
        folder: of the batch.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._began = folder, time.monotonic()
        self._statuses: Counter[str] = Counter()
        self._items = 0

    def planned(self, items: Sequence[Item]) -> None:
        """Print the files that would be made."""
        for item in items:
            print(printable(str(item.output)))

    def began(self, items: Sequence[Item]) -> None:
        """Note the start of the batch."""
        self._items = len(items)

    def happened(self, progress: batch.Progress) -> None:
        """Count an event, and print items that finally failed."""
        if progress.row is not None:
            self._statuses[progress.row.status] += 1
        if progress.row is not None and progress.row.error is not None:
            self.line(f"{progress.row.item.name} failed twice: {progress.row.error}")

    def line(self, words: str) -> None:
        """Print a line on stderr."""
        print(f"reverie: {printable(told(words))}", file=sys.stderr)

    def ended(self, statuses: Mapping[str, int], *, stopped: bool) -> None:
        """Print the last line."""
        names = {"made": "made", "there": "there already", "failed": "failed"}
        words = [piece(f"{statuses[status]} {name}") for status, name in names.items() if statuses.get(status)]
        more = ["stopped: the same command goes on"] if stopped else []
        seconds = f"{time.monotonic() - self._began:.1f} s"
        did = ", ".join(words) or piece("nothing made")
        print("  ".join([printable(str(self._folder)), did, *map(piece, [seconds, *more])]))

    def close(self) -> None:
        """Restore the terminal."""

    def left(self, done: float) -> float | None:
        """Estimate the seconds to the end at the present speed."""
        spent = time.monotonic() - self._began
        return spent * (1 - done) / done if done > 0 else None


class Screen(Tally):
    """Reporter of a batch with a progress bar on the terminal, removed at the end."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            TextColumn("{task.fields[count]}", markup=False),
            TextColumn("{task.fields[item]}", "dim", markup=False, table_column=Column(no_wrap=True, ratio=1)),
            console=self._console,
            transient=True,
            expand=True,
        )
        self._task = TaskID(0)

    def began(self, items: Sequence[Item]) -> None:
        """Show the bar."""
        super().began(items)
        self._task = self._bar.add_task(f"batch {items[0].job.craft}", total=1.0, count="", item="")
        self._bar.start()

    def happened(self, progress: batch.Progress) -> None:
        """Update the bar: number made, current item, time left."""
        super().happened(progress)
        failed = f", {self._statuses['failed']} failed" if self._statuses["failed"] else ""
        count = f"{sum(self._statuses.values())} of {self._items}{failed}"
        more: dict[str, Any] = {} if progress.item is None else {"item": progress.item.name}
        self._bar.update(self._task, completed=progress.done, count=count, **more)

    def line(self, words: str) -> None:
        """Print a line above the bar."""
        self._console.print(f"reverie: {printable(told(words))}", markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the bar."""
        self._bar.stop()


class Lines(Tally):
    """Reporter of a batch that prints one JSON object per line on stdout, and nothing else."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._said = 0.0

    def planned(self, items: Sequence[Item]) -> None:
        """Print ``{"event": "item", "item": …, "output": …, "settings": …}`` for each item."""
        for item in items:
            inputs = {name: list(files) for name, files in item.job.inputs.items()}
            self._emit("item", item=item.name, inputs=inputs, settings=item.job.settings, output=str(item.output))

    def began(self, items: Sequence[Item]) -> None:
        """Print ``{"event": "began", "items": …, "folder": …}``."""
        super().began(items)
        self._emit("began", craft=items[0].job.craft, items=len(items), folder=str(self._folder))

    def happened(self, progress: batch.Progress) -> None:
        """Print ``{"event": "item", …}`` when one ends, ``retry``, and now and then ``{"event": "progress", …}``."""
        done, left = round(progress.done, 6), self.left(progress.done)
        rest = {"done": done, "left_seconds": None if left is None else round(left, 1)}
        if progress.row is not None:
            self._emit("item", **progress.row.as_json(), **rest)
        elif progress.retry is not None and progress.item is not None:
            self._emit("retry", item=progress.item.name, error=progress.retry, **rest)
        elif time.monotonic() - self._said > SELDOM:
            self._said = time.monotonic()
            self._emit("progress", **rest)

    def ended(self, statuses: Mapping[str, int], *, stopped: bool) -> None:
        """Print ``{"event": "ended", "made": …, "there": …, "failed": …}``; "stopped" after a signal."""
        counts = {status: statuses.get(status, 0) for status in ("made", "there", "failed")}
        seconds = round(time.monotonic() - self._began, 3)
        self._emit("stopped" if stopped else "ended", folder=str(self._folder), seconds=seconds, **counts)

    def _emit(self, event: str, **fields: Any) -> None:
        print(json.dumps({"event": event, **fields}), flush=True)
