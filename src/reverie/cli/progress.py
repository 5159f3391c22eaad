"""What a user sees of a run: a live line on a terminal, JSON lines for a machine, or nothing."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

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

from reverie.engine import Iterate, Plan
from reverie.jobs.record import Record, Stop
from reverie.networks import Progress as Downloaded
from reverie.pictures.formats import AnyPath
from reverie.recipes.train_style import Lesson
from reverie.recipes.upscale import Enlarged

Size = tuple[int, int]


class Reporter(Protocol):
    """Follows a run; every method may be called at most once a step."""

    def began(self, record: Record, output: Path) -> None:
        """The run begins."""

    def downloaded(self, network: str, progress: Downloaded) -> None:
        """Some more bytes of a network came."""

    def stepped(self, iterate: Iterate) -> None:
        """A step is done."""

    def learned(self, lesson: Lesson) -> None:
        """A step of a training is done."""

    def enlarged(self, part: Enlarged) -> None:
        """One more tile of an enlarged picture is done."""

    def enlarging(self, size: Size) -> None:
        """Every step is done, and the last picture is being enlarged to this (H, W)."""

    def planned(self, plan: Plan) -> None:
        """How the run would be done."""

    def saved(self, path: Path) -> None:
        """A picture on the way is written."""

    def note(self, line: str) -> None:
        """Something worth knowing."""

    def ended(self, outcome: Outcome) -> None:
        """Everything is written."""

    def close(self) -> None:
        """Leave the terminal as it was."""


class Outcome:
    """What a run wrote: the picture, its (H, W), the seconds it took, where it was stopped, the way to go on.

    What is no picture has no size, and ``steps`` instead.
    """

    def __init__(
        self,
        written: tuple[Path, ...],
        size: Size | None,
        *,
        seconds: float,
        stopped: Stop | None,
        same: bool | None = None,
        way: str | None = None,
        steps: int | None = None,
    ) -> None:
        self.written, self.size, self.seconds = written, size, seconds
        self.stopped, self.same, self.way, self.steps = stopped, same, way, steps

    def __str__(self) -> str:
        picture, *rest = self.written
        steps = "1 step" if self.steps == 1 else f"{self.steps} steps"
        what = steps if self.size is None else f"{self.size[1]}x{self.size[0]}"
        words = [str(picture), what, f"{self.seconds:.1f} s"]
        if self.stopped:
            words.append(f"stopped at stage {self.stopped.stage}, step {self.stopped.step}")
        if self.same is not None:
            words.append("same pixels" if self.same else "pixels differ")
        if rest:
            words.append(f"also {', '.join(path.name for path in rest)}")
        if self.way:
            words.append(f"'{self.way}' goes on")
        return "  ".join(words)


def reporter(*, machine: bool) -> Reporter:
    """JSON lines if asked for, a live line on a terminal, silence until the end elsewhere."""
    if machine:
        return Lines()
    return Screen() if sys.stderr.isatty() else Silent()


class Silent:
    """Says what was written, and nothing before."""

    def began(self, record: Record, output: Path) -> None:
        """Nothing."""

    def downloaded(self, network: str, progress: Downloaded) -> None:
        """Nothing."""

    def stepped(self, iterate: Iterate) -> None:
        """Nothing."""

    def learned(self, lesson: Lesson) -> None:
        """Nothing."""

    def enlarged(self, part: Enlarged) -> None:
        """Nothing."""

    def enlarging(self, size: Size) -> None:
        """Nothing."""

    def planned(self, plan: Plan) -> None:
        """A line on stdout."""
        print(plan)

    def saved(self, path: Path) -> None:
        """Nothing."""

    def note(self, line: str) -> None:
        """A line on stderr."""
        print(f"reverie: {line}", file=sys.stderr)

    def ended(self, outcome: Outcome) -> None:
        """The last line."""
        print(outcome)

    def close(self) -> None:
        """Nothing."""


class Screen(Silent):
    """A bar on the terminal, gone when the run is over."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._title = ""

    def began(self, record: Record, output: Path) -> None:
        """Remember what runs."""
        self._title = record.recipe

    def downloaded(self, network: str, progress: Downloaded) -> None:
        """Move the bar of the download."""
        bar = self._bar
        if bar is None:
            bar = self._start(DownloadColumn(), TransferSpeedColumn(), title=f"fetching {network}")
        bar.update(self._task, completed=progress.done, total=progress.total)

    def stepped(self, iterate: Iterate) -> None:
        """Move the bar: where the run is, its losses, the time left."""
        bar = self._bar or self._of_steps()
        bar.update(self._task, completed=iterate.done, place=place_of(iterate), losses=losses_of(iterate))

    def learned(self, lesson: Lesson) -> None:
        """Move the bar: the step, the losses, the time left."""
        bar = self._bar or self._of_steps()
        terms = "  ".join(f"{name} {value:.3g}" for name, value in lesson.losses.items())
        bar.update(self._task, completed=lesson.done, place=f"step {lesson.step}", losses=terms)

    def enlarged(self, part: Enlarged) -> None:
        """Move the bar."""
        bar = self._bar or self._start(title=self._title)
        bar.update(self._task, completed=part.done)

    def enlarging(self, size: Size) -> None:
        """Say so where the place and the losses were."""
        bar = self._bar or self._of_steps()
        bar.update(self._task, completed=1.0, place=f"enlarging to {size[1]}x{size[0]}", losses="", refresh=True)

    def note(self, line: str) -> None:
        """A line above the bar."""
        self._console.print(f"reverie: {line}", markup=False, highlight=False, soft_wrap=True)

    def close(self) -> None:
        """Remove the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def _of_steps(self) -> Progress:
        """A bar with a place and losses."""
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


class Lines(Silent):
    """One JSON object a line on stdout, and nothing else there."""

    def began(self, record: Record, output: Path) -> None:
        """``{"event": "began", "recipe": …, "settings": …, "output": …}``."""
        settings = record.model_dump(mode="json")["settings"]
        _emit("began", recipe=record.recipe, settings=settings, output=output)

    def downloaded(self, network: str, progress: Downloaded) -> None:
        """``{"event": "download", "network": …, "bytes": …, "of": …}``."""
        _emit("download", network=network, bytes=progress.done, of=progress.total)

    def stepped(self, iterate: Iterate) -> None:
        """``{"event": "step", "stage": …, "done": …, "loss": …, "losses": {…}}``."""
        _emit(
            "step",
            stage=iterate.stage,
            stages=iterate.stages,
            step=iterate.step,
            steps=iterate.steps,
            width=iterate.size[1],
            height=iterate.size[0],
            done=round(iterate.done, 6),
            seconds=round(iterate.seconds, 3),
            loss=iterate.total,
            losses=iterate.losses,
        )

    def learned(self, lesson: Lesson) -> None:
        """``{"event": "step", "step": …, "done": …, "losses": {…}}``."""
        _emit(
            "step",
            step=lesson.step,
            done=round(lesson.done, 6),
            seconds=round(lesson.seconds, 3),
            losses=dict(lesson.losses),
        )

    def enlarged(self, part: Enlarged) -> None:
        """``{"event": "tile", "tile": …, "tiles": …, "done": …}``."""
        _emit("tile", tile=part.tile, tiles=part.tiles, done=round(part.done, 6))

    def enlarging(self, size: Size) -> None:
        """``{"event": "enlarging", "width": …, "height": …}``."""
        _emit("enlarging", width=size[1], height=size[0])

    def planned(self, plan: Plan) -> None:
        """``{"event": "plan", "tile": …, "peak": …, "seconds": …}``."""
        _emit("plan", **asdict(plan))

    def saved(self, path: Path) -> None:
        """``{"event": "saved", "path": …}``."""
        _emit("saved", path=path)

    def note(self, line: str) -> None:
        """``{"event": "note", "message": …}``."""
        _emit("note", message=line)

    def ended(self, outcome: Outcome) -> None:
        """``{"event": "ended", "output": …, "also": […], …}``; "stopped" after Ctrl-C."""
        picture, *rest = outcome.written
        _emit(
            "stopped" if outcome.stopped else "ended",
            output=picture,
            also=[str(path) for path in rest],
            **({} if outcome.size is None else {"width": outcome.size[1], "height": outcome.size[0]}),
            **({} if outcome.steps is None else {"steps": outcome.steps}),
            seconds=round(outcome.seconds, 3),
            **({} if outcome.same is None else {"same": outcome.same}),
            **({} if outcome.way is None else {"resume": outcome.way}),
        )


def place_of(iterate: Iterate) -> str:
    """Where a run is: ``2/4  384x256   7/16``."""
    stage, step = f"{iterate.stage}/{iterate.stages}", f"{iterate.step}/{iterate.steps}"
    return f"stage {stage}  {iterate.size[1]}x{iterate.size[0]}  step {step:>7}"


def losses_of(iterate: Iterate) -> str:
    """The objective's value and each term's."""
    terms = "  ".join(f"{name} {value:.3g}" for name, value in iterate.losses.items())
    return f"loss {iterate.total:.4g}  {terms}"


def _emit(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, **fields}, default=_plain), flush=True)


def _plain(value: AnyPath) -> str:
    return str(value)
