"""A run that is kept: checkpoints on the way, a folder from which it can go on, and how the user is told."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from reverie import jobs
from reverie.cli import disk, guardian
from reverie.cli.guardian import Will
from reverie.cli.order import Job
from reverie.cli.outputs import depth_for, folder_beside
from reverie.cli.progress import Reporter
from reverie.cli.report import Moment
from reverie.engine import Iterate
from reverie.errors import PictureError, RecipeError
from reverie.jobs import Folder, Pace, begin
from reverie.jobs.smaller import smaller
from reverie.strangers import refusing

LONG = 120.0
"""Seconds; runs expected to take longer are kept without being asked to."""


class Keeper:
    """Writes a run's checkpoints, and knows where an earlier process left off.

    Args:
        folder: locked by this process.
    """

    def __init__(self, folder: Folder) -> None:
        self.folder = folder
        self._pace = Pace(folder.job.every)
        found, self.notes = folder.checkpoints.newest()
        with refusing(RecipeError, f"the checkpoints in '{folder.path}' hold no such run; delete them there."):
            self._state: dict[str, Any] | None = found and found["run"]
            kept = found["moments"] if found else ()
            self.moments = [Moment(m["stage"], (m["size"][0], m["size"][1]), m["total"], m["losses"]) for m in kept]
            at = f"stage {self._state['stage']:d}, step {self._state['step']:d}" if self._state else ""
        if self._state:
            self.notes = (*self.notes, f"going on after {at}.")

    @property
    def way(self) -> str:
        """The command that goes on."""
        return way_on(self.folder.path)

    def take(self) -> dict[str, Any] | None:
        """Where the run was; handed out once, so that it is not kept in memory beside the run."""
        state, self._state = self._state, None
        return state

    def stepped(self, iterate: Iterate, moments: Sequence[Moment]) -> None:
        """Write a checkpoint if one is due."""
        if self._pace.due():
            self.keep(iterate, moments)

    def keep(self, iterate: Iterate, moments: Sequence[Moment]) -> None:
        """Write a checkpoint now.

        Raises:
            PictureError: it cannot be written; the earlier ones are as they were.
        """
        with self._pace.taking():
            state = {"run": iterate.state(), "moments": [asdict(m) for m in moments]}
            self.folder.checkpoints.write(state, stage=iterate.stage, step=iterate.step)


def kept_in(job: Job) -> Path | None:
    """The folder in which a run is kept; None where it is not."""
    if job.order.folder is not None:
        return job.order.folder.path
    if job.wishes.checkpoint is not None:
        return job.wishes.checkpoint
    return folder_beside(job.outputs.picture) if job.plan.seconds > LONG else None


def with_disk(job: Job) -> Job:
    """The job with all that it takes on the disk in its plan.

    Raises:
        PictureError: that is more than there is.
    """
    folder, result = kept_in(job), job.outputs.picture
    depth = depth_for(result, job.photo)
    needs = [
        ("the picture", result, disk.result_bytes(result, job.plan.result, depth=depth)),
        ("references", disk.references_in(), job.plan.disk),
    ]
    if folder is not None:
        kept = disk.kept_bytes(job.synthesis, job.sources, folder=folder)
        needs.append((f"{disk.AT_ONCE} checkpoints", folder, kept))
    disk.check(needs, job.plan.result)
    return replace(job, plan=replace(job.plan, disk=sum(amount for _, _, amount in needs)))


@contextmanager
def keeping(job: Job, follower: Reporter) -> Iterator[Keeper | None]:
    """Keep a run while the block lasts: where its folder is given, was asked for, or the run will be long."""
    wishes, folder = job.wishes, job.order.folder
    if folder is None:
        _mention_unfinished(job, follower)
    with ExitStack() as stack:
        passing, path = wishes.checkpoint is None, kept_in(job)
        if path is None:
            yield None
            return
        if folder is None:
            folder = stack.enter_context(begin(path, _described(job, passing=passing), job.sources))
            if passing:
                follower.note(f"this will take a while; if it is stopped, '{way_on(path)}' goes on with it.")
        keeper = Keeper(folder)
        for line in keeper.notes:
            follower.note(line)
        guardian.leave(_will(job, folder.path))
        yield keeper
        guardian.leave(None)


def _will(job: Job, path: Path) -> Will:
    """What happens when the system kills this process: the run goes on in tiles of half the side, if that helps."""
    tile = None if job.synthesis.network.periodic else smaller(job.plan.tile, job.plan.size)
    if tile is None:
        return Will(
            "the system ended this run by SIGKILL, most likely for want of memory, though it cannot be cut smaller;"
            f" free some memory or lower --size. '{way_on(path)}' goes on with it."
        )
    words = ("resume", str(path.absolute()), "--tile", str(tile), *job.wishes.again())
    line = f"the system ended this run by SIGKILL, most likely for want of memory; going on in tiles of {tile} px."
    return Will(line, words)


def _described(job: Job, *, passing: bool) -> jobs.Job:
    """What the folder has to know of a job."""
    roles = [wanted.role for wanted in job.record.inputs]
    same_as = job.order.same_as
    return jobs.Job(
        record=job.record.model_copy(update={"stopped": job.order.until}),
        output=str(job.outputs.picture.absolute()),
        sources=tuple(
            jobs.Source(role=role, name=path.name, origin=str(path.absolute()))
            for role, path in zip(roles, job.sources, strict=True)
        ),
        save_every=job.wishes.save_every,
        compare=job.wishes.compare,
        report=job.wishes.report,
        every=_checked(job.wishes.checkpoint_every),
        same_as=None if same_as is None else str(same_as.absolute()),
        passing=passing,
    )


def _mention_unfinished(job: Job, follower: Reporter) -> None:
    """A fresh name was taken where an unfinished run's would have been: say so."""
    first = folder_beside(Path(job.order.name))
    if job.wishes.output is None and jobs.holds_job(first):
        follower.note(f"an unfinished run lies in '{first}'; '{way_on(first)}' goes on with it.")


def way_on(path: Path) -> str:
    """The command that goes on with the run kept in a folder."""
    return f"reverie resume {shlex.quote(str(path))}"


@contextmanager
def pausing(keeper: Keeper | None) -> Iterator[None]:
    """Within the block, a file that cannot be written pauses a kept run, and the user is told how to go on.

    Raises:
        PictureError: the file's, with the way to go on.
    """
    try:
        yield
    except PictureError as error:
        if keeper is None:
            raise
        raise PictureError(f"{str(error).rstrip('.')}. The run is paused; '{keeper.way}' goes on with it.") from error


def _checked(seconds: float) -> float:
    """Seconds between checkpoints.

    Raises:
        RecipeError: it is no time.
    """
    if not 0 <= seconds < float("inf"):
        raise RecipeError(f"--checkpoint-every is 0 or more seconds; got {seconds}.")
    return seconds
