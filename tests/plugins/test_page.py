"""The packages in docs/plugins.md install, and everything the page shows of them works."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from tests.plugins.pages import ROOT, commands_in, files_in, install, run, write_files

PAGE = (ROOT / "docs" / "plugins.md").read_text(encoding="utf8")
FILES = files_in(PAGE)
COMMANDS = dict(zip(("negative", "glow"), commands_in(PAGE), strict=True))
"""By package, what is shown of it."""
SHOWING = {"networks"}
PROGRAM = """
import contextlib, io, json, pathlib, sys
from reverie.cli import main

for line in (ended := json.loads(sys.argv[1])):
    before, told = set(pathlib.Path().iterdir()), io.StringIO()
    with contextlib.redirect_stdout(told):
        code = main(line)
    line[:] = code, told.getvalue(), sorted(path.name for path in set(pathlib.Path().iterdir()) - before)
print(json.dumps(ended))
"""


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, what it said, and the names of what it made."""

    code: int
    said: str
    made: list[str]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the page's photographs."""
    for name, load in (("cat", skimage.data.chelsea), ("coffee", skimage.data.coffee)):
        Image.fromarray(load()).resize((64, 44)).save(tmp_path / f"{name}.jpg")
    return tmp_path


@pytest.fixture(scope="session")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of Python packages, those of the page among them."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("packages with a space")
    write_files(FILES, source)
    for project in ("negative", "glow"):
        install(source / project, target)
    return target


def do(lines: Sequence[Sequence[str]], folder: Path, packages: Path) -> list[Ended]:
    """Commands one after the other, all in one process, for the sake of time."""
    done = run(["-c", PROGRAM, json.dumps(lines)], folder, packages)
    assert done.returncode == 0, done.stderr
    return [Ended(*ended) for ended in json.loads(done.stdout)]


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB")).astype(int)


def test_it_shows_all_there_is_to_type() -> None:
    assert {name.split("/")[0] for name in FILES} == {"negative", "glow"}
    assert len(FILES) == len(re.findall(r"^```(?:toml|json)$|^`[^`]+\.py`:$", PAGE, re.M))
    assert all(len(lines) >= 6 and all(line.startswith("reverie ") for line in lines) for lines in COMMANDS.values())


def follow(craft: str, folder: Path, packages: Path) -> str:
    """Do as the page says; every command that makes something makes what it names. What they said."""
    lines = [shlex.split(line)[1:] for line in COMMANDS[craft]]
    every = do(lines, folder, packages)
    for words, done in zip(lines, every, strict=True):
        assert done.code == 0, (words, done.said)
        shows = words[0] in SHOWING or {"--help", "--dry-run"} & {*words}
        assert bool(done.made) != bool(shows), (words, done.made)
        assert {word for flag, word in pairwise(words) if flag == "-o"} <= {*done.made}
    return "".join(done.said for done in every)


@pytest.mark.slow
def test_the_small_craft(folder: Path, packages: Path) -> None:
    said = follow("negative", folder, packages)
    assert "how far, from the photo to its negative" in said and "same pixels" in said
    half = pixels(folder / "cat-negative.png")
    assert np.abs(half - 127.5).max() <= 1  # half way to its negative, everything is grey
    assert np.abs(pixels(folder / "second.png") - (255 - pixels(folder / "cat.jpg"))).max() <= 1
    events = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert events[0]["event"] == "began" and events[0]["craft"] == "negative" and events[-1]["event"] == "ended"
    assert len(list((folder / "negatives").glob("*.png"))) == 4


@pytest.mark.slow
def test_the_large_craft(folder: Path, packages: Path) -> None:
    said = follow("glow", folder, packages)
    assert "same pixels" in said and "in the package reverie-glow" in said and "MIT" in said
    assert "of memory at most" in said  # the plan
    assert len(list((folder / "glows").glob("*.png"))) == 4
    glowing, rippled, embers = (pixels(folder / f"{n}.png") for n in ("glowing", "rippled", "cat-embers"))
    assert np.abs(glowing - rippled).mean() > 1 and np.abs(glowing - embers).mean() > 1


@pytest.mark.slow
def test_the_large_craft_runs_step_by_step(folder: Path, packages: Path) -> None:
    """As the page says, without a word in the craft: steps, tiles, and the same pixels again."""
    make = ["glow", "cat.jpg", "--network", "ripples", "--size", "48", "--steps", "1", "--json"]
    lines = [[*make, "-o", "a.png"], ["replay", "a.png"], [*make, "--tile", "32", "-o", "b.png"]]
    made, again, tiled = do(lines, folder, packages)
    assert (made.code, again.code, tiled.code) == (0, 0, 0)
    events = [json.loads(line) for line in made.said.splitlines()]
    steps = [event for event in events if event["event"] == "step"]
    assert len(steps) == 3 and {"content", "energy"} <= steps[0]["losses"].keys()
    assert "same pixels" in again.said
    assert np.abs(pixels(folder / "a.png") - pixels(folder / "b.png")).max() <= 1


@pytest.mark.slow
def test_the_library(folder: Path, packages: Path) -> None:
    (code,) = re.findall(r"In a program.*?```python\n(.*?)```", PAGE, re.S)
    program = (
        f"import reverie as rv\nphoto = rv.read_image('cat.jpg')\n{code}\nprint(tuple(last.image.shape), last.last)"
    )
    done = run(["-c", program], folder, packages)
    assert done.stdout == "(1, 3, 44, 64) True\n", done.stderr


def test_help_runs_no_plugin(folder: Path, packages: Path) -> None:
    """The list of commands is read from the plugins' text."""
    modules = "{'torch', 'negative_craft', 'glow_craft'} & sys.modules.keys()"
    code = f"import sys; from reverie.cli.app import run; run(['--help']); print({modules})"
    done = run(["-c", code], folder, packages)
    assert "Turn a photo into its negative." in done.stdout and "Let the features of a photo glow" in done.stdout
    assert done.stdout.endswith("set()\n"), done.stderr


@pytest.mark.slow
def test_pip_installs_them(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """For real, with nothing fetched."""
    source, target = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("installed")
    write_files(FILES, source)
    pip = ["-m", "pip", "--disable-pip-version-check", "install", "--quiet", "--no-deps", "--no-index"]
    for project in ("negative", "glow"):
        done = run([*pip, "--no-build-isolation", "--target", str(target), str(source / project)], folder)
        assert done.returncode == 0, done.stderr
    shutil.rmtree(source)
    follow("negative", folder, target)
    small = ["--size", "48", "--steps", "1"]
    glow = run(["-m", "reverie", "glow", "cat.jpg", "--preset", "embers", *small], folder, target)
    assert glow.returncode == 0 and (folder / "cat-embers.png").exists(), glow.stderr
    networks = run(["-m", "reverie", "networks"], folder, target)
    assert "reverie-glow" in networks.stdout and "ripples" in networks.stdout, networks.stderr
