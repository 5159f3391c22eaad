"""``reverie jobs``: the queue, from the command line; and ``--queue``, which puts a job into it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer

from reverie.cli.codes import DONE, REFUSED
from reverie.cli.interrupt import listening
from reverie.errors import RecipeError, UnknownId
from reverie.queue.desk import Desk
from reverie.queue.entries import Entry
from reverie.queue.foreman import Foreman, only_one
from reverie.queue.home import Home, queue_home
from reverie.queue.office import Office
from reverie.queue.quota import Quota
from reverie.queue.store import Store

AtHome = Annotated[
    Path | None, typer.Option("--home", metavar="FOLDER", help="of the queue; default: the studio's own")
]
Job = Annotated[str, typer.Argument(metavar="JOB", help="its id, or the beginning of it", show_default=False)]
jobs = typer.Typer(add_completion=False, rich_markup_mode="rich", help="See and change the queue of the studio.")


@jobs.callback(invoke_without_command=True)
def overview(ctx: typer.Context) -> int:
    """Show the queue where no command is given."""
    return list_jobs() if ctx.invoked_subcommand is None else DONE


@jobs.command("list")
def list_jobs(home: AtHome = None) -> int:
    """List the jobs: first those that are not over, in their order, then the others, the last one first."""
    with _desk(home) as desk:
        for entry in reversed(desk.store.jobs()):
            print(_line(entry))
    return DONE


@jobs.command("show")
def show(job: Job, home: AtHome = None) -> int:
    """Show one job: its command, what became of it, and where its results lie."""
    with _desk(home) as desk:
        entry = _found(desk, job)
        print(_line(entry))
        print(f"  {desk.command(entry.id)}")
        for words in (entry.place, entry.error):
            if words:
                print(f"  {words}")
        for result in entry.results:
            print(f"  {desk.store.file(result, brought=False).path}")
    return DONE


@jobs.command("cancel")
def cancel(
    job: Job,
    keep: Annotated[bool, typer.Option("--keep", metavar="", help="keep the picture so far as its result")] = False,
    home: AtHome = None,
) -> int:
    """Cancel a job, at its next step where it runs."""
    with _desk(home) as desk:
        print(_line(desk.cancel(_found(desk, job).id, keep=keep)))
    return DONE


@jobs.command("pause")
def pause(job: Job, home: AtHome = None) -> int:
    """Pause a job, at its next step where it runs; 'retry' goes on."""
    with _desk(home) as desk:
        print(_line(desk.pause(_found(desk, job).id)))
    return DONE


@jobs.command("retry")
def retry(job: Job, home: AtHome = None) -> int:
    """Go on with a job that is paused, failed or cancelled, from where it was."""
    with _desk(home) as desk:
        print(_line(desk.retry(_found(desk, job).id)))
    return DONE


@jobs.command("rm")
def remove(job: Job, home: AtHome = None) -> int:
    """Delete a job that does not run, with its results."""
    with _desk(home) as desk:
        desk.remove(_found(desk, job).id)
    return DONE


@jobs.command("run")
def run(home: AtHome = None) -> int:
    """Do the jobs of the queue without the studio, until there are none; Ctrl-C leaves the rest for later."""
    with _desk(home) as desk, only_one(desk.home), listening() as request:
        foreman = Foreman(desk.home, desk.store, desk.quota)
        with contextlib.closing(foreman):
            before = {entry.id: entry.state for entry in desk.store.jobs()}
            foreman.start()
            while not request.stop and not foreman.idle:
                time.sleep(0.1)
        after = [entry for entry in desk.store.jobs() if before.get(entry.id) != entry.state]
        for entry in after:
            print(_line(entry))
    if request.stop:
        return request.code
    return REFUSED if any(entry.state == "failed" for entry in after) else DONE


def _line(entry: Entry) -> str:
    """A job in one line."""
    share = f"{100 * entry.progress:3.0f} %" if entry.state in ("running", "paused") else "     "
    note = f"  {entry.error}" if entry.error else ""
    return f"{entry.id[:8]}  {entry.state:9}  {share}  {entry.title}{note}"


@contextlib.contextmanager
def _desk(folder: Path | None) -> Iterator[Desk]:
    home = (queue_home() if folder is None else Home(folder.absolute())).made()
    with contextlib.closing(Store(home.journal)) as store, contextlib.closing(Office()) as office:
        yield Desk(home, store, office.ask, quota=Quota(home, store))


def _found(desk: Desk, word: str) -> Entry:
    """Find a job by the beginning of its id.

    Raises:
        UnknownId: there is none.
        RecipeError: there are several.
    """
    found = [entry for entry in desk.store.jobs(most=2**31) if word and entry.id.startswith(word)]
    if not found:
        raise UnknownId(f"there is no job '{word:.40}'; 'reverie jobs' lists them.")
    if len(found) > 1:
        raise RecipeError(f"{len(found)} jobs begin with '{word:.40}'; type more of its id.")
    return found[0]
