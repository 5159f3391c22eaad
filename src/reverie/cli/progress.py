"""Report a job to the user: a live line on a terminal, JSON lines for a program, or only its end."""

from __future__ import annotations

import json
import sys
from functools import singledispatchmethod

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Column

from reverie.cli.messages import piece, told
from reverie.errors import printable
from reverie.jobs.events import Began, Downloaded, Ended, Enlarging, Event, Finished, Noted, Planned, Stepped
from reverie.jobs.folder import resume_line


class Reporter:
    """Reporter that prints only notes and what was written."""

    @singledispatchmethod
    def show(self, event: Event) -> None:
        """Show an event."""

    @show.register
    def _(self, event: Noted) -> None:
        print(f"reverie: {printable(told(event.line))}", file=sys.stderr)

    @show.register
    def _(self, event: Planned) -> None:
        print(told(str(event.plan)))

    @show.register
    def _(self, event: Finished) -> None:
        print(printable(told(event.line)))

    @show.register
    def _(self, event: Ended) -> None:
        self.close()
        print("\n".join([ending(event), *event.said]))

    def close(self) -> None:
        """Restore the terminal."""


class Lines(Reporter):
    """Reporter that prints one JSON object per line on stdout, and nothing else there."""

    def show(self, event: Event) -> None:
        """Print the event as JSON."""
        fields = event.as_json()
        if isinstance(event, Ended) and event.kept is not None:
            fields["resume"] = resume_line(event.kept)
        print(json.dumps(fields, default=str), flush=True)


class Screen(Reporter):
    """Reporter with a progress bar on the terminal, removed when the job is done."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._title = ""

    @singledispatchmethod
    def show(self, event: Event) -> None:
        """Show an event; those that the bar does not handle are printed as without one."""
        super().show(event)

    @show.register
    def _(self, event: Noted) -> None:
        self._console.print(f"reverie: {printable(told(event.line))}", markup=False, highlight=False, soft_wrap=True)

    @show.register
    def _(self, event: Began) -> None:
        self.close()  # the bar of a download
        self._title = event.craft

    @show.register
    def _(self, event: Downloaded) -> None:
        bar = self._bar or self._start(
            DownloadColumn(), TransferSpeedColumn(), title=piece(f"fetching {event.network}")
        )
        bar.update(self._task, completed=event.bytes, total=event.total)

    @show.register
    def _(self, event: Stepped) -> None:
        step, bar = event.step, self._bar or self._of_steps()
        losses = "  ".join(f"{name} {value:.3g}" for name, value in step.losses.items())
        bar.update(self._task, completed=step.done, place=piece(step.place), losses=losses)

    @show.register
    def _(self, event: Enlarging) -> None:
        bar, (height, width) = self._bar or self._of_steps(), event.size
        place = piece(f"enlarging to {width}x{height}")
        bar.update(self._task, completed=1.0, place=place, losses="", refresh=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _of_steps(self) -> Progress:
        """Start a bar that shows the current place and losses."""
        place, losses = Column(no_wrap=True), Column(no_wrap=True, ratio=1, overflow="ellipsis")
        return self._start(
            TextColumn("{task.fields[place]}", markup=False, table_column=place),
            TextColumn("{task.fields[losses]}", "dim", markup=False, table_column=losses),
            title=self._title,
        )

    def _start(self, *columns: ProgressColumn, title: str) -> Progress:
        bar = self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TimeRemainingColumn(compact=True),
            *columns,
            console=self._console,
            transient=True,
            expand=True,
        )
        self._task = bar.add_task(title, total=1.0, place="", losses="")
        bar.start()
        return bar


def reporter(*, machine: bool) -> Reporter:
    """Choose a reporter: JSON lines if requested, a bar on a terminal, only the end elsewhere."""
    if machine:
        return Lines()
    return Screen() if sys.stderr.isatty() else Reporter()


def ending(event: Ended) -> str:
    """Build the last line: what was written, how large, how long it took, and how it ended."""
    result, *rest = event.written
    steps = "1 step" if event.steps == 1 else f"{event.steps} steps"
    what = "" if event.steps is None else steps
    what = what if event.size is None else f"{event.size[1]}x{event.size[0]}"
    words = [*([what] if what else []), f"{event.seconds:.1f} s"]
    if event.stopped:
        words.append(f"stopped at stage {event.stopped.stage}, step {event.stopped.step}")
    if event.same is not None:
        words.append("same pixels" if event.same else "pixels differ")
    if rest:
        words.append(f"also {', '.join(path.name for path in rest)}")
    if event.kept:
        words.append(f"'{resume_line(event.kept)}' goes on")
    return printable("  ".join([str(result), *map(piece, words)]))
