"""Options of a command, generated from a recipe's settings and roles."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from rich.markup import escape

from reverie.jobs.presets import presets
from reverie.recipes.catalogue import Recipe, Role

DIALS, BESIDE, FINER, MACHINE, WRITING = "Dials", "Pictures beside", "Finer", "Machine", "Writing"
"""The headings under which options stand; a recipe's own come before the finer ones."""

OF_THE_MACHINE = ("precision", "memory", "tile")
"""Settings that change no more than rounding, under the heading of the machine."""


def role_parameters(recipe: Recipe[Any]) -> list[inspect.Parameter]:
    """An argument for each picture a recipe needs, an option for each it may have."""
    return [_argument(role) if role.required else _picture_option(role) for role in recipe.roles]


def preset_parameter(recipe: Recipe[Any]) -> inspect.Parameter:
    """The option that begins with a preset's settings."""
    words = f"begin with these settings, as in {next(iter(presets(recipe.name)), 'NAME')}; 'reverie presets' lists all"
    info = typer.Option("--preset", metavar="NAME", help=words, rich_help_panel=DIALS, show_default=False)
    return parameter("preset", str | None, None, info)


def settings_parameters(recipe: Recipe[Any]) -> list[inspect.Parameter]:
    """An option for each setting of a recipe, each under its heading."""
    panels = {DIALS: recipe.dials, **recipe.panels, MACHINE: OF_THE_MACHINE}
    placed = {name for names in panels.values() for name in names}
    panels[FINER] = tuple(name for name in recipe.settings.model_fields if name not in placed)
    return [option for panel, names in panels.items() for option in options_of(recipe.settings, names, panel=panel)]


def in_panels(parameters: Iterable[inspect.Parameter]) -> list[inspect.Parameter]:
    """Arguments, dials and pictures first, what concerns the machine and the files last."""
    first, last = (None, DIALS, BESIDE), (FINER, MACHINE, WRITING)

    def rank(parameter: inspect.Parameter) -> int:
        panel = parameter.annotation.__metadata__[0].rich_help_panel
        if panel in first:
            return first.index(panel)
        return len(first) + 1 + last.index(panel) if panel in last else len(first)

    return sorted(parameters, key=rank)


def with_parameters(command: Callable[..., int], parameters: list[inspect.Parameter]) -> Callable[..., int]:
    """The same function, introduced to typer as taking these parameters."""
    vars(command)["__signature__"] = inspect.Signature(in_panels(parameters))
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    return command


def options_of(kind: type[BaseModel], names: Iterable[str], *, panel: str) -> list[inspect.Parameter]:
    """An option for each of these settings, under one heading."""
    return [_option(name, kind.model_fields[name], panel=panel) for name in names]


def settings_given(kind: type[BaseModel], given: Mapping[str, Any]) -> dict[str, object]:
    """The settings that were typed, by the name users know, lists split at their commas.

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
    """A setting's options: its name and its other spelling; a Python keyword goes by that alone.

    Example:
        >>> flags("optimiser", StyleSettings.model_fields["optimiser"])
        ('--optimiser', '--optimizer')
    """
    both = (field.alias,) if field.alias and keyword.iskeyword(field.alias) else (name, field.alias)
    return tuple(f"--{spelling.replace('_', '-')}" for spelling in both if spelling)


def parameter(name: str, kind: Any, default: Any, info: Any) -> inspect.Parameter:
    """A keyword parameter as typer reads it."""
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[kind, info])


def role_flag(role: Role) -> str:
    """A role's option: ``--avoid-like``."""
    return f"--{role.name.replace('_', '-')}"


def _argument(role: Role) -> inspect.Parameter:
    """A picture by its place; a preset may bring those of which there may be many."""
    info = typer.Argument(metavar=role.name.upper(), help=role.description, show_default=False)
    if role.many:
        return parameter(role.name, list[str] | None, None, info)
    return parameter(role.name, str, inspect.Parameter.empty, info)


def _picture_option(role: Role) -> inspect.Parameter:
    words = role.description + ("; a file or a folder; give several times" if role.many else "")
    info = typer.Option(role_flag(role), metavar="PICTURE", help=words, rich_help_panel=BESIDE)
    return parameter(role.name, list[str] | None if role.many else str | None, None, info)


def _option(name: str, field: FieldInfo, *, panel: str) -> inspect.Parameter:
    """An option that hands its text on: the settings themselves check it, and say what is wrong."""
    flag = field.annotation is bool
    info = typer.Option(
        *([] if flag and field.default else flags(name, field)),
        metavar="" if flag else _metavar(field),
        help=_help(field),
        show_default=False,
        rich_help_panel=panel,
    )
    return parameter(name, bool | None if flag else str | None, None, info)


def _metavar(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        choices = "|".join(map(str, get_args(field.annotation)))
        return choices if len(choices) <= 12 else "WORD"
    inner = get_args(field.annotation) or (field.annotation,)
    kinds = {get_args(kind)[0] if get_origin(kind) is Annotated else kind for kind in inner}
    word = "INTEGER" if int in kinds else "NUMBER" if float in kinds else "NAME"
    return f"{word},…" if _is_list(field) else word


def _help(field: FieldInfo) -> str:
    """What a setting is, its default, and its range: ``pixels (768; 16 to 100000)``."""
    limits = " ".join(f"{word}{limit}" for word, limit in _limits(field))
    default = _said(field.default)
    known = "; ".join(words for words in (default, limits) if words)
    return f"{escape(field.description or '')}" + (f" [dim]({escape(known)})[/]" if known else "")


def _said(default: Any) -> str:
    """A default as it would be typed; nothing where it is none."""
    if isinstance(default, tuple):
        return ",".join(map(str, default))
    return "" if default is None or default is False else str(default)


def _limits(field: FieldInfo) -> list[tuple[str, Any]]:
    words = {"ge": "", "gt": "above ", "le": "to ", "lt": "below "}
    found = {side: getattr(m, side) for m in field.metadata for side in words if hasattr(m, side)}
    if "ge" in found and not {"le", "lt"} & found.keys():
        words["ge"] = "at least "
    return [(words[side], found[side]) for side in words if side in found]


def _is_list(field: FieldInfo) -> bool:
    return get_origin(field.annotation) is tuple


def _split(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]
