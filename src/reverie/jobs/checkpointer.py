"""Keep a run: write its checkpoints, and restore it from its folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from reverie.engine.runs import Step
from reverie.errors import FileError, RecipeError
from reverie.jobs.folder import Folder
from reverie.jobs.report import StepLosses
from reverie.jobs.schedule import CheckpointSchedule
from reverie.untrusted import refusing

LONG = 120.0
"""Seconds; runs expected to take longer are kept without being asked to."""


class Checkpointer:
    """Writes a run's checkpoints, and restores the state an earlier process left.

    Args:
        folder: locked by this process.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._schedule = CheckpointSchedule(folder.kept.job.options.checkpoint_every)
        found, self.notes = folder.checkpoints.newest()
        with refusing(RecipeError, f"the checkpoints in '{folder.path}' hold no such run; delete them there."):
            self._state: dict[str, Any] | None = found and found["run"]
            kept = found["moments"] if found else ()
            self.history = [StepLosses(m["stage"], (m["size"][0], m["size"][1]), m["total"], m["losses"]) for m in kept]
            if found:
                stage, step = found["at"]
                self.notes = (*self.notes, f"going on after stage {stage:d}, step {step:d}.")

    def take(self) -> dict[str, Any] | None:
        """Hand out the restored state, once only, so that it is not kept in memory beside the run."""
        state, self._state = self._state, None
        return state

    def stepped(self, step: Step, history: Sequence[StepLosses]) -> None:
        """Write a checkpoint if one is due."""
        if self._schedule.due():
            self.write(step, history)

    def write(self, step: Step, history: Sequence[StepLosses]) -> None:
        """Write a checkpoint now, if there is a state to resume from.

        Raises:
            FileError: it cannot be written; the earlier ones are as they were.
        """
        with self._schedule.timing():
            state = step.state()
            if state is not None:
                stage, number = step.at
                whole = {"run": state, "at": [stage, number], "moments": [asdict(m) for m in history]}
                self.folder.checkpoints.write(whole, stage=stage, step=number)


@contextmanager
def pausing(folder: Folder | None) -> Iterator[None]:
    """Within the block, treat a file that cannot be written as a pause of a kept run, and say how to resume it.

    Raises:
        FileError: the file's, with the way to go on.
    """
    try:
        yield
    except FileError as error:
        if folder is None:
            raise
        raise FileError(
            f"{str(error).rstrip('.')}. The run is paused; '{folder.resume_line}' goes on with it."
        ) from error
