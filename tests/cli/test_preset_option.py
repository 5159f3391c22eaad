from __future__ import annotations

from pathlib import Path

import pytest

from reverie.jobs.presets import presets
from reverie.jobs.record import read_record
from reverie.pictures import read_image
from tests.cli.conftest import Run

SMALL = ("--size", 64, "--precision", "float32")
FEW = {preset.craft: name for name, preset in presets().items()}.values()
"""A preset of each craft; what is in the others is checked where they are read."""


def test_the_list(reverie: Run) -> None:
    ended = reverie("presets")
    assert ended.code == 0
    lines = ended.out.splitlines()
    assert sorted(line.split()[1] for line in lines) == list(presets())
    assert all(len(line) <= 100 for line in lines)


@pytest.mark.parametrize("name", [pytest.param(n, marks=[] if n in FEW else [pytest.mark.slow]) for n in presets()])
def test_every_preset_makes_a_picture(reverie: Run, name: str) -> None:
    preset = presets()[name]
    words = () if preset.craft == "texture" else ("photo.png",)
    steps = 1 if preset.craft == "dream" else 2
    ended = reverie(preset.craft, *words, "--preset", name, *SMALL, "--steps", steps, "-o", "o.png")
    assert ended.code == 0, ended.err
    settings = read_record(Path("o.png")).settings
    model = read_record(Path("o.png")).resolve()[1]
    assert preset.given().items() <= model.model_dump(mode="json", by_alias=True).items()
    assert settings["steps"] in (steps, [steps])


def test_explicit_options_and_pictures_win(reverie: Run) -> None:
    words = ("style", "photo.png", "night.jpg", "--preset", "keep-my-colours", *SMALL, "--steps", 1)
    assert reverie(*words, "--colour", "mean").code == 0
    record = read_record(Path("photo-keep-my-colours.png"))
    assert record.settings["colour"] == "mean"
    assert record.settings["strength"] == presets()["keep-my-colours"].settings["strength"]
    assert [i.path for i in record.inputs] == ["photo.png", "night.jpg"]


def test_a_replay_needs_no_preset(reverie: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert reverie("style", "photo.png", "--preset", "night-oil", *SMALL, "--steps", 1, "-o", "o.png").code == 0
    monkeypatch.setattr("reverie.jobs.presets._ROOM", tmp_path / "empty")
    assert "same pixels" in reverie("replay", "o.png").out


@pytest.mark.slow
def test_a_batch_with_a_preset(reverie: Run) -> None:
    words = ("batch", "style", "photo.png", "--preset", "stained-glass", *SMALL, "--steps", 1, "--workers", 1)
    assert reverie(*words, "-o", "made").code == 0
    (picture,) = (p for p in Path("made").glob("photo*.png"))
    assert read_image(picture).shape == (1, 3, 48, 64)
    assert read_record(picture).settings["stroke"] == presets()["stained-glass"].settings["stroke"]
    assert reverie("batch", "style", "photo.png", *SMALL, "-o", "none").code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("style", "photo.png", "--preset", "nihgt-oil"), "Did you mean 'night-oil'"),
        (("dream", "photo.png", "--preset", "night-oil"), "is for style"),
        (("style", "photo.png", "--preset", "../presets/night-oil"), "reverie presets"),
        (("texture", "--preset", "gentle"), "is for dream"),
        (("texture",), "PICTURE"),
        (("style", "photo.png"), "--preset"),
        (("batch", "style", "photo.png", "--preset", "oil"), "no preset 'oil'"),
    ],
)
def test_what_is_refused(reverie: Run, words: tuple[str, ...], said: str) -> None:
    names = sorted(Path().iterdir())
    ended = reverie(*words)
    assert ended.code == 2 and ended.out == "" and ended.err.count("\n") == 1
    assert said in ended.err and sorted(Path().iterdir()) == names
