"""Execute a job for a user: show its events, handle Ctrl-C, inform the guardian."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from reverie.cli import guardian
from reverie.cli.codes import DIFFERENT, DONE, REFUSED
from reverie.cli.interrupt import StopRequest, listening
from reverie.cli.progress import Reporter, reporter
from reverie.errors import PictureError
from reverie.jobs.events import Began, Ended, Event, Noted
from reverie.jobs.folder import resume_line
from reverie.jobs.job import Job
from reverie.jobs.machines import Machines
from reverie.jobs.perform import perform, resume

_ONE_OF_MANY = guardian.RestartPlan(
    f"{guardian.KILLED}; smaller tiles by --tile take less, and 'reverie batch' sees to that by itself."
)
Cluster = tuple[str | None, int | None]
"""Address and number of workers."""


def carry_out(
    job: Job, *, cluster: Cluster = (None, None), json: bool = False, dry_run: bool = False, many: bool = False
) -> int:
    """Execute a job; return the exit code.

    Args:
        job: what.
        cluster: where, if not in this process.
        json: whether progress is JSON on stdout.
        dry_run: whether only the plan is shown.
        many: whether it is one of many, so that one that cannot be done is named, and the others go on.
    Raises:
        ReverieError: anything refused; an older output is as it was.
    """
    with contextlib.closing(Machines(*cluster)) as machines, listening() as request:
        events = perform(job, machines, stop=request.made, dry_run=dry_run)
        with contextlib.closing(reporter(machine=json)) as screen:
            try:
                return _shown(events, screen, request, again=None if many else _again(cluster, json=json))
            except PictureError as error:
                if not many:
                    raise
                screen.show(Noted(str(error)))
                return REFUSED


def carry_out_each(jobs: Sequence[Job], *, cluster: Cluster = (None, None), json: bool, dry_run: bool) -> int:
    """Execute jobs one after another; return the exit code.

    Of many, one that cannot be done is named and the others go on; a signal stops all.

    Args:
        jobs: what; one or more.
        cluster, json, dry_run: as of `carry_out`.
    Raises:
        ReverieError: anything refused.
    """
    worst = DONE
    for job in jobs:
        code = carry_out(job, cluster=cluster, json=json, dry_run=dry_run, many=len(jobs) > 1)
        if code > REFUSED:
            return code
        worst = max(worst, code)
    return worst


def go_on(
    folder: Path, output: Path | None, *, tile: int | None, cluster: Cluster = (None, None), json: bool = False
) -> int:
    """Resume the run kept in a folder; return the exit code.

    Args:
        folder: of the run.
        output: where to, if not where it was to go.
        tile: side of the tiles from here on, pixels; None leaves them as they were.
        cluster, json: as of `carry_out`.
    Raises:
        ReverieError: no run, a damaged one, or another process works on it.
    """
    with contextlib.closing(Machines(*cluster)) as machines, listening() as request:
        events = resume(folder, output, machines=machines, tile=tile, stop=request.made)
        with contextlib.closing(reporter(machine=json)) as screen:
            return _shown(events, screen, request, again=_again(cluster, json=json))


def _shown(events: Iterator[Event], screen: Reporter, request: StopRequest, *, again: tuple[str, ...] | None) -> int:
    """Show every event; return the exit code.

    Args:
        events, screen, request: what happens, who is shown it, and who may stop it.
        again: words with which a kept run goes on; None where the job is one of many.
    """
    code = DONE
    with contextlib.closing(events):  # type: ignore[type-var]
        for event in events:
            if isinstance(event, Began):
                guardian.on_killed(_ONE_OF_MANY if again is None else _plan_for_restart(event, again))
            if isinstance(event, Ended):
                guardian.on_killed(None)
                code = request.code if event.stopped else DIFFERENT if event.same is False else DONE
            screen.show(event)
    return code


def _plan_for_restart(began: Began, again: tuple[str, ...]) -> guardian.RestartPlan:
    """Build the guardian's plan for when the system kills this process."""
    if began.kept is None:
        return guardian.restart_in_tiles(began.smaller)
    if began.smaller is None:
        return guardian.RestartPlan(
            f"{guardian.KILLED}, though it cannot be cut smaller; free some memory or lower --size."
            f" '{resume_line(began.kept)}' goes on with it."
        )
    words = ("resume", str(began.kept.absolute()), "--tile", str(began.smaller), *again)
    return guardian.RestartPlan(f"{guardian.KILLED}; going on in tiles of {began.smaller} px.", words)


def _again(cluster: Cluster, *, json: bool) -> tuple[str, ...]:
    """Build the same options for ``reverie resume``."""
    flags = zip(("--cluster", "--workers"), cluster, strict=True)
    given = [word for flag, value in flags if value is not None for word in (flag, str(value))]
    return (*given, *(["--json"] if json else []))
