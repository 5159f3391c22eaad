"""One command for each recipe of the catalogue, its arguments and options generated."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from reverie.cli import samples
from reverie.cli.instant import Order as InstantOrder
from reverie.cli.instant import paint
from reverie.cli.options import (
    DIALS,
    MACHINE,
    WRITING,
    options_of,
    parameter,
    preset_parameter,
    role_parameters,
    settings_given,
    settings_parameters,
    with_parameters,
)
from reverie.cli.order import Order
from reverie.cli.outputs import Wishes
from reverie.cli.remix import remix
from reverie.cli.replay import replay
from reverie.cli.resume import resume
from reverie.cli.upscale import Order as Enlargement
from reverie.cli.upscale import enlarge
from reverie.cli.zoom import make
from reverie.errors import RecipeError
from reverie.feedforward.own import own_style
from reverie.jobs.items import gather
from reverie.recipes.catalogue import Recipe, find
from reverie.recipes.instant import InstantSettings
from reverie.recipes.presets import Preset, find_preset
from reverie.recipes.remix import RemixSettings
from reverie.recipes.settings import checked
from reverie.recipes.upscale import UpscaleSettings


def command_of(name: str) -> Callable[..., int]:
    """The command of a recipe, with a signature that typer reads.

    Example::

        app.command("dream")(command_of("dream"))
    """
    recipe = find(name)

    def command(**given: Any) -> int:
        preset = preset_of(recipe, given)
        files = files_of(recipe, given, preset)
        settings = checked(recipe.settings, {**preset.given(), **settings_given(recipe.settings, given)})
        order = Order(recipe, settings, files, default_name(recipe, files, given["preset"]))
        return make(order, wishes_of(given))

    command.__doc__ = f"{recipe.summary}\n\n[dim]{recipe.example}[/]"
    words = [*role_parameters(recipe), preset_parameter(recipe), *settings_parameters(recipe)]
    return with_parameters(command, [*words, *wish_parameters()])


def upscale_command() -> Callable[..., int]:
    """The command, with a signature that typer reads."""

    def command(**given: Any) -> int:
        """Enlarge a picture twice, three or four times, its edges crisp.

        [dim]reverie upscale cat.jpg --factor 4 -o large.png[/]
        """
        typed = {**settings_given(UpscaleSettings, given), **sharpness_given(given)}
        settings, photo = checked(UpscaleSettings, typed), given["photo"]
        order = Enlargement(photo, settings, f"{photo.stem}-x{settings.factor}.png")
        return enlarge(order, Wishes(output=given["output"], json=given["json"]))

    photo = typer.Argument(metavar="PHOTO", help="the picture to enlarge", show_default=False)
    words = [parameter("photo", Path, inspect.Parameter.empty, photo), sharpness()]
    words += options_of(UpscaleSettings, ["factor", "seamless"], panel=DIALS)
    words += options_of(UpscaleSettings, ["memory", "tile"], panel=MACHINE)
    return with_parameters(command, [*words, *output_parameters()])


def output_parameters() -> list[inspect.Parameter]:
    """Where to write and how to report, for what is made in moments and neither kept nor watched."""
    return [p for p in wish_parameters() if p.name in ("output", "json")]


def sharpness() -> inspect.Parameter:
    """The option that chooses between the networks that enlarge."""
    words = UpscaleSettings.model_fields["variant"].description
    info = typer.Option("--sharp/--faithful", metavar="", help=words, rich_help_panel=DIALS, show_default=False)
    return parameter("sharp", bool | None, None, info)


def sharpness_given(given: Mapping[str, Any]) -> dict[str, object]:
    """The setting that `sharpness` means, where it was typed."""
    sharp = given.get("sharp")
    return {} if sharp is None else {"variant": "sharp" if sharp else "faithful"}


def instant_command() -> Callable[..., int]:
    """The command, with a signature that typer reads."""

    def command(**given: Any) -> int:
        """Paint a photo, or a folder of them, in the manner of any painting at once.

        [dim]reverie instant cat.jpg night-strokes --strength 0.8[/]

        Of a folder of photos --output names a folder, too. A network of your own, see 'reverie train style',
        takes the paintings' place.
        """
        return paint(instant_order(given), Wishes(output=given["output"], json=given["json"]))

    photo = typer.Argument(metavar="PHOTO", help="the picture to paint, or a folder of them", show_default=False)
    painting = typer.Argument(
        metavar="PAINTING",
        help="a picture to paint like, or a sample style's name; several are mixed",
        show_default=False,
    )
    network = typer.Option(
        "--network",
        metavar="FILE",
        help="instead of paintings: a style network of your own, a file or its name",
        rich_help_panel=DIALS,
        show_default=False,
    )
    mask = typer.Option(
        "--mask", metavar="PICTURE", help="where to paint: white; where it is black the photo stays",
        rich_help_panel=DIALS, show_default=False,
    )  # fmt: skip
    machine = ["precision", "memory", "tile"]
    words = [
        parameter("photo", Path, inspect.Parameter.empty, photo),
        parameter("painting", list[str] | None, None, painting),
        *options_of(InstantSettings, [k for k in InstantSettings.model_fields if k not in machine], panel=DIALS),
        parameter("mask", Path | None, None, mask),
        parameter("network", str | None, None, network),
        *options_of(InstantSettings, machine, panel=MACHINE),
    ]
    return with_parameters(command, [*words, *output_parameters()])


def instant_order(given: Mapping[str, Any]) -> InstantOrder:
    """What to paint at once, from the words typed.

    Raises:
        RecipeError: neither a painting nor a network of one's own, or both.
    """
    paintings = tuple(map(samples.painting, given["painting"] or ()))
    network = None if given["network"] is None else own_style(given["network"])
    if bool(paintings) == (network is not None):
        raise RecipeError(
            "instant paints like a PAINTING, or by a --network of your own; give one of the two."
            " 'reverie instant --help' shows more."
        )
    settings, photo = checked(InstantSettings, settings_given(InstantSettings, given)), given["photo"]
    order = InstantOrder(photo, paintings, settings, "", mask=given["mask"], network=network)
    return replace(order, name="-".join([photo.stem, *order.manner]) + ".png")


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


def remix_command() -> Callable[..., int]:
    """The command that mixes a result anew with its photo."""

    def command(**given: Any) -> int:
        """Make a saved result weaker, stronger or of other colours, without computing it again.

        [dim]reverie remix cat-night.png --strength 0.6 --colour photo[/]

        Its photo is looked for in the file's folder and in the current one, as by replay.
        """
        settings = checked(RemixSettings, settings_given(RemixSettings, given))
        folders = [] if given["inputs"] is None else [given["inputs"]]
        return remix(given["file"], settings, Wishes(output=given["output"], json=given["json"]), folders=folders)

    file = typer.Argument(metavar="RESULT", help="a picture that Reverie made from a photo", show_default=False)
    inputs = typer.Option(metavar="FOLDER", help="another folder to look for its photo in", rich_help_panel=WRITING)
    parameters = [
        parameter("file", Path, inspect.Parameter.empty, file),
        *options_of(RemixSettings, RemixSettings.model_fields, panel=DIALS),
        parameter("inputs", Path | None, None, inputs),
    ]
    return with_parameters(command, [*parameters, *output_parameters()])


def resume_command() -> Callable[..., int]:
    """The command that goes on with a run."""

    def command(**given: Any) -> int:
        """Go on with a run that was stopped or killed.

        On the same machine the result is the same as if it had never stopped, to rounding if its tiles change.
        """
        shown = {name: given[name] for name in ("output", "json", "cluster", "workers")}
        return resume(given["folder"], Wishes(**shown), tile=given["tile"])

    tile = typer.Option(
        metavar="INTEGER", min=0, help="side of the tiles from here on, where memory ran out", show_default=False
    )
    folder = typer.Argument(metavar="DIR", help="where the run is kept: a folder ending in .reverie, or --checkpoint's")
    wishes = [p for p in wish_parameters() if p.name in ("output", "json", "cluster", "workers")]
    words = [parameter("folder", Path, inspect.Parameter.empty, folder), parameter("tile", int | None, None, tile)]
    return with_parameters(command, [*words, *wishes])


def wish_parameters() -> list[inspect.Parameter]:
    """The options of every command that makes a picture."""

    def option(name: str, kind: Any, *flags: str, help: str, **more: Any) -> inspect.Parameter:
        if kind is bool:
            more["metavar"] = ""
        info = typer.Option(*flags, help=help, rich_help_panel=more.pop("panel", WRITING), show_default=False, **more)
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
            "checkpoint", Path | None, "--checkpoint", metavar="DIR", panel=MACHINE,
            help="keep the run there, to go on if it is stopped; runs over two minutes are kept beside the picture",
        ),
        option(
            "checkpoint_every", float | None, "--checkpoint-every", metavar="SECONDS", min=0, panel=MACHINE,
            help="between checkpoints [dim](30; 0: every step)[/]",
        ),
        option(
            "cluster", str | None, "--cluster", metavar="local|HOST:PORT", panel=MACHINE,
            help="spread the tiles over a Ray cluster; 'local' starts one on this machine",
        ),
        option(
            "workers", int | None, "--workers", metavar="N", min=1, panel=MACHINE,
            help="of the cluster; default: one for every two cores",
        ),
        option("dry_run", bool, "--dry-run", help="only print the plan: memory, tiles, disk, time"),
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
        cluster=given["cluster"],
        workers=given["workers"],
    )


def preset_of(recipe: Recipe[Any], given: Mapping[str, Any]) -> Preset:
    """The preset that was named; an empty one where none was.

    Raises:
        RecipeError: the recipe has none of that name.
    """
    name = given["preset"]
    return Preset(recipe=recipe.name, summary="as it comes") if name is None else find_preset(name, recipe.name)


def files_of(recipe: Recipe[Any], given: Mapping[str, Any], preset: Preset) -> dict[str, tuple[Path, ...]]:
    """The files of each role, those of the preset where none were given; none in the first for the word ``noise``.

    Raises:
        RecipeError: none at all where one is needed.
    """
    files = {}
    for role in recipe.roles:
        came = given[role.name]
        words = [] if came is None else came if isinstance(came, list) else [came]
        if not words:
            files[role.name] = preset.pictures(role.name)
        elif role is recipe.roles[0] and not role.many:
            from_noise = recipe.noise is not None and words == ["noise"]
            files[role.name] = () if from_noise else tuple(map(Path, words))
        elif role.many and not role.required:
            files[role.name] = tuple(path for path in gather(words, samples=True) if path)
        else:
            files[role.name] = tuple(map(samples.painting, words))
        if role.required and not words and not files[role.name]:
            way = f"or a --preset that brings one; 'reverie {recipe.name} --help' shows more"
            raise RecipeError(f"{recipe.name} needs a {role.name.upper()}: {role.description}, {way}.")
    return files


def default_name(recipe: Recipe[Any], files: Mapping[str, tuple[Path, ...]], preset: str | None = None) -> str:
    """``cat-dream.png``, ``cat-night.png``: the photo and the preset, the painting or else the recipe."""
    first, *others = recipe.roles
    photo = "-".join(path.stem for path in files[first.name][:3]) or "noise"
    into = [path.stem for role in others if role.required for path in files[role.name]]
    return f"{photo}-{preset or '-'.join(into[:3]) or recipe.name}.png"
