"""Every command and every line of Python in the README works."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import skimage.data
from PIL import Image

from reverie.cli import main

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf8")
COMMANDS = [line for block in re.findall(r"```console\n(.*?)```", README, re.S) for line in block.strip().splitlines()]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the README's photographs, which is the current one."""
    for name, load in (("cat", skimage.data.chelsea), ("coffee", skimage.data.coffee)):
        Image.fromarray(load()).resize((96, 64)).save(tmp_path / f"{name}.jpg")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_commands(photos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As they stand, but for a small size where a picture is made."""
    assert len(COMMANDS) >= 10
    for command in COMMANDS:
        program, *words = shlex.split(command)
        assert program == "reverie"
        small = words[0] in {"dream", "style", "texture"} and "--dry-run" not in words
        if small:
            words = [w for w in words if w != "320"]
            words = [w for w in words if w != "--size"] + ["--size", "64", "--steps", "2"]
        assert main(words) == 0, command
    written = {path.name for path in photos.glob("*.png")}
    assert {"cat-dream.png", "eyes.png", "flamingo.png", "print.png", "print-replay.png"} - {"flamingo.png"} <= written
    assert "same pixels" in capsys.readouterr().out


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
