"""Commands and their help. Modules that need PyTorch are imported only when a command needs them."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from reverie.cli.codes import DONE
from reverie.cli.language import Spoken, SpokenGroup
from reverie.cli.messages import told
from reverie.crafts.registry import listings

_VERBS = {
    "replay": "Make a picture again from the recipe inside it.",
    "resume": "Go on with a run that was stopped or killed.",
    "batch": "Make many pictures: a folder, a list or a grid of settings.",
    "jobs": "See and change the queue of the studio.",
}
"""Commands beside the crafts; the crafts themselves are found from their files."""

_GROUPS = {"video": "Dream on or paint a clip: any craft over its frames, without flicker."}
"""Groups of crafts whose names begin with one word, and that no single one's summary describes."""

_MAKE, _SEE = "Make a picture", "Look around"


class Interrupted(Exception):
    """Ctrl-C, as an exception that typer does not swallow."""


@contextmanager
def _seen_through() -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt as error:
        raise Interrupted from error


class Commands(SpokenGroup):
    """Group of commands; a craft's options are generated when it is called."""

    def make_context(self, *args: Any, **more: Any) -> Any:
        """Parse the words, for which a craft may have to be loaded."""
        with _seen_through():
            return super().make_context(*args, **more)

    def invoke(self, ctx: Any) -> Any:
        """Run the command."""
        with _seen_through():
            return super().invoke(ctx)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Resolve the command that the words mean, with all its options."""
        for name in _lazy():
            self.get_command(ctx, name)  # to be suggested where a word is none
        if args and args[0] in _lazy():
            self.commands[args[0]] = _whole(args[0])
        return super().resolve_command(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """List the crafts first, then the commands that use them, then the rest."""
        first = [*_lazy()]
        return [*first, *(name for name in super().list_commands(ctx) if name not in first)]

    def get_command(self, ctx: Any, name: str) -> Any:
        """Return a command; one that is not called has only its summary."""
        if name not in self.commands and name in _lazy():
            self.commands[name] = Spoken(name, help=_lazy()[name], rich_help_panel=_MAKE)
        return super().get_command(ctx, name)


@cache
def _lazy() -> dict[str, str]:
    """Summaries of the commands that are generated when called."""
    crafts: dict[str, str] = {}
    for name, listing in listings().items():
        first, _, rest = name.partition(" ")
        crafts.setdefault(first, escape(_GROUPS.get(first, listing.summary) if rest else listing.summary))
    return {**crafts, **_VERBS}


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


def takes_long(words: Sequence[str]) -> bool:
    """True if the words after ``reverie`` run a single job, which may take long."""
    command = next((word for word in words if not word.startswith("-")), None)
    alone = command in {name.split()[0] for name in listings()} or command in ("replay", "resume")
    return alone and not {"--help", "-h", "--dry-run"} & set(words)


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


@app.command("networks", cls=Spoken, rich_help_panel=_SEE)
def networks(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="one network, or a file of your own")] = None,
) -> int:
    """List the networks, your own among them, or show one: its layers, or how it was trained."""
    from reverie.cli.networks import show, show_all

    return show_all() if name is None else show(name)


_Sheet = Annotated[Path | None, typer.Option("-o", "--output", metavar="FILE", help="where the sheet goes")]
_Shown = Annotated[Path | None, typer.Argument(metavar="PHOTO", help="to be shown in each, small, on one sheet")]


@app.command("styles", cls=Spoken, rich_help_panel=_SEE)
def styles(photo: _Shown = None, output: _Sheet = None) -> int:
    """List the sample styles, each of which can be used as a painting; or show a photo in every one."""
    from reverie.cli.samples import draw_styles, show

    return show() if photo is None else draw_styles(photo, output)


@app.command("presets", cls=Spoken, rich_help_panel=_SEE)
def presets(photo: _Shown = None, output: _Sheet = None) -> int:
    """List the presets, settings that go well together; or show a photo by every one."""
    from reverie.cli.samples import draw_presets, show_presets

    return show_presets() if photo is None else draw_presets(photo, output)


@app.command("classes", cls=Spoken, rich_help_panel=_SEE)
def classes(
    word: Annotated[str | None, typer.Argument(metavar="WORD", help="only those that it may mean")] = None,
    sheet: Annotated[bool, typer.Option("--sheet", help="show them: dreams from noise, on one sheet")] = False,
    output: _Sheet = None,
) -> int:
    """List what there is to dream of by --class: kinds, names, and other words for them."""
    from reverie.cli.samples import draw_classes, show_classes

    return draw_classes(word, output) if sheet or output else show_classes(word)


@app.command("devices", cls=Spoken, rich_help_panel=_SEE)
def devices(
    json: Annotated[bool, typer.Option("--json", metavar="", help="print the same for a program")] = False,
) -> int:
    """List the devices here: memory, precisions that are faithful, and how fast each is."""
    from reverie.cli.devices import show

    return show(json=json)


@app.command("studio", cls=Spoken, rich_help_panel=_MAKE)
def studio(
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0: any free one")] = 7860,
    home: Annotated[
        Path | None, typer.Option("--home", metavar="FOLDER", help="where pictures, jobs and results are kept")
    ] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", metavar="", help="do not open the page")] = False,
    quota: Annotated[str, typer.Option("--quota", metavar="SIZE", help="what it may take of the disk")] = "50GB",
    share: Annotated[
        bool, typer.Option("--share-on-network", metavar="", help="let others on the network in, who have the token")
    ] = False,
) -> int:
    """Open the studio: every craft in a page, and a queue of jobs that survives anything."""
    from reverie.cli.studio import open_studio

    return open_studio(port=port, home=home, browser=not no_browser, shared=share, quota=quota)


live = typer.Typer(add_completion=False, rich_markup_mode="rich")
app.add_typer(live, name="live", rich_help_panel=_MAKE)


@live.callback()
def live_group() -> None:
    """Paint what a camera sees, live, in a page on this machine."""


@live.command()
def instant(
    painting: Annotated[list[str], typer.Argument(metavar="PAINTING", help="a picture, or a sample style's name")],
    camera: Annotated[int, typer.Option("--camera", metavar="N", min=0, help="number of the camera")] = 0,
    file: Annotated[Path | None, typer.Option("--file", metavar="CLIP", help="a clip instead of a camera")] = None,
    size: Annotated[int, typer.Option("--size", metavar="N", min=64, max=3840, help="longer side, pixels")] = 480,
    port: Annotated[int, typer.Option("--port", metavar="N", min=0, max=65535, help="0: any free one")] = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", metavar="", help="Do not open the page.")] = False,
) -> int:
    """Paint live in any painting's manner; the last painting follows the motion until the next is ready."""
    from reverie.cli.live import show_live
    from reverie.jobs.live import paint_live
    from reverie.recipes import InstantSettings

    frames = paint_live(painting, camera=camera, file=file, settings=InstantSettings(size=size))
    return show_live(frames, port=port, browser=not no_browser)


