"""``--queue``: puts a craft's job into the queue instead of doing it."""

from __future__ import annotations

import contextlib
import inspect
from typing import TYPE_CHECKING, Any

from reverie.cli.codes import DONE
from reverie.cli.options import Given, option
from reverie.crafts.craft import Craft
from reverie.crafts.kinds import FOLDER, PLACE, STYLE_NETWORK, WORD, Report
from reverie.errors import RecipeError

if TYPE_CHECKING:
    from reverie.jobs.job import Job
    from reverie.queue.desk import Desk

_HERE = (
    *("output", "save_every", "compare", "report", "checkpoint", "dry_run"),
    *("cluster", "workers", "processes", "places", "json"),
)
"""Options that say how a job is done here and now."""


def queue_parameters(craft: Craft[..., Any]) -> list[inspect.Parameter]:
    """Build the option, for crafts whose jobs the queue can do."""
    if craft.makes is Report or any(each.required and each.kind in (WORD, PLACE) for each in craft.inputs):
        return []
    return [option("queue", bool, "--queue", help="put it into the studio's queue; 'reverie jobs' shows that")]


def put_into_queue(job: Job, given: Given) -> int:
    """Put a job into the queue of this user; return the exit code.

    Raises:
        RecipeError: options that only make sense for a job that is done now.
        PictureError: a file is no picture.
    """
    from reverie.queue import Store, queue_home
    from reverie.queue.desk import Desk
    from reverie.queue.questions import ask

    for name in _HERE:
        if given.get(name):
            flag = "workers" if name == "processes" else name.replace("_", "-")
            raise RecipeError(f"a job in the queue is done later, beside others; leave out --{flag}.")
    home = queue_home().made()
    with contextlib.closing(Store(home.journal)) as store:
        desk = Desk(home, store, ask)
        entry, new = desk.order(_order(job, desk))
        print(f"{entry.id[:8]}  {entry.title}" + ("" if new else f"  (there already: {entry.state})"))
        if new and not desk.at_work():
            print("nobody works on the queue now: 'reverie studio' does, or 'reverie jobs run'.")
    return DONE


def _order(job: Job, desk: Desk) -> Any:
    """Bring the job's files; return it as an order."""
    from reverie import styles
    from reverie.crafts.registry import find
    from reverie.jobs.inputs import find_files
    from reverie.queue.entries import Order

    craft, inputs = find(job.craft), {}
    for name, words in job.inputs.items():
        each = craft.input(name)
        if each.kind is STYLE_NETWORK or (each.kind.samples and set(words) <= set(styles.names())):
            inputs[name] = list(words)
            continue
        files = find_files(craft, {name: words})[name]
        if each.kind is FOLDER and not files:
            raise RecipeError(f"there are no photos in '{words[0]}'.")
        inputs[name] = [desk.bring_file(file).id for file in files]
    return Order(craft.name, inputs, dict(job.settings), job.preset)
