"""One command for each recipe of the catalogue, its arguments and options generated."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import typer

from reverie.cli import samples
from reverie.cli.options import parameter, role_parameters, settings_given, settings_parameters
from reverie.cli.outputs import Wishes
from reverie.cli.perform import Order, perform
from reverie.cli.replay import replay
from reverie.cli.resume import resume
from reverie.recipes.catalogue import Recipe, find
from reverie.recipes.settings import checked

WRITING = "Writing"


def command_of(name: str) -> Callable[..., int]:
    """The command of a recipe, with a signature that typer reads.

    Example:
        >>> app.command("dream")(command_of("dream"))
    """
    recipe = find(name)

    def command(**given: Any) -> int:
        files = files_of(recipe, given)
        settings = checked(recipe.settings, settings_given(recipe.settings, given))
        order = Order(recipe, settings, files, default_name(recipe, files))
        return perform(order, wishes_of(given))

    command.__doc__ = f"{recipe.summary}\n\n[dim]{recipe.example}[/]"
    return with_parameters(command, [*role_parameters(recipe), *settings_parameters(recipe), *wish_parameters()])


def replay_command() -> Callable[..., int]:
    """The command that makes a file's picture again."""

    def command(**given: Any) -> int:
        """Make a picture again from the recipe inside it.

        Its inputs are looked for in the file's folder and in the current one, and must be the very
        same files. On the same machine the pixels are the same.
        """
        folder = given["inputs"]
        return replay(
            given["file"],
            wishes_of(given),
            folders=[] if folder is None else [folder],
            anyway=given["anyway"],
        )

    file = typer.Argument(metavar="FILE", help="a picture that Reverie wrote", show_default=False)
    inputs = typer.Option(metavar="FOLDER", help="another folder to look for its inputs in")
    anyway = typer.Option("--anyway", metavar="", help="go on though the network's weights have changed")
    parameters = [
        parameter("file", Path, inspect.Parameter.empty, file),
        parameter("inputs", Path | None, None, inputs),
        parameter("anyway", bool, False, anyway),
    ]
    return with_parameters(command, [*parameters, *wish_parameters()])


def resume_command() -> Callable[..., int]:
    """The command that goes on with a run."""

    def command(**given: Any) -> int:
        """Go on with a run that was stopped or killed.

        On the same machine the result is the same as if it had never stopped.
        """
        return resume(given["folder"], Wishes(output=given["output"], json=given["json"]))

    folder = typer.Argument(metavar="DIR", help="where the run is kept: a folder ending in .reverie, or --checkpoint's")
    wishes = [p for p in wish_parameters() if p.name in ("output", "json")]
    return with_parameters(command, [parameter("folder", Path, inspect.Parameter.empty, folder), *wishes])


def wish_parameters() -> list[inspect.Parameter]:
    """The options of every command that makes a picture."""

    def option(name: str, kind: Any, *flags: str, help: str, **more: Any) -> inspect.Parameter:
        if kind is bool:
            more["metavar"] = ""
        info = typer.Option(*flags, help=help, rich_help_panel=WRITING, show_default=False, **more)
        return parameter(name, kind, False if kind is bool else None, info)

    return [
        option(
            "output", Path | None, "--output", "-o", metavar="FILE",
            help="where to: .png .jpg .webp .tif or .npy; replaced if it exists",
        ),
        option(
            "save_every", int | None, "--save-every", metavar="N", min=1,
            help="also write every Nth step's picture beside it",
        ),
        option("compare", bool, "--compare", help="also write original and result side by side"),
        option("report", bool, "--report", help="also write the losses by step as a plot"),
        option(
            "checkpoint", Path | None, "--checkpoint", metavar="DIR",
            help="keep the run there, to go on if it is stopped; runs over two minutes are kept beside the picture",
        ),
        option(
            "checkpoint_every", float | None, "--checkpoint-every", metavar="SECONDS", min=0,
            help="between checkpoints [dim](30; 0: every step)[/]",
        ),
        option("dry_run", bool, "--dry-run", help="only print the plan: memory, tiles, time"),
        option("json", bool, "--json", help="progress as JSON lines on stdout"),
    ]  # fmt: skip


def wishes_of(given: Mapping[str, Any]) -> Wishes:
    """What the user wants written."""
    return Wishes(
        output=given["output"],
        save_every=given["save_every"],
        compare=given["compare"],
        report=given["report"],
        json=given["json"],
        dry_run=given["dry_run"],
        checkpoint=given.get("checkpoint"),
        checkpoint_every=Wishes.checkpoint_every
        if given.get("checkpoint_every") is None
        else given["checkpoint_every"],
    )


def with_parameters(command: Callable[..., int], parameters: list[inspect.Parameter]) -> Callable[..., int]:
    """The same function, introduced to typer as taking these parameters."""
    vars(command)["__signature__"] = inspect.Signature(parameters)
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def files_of(recipe: Recipe[Any], given: Mapping[str, Any]) -> dict[str, tuple[Path, ...]]:
    """The files of each role; none in the first for the word ``noise``."""
    files = {}
    for role in recipe.roles:
        came = given[role.name]
        words = [] if came is None else came if isinstance(came, list) else [came]
        if role is recipe.roles[0]:
            from_noise = recipe.noise is not None and words == ["noise"]
            files[role.name] = () if from_noise else tuple(map(Path, words))
        else:
            files[role.name] = tuple(map(samples.painting, words))
    return files


def default_name(recipe: Recipe[Any], files: Mapping[str, tuple[Path, ...]]) -> str:
    """``cat-dream.png``, ``cat-night.png``: the photo and the painting, or else the recipe."""
    first, *others = recipe.roles
    photo = next((path.stem for path in files[first.name]), "noise")
    into = [path.stem for role in others if role.required for path in files[role.name]]
    return f"{photo}-{'-'.join(into[:3]) or recipe.name}.png"
