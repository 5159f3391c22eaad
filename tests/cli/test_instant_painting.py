from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from reverie.jobs.record import read_record
from reverie.pictures import filled, read_image, read_picture, write_image
from reverie.recipes import InstantSettings
from reverie.recipes.instant import painter
from tests.cli.conftest import Run


def test_a_photo_painted(reverie: Run) -> None:
    ended = reverie("instant", "photo.png", "night.jpg")
    assert ended.code == 0 and ended.out.startswith("photo-night.png  80x60")
    assert reverie("instant", "photo.png", "night.jpg").out.startswith("photo-night-2.png")
    record = read_record(Path("photo-night.png"))
    assert record.craft == "instant" and [n.name for n in record.networks] == ["instant"]
    assert [i.role for i in record.inputs] == ["photo", "painting"] and record.settings["precision"] != "auto"


@pytest.mark.bits
def test_the_same_pixels_again(reverie: Run) -> None:
    mask = torch.zeros(1, 3, 60, 80)
    mask[..., 30:] = 1
    write_image("mask.png", mask)
    words = ("photo.png", "night.jpg", "mosaic", "--weights", "2,1", "--strength", 0.6, "--mask", "mask.png")
    assert reverie("instant", *words, "--tile", 32, "-o", "o.png").code == 0
    assert torch.equal(read_image("o.png")[..., :30], read_image("photo.png")[..., :30])
    ended = reverie("replay", "o.png")
    assert ended.code == 0 and ended.out.startswith("o-replay.png  80x60") and "same pixels" in ended.out
    Path("night.jpg").rename("elsewhere.jpg")
    assert reverie("replay", "o.png").code == 2


def test_alpha_and_sixteen_bits(reverie: Run) -> None:
    alpha = torch.linspace(0, 1, 80).expand(1, 1, 60, 80)
    write_image("deep.png", read_image("photo.png"), alpha=alpha, depth=16)
    assert reverie("instant", "deep.png", "wave.jpg", "--size", 40, "-o", "o.tif").code == 0
    small = read_picture("o.tif")
    assert small.depth == 16 and small.size == (30, 40) and small.alpha is not None
    assert (small.alpha - torch.linspace(0, 1, 40)).abs().max() < 0.02


def test_alpha_weighs_the_photo_and_the_painting(reverie: Run) -> None:
    """The command gives what the library gives with both alphas, and not what it gives without."""
    for name, source, (height, width) in (("cut.png", "photo.png", (60, 80)), ("half.png", "night.jpg", (64, 64))):
        alpha = torch.ones(1, 1, height, width)
        alpha[..., 30:] = 0
        write_image(name, read_picture(source).pixels, alpha=alpha)
    photo, like = (read_picture(name) for name in ("cut.png", "half.png"))
    assert reverie("instant", "cut.png", "half.png", "--precision", "float32", "--tile", 0, "-o", "o.png").code == 0
    made = read_picture("o.png").pixels[..., :30]
    settings = InstantSettings(precision="float32", tile=0)
    pixels, painting = filled(photo.pixels, photo.alpha), filled(like.pixels, like.alpha)
    expected = painter([painting], settings, opaque=[like.alpha]).paint(pixels, opaque=photo.alpha)[..., :30]
    assert (made - expected).abs().max() < 1 / 250
    for alphas, opaque in (([like.alpha], None), ([None], photo.alpha)):
        other = painter([painting], settings, opaque=alphas).paint(pixels, opaque=opaque)[..., :30]
        assert (made - other).abs().max() > 0.02
    assert "same pixels" in reverie("replay", "o.png").out


def test_a_folder_of_photos(reverie: Run) -> None:
    Path("photos").mkdir()
    for name in ("a", "b"):
        write_image(f"photos/{name}.png", read_image("photo.png"))
    ended = reverie("instant", "photos", "night.jpg", "--json")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [e["event"] for e in events] == ["began", "step", "ended"] * 2
    made = sorted(p.as_posix() for p in Path("photos-night").iterdir())
    assert made == ["photos-night/a-night.png", "photos-night/b-night.png"]
    assert torch.equal(read_image(made[0]), read_image(made[1]))
    assert reverie("instant", "photos", "night.jpg", "-o", "mine").code == 0 and len(list(Path("mine").iterdir())) == 2


def test_a_broken_photo_of_a_folder_is_named_and_the_others_go_on(reverie: Run) -> None:
    Path("photos").mkdir()
    Path("photos/a.png").write_bytes(b"no picture")
    write_image("photos/b.png", read_image("photo.png"))
    ended = reverie("instant", "photos", "night.jpg")
    assert ended.code == 2 and ended.err.count("a.png") == 1
    assert [p.name for p in Path("photos-night").iterdir()] == ["b-night.png"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.png", "night.jpg"), "none.png"),
        (("photo.png", "none.jpg"), "none.jpg"),
        (("photo.png", "mosaik"), "Did you mean 'mosaic'"),
        (("photo.png",), "PAINTING"),
        (("photo.png", "night.jpg", "--strength", 2), "strength: "),
        (("photo.png", "night.jpg", "--weights", "1,2"), "weights are one for each"),
        (("photo.png", "night.jpg", "--memory", "1MB"), "--memory"),
        (("photo.png", "night.jpg", "--colour", "mine"), "color: "),
        (("photo.png", "night.jpg", "--mask", "none.png"), "none.png"),
        (("photo.png", "night.jpg", "-o", "photo.png"), "made from"),
        (("photo.png", "night.jpg", "-o", "o.exe"), "o.exe"),
        (("empty", "night.jpg"), "empty"),
    ],
)
def test_what_is_refused(reverie: Run, words: tuple[object, ...], said: str) -> None:
    Path("empty").mkdir()
    before = sorted(p.name for p in Path().iterdir())
    ended = reverie("instant", *words)
    assert ended.code == 2 and said in ended.err and ended.err.count("\n") == 1
    assert sorted(p.name for p in Path().iterdir()) == before


def test_its_help(reverie: Run) -> None:
    ended = reverie("instant", "--help")
    assert ended.code == 0
    for word in ("--strength", "--weights", "--mask", "--colour", "PAINTING"):
        assert word in ended.out
