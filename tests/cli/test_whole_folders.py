"""A folder in the place of a photo: any craft that makes pictures of photos does the same for each."""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from reverie.jobs.events import Event, Stepped
from reverie.jobs.record import read_record
from reverie.pictures import read_image
from tests.cli.conftest import PAINTED, QUICK, Run


@pytest.fixture(autouse=True)
def photos(folder: Path) -> Path:
    """A folder of two photos."""
    path = folder / "photos"
    path.mkdir()
    for name in ("a", "b"):
        shutil.copy(folder / "photo.png", path / f"{name}.png")
    return path


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (("dream", "photos", *QUICK, "--octaves", 1), "photos-dream/{}-dream.png"),
        (("style", "photos", "night.jpg", *PAINTED), "photos-night/{}-night.png"),
        (("dream", "photos", "--preset", "gentle", *QUICK, "--octaves", 1), "photos-gentle/{}-gentle.png"),
        (("upscale", "photos"), "photos-x2/{}-x2.png"),
    ],
)
def test_each_photo_is_made(reverie: Run, words: tuple[object, ...], made: str) -> None:
    ended = reverie(*words)
    assert (ended.code, ended.err) == (0, "")
    names = [made.format(name) for name in ("a", "b")]
    assert [line.split()[0] for line in ended.out.splitlines()] == names
    assert read_image(names[0]).equal(read_image(names[1]))
    assert read_record(Path(names[1])).inputs[0].path == "../photos/b.png"


def test_what_lies_beside_lies_beside_each(reverie: Run) -> None:
    assert reverie("dream", "photos", *QUICK, "--octaves", 1, "--compare", "-o", "out").code == 0
    names = ["a-dream-compare.png", "a-dream.png", "b-dream-compare.png", "b-dream.png"]
    assert sorted(path.name for path in Path("out").iterdir()) == names


def test_a_dry_run_leaves_nothing(reverie: Run) -> None:
    ended = reverie("dream", "photos", *QUICK, "--dry-run", "--json")
    assert ended.code == 0 and [json.loads(line)["event"] for line in ended.out.splitlines()] == ["plan", "plan"]
    assert not Path("photos-dream").exists()
    assert reverie("dream", "photos", *QUICK, "--layers", "relu9_9").code == 2
    assert not Path("photos-dream").exists(), "nor does what is refused"


def test_settings_that_make_no_sense_are_said_once(reverie: Run) -> None:
    ended = reverie("dream", "photos", "--size", 5)
    assert (ended.code, ended.err.count("\n")) == (2, 1) and "size" in ended.err


@pytest.mark.skipif(sys.platform == "win32", reason="signals are other ones there")
def test_a_signal_stops_all(reverie: Run, signalled: Callable[[type[Event], int], None]) -> None:
    signalled(Stepped, signal.SIGINT)
    ended = reverie("dream", "photos", *QUICK, "--json")
    assert (ended.code, ended.err) == (130, "")
    assert json.loads(ended.out.splitlines()[-1])["event"] == "stopped"
    assert not Path("photos-dream/b-dream.png").exists(), "the second is not begun"
