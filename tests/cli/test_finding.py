"""`reverie find` and `reverie style --find-painting`: the index, the sheet, and a record that can be replayed."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from reverie.jobs.record import read_record
from reverie.pictures import read_image
from tests.cli.conftest import QUICK, Run


def test_rows_of_alike_pictures_with_their_figures(reverie: Run, folder: Path) -> None:
    Path("many").mkdir()
    for name in ("photo.png", "night.jpg", "wave.jpg"):
        (Path("many") / name).write_bytes(Path(name).read_bytes())
    ended = reverie("find", "photo.png", "many", "--by", "colour,style", "--count", 3, "--json", "-o", "sheet.png")
    assert ended.code == 0
    last = json.loads(ended.out.splitlines()[-1])
    figures = last["figures"]
    assert [*figures["found"]] == ["colour", "style"] and figures["pictures"] == figures["described"] == 3
    assert {each["name"] for each in figures["found"]["style"]} == {"night.jpg", "wave.jpg"}
    assert read_record(Path("sheet.png")).figures == figures
    assert read_image("sheet.png").shape == (1, 3, last["height"], 1280)
    again = reverie("find", "photo.png", "many")
    assert again.code == 0 and "3 pictures, 0 of them new" in again.out


def test_what_cannot_be_searched_is_one_line(reverie: Run, folder: Path) -> None:
    assert "is no folder" in reverie("find", "photo.png", "nowhere").err
    assert "found by content, style, colour" in reverie("find", "photo.png", ".", "--by", "smell").err
    assert "FOLDER" in reverie("find", "photo.png").err


def test_a_painting_is_found_and_recorded(reverie: Run, folder: Path) -> None:
    Path("paintings").mkdir()
    for name in ("night.jpg", "wave.jpg"):
        (Path("paintings") / name).write_bytes(Path(name).read_bytes())
    ended = reverie("style", "photo.png", "--find-painting", "paintings", *QUICK, "-o", "out.png")
    assert ended.code == 0 and "suits the photo" in ended.err
    roles = {each.role: each.path for each in read_record(Path("out.png")).inputs}
    assert roles["painting"] in ("paintings/night.jpg", "paintings/wave.jpg") and "find_painting" not in roles
    assert reverie("replay", "out.png").code == 0
    assert torch.equal(read_image("out.png"), read_image("out-replay.png"))
    refused = reverie("style", "photo.png", "night.jpg", "--find-painting", "paintings")
    assert refused.code == 2 and "and no painting" in refused.err
