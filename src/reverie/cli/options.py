"""Options of a command, generated from a recipe's settings and roles."""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin

import typer
from pydantic.fields import FieldInfo
from rich.markup import escape

from reverie.recipes.catalogue import Recipe, Role
from reverie.recipes.settings import Settings

DIALS, FINER = "Dials", "Finer"


def role_parameters(recipe: Recipe[Any]) -> list[inspect.Parameter]:
    """An argument for each picture a recipe needs, an option for each it may have."""
    return [_argument(role) if role.required else _picture_option(role) for role in recipe.roles]


def settings_parameters(recipe: Recipe[Any]) -> list[inspect.Parameter]:
    """An option for each setting of a recipe, its dials first."""
    fields = recipe.settings.model_fields
    rest = [name for name in fields if name not in recipe.dials]
    return [
        _option(name, fields[name], panel=DIALS if name in recipe.dials else FINER) for name in (*recipe.dials, *rest)
    ]


def settings_given(kind: type[Settings], given: Mapping[str, Any]) -> dict[str, object]:
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


def _argument(role: Role) -> inspect.Parameter:
    info = typer.Argument(metavar=role.name.upper(), help=role.description, show_default=False)
    kind = list[str] if role.many else str
    return parameter(role.name, kind, inspect.Parameter.empty, info)


def _picture_option(role: Role) -> inspect.Parameter:
    info = typer.Option(f"--{role.name}", metavar="PICTURE", help=role.description, rich_help_panel=DIALS)
    return parameter(role.name, str | None, None, info)


def _option(name: str, field: FieldInfo, *, panel: str) -> inspect.Parameter:
    """An option that hands its text on: the settings themselves check it, and say what is wrong."""
    flag = field.annotation is bool
    info = typer.Option(
        *([] if flag else flags(name, field)),
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
    kinds = get_args(field.annotation) or (field.annotation,)
    word = "INTEGER" if int in kinds else "NUMBER" if float in kinds else "NAME"
    return f"{word},…" if _is_list(field) else word


def _help(field: FieldInfo) -> str:
    """What a setting is, its default, and its range: ``pixels (768; 16 to 100000)``."""
    limits = " ".join(f"{word}{limit}" for word, limit in _limits(field))
    default = "" if field.default in (None, ()) else str(field.default)
    known = "; ".join(words for words in (default, limits) if words)
    return f"{escape(field.description or '')}" + (f" [dim]({escape(known)})[/]" if known else "")


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
