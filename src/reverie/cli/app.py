"""The commands and their help. What needs PyTorch is imported when a command needs it."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import metadata
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from reverie.cli.codes import DONE

CRAFTS = {
    "dream": "Dream on a photo, or from noise: it becomes what the network sees in it.",
    "style": "Paint a photo in the manner of one or several paintings.",
    "texture": "Weave a texture like a picture, from noise, on request seamless.",
}
"""The catalogue's names and summaries, again here so that help appears before PyTorch is loaded."""

_GENERATED = {
    "instant": "Paint a photo in the manner of any painting at once.",
    "upscale": "Enlarge a picture twice, three or four times, its edges crisp.",
    "remix": "Make a saved result weaker, stronger or of other colours, at once.",
    "replay": "Make a picture again from the recipe inside it.",
    "train": "Train a network of your own: to paint like one painting, at once.",
    "resume": "Go on with a run that was stopped or killed.",
    "batch": "Make many pictures: a folder, a list or a grid of settings.",
    "export": "Take a network along: as an ONNX file, or as a page that any browser runs.",
}

_MAKE, _SEE = "Make a picture", "Look around"


class Interrupted(Exception):
    """Ctrl-C, under a name that typer does not swallow."""


@contextmanager
def _seen_through() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted from error


class Commands(TyperGroup):
    """The group of commands; a craft's options are generated when it is called."""

    def make_context(self, *args: Any, **more: Any) -> Any:
        """Understand the words, for which a craft may have to be loaded."""
        with _seen_through():
            return super().make_context(*args, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _seen_through():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """The command that the words mean, whole."""
        if args and args[0] in (*CRAFTS, *_GENERATED):
            self.commands[args[0]] = _whole(args[0])
        return super().resolve_command(ctx, args)


class Craft(TyperCommand):
    """A command whose ``--help`` stands last, not in a box of its own above its arguments."""

    def get_help_option(self, ctx: Any) -> Any:
        """The option, under the last heading."""
        option: Any = super().get_help_option(ctx)
        if option is not None:
            option.rich_help_panel = "Writing"
        return option


app = typer.Typer(
    cls=Commands,
    add_completion=True,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def run(words: Sequence[str]) -> int:
    """Run the command that the words after ``reverie`` mean; return its exit code.

    Raises:
        ReverieError: what the command refuses.
    """
    command = typer.main.get_command(app)
    try:
        code = command.main(list(words), prog_name="reverie", standalone_mode=False)
    except (Interrupted, typer.Abort):
        raise KeyboardInterrupt from None
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        return _refuse_usage(error)
    return code if isinstance(code, int) else DONE


def makes_picture(words: Sequence[str]) -> bool:
    """Whether the words after ``reverie`` make one picture, which may take long."""
    command = next((word for word in words if not word.startswith("-")), None)
    guarded = (*CRAFTS, "upscale", "instant", "replay", "resume")
    return command in guarded and not {"--help", "-h", "--dry-run"} & set(words)


@app.callback(invoke_without_command=True)
def reverie(
    ctx: typer.Context,
    version: Annotated[bool, typer.Option("--version", metavar="", help="Show the versions and exit.")] = False,
    debug: Annotated[bool, typer.Option("--debug", metavar="", help="Show tracebacks; any command takes it.")] = False,
) -> int:
    """Dream on, restyle and invent pictures with the features of a convolutional network.

    [dim]reverie dream cat.jpg        reverie style cat.jpg night-strokes -o painted.png[/]
    """
    if version:
        words = f"reverie {metadata.version('reverie-dream')}", f"torch {metadata.version('torch')}"
        print(", ".join((*words, f"Python {platform.python_version()}")))
        raise typer.Exit(DONE)
    if ctx.invoked_subcommand is None:
        print(ctx.get_help())
    return DONE


def _stub(name: str) -> Callable[[], int]:
    def craft() -> int:  # replaced before it could be called
        raise AssertionError(name)

    return craft


for _name, _summary in CRAFTS.items():
    app.command(_name, help=_summary, rich_help_panel=_MAKE)(_stub(_name))
for _name, _summary in _GENERATED.items():
    app.command(_name, help=_summary, rich_help_panel=_MAKE)(_stub(_name))


@app.command("networks", rich_help_panel=_SEE)
def networks(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="one network, or a file of your own")] = None,
) -> int:
    """List the networks, your own among them, or show one: its layers, or how it was trained."""
    from reverie.cli.networks import show, show_all

    return show_all() if name is None else show(name)


@app.command("styles", rich_help_panel=_SEE)
def styles() -> int:
    """List the sample styles: each can stand for a painting."""
    from reverie.cli.samples import show

    return show()


@app.command("presets", rich_help_panel=_SEE)
def presets() -> int:
    """List the presets: settings that go well together, by how they look."""
    from reverie.cli.samples import show_presets

    return show_presets()


def _whole(name: str) -> Any:
    """A craft's command with everything it takes."""
    from reverie.cli import batch, crafts, export, train

    groups = {"batch": batch.group, "train": train.group}
    single = groups[name]() if name in groups else typer.Typer(add_completion=False, rich_markup_mode="rich")
    made = {
        "instant": crafts.instant_command,
        "upscale": crafts.upscale_command,
        "remix": crafts.remix_command,
        "replay": crafts.replay_command,
        "resume": crafts.resume_command,
        "export": export.export_command,
    }
    if name not in groups:
        single.command(name, cls=Craft)(made[name]() if name in made else crafts.command_of(name))
    command = typer.main.get_command(single)
    command.name = name
    return command


def _refuse_usage(error: Any) -> int:
    """Say in one line what is wrong with the words typed, and where to read more."""
    message = " ".join(error.format_message().split())
    message = message if message.endswith((".", "?")) else f"{message}."
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx else "reverie"
    print(f"reverie: {message} '{path} --help' shows what it takes.", file=sys.stderr)
    return int(error.exit_code)
