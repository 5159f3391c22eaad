"""The gallery's page shows every picture there is, and its commands are ones that Reverie takes."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from PIL import Image

from reverie import styles
from reverie.cli.commands import craft_command
from reverie.cli.options import settings_given
from reverie.crafts.registry import find
from reverie.jobs import read_record
from reverie.networks import find_classes, load
from reverie.pictures import read_recipe
from reverie.recipes.dream import DreamInputs, DreamSettings, subjects_of

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "docs" / "gallery"
sys.path.insert(0, str(ROOT / "examples"))

import gallery  # noqa: E402 (beside the demo, no package)
from gallery_maps import MAPS  # noqa: E402
from gallery_pictures import GALLERY, alone, on_checks, strip, tiled  # noqa: E402

COMMANDS = [command for entry in GALLERY for command in entry.commands]
PICTURES = sorted(FOLDER.glob("*.jpg"))


def parsed(command: str) -> tuple[str, dict[str, Any]]:
    """The command's name, and what it is given by name."""
    program, name, *words = shlex.split(command)
    assert program == "reverie"
    single = typer.Typer(add_completion=False)
    single.command(name)(craft_command(name))
    return name, typer.main.get_command(single).make_context(name, words).params


def test_the_page_shows_every_picture() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf8")
    assert len(PICTURES) >= 24
    assert {path.stem for path in PICTURES} == {entry.name for entry in GALLERY}
    for entry in GALLERY:
        assert f"]({entry.name}.jpg)" in page
        assert entry.says in page
        assert all(command in page for command in entry.commands)


def test_the_page_is_what_the_script_writes() -> None:
    page = (FOLDER / "README.md").read_text(encoding="utf8")
    assert page == gallery.page(GALLERY, {entry.name: entry.commands for entry in GALLERY})


def test_every_picture_is_made_by_the_commands_shown() -> None:
    made = gallery.read_made(FOLDER)
    assert made == {entry.name: [*entry.commands] for entry in GALLERY}


def test_names_are_unique_and_captions_complete() -> None:
    assert len({entry.name for entry in GALLERY}) == len(GALLERY)
    for entry in GALLERY:
        assert entry.says.endswith(".")
        assert bool(entry.captions) == (entry.show not in (alone, tiled, on_checks, strip)), entry.name


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_is_one_that_reverie_takes(command: str) -> None:
    name, given = parsed(command)
    craft = find(name)
    settings = craft.checked(settings_given(craft.settings, given))
    assert all((FOLDER / word).exists() for word in shlex.split(command) if word.startswith(("photos/", "maps/")))
    assert set(given.get("painting") or ()) <= set(styles.names())
    if isinstance(settings, DreamSettings):
        network, subjects = load("dreamnet"), subjects_of(settings, DreamInputs())[0]
        assert all(find_classes(network, wish.name) for wish in (*subjects.classes, *subjects.avoid))


@pytest.mark.parametrize("folder", ["gallery", "presets"])
def test_what_one_command_made_can_be_made_again(folder: str) -> None:
    """The recipes inside are ones that this Reverie reads, of what the command says."""
    pictures = sorted((ROOT / "docs" / folder).glob("*.jpg"))
    recorded = [path for path in pictures if read_recipe(path) is not None]
    assert len(recorded) >= 15
    for path in recorded:
        craft, settings = read_record(path).resolve()
        assert craft.settings.model_validate(settings.model_dump()) == settings


def test_it_is_light() -> None:
    """What a reader of the page loads, and what a clone carries."""
    assert sum(path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()) <= 5 * 2**20
    for path in PICTURES:
        with Image.open(path) as picture:
            assert 256 <= max(picture.size) <= 1024, path


def test_maps_are_all_used() -> None:
    assert all(any(f"maps/{name}.png" in command for command in COMMANDS) for name in MAPS)
    assert {path.stem for path in (FOLDER / "maps").glob("*.png")} == set(MAPS)


def test_at_another_size_and_with_other_paintings() -> None:
    entry = next(entry for entry in GALLERY if entry.name == "default")
    (command,) = gallery.commands_of(entry, size=256, paintings={"night-strokes": Path("/mine.jpg")})
    assert command == "reverie style photos/cat.jpg /mine.jpg --size 256 -o default.png"
