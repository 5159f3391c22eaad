from __future__ import annotations

import pytest
from conftest import Run
from reverie.recipes.catalogue import CATALOGUE

from reverie import networks, styles
from reverie.cli.app import CRAFTS
from reverie.cli.options import flags, settings_given, settings_parameters
from reverie.recipes import DreamSettings, StyleSettings


def test_the_first_page_tells_what_the_catalogue_says() -> None:
    assert {name: recipe.summary for name, recipe in CATALOGUE.items()} == CRAFTS


@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_the_first_page(reverie: Run, words: tuple[str, ...]) -> None:
    ended = reverie(*words)
    assert ended.code == 0 and ended.err == ""
    for command in (*CRAFTS, "remix", "replay", "resume", "networks", "styles", "presets"):
        assert f" {command} " in ended.out
    assert max(map(len, ended.out.splitlines())) <= 100


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_setting_has_an_option_with_its_help(reverie: Run, name: str) -> None:
    ended = reverie(name, "--help")
    assert ended.code == 0
    kind = CATALOGUE[name].settings
    for field, info in kind.model_fields.items():
        for flag in flags(field, info):
            assert flag in ended.out
        assert info.description and info.description.split()[0] in ended.out
    assert set(CATALOGUE[name].dials) <= set(kind.model_fields)
    headings = ["Arguments", "Dials", *CATALOGUE[name].panels, "Finer", "Machine", "Writing"]
    places = [ended.out.index(f"─ {heading} ─") for heading in headings]
    assert places == sorted(places)
    assert ended.out[places[1] : places[2]].count("--") < 30, "few dials first"
    assert max(map(len, ended.out.splitlines())) <= 100


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_setting_stands_under_one_heading(name: str) -> None:
    recipe = CATALOGUE[name]
    placed = [*recipe.dials, *(setting for names in recipe.panels.values() for setting in names)]
    assert len(placed) == len(set(placed)) and set(placed) <= set(recipe.settings.model_fields)
    assert len(recipe.dials) <= 7
    assert [p.name for p in settings_parameters(recipe)].count("memory") == 1


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
