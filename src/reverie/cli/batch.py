"""``reverie batch``: a recipe over folders, lists and grids."""

from __future__ import annotations

import contextlib
import inspect
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from reverie.cli.codes import DONE, REFUSED
from reverie.cli.crafts import preset_of, sharpness, sharpness_given
from reverie.cli.interrupt import listening
from reverie.cli.options import (
    BESIDE,
    DIALS,
    MACHINE,
    OF_THE_MACHINE,
    WRITING,
    options_of,
    parameter,
    preset_parameter,
    role_flag,
    settings_given,
    settings_parameters,
    with_parameters,
)
from reverie.cli.progress import reporter
from reverie.cli.tally import Tally, tally
from reverie.errors import RecipeError
from reverie.feedforward.johnson import read_johnson
from reverie.feedforward.own import own_style
from reverie.jobs import batch
from reverie.jobs.crew import Crew, Processes, workers_here
from reverie.jobs.items import Item, gather, items_of, parse_grid
from reverie.jobs.presets import Preset
from reverie.jobs.spread import Spread
from reverie.networks import download
from reverie.pictures import FORMATS
from reverie.recipes.catalogue import CATALOGUE, NETWORK, ONE_PASS, OnePass, Recipe, Role
from reverie.recipes.settings import Settings

HELP = """Make many pictures: a folder, a list or a grid of settings.

[dim]reverie batch style photos/ --painting night-strokes --painting mosaic --grid strength=0.5,1,2[/]

Every photo with every painting and every value; what fails is tried again and does not stop the others;
what is made already is not made again. The output folder gets a manifest and a contact sheet."""

Craft = Recipe[Any] | OnePass
CRAFTS: Mapping[str, Craft] = {**CATALOGUE, **ONE_PASS}
_EITHER = {name for craft in ONE_PASS.values() for name in craft.either}
_NO_PRESET = Preset(recipe="", summary="none")


def group() -> typer.Typer:
    """The command with one subcommand for each recipe."""
    many = typer.Typer(add_completion=False, rich_markup_mode="rich", help=HELP)

    @many.callback(invoke_without_command=True)
    def batch_of(ctx: typer.Context) -> int:
        if ctx.invoked_subcommand is None:
            print(ctx.get_help())
        return DONE

    for name, craft in CRAFTS.items():
        many.command(name, help=craft.summary)(command_of(name))
    return many


def command_of(name: str) -> Callable[..., int]:
    """The batch command of a craft, with a signature that typer reads."""
    craft = CRAFTS[name]

    def command(**given: Any) -> int:
        items, folder = ordered(craft, given)
        told = tally(machine=given["json"], folder=folder)
        if given["dry_run"]:
            told.planned(items)
            return DONE
        return perform(items, folder, _crew(given), told, machine=given["json"])

    command.__doc__ = craft.summary
    pictures = typer.Argument(metavar="INPUT...", help="pictures, folders of them, or .txt lists", show_default=False)
    first = parameter("inputs", list[str], inspect.Parameter.empty, pictures)
    others = [_role_option(role) for role in craft.roles[1:]]
    return with_parameters(command, [first, *others, *_batch_options(), *_settings_options(craft)])


def ordered(recipe: Craft, given: Mapping[str, Any]) -> tuple[tuple[Item, ...], Path]:
    """The items that the words mean, and their folder.

    Raises:
        RecipeError: settings, a format or a folder that make no sense.
        PictureError: a word that means no picture.
        WeightsError: a word that means no style network.
    """
    main, *others = recipe.roles
    files = {main.name: gather(given["inputs"], noise=recipe.noise is not None)}
    preset = preset_of(recipe, given) if isinstance(recipe, Recipe) else _NO_PRESET
    files |= {r.name: _files_of(r, given[r.name] or ()) or preset.pictures(r.name) for r in others}
    folder = given["output"] or Path(f"{_name_of(given['inputs'])}-{recipe.name}")
    for role in others:
        if role.required and not files[role.name]:
            preset_too = ", or a --preset that brings them" if isinstance(recipe, Recipe) else ""
            way = f"name them with {role_flag(role)}{preset_too}"
            raise RecipeError(f"{recipe.name} needs a {role.name}: {role.description}; {way}.")
    if any(path is not None and path.resolve().parent == folder.resolve() for path in files[main.name]):
        raise RecipeError(f"'{folder}' is the folder of the inputs; name another --output.")
    settings = {**preset.given(), **settings_given(recipe.settings, given), **sharpness_given(given)}
    grid = parse_grid(given["grid"] or (), recipe.settings)
    if settings.get("zoom"):
        raise RecipeError("a batch makes pictures; zoom into one at a time, by reverie dream --zoom.")
    items = items_of(recipe, files, settings, grid=grid, folder=folder, suffix=_suffix(given["format"]))
    return items, folder


