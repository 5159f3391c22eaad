"""Every command and every line of Python in the README works."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from reverie.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf8")
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", README, re.S) for line in block.strip().splitlines()]
PAINTING = {"style", "instant", "texture", "remix", "replay"}
LOOKING = {"see", "explain", "perturb", "find"}
"""Commands that need nothing of what the others make."""


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's photographs, which is the current one."""
    for name, load in (("cat", skimage.data.chelsea), ("coffee", skimage.data.coffee)):
        Image.fromarray(load()).resize((96, 64)).save(tmp_path / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def quick(words: list[str]) -> list[str]:
    """The words of a command, with a small size and few steps where a picture is made by steps."""
    if words[0] not in {"dream", "style", "texture"}:
        return words
    if "--size" in words:
        at = words.index("--size")
        words = words[:at] + words[at + 2 :]
    if "--dry-run" in words:
        return [*words, "--size", "640", "--start", "photo", "--precision", "float32"]
    return [*words, "--size", "48", "--steps", "1", *(("--start", "photo") if words[0] == "style" else ())]


def run(words: list[str]) -> int:
    """Run a command; one that names its memory in a process of its own, for what this one holds would count."""
    if kind_of(words) != "within":
        return main(words)
    return subprocess.run([sys.executable, "-m", "reverie", *words], check=False).returncode


def test_they_are_many() -> None:
    assert len(COMMANDS) >= 10


def kind_of(words: list[str]) -> str:
    """Which of the tests below runs a command."""
    if "--memory" in words:
        return "within"
    if words[0] in LOOKING:
        return "looking"
    return "painting" if words[0] in PAINTING and "--dry-run" not in words else "others"


@pytest.mark.parametrize("kind", ["others", "painting", "looking", "within"])
def test_the_commands(photos: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    """As they stand, but for a small size; each that makes a picture makes a new one, by the name it asked for."""
    for command in COMMANDS:
        program, *words = shlex.split(command)
        assert program == "reverie"
        if kind_of(words) != kind:
            continue
        before = set(photos.iterdir())
        assert run(quick(words)) == 0, command
        made = {path.name for path in set(photos.iterdir()) - before}
        shows = words[0] in {"networks", "styles", "presets", "classes"} or "--dry-run" in words
        assert bool(made) != shows, f"{command}: {made}"
        assert {word for flag, word in pairwise(words) if flag == "-o"} <= made, f"{command}: {made}"
    assert ("same pixels" in capsys.readouterr().out) == (kind == "painting")


def test_the_library(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", README, re.S)
    exec(compile(code, "README.md", "exec"), {})
    with Image.open(photos / "out.png") as made:
        assert made.size == (128, 96)
    assert "stage 3/3" in capsys.readouterr().out


def test_what_it_names_exists() -> None:
    root = Path(__file__).parents[1]
    named = re.findall(r"\]\(([^)]+)\)|`(docs/[\w/.-]+|src/[\w/.-]+)`", README)
    for path in (a or b for a, b in named):
        assert (root / path).exists(), path
    makefile = (root / "Makefile").read_text(encoding="utf8")
    for verb in re.search(r"Verbs: `make ([^`]+)`", README)[1].split():  # type: ignore[index]
        assert f"\n{verb}:" in makefile, verb
