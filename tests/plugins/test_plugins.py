"""Packages that add crafts and presets: installed by their dist-info, found by their entry points."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reverie.jobs import read_record
from reverie.pictures import read_image

NEGATIVE = """
import reverie as rv
from pydantic import Field
from torch import Tensor

class NegativeSettings(rv.Settings):
    amount: float = Field(default=1.0, ge=0, le=1, description="how far, from the photo to its negative")

@rv.craft(summary="Turn a photo into its negative.", example="reverie negative cat.jpg --amount 0.5", makes=rv.Still)
def negative(photo: rv.Photo, settings: NegativeSettings) -> Tensor:
    return photo.lerp(1 - photo, settings.amount)
"""
LISTED = "negative = negative_craft:negative"
Ended = subprocess.CompletedProcess[str]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a photo, a folder of two, and a place for packages."""
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    y, x = np.mgrid[:30, :40] / 40
    for number, name in enumerate(("cat.png", "photos/ape.png", "photos/bat.png")):
        pixels = np.stack([x, y, 0.5 + 0.5 * np.sin(20 * x * y + number)], axis=2)
        Image.fromarray((pixels * 255).astype(np.uint8)).save(name)
    return tmp_path


def install(module: str, source: str | None, *, crafts: str = "", presets: str = "") -> None:
    """Put a package into the folder `site`, as an installer does.

    Args:
        module: its name.
        source: its text; None leaves it out.
        crafts, presets: its entry points.
    """
    site = Path("site")
    about = site / f"{module}-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
    groups = {"reverie.crafts": crafts, "reverie.presets": presets}
    (about / "entry_points.txt").write_text("".join(f"[{group}]\n{said}\n" for group, said in groups.items() if said))
    if source is not None:
        (site / f"{module}.py").write_text(source)


def reverie(*words: object, code: int = 0) -> Ended:
    """Run a command in a process of its own, that finds the packages in `site`."""
    paths = [str(Path("site").absolute()), *filter(None, [os.environ.get("PYTHONPATH")]), *sys.path]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "COLUMNS": "160", "REVERIE_HOME": "home"}
    ended = subprocess.run(
        [sys.executable, "-m", "reverie", *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended


def pixels(path: str) -> np.ndarray:
    return read_image(path).numpy()


def test_a_craft_of_a_plugin_is_a_craft() -> None:
    install("negative_craft", NEGATIVE, crafts=LISTED)
    listed = reverie("--help")
    assert "negative" in listed.stdout and "Turn a photo into its negative." in listed.stdout and listed.stderr == ""
    shown = reverie("negative", "--help").stdout
    assert "--amount" in shown and "how far, from the photo to its negative (1.0; 0 to 1)" in " ".join(shown.split())
    assert "reverie negative cat.jpg --amount 0.5" in shown

    made = reverie("negative", "cat.png", "--amount", "0.5")
    assert made.stdout.startswith("cat-negative.png  40x30  ") and made.stderr == ""
    assert np.abs(pixels("cat-negative.png") - 0.5).max() <= 0.5 / 255 + 1e-6
    assert read_record(Path("cat-negative.png")).craft == "negative"

    reverie("negative", "cat.png", "-o", "whole.png")
    assert np.abs(pixels("whole.png") - (1 - pixels("cat.png"))).max() < 1e-6
    assert "same pixels" in reverie("replay", "whole.png", "-o", "again.png").stdout
    assert np.array_equal(pixels("again.png"), pixels("whole.png"))


def test_a_plugin_for_programs_and_in_batches() -> None:
    install("negative_craft", NEGATIVE, crafts=LISTED)
    told = reverie("negative", "cat.png", "--json", "-o", "told.png").stdout.splitlines()
    events = [json.loads(line) for line in told]
    assert [event["event"] for event in events] == ["began", "step", "ended"]
    assert events[0]["craft"] == "negative" and events[0]["settings"] == {"amount": 1.0}
    before = sorted(Path().iterdir())
    assert "of memory" in reverie("negative", "cat.png", "--dry-run").stdout
    assert sorted(Path().iterdir()) == before, "nothing is made"

    words = ("batch", "negative", "photos", "--grid", "amount=0.5,1", "-o", "out", "--workers", "1")
    assert reverie(*words).stdout.startswith("out  4 made  ")
    names = {f"{photo}-amount{amount}.png" for photo in ("ape", "bat") for amount in ("0.5", "1")}
    assert names <= {path.name for path in Path("out").iterdir()}
    assert np.abs(pixels("out/bat-amount1.png") - (1 - pixels("photos/bat.png"))).max() < 1e-6
    assert reverie(*words).stdout.startswith("out  4 there already")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("cat.png", "--amount", "2"), "amount: input should be less than or equal to 1; got '2'"),
        (("cat.png", "--amuont", "1"), "--amount"),
        (("nowhere.png",), "nowhere.png"),
        (("cat.png", "-o", "x.xyz"), "x.xyz"),
        ((), "PHOTO"),
    ],
)
def test_bad_input_is_refused_in_one_line(words: tuple[str, ...], said: str) -> None:
    install("negative_craft", NEGATIVE, crafts=LISTED)
    ended = reverie("negative", *words, code=2)
    assert said in ended.stderr and ended.stderr.count("\n") == 1 and ended.stdout == ""


