"""Check the documentation: `python docs/check.py` names every link, anchor, path and block of code that is wrong."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
LINK = re.compile(r"\]\(([^)\s]+)\)|<img src=\"([^\"]+)\"")
PATH = re.compile(r"`((?:[\w.-]+/)+(?:[\w-]+\.(?:py|md|json|toml|yml|safetensors|jpg))?)`")
SHOWN = re.compile(r"^`([^`\n]+)`:$", re.M)
BESIDE = {".venv", "build", "dist", "demo", "node_modules"}
"""Folders that are no part of the project."""


def pages(root: Path) -> list[Path]:
    """Every page of the project."""
    return [path for path in sorted(root.rglob("*.md")) if not BESIDE & {*path.relative_to(root).parts}]


def problems(page: Path, root: Path = ROOT) -> Iterator[str]:
    """What is wrong on a page, a line each."""
    text = page.read_text(encoding="utf8")
    prose = BLOCK.sub("", text)
    yield from (f"the link '{link}' leads nowhere" for link in links(prose) if not leads(link, page))
    places = (root, page.parent, root / "src" / "reverie")
    shown = SHOWN.findall(text)
    for name in dict.fromkeys(PATH.findall(prose)):
        if not any((place / name).exists() for place in places) and not any(s.startswith(name) for s in shown):
            yield f"there is no '{name}'"
    yield from (f"a block is no Python: {reason}" for reason in misspelt(text))


def links(prose: str) -> list[str]:
    """The links of a page that stay within the project."""
    found = (a or b for a, b in LINK.findall(prose))
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def leads(link: str, page: Path) -> bool:
    """Whether there is a file, and a heading in it, where a link leads to."""
    name, _, anchor = link.partition("#")
    target = page.parent / name if name else page
    return target.exists() and (not anchor or anchor in headings(target))


def headings(page: Path) -> set[str]:
    """The anchors that GitHub gives to the headings of a page."""
    prose = BLOCK.sub("", page.read_text(encoding="utf8"))
    titles = re.findall(r"^#+ (.+)$", prose, re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def misspelt(text: str) -> Iterator[str]:
    """Why blocks of Python cannot be parsed."""
    for language, code in BLOCK.findall(text):
        if language == "python":
            try:
                ast.parse(code)
            except SyntaxError as error:
                yield f"{error.msg}: {error.text}"


def main() -> int:
    """Say what is wrong; 1 if anything is."""
    found = [f"{page.relative_to(ROOT)}: {what}" for page in pages(ROOT) for what in problems(page)]
    print("\n".join(found) or "documentation: all links, paths and blocks of code are right")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
