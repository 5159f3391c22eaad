"""``reverie batch``: a craft over folders, lists and grids."""

from __future__ import annotations

import contextlib
import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer
from rich.markup import escape

from reverie.cli.codes import DONE, REFUSED
from reverie.cli.interrupt import listening
from reverie.cli.language import Spoken, SpokenGroup
from reverie.cli.options import (
    DIALS,
    Given,
    command,
    input_option,
    json_parameter,
    option,
    parameter,
    preset_parameter,
    settings_given,
    settings_parameters,
)
from reverie.cli.progress import reporter
from reverie.cli.tally import Tally, tally
from reverie.crafts.craft import Craft, Input
from reverie.crafts.kinds import FOLDER, STYLE_NETWORK
from reverie.crafts.registry import crafts, find, leave_out
from reverie.crafts.settings import MACHINE
from reverie.errors import RecipeError
from reverie.feedforward import read_johnson
from reverie.feedforward.custom import find_custom_style
from reverie.jobs import batch
from reverie.jobs.events import Downloaded
from reverie.jobs.gather import gather
from reverie.jobs.items import Item, items_of, parse_grid
from reverie.jobs.job import Job
from reverie.jobs.manifest import names_in
from reverie.jobs.pool import ProcessPool, WorkerPool
from reverie.jobs.presets import presets, with_preset
from reverie.jobs.ray_pool import RayPool
from reverie.jobs.workers import local_workers
from reverie.networks import download
from reverie.pictures import keeps_recipe

HELP = """Make many pictures: a folder, a list or a grid of settings.

[dim]reverie batch style photos/ --painting night-strokes --painting mosaic --grid strength=0.5,1,2[/]

Every photo with every painting and every value; what fails is tried again and does not stop the others;
what is made already is not made again. The output folder gets a manifest and a contact sheet."""


def group() -> typer.Typer:
    """Build the command with one subcommand for each craft that makes a picture from files."""
    many = typer.Typer(cls=SpokenGroup, add_completion=False, rich_markup_mode="rich", help=HELP)

    @many.callback(invoke_without_command=True)
    def batch_of(ctx: typer.Context) -> int:
        if ctx.invoked_subcommand is None:
            print(ctx.get_help())
        return DONE

    for name, craft in crafts().items():
        if craft.makes.picture and craft.main is not None:
            try:
                many.command(name, cls=Spoken, help=escape(craft.summary))(command_of(name))
            except RecipeError as error:
                leave_out(name, str(error))
    return many


def command_of(name: str) -> Callable[..., int]:
    """Build the batch command of a craft, with a signature that typer reads."""
    craft = find(name)

    def run(**given: Any) -> int:
        items, folder = ordered(craft, given)
        told = tally(machine=given["json"], folder=folder)
        if given["dry_run"]:
            told.planned(items)
            return DONE
        return perform(items, folder, _pool(given), told, machine=given["json"])

    run.__doc__ = escape(craft.summary)
    pictures = typer.Argument(metavar="INPUT...", help="pictures, folders of them, or .txt lists", show_default=False)
    first = parameter("inputs", list[str], inspect.Parameter.empty, pictures)
    others = [_option_of(craft, each) for each in craft.inputs[1:]]
    known = presets(name)
    preset = [preset_parameter(known)] if known else []
    return command(run, [first, *others, *preset, *settings_parameters(craft), *_batch_options()])


def ordered(craft: Craft[..., Any], given: Given) -> tuple[tuple[Item, ...], Path]:
    """Build the items that the words mean, and their folder.

    Raises:
        RecipeError: settings, a format or a folder that make no sense.
        PictureError: a word that means no picture.
        WeightsError: a word that means no style network.
    """
    main, *others = craft.inputs
    request = with_preset(
        Job(
            craft=craft.name,
            settings=settings_given(craft.settings, given),
            inputs={each.name: tuple(given[each.name]) for each in others if given[each.name]},
            preset=given.get("preset"),
        )
    )
    files = {main.name: gather(given["inputs"], samples=main.kind.samples, noise=craft.noise is not None)}
    files |= {each.name: _files_of(each, request.inputs.get(each.name, ())) for each in others}
    folder = given["output"] or Path(f"{_name_of(given['inputs'])}-{craft.name}")
    if any(path is not None and path.resolve().parent == folder.resolve() for path in files[main.name]):
        raise RecipeError(f"'{folder}' is the folder of the inputs; name another --output.")
    grid = parse_grid(given["grid"] or (), craft.settings)
    suffix, earlier = _suffix(given["format"]), names_in(folder)
    return items_of(craft, files, request.settings, grid=grid, folder=folder, suffix=suffix, earlier=earlier), folder


