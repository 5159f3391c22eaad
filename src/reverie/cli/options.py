"""Generate the arguments and options of a craft's command from its declaration."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from rich.markup import escape

from reverie.cli.language import Spoken
from reverie.crafts.craft import Craft, Input
from reverie.crafts.kinds import Clip, Film, Report
from reverie.crafts.settings import DIAL, MACHINE, Panel, Positional, Settings
from reverie.errors import RecipeError

DIALS, BESIDE, FINER, WRITING = DIAL.title, "More pictures", "Finer", "Writing"
"""Headings of options in help, besides a craft's own and that of the machine."""

Given = Mapping[str, Any]
"""Typed values by parameter; None where nothing was typed."""


class WithHelpLast(Spoken):
    """Command whose ``--help`` is listed last, not in a box of its own above its arguments."""

    def get_help_option(self, ctx: Any) -> Any:
        """Return the option, under the last heading."""
        option: Any = super().get_help_option(ctx)
        if option is not None:
            option.rich_help_panel = WRITING
        return option


def parameter(name: str, kind: Any, default: Any, info: Any) -> inspect.Parameter:
    """Build a keyword parameter as typer reads it."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def option(name: str, kind: Any, *flags: str, help: str, panel: str = WRITING, **more: Any) -> inspect.Parameter:
    """Build an option without a default.

    Args:
        name: of the parameter.
        kind: its type; a ``bool`` is a switch.
        flags: how it is typed.
        help, panel: a phrase, and the heading under which it stands.
        more: what typer takes besides, e.g. ``metavar`` and ``min``.
    """
    if kind is bool:
        info = typer.Option(*flags, help=help, metavar="", rich_help_panel=panel, show_default=False)
        return parameter(name, bool, False, info)
    info = typer.Option(*flags, help=help, rich_help_panel=panel, show_default=False, **more)
    return parameter(name, kind | None, None, info)


def command(function: Callable[..., int], parameters: Sequence[inspect.Parameter]) -> Callable[..., int]:
    """A function of keywords, introduced to typer as taking these parameters.

    Raises:
        RecipeError: two have one name, as a plugin's setting and an option of every command may.
    """
    names = [each.name for each in parameters]
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise RecipeError(f"the command would have two parameters '{twice}'; the craft's setting needs another name.")
    vars(function)["__signature__"] = inspect.Signature(_in_panels(parameters))
    function.__annotations__ = {p.name: p.annotation for p in parameters}
    return function


def _in_panels(parameters: Iterable[inspect.Parameter]) -> list[inspect.Parameter]:
    """Sort the parameters: arguments, dials and pictures first, machine and files last."""
    first, last = (None, DIALS, BESIDE), (FINER, MACHINE.title, WRITING)

    def rank(parameter: inspect.Parameter) -> int:
        panel = parameter.annotation.__metadata__[0].rich_help_panel
        if panel in first:
            return first.index(panel)
        return len(first) + 1 + last.index(panel) if panel in last else len(first)

    return sorted(parameters, key=rank)


# --- inputs --------------------------------------------------------------------------------------


def input_parameters(craft: Craft[..., Any]) -> list[inspect.Parameter]:
    """Build an argument for each input that a craft needs, or takes as an alternative, and options for the rest."""
    return [_argument(craft, each) if each in craft.by_place else input_option(craft, each) for each in craft.inputs]


def input_option(craft: Craft[..., Any], each: Input, *, many: bool | None = None) -> inspect.Parameter:
    """Build an option for an input.

    Args:
        craft: whose it is.
        each: the input.
        many: whether it may be given several times; by default where the craft takes several.
    """
    many = each.many if many is None else many
    words = each.description + ("; a file or a folder; give several times" if many else "")
    panel = DIALS if each.required or each.name in craft.either else BESIDE
    info = typer.Option(each.flag, metavar=each.kind.metavar, help=words, rich_help_panel=panel, show_default=False)
    missing = inspect.Parameter.empty if each.required and not each.kind.by_place else None  # a preset brings none
    kind: Any = list[str] if many else str
    return parameter(each.name, kind if missing is inspect.Parameter.empty else kind | None, missing, info)


def inputs_given(craft: Craft[..., Any], given: Given) -> dict[str, tuple[str, ...]]:
    """Return the typed files by input; none if the word ``noise`` is in place of the main one."""
    found = {}
    for each in craft.inputs:
        came = given.get(each.name)
        words = () if came is None else (came,) if isinstance(came, str) else tuple(came)
        if words and not (each is craft.main and craft.noise and words == ("noise",)):
            found[each.name] = words
    return found


def _argument(craft: Craft[..., Any], each: Input) -> inspect.Parameter:
    """Build a positional argument for an input; a preset may provide those that can be many."""
    words = each.description + (", or the word 'noise'" if each is craft.main and craft.noise else "")
    info = typer.Argument(metavar=each.name.upper(), help=words, show_default=False)
    if each.many:
        return parameter(each.name, list[str] | None, None, info)
    return parameter(each.name, str, inspect.Parameter.empty, info)


# --- settings ------------------------------------------------------------------------------------


def settings_parameters(craft: Craft[..., Any]) -> list[inspect.Parameter]:
    """Build an option for each setting, under its heading."""
    kind = craft.settings
    own = [name for model in kind.__mro__ for name in vars(model).get("__annotations__", {})]
    return [_option(name, kind.model_fields[name]) for name in dict.fromkeys(own) if name in kind.model_fields]


def settings_given(kind: type[Settings], given: Given) -> dict[str, Any]:
    """Return the typed settings by the name users know, with lists split at their commas.

    Example:
        >>> settings_given(DreamSettings, {"layers": "relu4_2,relu5_1", "size": None})
        {'layers': ['relu4_2', 'relu5_1']}
    """
    return {
        field.alias or name: _split(given[name]) if _is_list(field) else given[name]
        for name, field in kind.model_fields.items()
        if given.get(name) is not None
    }


def flags(name: str, field: FieldInfo) -> tuple[str, ...]:
    """Return a setting's options: its name and its other spelling, or only that if its name is a keyword.

    Example:
        >>> flags("optimiser", StyleSettings.model_fields["optimiser"])
        ('--optimiser', '--optimizer')
    """
    both = (field.alias,) if field.alias and keyword.iskeyword(field.alias) else (name, field.alias)
    return tuple(f"--{spelling.replace('_', '-')}" for spelling in both if spelling)


def _option(name: str, field: FieldInfo) -> inspect.Parameter:
    """Build an option that passes its text on unchecked: the settings validate it."""
    place = next((mark for mark in field.metadata if isinstance(mark, Positional)), None)
    if place is not None:
        return _by_place(name, field, place)
    switch = field.annotation is bool
    panel = next((mark.title for mark in field.metadata if isinstance(mark, Panel)), FINER)
    info = typer.Option(
        *([] if switch and field.default else flags(name, field)),
        metavar="" if switch else _metavar(field),
        help=_help(field),
        show_default=False,
        rich_help_panel=panel,
    )
    return parameter(name, bool | None if switch else str | None, None, info)


def _by_place(name: str, field: FieldInfo, place: Positional) -> inspect.Parameter:
    """Build a positional argument for a setting; the last one may take several words."""
    info = typer.Argument(metavar=place.metavar, help=escape(field.description or ""), show_default=False)
    return parameter(name, list[str] if _is_list(field) else str, inspect.Parameter.empty, info)


def _metavar(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        choices = "|".join(map(str, get_args(field.annotation)))
        return choices if len(choices) <= 12 else "WORD"
    inner = get_args(field.annotation) or (field.annotation,)
    kinds = {get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in inner}
    word = "INTEGER" if int in kinds else "NUMBER" if float in kinds else "NAME"
    return f"{word},…" if _is_list(field) else word


def _help(field: FieldInfo) -> str:
    """Build a setting's help from its description, default and range: ``pixels (768; 16 to 100000)``."""
    limits = " ".join(f"{word}{limit}" for word, limit in _limits(field))
    default = _said(field.default)
    known = "; ".join(words for words in (default, limits) if words)
    return f"{escape(field.description or '')}" + (f" [dim]({escape(known)})[/]" if known else "")