BROKEN = {
    "no module": (None, "broken = broken_craft:broken"),
    "no module of a package": (None, "broken = broken_craft.deep:broken"),
    "no Python": ("def broken(:\n", "broken = broken_craft:broken"),
    "no such name": ("x = 1\n", "broken = broken_craft:broken"),
    "no craft": ("def broken(photo): return photo\n", "broken = broken_craft:broken"),
    "fails": ("raise SystemError('today')\n", "broken = broken_craft:broken"),
    "leaves": ("import sys; sys.exit(3)\n", "broken = broken_craft:broken"),
    "names no object": ("x = 1\n", "broken = broken_craft"),
    "no inputs": (NEGATIVE.replace("rv.Photo", "int").replace("negative", "broken"), "broken = broken_craft:broken"),
    "no settings": (NEGATIVE.replace("settings: NegativeSettings", "settings: int"), "broken = broken_craft:negative"),
    "a name of ours": (NEGATIVE.replace("negative", "dream"), "dream = broken_craft:dream"),
    "no word": (NEGATIVE, "broken craft! = broken_craft:negative"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_costs_one_line_and_never_the_program(name: str) -> None:
    source, listed = BROKEN[name]
    install("broken_craft", source, crafts=listed)
    install("negative_craft", NEGATIVE, crafts=LISTED)
    many = reverie("batch")  # loads them all
    assert "Turn a photo into its negative." in many.stdout
    (line,) = many.stderr.splitlines()
    assert line.startswith("reverie: the plugin of '") and "is left out: " in line
    if name == "a name of ours":
        assert "there is a craft of that name already" in line
    else:
        refused = reverie("broken", "cat.png", code=2)
        assert refused.stderr.count("\n") <= 2


def test_presets_of_a_plugin() -> None:
    install("negative_craft", NEGATIVE, crafts=LISTED, presets="negative = negative_presets")
    package = Path("site/negative_presets")
    package.mkdir()
    (package / "__init__.py").touch()
    grey = {"craft": "negative", "summary": "All grey.", "settings": {"amount": 0.5}}
    (package / "all-grey.json").write_text(json.dumps(grey))
    assert "all-grey" in reverie("presets").stdout
    assert reverie("negative", "cat.png", "--preset", "all-grey").stdout.startswith("cat-all-grey.png")
    assert np.abs(pixels("cat-all-grey.png") - 0.5).max() <= 0.5 / 255 + 1e-6
    (package / "bad.json").write_text("{")
    shown = reverie("presets")
    assert "all-grey" in shown.stdout and shown.stderr.count("\n") == 1
    assert "the preset 'bad' is left out: the preset is damaged" in shown.stderr
