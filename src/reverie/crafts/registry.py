"""Registry of crafts: built-in ones, found by scanning their files, and those that plugins add by entry points."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module, metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reverie.errors import PluginWarning, RecipeError, suggestion

if TYPE_CHECKING:
    from reverie.crafts.craft import Craft

PLUGINS = "reverie.crafts"
"""The group of entry points by which a package adds crafts."""
ROOMS = ("recipes", "export")
"""The rooms in which our own are declared, a file each."""
COMMANDS = (
    "batch",
    "replay",
    "resume",
    "networks",
    "styles",
    "presets",
    "devices",
    "studio",
    "jobs",
    "live",
    "classes",
)
"""Commands that are no crafts; a plugin cannot take their names."""
_HOME = Path(__file__).parents[1]
_WORD = re.compile(r"[^\W_][\w-]*")


@dataclass(frozen=True)
class Listing:
    """Name and summary of a craft that is not loaded yet.

    Attributes:
        name, summary: of the craft.
        load: loads it.
    """

    name: str
    summary: str
    load: Callable[[], Any]


@cache
def listings() -> Mapping[str, Listing]:
    """Return every craft by name, parsed from the source text without loading any."""
    found = {each.name: each for each in _ours()}
    taken = {*COMMANDS, *(name.split()[0] for name in found)}
    for each in _plugins():
        if not _WORD.fullmatch(each.name):
            leave_out(each.name, "its name is no word of letters, digits and hyphens")
        elif each.name in taken:
            leave_out(each.name, "there is a command of that name already")
        else:
            found[each.name] = each
            taken.add(each.name)
    return found


@cache
def find(name: str) -> Craft[..., Any]:
    """Load the craft of that name.

    Raises:
        RecipeError: there is none, or its plugin cannot be loaded.

    Example:
        >>> find("dream").settings().size
        768
    """
    known = listings()
    if name not in known:
        raise RecipeError(f"there is no craft '{name}'; known are {', '.join(known)}.{suggestion(name, known)}")
    from reverie.crafts.craft import Craft

    try:
        craft = known[name].load()
        sound = isinstance(craft, Craft) and craft.settings and craft.inputs is not None
    except (Exception, SystemExit) as error:  # third-party code
        raise RecipeError(f"the plugin of '{name}' cannot be loaded: {type(error).__name__}: {error}") from error
    if not sound:
        raise RecipeError(f"the plugin of '{name}' gives no craft, but {type(craft).__name__}; declare it by rv.craft.")
    if craft.name != name:  # by which jobs and records would not find it
        raise RecipeError(f"the plugin of '{name}' gives the craft '{craft.name}'; name its entry point alike.")
    found: Craft[..., Any] = craft
    return found


def crafts() -> Mapping[str, Craft[..., Any]]:
    """Load every craft, by name; a broken plugin only raises a warning."""
    found = {}
    for name in listings():
        try:
            found[name] = find(name)
        except RecipeError as error:
            leave_out(name, str(error))
    return found


def _ours() -> Iterator[Listing]:
    """Yield the crafts declared in our own files."""
    for path in (path for room in ROOMS for path in sorted((_HOME / room).glob("*.py"))):
        text = path.read_text(encoding="utf8")
        if "@craft(" in text:
            module = f"reverie.{path.parent.name}.{path.stem}"
            for function, name, summary in _declared(text):
                yield Listing(name, summary, _loader(module, function))


def _loader(module: str, function: str) -> Callable[[], Any]:
    return lambda: getattr(import_module(module), function)


def _plugins() -> Iterator[Listing]:
    """Yield the crafts of installed packages; one whose source cannot be read only raises a warning."""
    for entry in metadata.entry_points(group=PLUGINS):
        name = entry.name.replace("_", "-")
        try:
            said = {n: s for f, n, s in _declared(_text_of(entry.module)) if f == entry.attr}
        except RecipeError as error:
            leave_out(name, str(error))
            continue
        except (Exception, SystemExit) as error:  # third-party code
            leave_out(name, f"{type(error).__name__}: {error}")
            continue
        yield Listing(name, next(iter(said.values()), f"a craft of {entry.module}"), entry.load)


def _text_of(module: str) -> str:
    """Read the source text of a module without loading it.

    Raises:
        RecipeError: there is no such file.
    """
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise RecipeError(f"there is no module '{module}'")
    return Path(spec.origin).read_text(encoding="utf8")


def _declared(text: str) -> Iterator[tuple[str, str, str]]:
    """Parse the crafts declared in a source text: function, name and summary of each."""
    for node in ast.parse(text).body:
        if not isinstance(node, ast.FunctionDef):
            continue
        for call in node.decorator_list:
            if isinstance(call, ast.Call) and ast.unparse(call.func).split(".")[-1] == "craft":
                said = {k.arg: k.value.value for k in call.keywords if isinstance(k.value, ast.Constant)}
                summary = said.get("summary") or (ast.get_docstring(node) or node.name).partition("\n")[0]
                yield node.name, str(said.get("name") or node.name.replace("_", "-")), str(summary)


def leave_out(name: str, reason: str) -> None:
    """Warn that the plugin of a craft is left out, and why."""
    warnings.warn(f"the plugin of '{name}' is left out: {' '.join(reason.split())[:300]}", PluginWarning, stacklevel=2)