def _whole(name: str) -> Any:
    """Build a command with all its options."""
    made = (
        _group(name) if name in ("batch", "jobs") or (name not in listings() and name not in _VERBS) else _single(name)
    )
    command = typer.main.get_command(made)
    command.name = name
    return command


def _single(name: str) -> typer.Typer:
    """Build a single command."""
    from reverie.cli import commands
    from reverie.cli.options import WithHelpLast

    verbs = {
        "replay": commands.replay_command,
        "resume": commands.resume_command,
    }
    single = typer.Typer(add_completion=False, rich_markup_mode="rich")
    single.command(name, cls=WithHelpLast)(verbs[name]() if name in verbs else commands.craft_command(name))
    return single


def _group(name: str) -> typer.Typer:
    """Build a command with subcommands: a batch of each craft, or the crafts whose names begin with its word."""
    if name == "jobs":
        from reverie.cli.jobs import jobs

        return jobs
    from reverie.cli import batch, commands
    from reverie.cli.options import WithHelpLast

    if name == "batch":
        return batch.group()
    words = {each.split(maxsplit=1)[1]: each for each in listings() if each.startswith(f"{name} ")}
    many = typer.Typer(cls=SpokenGroup, add_completion=False, rich_markup_mode="rich", help=_lazy()[name])

    @many.callback(invoke_without_command=True)
    def which(ctx: typer.Context) -> int:
        if ctx.invoked_subcommand is None:
            print(ctx.get_help())
        return DONE

    for word, each in words.items():
        many.command(word, cls=WithHelpLast)(commands.craft_command(each))
    return many


def _refuse_usage(error: Any) -> int:
    """Say in one line what is wrong with the words typed, and where to read more."""
    message = " ".join(error.format_message().split())
    message = message if message.endswith((".", "?")) else f"{message}."
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx else "reverie"
    more = f"'{path} --help' shows what it takes."
    print(f"reverie: {told(message)} {told(more)}", file=sys.stderr)
    return int(error.exit_code)