def _said(default: Any) -> str:
    """Format a default as it would be typed; empty if there is none."""
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return "" if default is None or default is False else str(default)


def _limits(field: FieldInfo) -> list[tuple[str, Any]]:
    words = {"ge": "", "gt": "above ", "le": "to ", "lt": "below "}
    found = {side: getattr(m, side) for m in field.metadata for side in words if hasattr(m, side)}
    if found.get("le", 0) >= 2**63 - 1:  # no limit that anybody meets
        del found["le"]
    if "ge" in found and not {"le", "lt"} & found.keys():
        words["ge"] = "at least "
    return [(words[side], found[side]) for side in words if side in found]


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def _split(text: str | list[str]) -> list[str]:
    whole = text if isinstance(text, str) else ",".join(text)
    return [part.strip() for part in whole.split(",") if part.strip()]


# --- writing -------------------------------------------------------------------------------------


def preset_parameter(names: Iterable[str]) -> inspect.Parameter:
    """Build the option that starts from a preset's settings."""
    example = next(iter(names), "NAME")
    words = f"start from these settings; 'reverie presets' lists all [dim](as in {example})[/]"
    return option("preset", str, "--preset", metavar="NAME", help=words, panel=DIALS)


def json_parameter() -> inspect.Parameter:
    """Build the option of commands that report to programs."""
    return option("json", bool, "--json", help="progress as JSON lines on stdout")