def perform(
    items: tuple[Item, ...], folder: Path, pool: Callable[[int], WorkerPool], told: Tally, *, machine: bool = False
) -> int:
    """Make the items; the exit code is 2 if any failed, and a signal's if one stopped it."""
    with contextlib.closing(reporter(machine=machine)) as screen:
        names = [find(item.job.craft).checked(item.job.settings).model_dump().get("network") for item in items]
        for network in dict.fromkeys(name for name in names if isinstance(name, str)):
            for fetched in download(network):
                screen.show(Downloaded(network, fetched.done, fetched.total))
    statuses: Counter[str] = Counter()
    with listening() as request, contextlib.closing(told), contextlib.closing(batch.run(items, folder, pool)) as course:
        told.began(items)
        for progress in course:
            told.happened(progress)
            statuses.update([progress.row.status] if progress.row else [])
            if request.stop:
                break
    told.ended(statuses, stopped=request.stop)
    return request.code if request.stop else REFUSED if statuses["failed"] else DONE


def _pool(given: Given) -> Callable[[int], WorkerPool]:
    workers, cluster = given["workers"], given["cluster"]
    if cluster is not None:
        return lambda most: RayPool(cluster, most=most, count=workers)
    return lambda most: ProcessPool(min(most, workers) if workers else local_workers(most))


def _name_of(words: list[str]) -> str:
    """Name the folder after the first input."""
    first = Path(words[0])
    return (first.stem if first.suffix else first.resolve().name) or "pictures"


def _suffix(word: str | None) -> str:
    """Return the suffix of a format that keeps a recipe."""
    suffix = f".{(word or 'png').lower().lstrip('.')}"
    if suffix not in keeps_recipe():
        raise RecipeError(f"--format is one of {', '.join(s[1:] for s in keeps_recipe())}; got '{word}'.")
    return suffix


def _files_of(each: Input, words: Sequence[str]) -> tuple[Path | None, ...]:
    """Find the files that words mean; networks are read at once, so that none fails item by item."""
    if each.kind is FOLDER:
        return tuple(map(Path, words))
    if each.kind is not STYLE_NETWORK:
        return gather(words, samples=each.kind.samples)
    paths = tuple(dict.fromkeys(map(find_custom_style, words)))
    for path in paths:
        read_johnson(path)
    return paths


def _option_of(craft: Craft[..., Any], each: Input) -> inspect.Parameter:
    """Build an option for a file; several files are used one by one."""
    words = f"{each.description}; give several times: each is used by itself"
    info = typer.Option(each.flag, metavar=each.kind.metavar, help=words, rich_help_panel=_panel(craft, each))
    return parameter(each.name, list[str] | None, None, info)


def _panel(craft: Craft[..., Any], each: Input) -> str:
    return str(input_option(craft, each).annotation.__metadata__[0].rich_help_panel)


def _batch_options() -> list[inspect.Parameter]:
    return [
        option(
            "grid", list[str], "--grid", metavar="SETTING=V,V", panel=DIALS,
            help="go through these values; give several times for a grid; + joins the parts of a list",
        ),
        option("output", Path, "--output", "-o", metavar="FOLDER", help="output folder; created if missing"),
        option("format", str, "--format", metavar="SUFFIX", help="file format: png jpg webp tif"),
        option(
            "workers", int, "--workers", metavar="N", min=1, panel=MACHINE.title,
            help="how many items at a time; default: one for every two cores",
        ),
        option(
            "cluster", str, "--cluster", metavar="local|HOST:PORT", panel=MACHINE.title,
            help="work on a Ray cluster, whose machines see the same folders",
        ),
        option("dry_run", bool, "--dry-run", help="only list what would be made"),
        json_parameter(),
    ]  # fmt: skip
