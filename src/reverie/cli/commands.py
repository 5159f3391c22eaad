"""Commands of the crafts, generated from their declarations, and those that repeat or resume a job."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from reverie.cli.options import (
    WRITING,
    Given,
    cluster_parameters,
    command,
    input_parameters,
    inputs_given,
    json_parameter,
    option,
    output_parameter,
    parameter,
    preset_parameter,
    settings_given,
    settings_parameters,
    writing_parameters,
)
from reverie.cli.queueing import put_into_queue, queue_parameters
from reverie.cli.work import carry_out, carry_out_each
from reverie.crafts.craft import Craft
from reverie.crafts.kinds import RESULT
from reverie.crafts.registry import find
from reverie.crafts.settings import MACHINE


def craft_command(name: str) -> Callable[..., int]:
    """Build the command of a craft, with a signature that typer reads.

    Example:
        >>> str(craft_command("dream").__doc__).partition(",")[0]
        'Dream on a photo'
    """
    craft = find(name)

    def run(**given: Any) -> int:
        from reverie.jobs.each import each_photo
        from reverie.jobs.job import Job

        job = Job(
            craft=craft.name,
            settings=settings_given(craft.settings, given),
            inputs=inputs_given(craft, given),
            output=None if given["output"] is None else str(given["output"]),
            preset=given.get("preset"),
            options=run_options_given(given),
            places=() if given.get("places") is None else (str(given["places"]),),
        )
        how = {"json": given["json"], "dry_run": given.get("dry_run", False)}
        cluster = given.get("cluster"), given.get("workers")
        if given.get("queue"):
            return put_into_queue(job, given)
        with each_photo(craft, job) as jobs:
            return carry_out_each(jobs, cluster=cluster, **how)

    run.__doc__ = f"{escape(craft.summary)}\n\n[dim]{escape(craft.example)}[/]"
    words = [*input_parameters(craft), *settings_parameters(craft), *writing_parameters(craft)]
    return command(run, [*words, *_preset(craft), *_places(craft), *queue_parameters(craft)])


def run_options_given(given: Given) -> Any:
    """Build the options of the run from the command line."""
    from reverie.crafts.settings import checked
    from reverie.jobs.job import RunOptions

    names = [name for name in RunOptions.model_fields if given.get(name) is not None]
    return checked(RunOptions, {name: str(v) if isinstance(v := given[name], Path) else v for name in names})


def replay_command() -> Callable[..., int]:
    """Build the command that makes a file's picture again."""

    def replay(**given: Any) -> int:
        """Make a picture again from the recipe inside it.

        Its inputs are looked for in the file's folder and in the current one, and must be the very
        same files. On the same machine the pixels are the same; exit code 3 says that they differ.
        """
        from reverie.jobs.replay import replayed

        job = replayed(given["file"], places=_folders(given["places"]), anyway=given["anyway"])
        output = None if given["output"] is None else str(given["output"])
        job = job.model_copy(update={"output": output, "options": run_options_given(given)})
        cluster = given["cluster"], given["workers"]
        return carry_out(job, cluster=cluster, json=given["json"], dry_run=given["dry_run"])

    file = typer.Argument(metavar="FILE", help="a picture that Reverie wrote", show_default=False)
    words = [
        parameter("file", Path, inspect.Parameter.empty, file),
        _inputs_folder("another folder to look for its inputs in"),
        option("anyway", bool, "--anyway", help="go on though the network's weights have changed"),
    ]
    return command(replay, [*words, *writing_parameters()])


def resume_command() -> Callable[..., int]:
    """Build the command that resumes a run."""

    def resume(**given: Any) -> int:
        """Go on with a run that was stopped or killed.

        On the same machine the result is the same as if it had never stopped, to rounding if its tiles change.
        """
        from reverie.cli.work import go_on

        cluster = given["cluster"], given["workers"]
        return go_on(given["folder"], given["output"], tile=given["tile"], cluster=cluster, json=given["json"])

    folder = typer.Argument(
        metavar="DIR", help="the output, or where its run is kept: a folder ending in .reverie, or --checkpoint's"
    )
    tile = option("tile", int, "--tile", metavar="INTEGER", min=0, panel=MACHINE.title,
                  help="side of the tiles from here on, where memory ran out")  # fmt: skip
    first = parameter("folder", Path, inspect.Parameter.empty, folder)
    return command(resume, [first, tile, output_parameter(), *cluster_parameters(), json_parameter()])


def _preset(craft: Craft[..., Any]) -> list[inspect.Parameter]:
    """Build the option that names a preset, if there are any."""
    from reverie.jobs.presets import presets

    known = presets(craft.name)
    return [preset_parameter(known)] if known else []


def _places(craft: Craft[..., Any]) -> list[inspect.Parameter]:
    """Build the option for the folder of a result's inputs, if a craft takes a result."""
    takes_result = any(each.kind is RESULT for each in craft.inputs)
    return [_inputs_folder("another folder to look for its photo in")] if takes_result else []


def _inputs_folder(words: str) -> inspect.Parameter:
    return option("places", Path, "--inputs", metavar="FOLDER", help=words, panel=WRITING)


def _folders(given: Path | None) -> Sequence[Path]:
    return [] if given is None else [given]
