"""Packages that add crafts and presets: installed by their dist-info, found by their entry points."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reverie.cli import app, main
from reverie.crafts import registry
from reverie.errors import PluginWarning
from reverie.jobs import presets, read_record
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
Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a photo, a folder of two, and a folder `site` in which packages are found."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "160")
    Path("photos").mkdir()
    y, x = np.mgrid[:30, :40] / 40
    for number, name in enumerate(("cat.png", "photos/ape.png", "photos/bat.png")):
        pixels = np.stack([x, y, 0.5 + 0.5 * np.sin(20 * x * y + number)], axis=2)
        Image.fromarray((pixels * 255).astype(np.uint8)).save(name)
    Path("site").mkdir()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if str(getattr(sys.modules[name], "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]
    monkeypatch.undo()
    look_again()


def look_again() -> None:
    """Forget which packages are installed."""
    importlib.invalidate_caches()
    for known in (registry.listings, registry.find, presets._every, app._lazy):
        known.cache_clear()


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
    look_again()


@pytest.fixture
def reverie(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command in this process, its warnings told as those of a process of its own."""

    def run(*words: object, code: int = 0) -> Ended:
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["reverie", *map(str, words)])
        with warnings.catch_warnings():
            warnings.simplefilter("default", PluginWarning)
            ended = main()
        told = capsys.readouterr()
        return checked(Ended([*map(str, words)], ended, told.out, told.err), code)

    return run