def perform(
    items: tuple[Item, ...], folder: Path, crew: Callable[[int], Crew], told: Tally, *, machine: bool = False
) -> int:
    """Make the items; the exit code is 2 if any failed, and a signal's if one stopped it."""
    with contextlib.closing(reporter(machine=machine)) as follower:
        for network in dict.fromkeys(i.settings.network for i in items if isinstance(i.settings, Settings)):
            for fetched in download(network):
                follower.downloaded(network, fetched)
    statuses: Counter[str] = Counter()
    with listening() as wish, contextlib.closing(told), contextlib.closing(batch.run(items, folder, crew)) as course:
        told.began(items)
        for progress in course:
            told.happened(progress)
            statuses.update([progress.row.status] if progress.row else [])
            if wish.stop:
                break
    told.ended(statuses, stopped=wish.stop)
    return wish.code if wish.stop else REFUSED if statuses["failed"] else DONE


def _crew(given: Mapping[str, Any]) -> Callable[[int], Crew]:
    workers, cluster = given["workers"], given["cluster"]
    if cluster is not None:
        return lambda most: Spread(cluster, most=most, count=workers)
    return lambda most: Processes(min(most, workers) if workers else workers_here(most))


def _name_of(words: list[str]) -> str:
    """What the folder is named after: the first input."""
    first = Path(words[0])
    return (first.stem if first.suffix else first.resolve().name) or "pictures"


def _suffix(word: str | None) -> str:
    """The suffix of a format that keeps a recipe."""
    suffix = f".{(word or 'png').lower().lstrip('.')}"
    known = [s for format_ in FORMATS if format_.recipe for s in format_.suffixes]
    if suffix not in known:
        raise RecipeError(f"--format is one of {', '.join(s[1:] for s in known)}; got '{word}'.")
    return suffix


def _files_of(role: Role, words: Sequence[str]) -> tuple[Path | None, ...]:
    """The pictures that words mean, or the networks: those are read once, so that none fails item by item."""
    if role.name != NETWORK:
        return gather(words, samples=True)
    paths = tuple(dict.fromkeys(map(own_style, words)))
    for path in paths:
        read_johnson(path)
    return paths


def _role_option(role: Role) -> inspect.Parameter:
    flags = [role_flag(role), *(["--styles"] if role.name == "painting" else [])]
    network = role.name == NETWORK
    words = f"{role.description}; {'' if network else 'a folder or list of them; '}give several times: each is used by"
    panel = DIALS if role.required or role.name in _EITHER else BESIDE
    metavar = "FILE" if network else "PICTURE"
    info = typer.Option(*flags, metavar=metavar, help=f"{words} itself", rich_help_panel=panel)
    return parameter(role.name, list[str] | None, None, info)


def _settings_options(craft: Craft) -> list[inspect.Parameter]:
    """The craft's settings, those of the machine under their own heading."""
    if isinstance(craft, Recipe):
        return [preset_parameter(craft), *settings_parameters(craft)]
    names = [name for name in craft.settings.model_fields if name not in (*OF_THE_MACHINE, "variant")]
    machine = [name for name in craft.settings.model_fields if name in OF_THE_MACHINE]
    words = [sharpness()] if "variant" in craft.settings.model_fields else []
    words += options_of(craft.settings, names, panel=DIALS)
    return words + options_of(craft.settings, machine, panel=MACHINE)


def _batch_options() -> list[inspect.Parameter]:
    def option(name: str, kind: Any, *flags: str, help: str, **more: Any) -> inspect.Parameter:
        info = typer.Option(*flags, help=help, rich_help_panel=more.pop("panel", WRITING), show_default=False, **more)
        return parameter(name, kind, False if kind is bool else None, info)

    return [
        option(
            "grid", list[str] | None, "--grid", metavar="SETTING=V,V", panel=DIALS,
            help="go through these values; give several times for a grid; + joins the parts of a list",
        ),
        option("output", Path | None, "--output", "-o", metavar="FOLDER", help="where to; made if it is missing"),
        option("format", str | None, "--format", metavar="SUFFIX", help="of the pictures: png jpg webp tif"),
        option(
            "workers", int | None, "--workers", metavar="N", min=1, panel=MACHINE,
            help="how many items at a time; default: one for every two cores",
        ),
        option(
            "cluster", str | None, "--cluster", metavar="local|HOST:PORT", panel=MACHINE,
            help="work on a Ray cluster, whose machines see the same folders",
        ),
        option("dry_run", bool, "--dry-run", metavar="", help="only list what would be made"),
        option("json", bool, "--json", metavar="", help="progress as JSON lines on stdout"),
    ]  # fmt: skip
