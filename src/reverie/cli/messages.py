"""Say what happened in the user's language: messages and the lines of a run.

English is the source: each message is written where it is raised, and nothing there knows of other languages.
`chinese_messages.json` maps templates, with `{}` for what stands in them, to Chinese: "source" those that are strings
of our source as they are, "others" those that are put together or come from libraries, "pieces" what may stand in one.
A message that fits no template is shown in English; a test names those that a user of the command line may meet.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from reverie.cli.language import language

Templates = tuple[tuple[re.Pattern[str], str], ...]


def told(message: str) -> str:
    """Return a message in the user's language, or as it is where no template fits it."""
    return message if language() == "en" else _translated(message, _lines())


def piece(words: str) -> str:
    """Return a piece of a line in the user's language, or as it is."""
    return words if language() == "en" else _piece(words)


def _translated(message: str, templates: Templates) -> str:
    """Fill the first template that fits with what stands in the message, each piece of it translated as well."""
    for pattern, chinese in templates:
        if found := pattern.fullmatch(message):
            return chinese.format(*map(_piece, found.groups()))
    return message


def _piece(words: str) -> str:
    return _translated(words, _pieces())


@cache
def _lines() -> Templates:
    return _templates(_known()["source"] | _known()["others"])


@cache
def _pieces() -> Templates:
    return (*_templates(_known()["pieces"]), *_lines())


@cache
def _known() -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = json.loads(
        Path(__file__).with_name("chinese_messages.json").read_text(encoding="utf-8")
    )
    return found


def _templates(known: Mapping[str, str]) -> Templates:
    """Compile templates; those with more words of their own come first."""
    ordered = sorted(known.items(), key=lambda pair: -len(pair[0].replace("{}", "")))
    return tuple((_pattern(template), chinese) for template, chinese in ordered)


def _pattern(template: str) -> re.Pattern[str]:
    return re.compile("(.*?)".join(map(re.escape, template.split("{}"))), re.DOTALL)
