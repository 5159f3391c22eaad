"""Show help in the user's language: English, or Chinese where the environment asks for it.

English is the source: it is what the code says. `chinese.json` maps each phrase of help to Chinese; a phrase that is
missing is shown in English, and a test names it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from typer.core import TyperCommand, TyperGroup

VARIABLES = ("REVERIE_LANG", "LC_ALL", "LC_MESSAGES", "LANG")
"""Variables of the environment that name a language; the first that is set counts."""
_NOTE = " [dim]("  # begins the default and the range, which are the same in every language


def language() -> str:
    """Return "zh" where the environment asks for Chinese, else "en"."""
    wished = next((value for name in VARIABLES if (value := os.environ.get(name))), "")
    return "zh" if wished.lower().startswith("zh") else "en"


def said(phrase: str) -> str:
    """Return a phrase of help in the user's language, or in English where it is not known in that."""
    if language() == "en":
        return phrase
    words, mark, note = phrase.partition(_NOTE)
    return _translated(words) + mark + note


def _translated(words: str) -> str:
    """Look a phrase up; one that ends in an addition, such as "; give several times", in two parts."""
    known = _chinese()
    if words in known:
        return known[words]
    added = next((each for each in known if each[:2] in ("; ", ", ") and words.endswith(each)), "")
    return _translated(words.removesuffix(added)) + known[added] if added else words


class Spoken(TyperCommand):
    """Command whose help is in the user's language."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        _speak(self)
        super().format_help(ctx, formatter)


class SpokenGroup(TyperGroup):
    """Group of commands whose help is in the user's language."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        for name in self.list_commands(ctx):
            _speak(self.get_command(ctx, name))
        _speak(self)
        super().format_help(ctx, formatter)


def phrases(command: Any) -> Iterator[str]:
    """List the phrases of a command's help: its summary, its headings and its options."""
    yield _summary(command.help or "")[0]
    yield from filter(None, [getattr(command, "rich_help_panel", None)])
    for each in command.params:
        if getattr(each, "help", None):
            yield each.help.partition(_NOTE)[0]
        if getattr(each, "rich_help_panel", None):
            yield each.rich_help_panel


def _speak(command: Any) -> None:
    """Put a command's help into the user's language."""
    first, rest = _summary(command.help or "")
    command.help = said(first) + rest
    for each in (command, *command.params):
        if isinstance(panel := getattr(each, "rich_help_panel", None), str):
            each.rich_help_panel = said(panel)
    for each in command.params:
        if getattr(each, "help", None):
            each.help = said(each.help)


def _summary(text: str) -> tuple[str, str]:
    """Split a command's help into its first paragraph, on one line, and what follows."""
    first, gap, rest = text.partition("\n\n")
    return " ".join(first.split()), gap + rest


@cache
def _chinese() -> Mapping[str, str]:
    found: dict[str, str] = json.loads(Path(__file__).with_name("chinese.json").read_text(encoding="utf-8"))
    return found
