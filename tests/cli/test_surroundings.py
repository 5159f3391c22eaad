"""Every craft as a real command in surroundings that nobody chose: no locale, no home, no terminal, odd names.

Whatever they are, the command makes what it makes elsewhere or refuses in one line, and leaves nothing half written.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from reverie.crafts.registry import crafts
from reverie.feedforward.johnson import draw_johnson, write_johnson
from tests.cli.conftest import write_pictures

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="these are those of other systems")]

QUICK = ("--size", "64", "--steps", "1")
SHORT: Mapping[str, tuple[str, ...]] = {
    "dream": ("photo.png", *QUICK, "--octaves", "1"),
    "instant": ("photo.png", "night.jpg", "--size", "64"),
    "remix": ("made.png", "--strength", "0.5"),
    "style": ("photo.png", "night.jpg", *QUICK),
    "texture": ("night.jpg", *QUICK),
    "train style": ("night.jpg", "--photos", "photos", *QUICK, "--crop", "64", "--batch", "1", "--width", "4",
                    "--blocks", "1", "--style-weight", "9"),
    "upscale": ("photo.png",),
    "zoom": ("photo.png", *QUICK, "--octaves", "1", "--frames", "2"),
    "explain": ("photo.png", "--size", "64", "--method", "gradient"),
    "export": ("dreamnet", "-o", "net.onnx"),
    "atlas": ("dreamnet", "--layers", "relu1_1", "--steps", "1"),
    "find": ("photo.png", "photos"),
    "perturb": ("photo.png", "--as", "goldfish", "--size", "64", "--steps", "1"),
    "see": ("photo.png", "--size", "64"),
    "video dream": ("photos", *QUICK, "--octaves", "1"),
    "video instant": ("photos", "night.jpg", "--size", "64"),
    "video own": ("photos", "mine.safetensors"),
    "video style": ("photos", "night.jpg", *QUICK),
    "visualize": ("dreamnet", "relu1_1:0", "--size", "64", "--steps", "1"),
}  # fmt: skip
"""The words of a short run of each craft, but for its output."""


@dataclass(frozen=True)
class Place:
    """Surroundings.

    Attributes:
        environment: variables that are set; None unsets one.
        code: the command must end with.
        output: given by `-o`; None leaves the name to the command.
        limit: most bytes of a file that may be written; None for no limit.
        closed: whether standard output goes to a pipe that nobody reads, and standard input is closed.
    """

    environment: Mapping[str, str | None] = field(default_factory=dict)
    code: tuple[int, ...] = (0,)
    output: str | None = None
    limit: int | None = None
    closed: bool = False


ODD = {
    "spaces": "two words.png",
    "brackets": "[a-z]{1,2}*?.png",
    "newline": "two\nlines.png",
    "emoji": "猫-🐈.png",
    "escape": "\x1b[31mred.png",
    "dash": "-rf.png",
    "long": "n" * 251 + ".png",
}
PLACES: Mapping[str, Place] = {
    "LANG=C": Place({"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "TERM=dumb": Place({"TERM": "dumb", "COLUMNS": None}),
    "no home": Place({"HOME": None, "REVERIE_HOME": None, "XDG_CACHE_HOME": None}),
    "a home that is not there": Place(
        {"HOME": "/proc/nobody", "REVERIE_HOME": None, "XDG_CACHE_HOME": None}, code=(0, 2)
    ),
    "a closed pipe": Place(closed=True, code=(0, 1)),
    "nowhere to write": Place(output="/proc/nothing/made", code=(2,)),
    "a full disk": Place(limit=64, code=(2,)),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a photo, two paintings, a folder of photos, and a result."""
    folder = write_pictures(tmp_path_factory.mktemp("one place"))
    (folder / "photos").mkdir()
    (folder / "photos" / "photo.png").write_bytes((folder / "photo.png").read_bytes())
    write_johnson(folder / "mine.safetensors", draw_johnson(widths=(8, 16), blocks=1))
    ended = run(folder, ["dream", "photo.png", *QUICK, "-o", "made.png"], Place())
    assert ended.returncode == 0, ended.stderr
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """A copy of it, with a space in its name."""
    place = tmp_path / "a place"
    place.mkdir()
    for path in made.rglob("*.*"):
        copy = place / path.relative_to(made)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    return place


def run(folder: Path, words: list[str], place: Place) -> subprocess.CompletedProcess[str]:
    """Run a command in a place, as a process of its own."""
    changed = {"REVERIE_HOME": str(folder.parent / "home"), "OMP_NUM_THREADS": "1", **place.environment}
    environment = {name: value for name, value in {**os.environ, **changed}.items() if value is not None}
    reader, writer = os.pipe()
    os.close(reader)
    try:
        return subprocess.run(
            [sys.executable, "-m", "reverie", *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=writer if place.closed else subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            timeout=600,
            check=False,
            preexec_fn=limited(place.limit),
        )
    finally:
        os.close(writer)


def limited(most: int | None) -> Callable[[], None] | None:
    """What keeps a process from writing files of more than so many bytes."""
    return None if most is None else lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))


def names(folder: Path) -> set[str]:
    """All that lies in a folder."""
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("craft", SHORT)
def test_every_craft_in_every_place(craft: str, place: str, folder: Path) -> None:
    before, where = names(folder), PLACES[place]
    words = [*craft.split(), *SHORT[craft], *(["-o", where.output] if where.output else [])]
    ended = run(folder, words, where)
    assert ended.returncode in where.code, ended.stderr
    assert "Traceback" not in ended.stderr and "a fault of Reverie's" not in ended.stderr
    assert ended.returncode != 2 or ended.stderr.startswith("reverie: "), ended.stderr
    assert ended.returncode != 2 or (names(folder) == before and ended.stderr.count("\n") == 1), ended.stderr
    assert not [name for name in names(folder) - before if ".partial" in name or name.startswith("core")]


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("craft", ["dream", "upscale", "style"])
def test_odd_names_in_and_out(craft: str, odd: str, folder: Path) -> None:
    name = ODD[odd]
    (folder / "photo.png").rename(folder / name)
    given = ["./" + name if name.startswith("-") else name, *SHORT[craft][1:]]
    before = names(folder)
    ended = run(folder, [craft, *given], Place())
    assert ended.returncode == 0, ended.stderr
    assert "\x1b" not in ended.stdout + ended.stderr and "Traceback" not in ended.stderr
    assert len(names(folder) - before) == 1, "one picture, named after the photo"
    named = run(folder, [craft, *given, "-o", f"./out{name}"[:255]], Place())
    assert named.returncode == (0 if odd != "long" else 2), named.stderr


def test_every_craft_is_tried() -> None:
    assert set(crafts()) <= SHORT.keys(), "give the new craft a short run above"
