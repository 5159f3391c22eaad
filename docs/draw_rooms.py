"""Draw the rooms of the house from the imports in its files, into docs/architecture.md: `python docs/draw_rooms.py`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
HOUSE = ROOT / "src" / "reverie"
PAGE = ROOT / "docs" / "architecture.md"
DRAWING = re.compile(r"(?<=<!-- drawn -->\n).*?(?=<!-- end -->)", re.S)
Rooms = Mapping[str, set[str]]
"""By room, the rooms it imports from."""


def rooms(house: Path = HOUSE) -> Rooms:
    """The rooms, and from which others each imports; single files such as `errors.py` are open to all, and left out."""
    names = {path.parent.name for path in house.glob("*/__init__.py")}
    found: dict[str, set[str]] = {name: set() for name in sorted(names)}
    for name, others in found.items():
        for path in sorted((house / name).rglob("*.py")):
            others.update(imported(path) & names - {name})
    return found


def imported(path: Path) -> set[str]:
    """The parts of Reverie that a file imports from."""

    def found() -> Iterator[str]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "reverie":
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reverie."):
                yield str(node.module).split(".")[1]

    return set(found())


def reach(room: str, all_rooms: Rooms) -> set[str]:
    """Every room below one, however far."""
    below = set(all_rooms[room])
    return below.union(*(reach(each, all_rooms) for each in below))


def nearest(room: str, all_rooms: Rooms) -> list[str]:
    """The rooms that one imports from and that lie behind no other of those."""
    direct = all_rooms[room]
    behind: set[str] = set().union(*(reach(each, all_rooms) for each in direct))
    return sorted(direct - behind)


def drawn(all_rooms: Rooms) -> str:
    """The drawing, as Mermaid: an arrow from each room to those it stands on."""
    arrows = [f"    {room} --> {other}" for room in all_rooms for other in nearest(room, all_rooms)]
    return "\n".join(["```mermaid", "flowchart TD", *arrows, "```", ""])


def with_drawing(text: str, all_rooms: Rooms) -> str:
    """A page's text with the drawing in its place."""
    return DRAWING.sub(lambda _: drawn(all_rooms), text)


if __name__ == "__main__":
    PAGE.write_text(with_drawing(PAGE.read_text(encoding="utf8"), rooms()), encoding="utf8")
