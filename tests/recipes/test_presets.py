from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

import reverie
from reverie import styles
from reverie.crafts.registry import find
from reverie.errors import RecipeError
from reverie.jobs.presets import Preset, find_preset, presets

FILES = sorted((Path(reverie.__file__).parent / "presets").iterdir())


def test_they_are_the_files_of_the_package() -> None:
    assert list(presets()) == [file.stem for file in FILES] and len(FILES) >= 12
    assert all(file.suffix == ".json" for file in FILES)
    assert {preset.craft for preset in presets().values()} == {"dream", "style", "texture"}


@pytest.mark.parametrize("name", presets())
def test_settings_and_samples_are_real(name: str) -> None:
    preset = presets()[name]
    craft = find(preset.craft)
    given = preset.given()
    assert craft.settings.model_validate(given).model_dump(include=set(given)) is not None
    assert not {"size", "seed", "weights", "network", "memory", "tile", "precision", "steps"} & given.keys()
    assert preset.samples.keys() <= {each.name for each in craft.inputs}
    assert {name for names in preset.samples.values() for name in names} <= set(styles.names())
    assert preset.summary.endswith(".") and name == name.lower()
    assert given or preset.samples


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_files_say_only_what_is_not_the_default(file: Path) -> None:
    preset = Preset.model_validate(json.loads(file.read_text(encoding="utf8")))
    usual = find(preset.craft).settings().model_dump(mode="json", by_alias=True)
    assert all(usual[setting] != value for setting, value in preset.given().items())


def test_unknown_names_are_one_line_with_a_suggestion() -> None:
    name = next(iter(presets("style")))
    with pytest.raises(RecipeError, match=f"Did you mean '{name}'"):
        find_preset(f"{name}s", "style")
    with pytest.raises(RecipeError, match="'reverie presets' lists them"):
        find_preset("../style", "style")
    with pytest.raises(RecipeError, match="is for style"):
        find_preset(name, "dream")


def test_what_a_preset_must_not_hold() -> None:
    with pytest.raises(RecipeError, match="there is no setting 'strenght'"):
        Preset(craft="style", summary="Bad.", settings={"strenght": 1}).given()
    with pytest.raises(ValidationError):
        Preset.model_validate({"craft": "style", "summary": "Bad.", "mood": 1})
