"""The pages of the reference: every public name of `__init__.pyi`, a page for each room."""

from __future__ import annotations

import importlib
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import reverie

_NAME = re.compile(r"^from reverie\.(\w+)[\w.]* import \w+ as (\w+)$", re.MULTILINE)
_ROOM = re.compile(r"^from reverie import (\w+) as \1$", re.MULTILINE)


def pages(listed: Path) -> Iterator[tuple[str, str]]:
    """Yield the pages in Markdown with their paths: the contents, and one for each room that has public names.

    Args:
        listed: the file of public names.
    """
    text = listed.read_text(encoding="utf-8")
    names: defaultdict[str, list[str]] = defaultdict(list)
    for room, name in _NAME.findall(text):
        if name != "__version__":
            names[room].append(name)
    order = {room: number for number, room in enumerate(_ROOM.findall(text))}
    rooms = sorted(names, key=lambda room: (order.get(room, len(order)), room))
    yield "api.md", _contents(rooms, names)
    for room in rooms:
        yield f"api/{room}.md", _room(room, names[room])


def _contents(rooms: list[str], names: dict[str, list[str]]) -> str:
    lines = ["# The library", ""]
    lines += ["Every public name. A picture is a float32 tensor (B, 3, H, W), sRGB in [0, 1]; a size is (H, W).", ""]
    lines += ["```{toctree}", ":hidden:", "", *(f"api/{room}" for room in rooms), "```", ""]
    for room in rooms:
        shown = " · ".join(f"[`{name}`](api/{room}.md)" for name in names[room])
        lines += [f"**[{room}](api/{room}.md)** {_about(room)}", "", shown, ""]
    return "\n".join(lines)


def _room(room: str, names: list[str]) -> str:
    entries = [f".. autodata:: reverie.{name}" if _is_data(name) else _auto(name) for name in names]
    return "\n".join([f"# {room}", "", _about(room), "", "```{eval-rst}", *entries, "```", ""])


def _about(room: str) -> str:
    """Return the first line of a room's docstring."""
    return (importlib.import_module(f"reverie.{room}").__doc__ or "").strip().partition("\n")[0]


def _is_data(name: str) -> bool:
    return not callable(getattr(reverie, name)) or not isinstance(getattr(reverie, name).__doc__, str)


def _auto(name: str) -> str:
    if isinstance(getattr(reverie, name), type):
        return f".. autoclass:: reverie.{name}\n   :members:"
    return f".. autofunction:: reverie.{name}"