def cluster_parameters() -> list[inspect.Parameter]:
    """Build the options of commands that can run on several machines."""
    return [
        option("cluster", str, "--cluster", metavar="local|HOST:PORT", panel=MACHINE.title,
               help="spread the tiles over a Ray cluster; 'local' starts one on this machine"),
        option("workers", int, "--workers", metavar="N", min=1, panel=MACHINE.title,
               help="workers of the cluster; default: one for every two cores"),
    ]  # fmt: skip


def output_parameter(craft: Craft[..., Any] | None = None) -> inspect.Parameter:
    """Build the option for the output."""
    words = "output file: .png .jpg .webp .tif or .npy; replaced if it exists"
    if craft is not None and craft.makes is Clip:
        words = "output: a new folder for the frames, or a film ending in .mp4 or .gif"
    elif craft is not None and craft.makes is Film:
        words = "output: a film ending in .mp4, .webm, .mkv, .mov, .gif or .apng, or a new folder for its frames"
    elif craft is not None and craft.makes is Report:
        words = "output: a file or a folder, depending on the craft"
    elif craft is not None and not craft.makes.picture:
        words = f"output file: {craft.makes.suffix}; replaced if it exists"
    return option("output", Path, "--output", "-o", metavar="FILE", help=words)


def writing_parameters(craft: Craft[..., Any] | None = None) -> list[inspect.Parameter]:
    """Build the options for what is written and how a run is kept, as far as they make sense for a craft."""
    every = {
        "save_every": option("save_every", int, "--save-every", metavar="N", min=1,
                             help="also write every Nth step's picture beside it"),
        "compare": option("compare", bool, "--compare", help="also write original and result side by side"),
        "report": option("report", bool, "--report", help="also write the losses by step as a plot"),
        "checkpoint": option("checkpoint", Path, "--checkpoint", metavar="DIR", panel=MACHINE.title,
                             help="keep the run there, to go on if it is stopped; runs over two minutes are kept"
                             " beside the picture"),
        "checkpoint_every": option("checkpoint_every", float, "--checkpoint-every", metavar="SECONDS", min=0, max=1e9,
                                   panel=MACHINE.title, help="between checkpoints [dim](30; 0: every step)[/]"),
    }  # fmt: skip
    shown = [each for name, each in every.items() if craft is None or name in _sensible(craft)]
    one = craft is not None and craft.makes is Film
    tiled = craft is None or (craft.long and "tile" in craft.settings.model_fields and not one)
    dry_run = option("dry_run", bool, "--dry-run", help="only print the plan: memory, tiles, disk, time")
    plans = [dry_run] if craft is None or craft.planned else []
    machines = cluster_parameters() if tiled else [_processes()] if one else []
    return [output_parameter(craft), *shown, *machines, *plans, json_parameter()]


def _processes() -> inspect.Parameter:
    """Build the option for the processes that share a film."""
    words = "processes that make parts of the film beside each other, and share cores and memory"
    return option("processes", int, "--workers", metavar="N", min=1, max=1024, panel=MACHINE.title, help=words)


def _sensible(craft: Craft[..., Any]) -> set[str]:
    """Names of the writing options that make sense for a craft."""
    if craft.makes is Film:
        return {"compare", "report"}
    stepwise = {"save_every", "report", "checkpoint"} if craft.stepwise else set()
    compared = {"compare"} if craft.makes.of_photo else set()
    return stepwise | compared | ({"checkpoint_every"} if craft.long else set())
