"""What there is to choose from, as plain values: crafts with their inputs and settings, presets, networks, styles."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args, get_origin

from pydantic.fields import FieldInfo

from reverie import styles
from reverie.clips import has_video
from reverie.crafts.craft import Craft, Input
from reverie.crafts.kinds import FOLDER, FOOTAGE, GALLERY, PLACE, STYLE_NETWORK, WORD, Report
from reverie.crafts.registry import crafts
from reverie.crafts.settings import Panel, Settings
from reverie.feedforward.custom import custom_styles
from reverie.jobs.presets import presets
from reverie.networks import descriptions

Card = dict[str, Any]
NAMED = (WORD, PLACE, GALLERY)
"""Kinds of input that cannot be brought: names of files and folders as they lie, which nobody may give from afar."""
FINER = "Finer"
_LIMITS = {"ge": "minimum", "gt": "above", "le": "maximum", "lt": "below"}
_TYPES: Mapping[type, str] = {bool: "switch", int: "integer", float: "number", str: "text"}


def crafts_shown() -> dict[str, Craft[..., Any]]:
    """Return the crafts that can be done from afar: those that make something from files that are brought."""
    return {name: each for name, each in crafts().items() if _can_be_done(each)}


def _can_be_done(craft: Craft[..., Any]) -> bool:
    kinds = {each.kind for each in craft.inputs if each.required}
    return craft.makes is not Report and not kinds & {*NAMED} and (FOOTAGE not in kinds or has_video())


def craft_card(craft: Craft[..., Any]) -> Card:
    """Describe a craft: inputs in their order, settings under their headings, and what comes out."""
    return {
        "name": craft.name,
        "summary": craft.summary,
        "example": craft.example,
        "makes": craft.makes.name,
        "stepwise": craft.stepwise,
        "long": craft.long,
        "noise": craft.noise is not None,
        "either": list(craft.either),
        "inputs": [input_card(each, craft) for each in craft.inputs if each.kind not in NAMED],
        "settings": [setting_card(name, field) for name, field in fields_of(craft.settings)],
        "schema": craft.settings.model_json_schema(by_alias=True),
    }


def input_card(each: Input, craft: Craft[..., Any]) -> Card:
    """Describe an input of a craft."""
    return {
        "name": each.name,
        "kind": each.kind.name,
        "description": each.description,
        "required": each.required,
        "by_place": each in craft.by_place,
        "many": each.many or each.kind is FOLDER,
        "samples": each.kind.samples,
        "networks": each.kind is STYLE_NETWORK,
    }


def fields_of(kind: type[Settings]) -> Iterable[tuple[str, FieldInfo]]:
    """Return the settings by the names users know, those of a craft's own before what it inherits."""
    own = [name for model in kind.__mro__ for name in vars(model).get("__annotations__", {})]
    return [
        (kind.model_fields[name].alias or name, kind.model_fields[name])
        for name in dict.fromkeys(own)
        if name in kind.model_fields
    ]


def setting_card(name: str, field: FieldInfo) -> Card:
    """Describe a setting: its type, limits, default, heading and help."""
    panel = next((mark.title for mark in field.metadata if isinstance(mark, Panel)), FINER)
    limits = {
        word: getattr(mark, side)
        for mark in field.metadata
        for side, word in _LIMITS.items()
        if getattr(mark, side, None) is not None
    }
    default = field.get_default(call_default_factory=True)
    return {
        "name": name,
        "description": field.description or "",
        "panel": panel,
        **_type_of(field.annotation),
        "default": list(default) if isinstance(default, tuple) else default,
        **limits,
    }


def _type_of(annotation: Any) -> Card:
    """Describe a type: what kind of value, whether it may be left empty, and the choices where there are some."""
    if hasattr(annotation, "__metadata__"):
        return _type_of(annotation.__origin__)
    if get_origin(annotation) is Literal:
        return {"type": "choice", "choices": list(get_args(annotation))}
    if get_origin(annotation) is tuple:
        inner = _type_of(get_args(annotation)[0])
        return {"type": "list", "of": inner["type"]}
    known = [each for each in get_args(annotation) if each is not type(None)]
    if known:
        return {**_type_of(known[0]), "optional": type(None) in get_args(annotation)}
    return {"type": _TYPES.get(annotation, "text")}


def presets_shown(known: Iterable[str]) -> list[Card]:
    """Describe the presets of some crafts."""
    return [
        {
            "name": name,
            "craft": each.craft,
            "summary": each.summary,
            "settings": each.given(),
            "inputs": {role: list(samples) for role, samples in each.samples.items()},
        }
        for name, each in presets().items()
        if each.craft in known
    ]


def networks_shown() -> Card:
    """Describe the networks whose features can be used, and name the custom style networks."""
    known = [
        {"name": each.name, "paper": each.paper, "licence": each.licence, "download": each.download,
         "layers": [layer.name for layer in each.layers], "dream_layers": list(each.dream_layers),
         "style_layers": list(each.style_layers)}
        for each in descriptions().values()
    ]  # fmt: skip
    return {"networks": known, "styles": sorted(custom_styles())}


def styles_shown() -> list[Card]:
    """Name the sample styles."""
    return [{"name": name} for name in styles.names()]


def command_line(
    craft: Craft[..., Any], inputs: Mapping[str, Sequence[str]], settings: Mapping[str, Any], preset: str | None
) -> str:
    """Return the command that does the same as an order.

    Args:
        craft: of the order.
        inputs: names of files or of sample styles.
        settings: by the names users know.
        preset: whose settings it begins with.

    Example:
        >>> command_line(dream, {"photo": ["my cat.jpg"]}, {"size": 512}, None)
        "reverie dream 'my cat.jpg' --size 512"
    """
    words = ["reverie", *craft.name.split()]
    for each in craft.inputs:
        given = inputs.get(each.name, ())
        if each in craft.by_place:
            words += given or (["noise"] if each is craft.main and craft.noise else [])
    for each in craft.inputs:
        if each not in craft.by_place:
            words += [word for file in inputs.get(each.name, ()) for word in (each.flag, file)]
    words += ["--preset", preset] if preset else []
    for name, value in settings.items():
        words += _typed(f"--{name.replace('_', '-')}", value)
    return shlex.join(words)


def _typed(flag: str, value: Any) -> list[str]:
    """A setting as it is typed."""
    if value is None or value is False:
        return []
    if value is True:
        return [flag]
    return [flag, ",".join(map(str, value)) if isinstance(value, list | tuple) else str(value)]
