from __future__ import annotations

import subprocess
import sys
from collections import Counter
from typing import Any

import pytest

from reverie import networks, styles
from reverie.cli.options import flags, settings_given, settings_parameters
from reverie.crafts.craft import Craft
from reverie.crafts.registry import crafts, find, listings
from reverie.crafts.settings import DIAL, MACHINE, Panel, Positional
from reverie.recipes import DreamSettings, StyleSettings
from tests.cli.conftest import Run


def test_the_first_page_tells_what_the_crafts_say(reverie: Run) -> None:
    listed = {name: each.summary for name, each in listings().items()}
    assert {name: each.summary for name, each in crafts().items()} == listed
    shown = " ".join(reverie("--help").out.replace("│", " ").split())
    words = Counter(name.split()[0] for name in crafts())  # groups of several have a line of their own
    assert all(craft.summary in shown for name, craft in crafts().items() if words[name.split()[0]] == 1)


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_the_first_page(reverie: Run, words: tuple[str, ...]) -> None:
    ended = reverie(*words)
    assert ended.code == 0 and ended.err == ""
    single = [name for name in crafts() if " " not in name]
    for command in (
        *single,
        "train",
        "replay",
        "resume",
        "batch",
        "export",
        "networks",
        "styles",
        "presets",
        "devices",
    ):
        assert f" {command} " in ended.out
    assert max(map(len, ended.out.splitlines())) <= 100


def test_no_craft_is_loaded_for_the_first_page() -> None:
    """It appears at once: neither PyTorch nor pydantic is needed."""
    seen = "import sys; from reverie.cli import main; main(['--help']); print({'torch', 'pydantic'} & {*sys.modules})"
    ended = subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout.splitlines()[-1] == "set()"


@pytest.mark.parametrize("name", crafts())
def test_every_setting_has_an_option_with_its_help(reverie: Run, name: str) -> None:
    ended = reverie(*name.split(), "--help")
    assert ended.code == 0
    craft = find(name)
    for field, info in craft.settings.model_fields.items():
        places = [mark.metavar for mark in info.metadata if isinstance(mark, Positional)]
        for word in places or flags(field, info):
            assert word in ended.out
        assert info.description and info.description.split()[0] in ended.out
    for each in craft.inputs:
        assert (each.name.upper() if each in craft.by_place else each.flag) in ended.out
    assert max(map(len, ended.out.splitlines())) <= 100


def panels(craft: Craft[..., Any]) -> list[str]:
    """The headings of a craft's own, in the order in which its settings name them."""
    own = [name for model in craft.settings.__mro__ for name in vars(model).get("__annotations__", {})]
    fields = [craft.settings.model_fields[name] for name in dict.fromkeys(own) if name in craft.settings.model_fields]
    marks = [mark for field in fields for mark in field.metadata if isinstance(mark, Panel)]
    return list(dict.fromkeys(mark.title for mark in marks if mark not in (DIAL, MACHINE)))


@pytest.mark.parametrize("name", crafts())
def test_headings_stand_in_one_order(reverie: Run, name: str) -> None:
    """Arguments and dials first, then the pictures beside, the craft's own, and at last machine and files."""
    craft, out = find(name), reverie(*name.split(), "--help").out
    places = [out.find(f"─ {heading} ─") for heading in ("Arguments", "Dials", "More pictures", *panels(craft),
                                                         "Finer", "Machine", "Writing")]  # fmt: skip
    shown = [place for place in places if place >= 0]
    assert shown == sorted(shown) and places[0] >= 0 and places[1] >= 0 and places[-1] >= 0
    assert all(out.count(f"─ {heading} ─") == 1 for heading in panels(craft))
    assert out.count("╭─") == len(shown), "and no others"
    assert out[shown[1] : shown[2]].count("--") < 30, "few dials first"


@pytest.mark.parametrize("name", crafts())
def test_every_setting_stands_under_one_heading(name: str) -> None:
    craft = find(name)
    marked = {n: [m for m in f.metadata if isinstance(m, Panel)] for n, f in craft.settings.model_fields.items()}
    assert all(len(marks) <= 1 for marks in marked.values())
    assert 1 <= sum(DIAL in marks for marks in marked.values()) <= 8
    names = [p.name for p in settings_parameters(craft)]
    assert sorted(names) == sorted(craft.settings.model_fields), "each once"


def test_spellings() -> None:
    fields = {**DreamSettings.model_fields, **StyleSettings.model_fields}
    assert flags("class_name", fields["class_name"]) == ("--class",)
    assert flags("optimiser", fields["optimiser"]) == ("--optimiser", "--optimizer")
    given = {"layers": "relu4_2, relu5_1,", "class_name": "macaw", "size": None}
    assert settings_given(DreamSettings, given) == {
        "layers": ["relu4_2", "relu5_1"],
        "class": ["macaw"],
    }


def test_networks(reverie: Run) -> None:
    everything = reverie("networks")
    assert everything.code == 0
    assert all(name in everything.out for name in networks.names())
    one = reverie("networks", "vgg19")
    layers = {line.split()[0]: line.split() for line in one.out.splitlines() if " relu " in line}
    assert layers["relu4_2"][1:6] == ["relu", "512", "8", "84", "64"]
    assert "BSD-3-Clause" in one.out and "MB" in one.out and "weights" in one.out
    assert "in the package" in reverie("networks", "dreamnet").out
    wrong = reverie("networks", "vgg18")
    assert wrong.code == 2 and "did you mean 'vgg1" in wrong.err


def test_styles(reverie: Run) -> None:
    assert reverie("styles").out.split() == list(styles.names())


def test_version(reverie: Run) -> None:
    assert reverie("--version").out.startswith("reverie 0.")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("dram", "photo.png"), "Did you mean 'dream'"),
        (("dream",), "reverie dream --help"),
        (("style", "photo.png"), "PAINTING"),
        (("dream", "photo.png", "--sice", "4"), "--size"),
        (("dream", "photo.png", "--size"), "--size"),
        (("dream", "photo.png", "night.jpg"), "night.jpg"),
        (("dream", "photo.png", "--save-every", "0"), "--save-every"),
        (("dream", "photo.png", "--save-every", "x"), "--save-every"),
        (("--nothing",), "--nothing"),
    ],
)
def test_words_that_make_no_command(reverie: Run, words: tuple[str, ...], hint: str) -> None:
    ended = reverie(*words)
    assert ended.code == 2 and ended.out == ""
    assert ended.err.startswith("reverie: ") and ended.err.count("\n") == 1
    assert hint in ended.err and "--help" in ended.err


def test_forms_find_the_headings_in_the_schema() -> None:
    """The JSON schema of a craft's settings names each one's heading, as help does."""
    schema = find("style").settings.model_json_schema()["properties"]
    assert schema["strength"]["panel"] == DIAL.title and schema["precision"]["panel"] == MACHINE.title
    assert schema["color"]["panel"] == "Colour" and "panel" not in schema["loss"]
    assert schema["strength"]["maximum"] == 100, "the rest of it is as it was"