def process(*words: object) -> Ended:
    """Run a command in a process of its own."""
    paths = [str(Path("site").absolute()), *filter(None, [os.environ.get("PYTHONPATH")]), *sys.path]
    ended = subprocess.run(
        [sys.executable, "-m", "reverie", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        check=False,
    )
    return checked(ended, 0)


def checked(ended: Ended, code: int) -> Ended:
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    return ended


def pixels(path: str) -> np.ndarray:
    return read_image(path).numpy()


def test_a_craft_of_a_plugin_is_a_craft(reverie: Run) -> None:
    """The whole way: help and picture by processes of their own, and in this one the picture again."""
    install("negative_craft", NEGATIVE, crafts=f"{LISTED}\nabsent = no_module:absent")
    listed = process("--help")
    assert "negative" in listed.stdout and "Turn a photo into its negative." in listed.stdout
    assert listed.stderr == "reverie: the plugin of 'absent' is left out: there is no module 'no_module'\n"

    made = process("negative", "cat.png", "-o", "whole.png")
    assert made.stdout.startswith("whole.png  40x30  ") and made.stderr == listed.stderr
    assert np.abs(pixels("whole.png") - (1 - pixels("cat.png"))).max() < 1e-6
    assert "same pixels" in reverie("replay", "whole.png", "-o", "again.png").stdout
    assert np.array_equal(pixels("again.png"), pixels("whole.png"))


def test_its_help_its_name_and_its_record(reverie: Run) -> None:
    install("negative_craft", NEGATIVE, crafts=LISTED)
    shown = reverie("negative", "--help").stdout
    assert "--amount" in shown and "how far, from the photo to its negative (1.0; 0 to 1)" in " ".join(shown.split())
    assert "reverie negative cat.jpg --amount 0.5" in shown

    made = reverie("negative", "cat.png", "--amount", "0.5")
    assert made.stdout.startswith("cat-negative.png  40x30  ") and made.stderr == ""
    assert np.abs(pixels("cat-negative.png") - 0.5).max() <= 0.5 / 255 + 1e-6
    record = read_record(Path("cat-negative.png"))
    assert (record.craft, record.settings) == ("negative", {"amount": 0.5})
    assert "same pixels" in reverie("replay", "cat-negative.png").stdout


def test_a_plugin_for_programs_and_in_batches(reverie: Run) -> None:
    install("negative_craft", NEGATIVE, crafts=LISTED)
    told = reverie("negative", "cat.png", "--json", "-o", "told.png").stdout.splitlines()
    events = [json.loads(line) for line in told]
    assert [event["event"] for event in events] == ["began", "step", "ended"]
    assert events[0]["craft"] == "negative" and events[0]["settings"] == {"amount": 1.0}
    before = sorted(Path().iterdir())
    planned = reverie("negative", "cat.png", "--dry-run").stdout
    assert planned.startswith("40x30 whole: ") and "of memory" in planned
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
def test_bad_input_is_refused_in_one_line(reverie: Run, words: tuple[str, ...], said: str) -> None:
    install("negative_craft", NEGATIVE, crafts=LISTED)
    ended = reverie("negative", *words, code=2)
    assert said in ended.stderr and ended.stderr.count("\n") == 1 and ended.stdout == ""


OURS = "broken = broken_craft:broken"
BROKEN = {
    "no module": (None, OURS, "there is no module 'broken_craft'"),
    "no module of a package": (None, "broken = broken_craft.deep:broken", "ModuleNotFoundError"),
    "no Python": ("def broken(:\n", OURS, "SyntaxError"),
    "no such name": ("x = 1\n", OURS, "AttributeError"),
    "no craft": ("def broken(photo): return photo\n", OURS, "gives no craft, but function"),
    "fails": ("raise SystemError('today')\n", OURS, "SystemError: today"),
    "leaves": ("import sys; sys.exit(3)\n", OURS, "SystemExit: 3"),
    "names no object": ("x = 1\n", "broken = broken_craft", "gives no craft, but module"),
    "no inputs": (NEGATIVE.replace("rv.Photo", "int").replace("negative", "broken"), OURS, "no input such as rv.Photo"),
    "no settings": (
        NEGATIVE.replace("settings: NegativeSettings", "settings: int").replace("negative", "broken"),
        OURS,
        "a class made from rv.Settings",
    ),
    "a craft of ours": (
        NEGATIVE.replace("negative", "dream"),
        "dream = broken_craft:dream",
        "there is a command of that name already",
    ),
    "the first word of ours": (
        NEGATIVE.replace("negative", "train"),
        "train = broken_craft:train",
        "there is a command of that name already",
    ),
    "a command of ours": (
        NEGATIVE.replace("negative", "networks"),
        "networks = broken_craft:networks",
        "there is a command of that name already",
    ),
    "no word": (NEGATIVE, "broken craft! = broken_craft:negative", "no word of letters"),
    "an option": (NEGATIVE, "--broken = broken_craft:negative", "no word of letters"),
    "another name": (NEGATIVE, "broken = broken_craft:negative", "gives the craft 'negative'"),
    "an option of every command": (
        NEGATIVE.replace("amount", "output").replace("negative", "broken"),
        OURS,
        "two parameters 'output'",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_plugin_costs_one_line_and_never_the_program(reverie: Run, name: str) -> None:
    source, listed, why = BROKEN[name]
    install("broken_craft", source, crafts=listed)
    install("negative_craft", NEGATIVE, crafts=LISTED)
    many = reverie("batch")  # loads them all
    assert "Turn a photo into its negative." in many.stdout and "Dream on a photo" in many.stdout
    (line,) = many.stderr.splitlines()
    assert line.startswith("reverie: the plugin of '") and "' is left out: " in line and why in line
    if listed.startswith("broken ="):
        refused = reverie("broken", "cat.png", code=2)
        assert refused.stderr.count("\n") <= 2 and refused.stdout == ""


def test_a_name_of_ours_stays_ours(reverie: Run) -> None:
    crafts = "\n".join(f"{name} = broken_craft:negative" for name in ("dream", "train", *registry.COMMANDS))
    install("broken_craft", NEGATIVE, crafts=crafts)
    assert "Dream on a photo" in reverie("dream", "--help").stdout
    summary = registry.listings()["train style"].summary
    assert summary in reverie("train").stdout and "dreamnet" in reverie("networks").stdout
    words = {each.name for each in app.app.registered_commands} | set(app._VERBS)
    assert words <= set(registry.COMMANDS)


def test_what_looks_like_markup_is_shown_as_it_is(reverie: Run) -> None:
    source = NEGATIVE.replace("Turn a photo into its negative.", "Turn [/red] round [bold].").replace("0.5", "[/b]")
    install("negative_craft", source, crafts=LISTED)
    for words in (("--help",), ("batch",), ("negative", "--help"), ("batch", "negative", "--help")):
        assert "Turn [/red] round [bold]." in reverie(*words).stdout
    assert "cat.jpg --amount [/b]" in reverie("negative", "--help").stdout


def test_presets_of_a_plugin(reverie: Run) -> None:
    install("negative_craft", NEGATIVE, crafts=LISTED, presets="negative = negative_presets")
    package = Path("site/negative_presets")
    package.mkdir()
    (package / "__init__.py").touch()
    grey = {"craft": "negative", "summary": "All grey.", "settings": {"amount": 0.5}}
    (package / "all-grey.json").write_text(json.dumps(grey))
    look_again()
    assert "all-grey" in reverie("presets").stdout
    assert reverie("negative", "cat.png", "--preset", "all-grey").stdout.startswith("cat-all-grey.png")
    assert np.abs(pixels("cat-all-grey.png") - 0.5).max() <= 0.5 / 255 + 1e-6
    (package / "bad.json").write_text("{")
    (package / "night-oil.json").write_text(json.dumps(grey))
    look_again()
    shown = reverie("presets")
    assert "all-grey" in shown.stdout
    assert shown.stderr.splitlines() == [
        "reverie: the preset 'bad' is left out: the preset is damaged: it is not whole JSON.",
        "reverie: the preset 'night-oil' is left out: there is a preset of that name already",
    ]
    assert presets.presets()["night-oil"].craft == "style"


def test_presets_that_leave_cost_one_line(reverie: Run) -> None:
    install("leaving", "raise SystemExit(3)\n", presets="leaving = leaving")
    shown = reverie("presets")
    assert "night-oil" in shown.stdout
    assert shown.stderr == "reverie: the presets of 'leaving' are left out: SystemExit: 3\n"
