"""`reverie see`: a sheet, and the same figures on the terminal, in `--json` and in the record."""

from __future__ import annotations

import json
from pathlib import Path

import torch

from reverie.jobs.record import read_record
from reverie.pictures import read_image
from tests.cli.conftest import Run


def test_a_sheet_and_its_figures(reverie: Run, folder: Path) -> None:
    ended = reverie("see", "photo.png", "--size", 64, "--json", "-o", "sheet.png")
    assert ended.code == 0
    last = json.loads(ended.out.splitlines()[-1])
    classes = last["figures"]["classes"]
    assert last["event"] == "ended" and len(classes) == 5
    assert [each["probability"] for each in classes] == sorted((e["probability"] for e in classes), reverse=True)
    assert read_record(Path("sheet.png")).figures == last["figures"]
    assert read_image("sheet.png").shape == (1, 3, last["height"], 1280)


def test_classes_asked_for_are_told_on_the_terminal(reverie: Run, folder: Path) -> None:
    ended = reverie("see", "photo.png", "--size", 64, "--class", "goldfish,lion")
    assert ended.code == 0
    first, *lines = ended.out.splitlines()
    assert first.startswith("photo-see.png  1280x")
    assert [line.split()[1] for line in lines] == ["goldfish", "lion"]
    again = reverie("replay", "photo-see.png")
    assert again.code == 0 and "same pixels" in again.out
    assert torch.equal(read_image("photo-see.png"), read_image("photo-see-replay.png"))


def test_a_transparent_photo_gives_an_opaque_sheet(reverie: Run, folder: Path) -> None:
    from PIL import Image

    Image.new("RGBA", (40, 30), (200, 30, 30, 90)).save("pale.png")
    assert reverie("see", "pale.png", "--size", 32, "-o", "sheet.png").code == 0
    with Image.open("sheet.png") as sheet:
        assert sheet.mode == "RGB"


def test_what_cannot_be_seen_is_one_line(reverie: Run, folder: Path) -> None:
    ended = reverie("see", "photo.png", "--class", "dragonn")
    assert ended.code == 2 and "has no class 'dragonn'" in ended.err
    assert reverie("see", "photo.png", "--network", "vgg99").code == 2
    assert not Path("photo-see.png").exists()


def test_an_explanation_and_its_checks(reverie: Run, folder: Path) -> None:
    words = ("--size", 48, "--class", "goldfish", "--method", "gradient,cam,lrp", "--samples", 2)
    ended = reverie("explain", "photo.png", *words, "-o", "why.png")
    assert ended.code == 0
    figures = read_record(Path("why.png")).figures
    methods = figures["methods"]
    assert isinstance(methods, dict) and [*methods] == ["gradient", "cam", "lrp"]
    for each in methods.values():
        assert isinstance(each, dict) and {*each} == {"insertion", "deletion", "random_weights", "total"}
    assert "by lot" in ended.out and "goldfish" in ended.out
    assert reverie("replay", "why.png").code == 0
    refused = reverie("explain", "photo.png", "--method", "magic")
    assert refused.code == 2 and "methods are gradient" in refused.err
