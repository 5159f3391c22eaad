"""Help in Chinese where the environment asks for it; English is the source."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import typer

from reverie.cli import app as commands
from reverie.cli import language
from tests.cli.conftest import Run


def every_phrase() -> Iterator[tuple[str, str]]:
    """Each phrase of the help of each command, and the command."""
    root: Any = typer.main.get_command(commands.app)
    ctx = typer.Context(root)
    yield from ((phrase, "reverie") for phrase in language.phrases(root))
    for name in root.list_commands(ctx):
        yield from below(root.get_command(ctx, name), name)
    for name in commands._lazy():
        yield from below(commands._whole(name), name)


def below(command: Any, name: str) -> Iterator[tuple[str, str]]:
    """The phrases of a command and of those within it."""
    yield from ((phrase, name) for phrase in language.phrases(command) if phrase)
    for word, each in getattr(command, "commands", {}).items():
        yield from below(each, f"{name} {word}")


def test_nothing_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVERIE_LANG", "zh")
    missing = {phrase: name for phrase, name in every_phrase() if language.said(phrase) == phrase}
    assert not missing, "translate these in src/reverie/cli/chinese.json"


def test_help_in_chinese(reverie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    english = reverie("dream", "--help").out
    monkeypatch.setenv("REVERIE_LANG", "zh_CN.UTF-8")
    chinese = reverie("dream", "--help").out
    assert "要梦见的类别" in chinese and "classes to dream of" not in chinese
    assert "classes to dream of" in english and "--class" in chinese
    assert "在照片上或从噪声做梦" in reverie("--help").out


@pytest.mark.parametrize(
    ("wished", "found"),
    [({"LANG": "zh_TW"}, "zh"), ({"LANG": "de_DE"}, "en"), ({"LANG": "zh", "LC_ALL": "C"}, "en"), ({}, "en")],
)
def test_the_language_of_the_environment(wished: dict[str, str], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in language.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in wished.items():
        monkeypatch.setenv(name, value)
    assert language.language() == found
