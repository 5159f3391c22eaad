"""Sheets of choices: a photo in every style or preset, classes as dreams."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reverie import styles
from reverie.errors import PictureError, RecipeError
from reverie.jobs import choices
from reverie.jobs.presets import presets
from reverie.pictures import read_image, write_image


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(choices, "SIDE", 48)
    return write_image(tmp_path / "a cat.png", torch.rand(1, 3, 40, 60))


def test_every_style_and_every_preset_of_a_photo_is_listed(photo: Path) -> None:
    assert tuple(name for name, _ in choices.in_every_style(str(photo))) == styles.names()
    shown = {name for name, _ in choices.by_every_preset(str(photo))}
    assert shown == {name for name, preset in presets().items() if preset.craft in ("dream", "style")}


def test_a_sheet_takes_a_free_name_and_shows_every_choice(photo: Path) -> None:
    some = choices.in_every_style(str(photo))[:2]
    *captions, written = choices.write_sheet(some, name=Path("a cat-styles.png"))
    assert captions == [name for name, _ in some] and written == Path("a cat-styles.png")
    assert read_image(written).shape[3] == 832
    *_, again = choices.write_sheet(some[:1], name=Path("a cat-styles.png"))
    assert again == Path("a cat-styles-2.png")


def test_an_input_is_never_written_over(photo: Path) -> None:
    with pytest.raises(PictureError, match="is a picture this is made from"):
        next(choices.write_sheet(choices.in_every_style(str(photo)), name=Path("x.png"), output=photo))


def test_more_classes_than_fit_are_refused() -> None:
    assert len(choices.of_every_class(["tiger"])) == 1
    with pytest.raises(RecipeError, match="a sheet shows 1 to 40 classes; got 41"):
        choices.of_every_class(["tiger"] * 41)
