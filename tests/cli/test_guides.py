"""Masks, maps, weights and the like that make no sense: one line, exit 2, nothing written."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reverie.jobs.record import read_record
from reverie.pictures import read_image, read_picture
from tests.cli.conftest import QUICK, Run
from tests.cli.test_bad_inputs import refused

TWO = ("style", "photo.png", "night.jpg", "wave.jpg", *QUICK)
ONE = ("style", "photo.png", "night.jpg", *QUICK)
GRAM = ("--loss", "gram")  # the quickest


@pytest.fixture(autouse=True)
def guides(folder: Path) -> None:
    """Masks and maps for the photo, 80x60, and for a painting, 64x64."""
    draw("mask.png", [(0, 0, 0), (255, 255, 255)], 80, 60)
    draw("white.png", [(255, 255, 255)], 80, 60)
    draw("tall.png", [(0, 0, 0), (255, 255, 255)], 40, 60)
    draw("map2.png", [(255, 0, 0), (0, 0, 255)], 80, 60)
    draw("map3.png", [(255, 0, 0), (0, 0, 255), (0, 255, 0)], 80, 60)
    draw("painted2.png", [(255, 0, 0), (0, 0, 255)], 64, 64)
    draw("other2.png", [(0, 255, 0), (255, 255, 0)], 64, 64)
    shades = np.random.default_rng(0).integers(0, 256, (60, 80, 3), dtype=np.uint8)
    Image.fromarray(shades).save("shades.png")


def draw(name: str, colours: list[tuple[int, int, int]], width: int, height: int) -> None:
    """Upright stripes of equal width."""
    columns = np.array(colours, dtype=np.uint8)[np.arange(width) * len(colours) // width]
    Image.fromarray(np.broadcast_to(columns, (height, width, 3)).copy()).save(name)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((*ONE, "--mask", "white.png"), "light and dark"),
        ((*ONE, "--mask", "tall.png"), "shape"),
        ((*ONE, "--mask", "none.png"), "none.png"),
        ((*ONE, "--photo-map", "white.png"), "second"),
        ((*ONE, "--photo-map", "tall.png"), "shape"),
        ((*ONE, "--photo-map", "shades.png"), "flat colours"),
        ((*ONE, "--photo-map", "map2.png", "--painting-map", "other2.png"), "pair by colour"),
        ((*ONE, "--photo-map", "map2.png", "--painting-map", "map2.png"), "shape"),
        ((*ONE, "--painting-map", "painted2.png"), "--photo-map"),
        ((*TWO, "--photo-map", "map2.png", "--painting-map", "painted2.png"), "one painting"),
        ((*TWO, "--photo-map", "map3.png"), "3 regions for 2 paintings"),
        ((*TWO, "--weights", "0,0"), "sum to more than 0"),
        ((*TWO, "--weights", "nan,1"), "sum to more than 0"),
        ((*TWO, "--weights=-1,2"), "0 or more"),
        ((*TWO, "--weights", "1,2,3"), "got 3 for 2"),
        ((*TWO, "--auto-regions", 2), "one painting; got 2"),
        ((*ONE, "--auto-regions", 1), "2 to 8"),
        ((*ONE, "--auto-regions", 9), "auto_regions"),
        ((*ONE, "--auto-regions", 2, "--photo-map", "map2.png"), "drawn or found"),
        ((*ONE, "--begin", "wave.jpg", "--start", "noise"), "one of them"),
        ((*ONE, "--begin", "none.png"), "none.png"),
        ((*ONE, "--region-strengths", "1,2"), "1 regions"),
        ((*ONE, "--photo-map", "map2.png", "--region-strokes", "1,0"), "above 0"),
        ((*ONE, "--colour", "photos"), "'histogram'"),
        ((*ONE, "--colour-amount", 2), "color_amount"),
        ((*ONE, "--loss", "gramm"), "'neighbours'"),
        ((*ONE, "--start", "black"), "'colours'"),
        ((*ONE, "--layers", "relu9_9"), "relu9_9"),
        ((*ONE, "--layers", "relu3_2:x"), "relu3_2"),
        ((*ONE, "--stroke", 0), "stroke"),
        (("texture", "night.jpg", *QUICK, "--colour", "photo"), "'photo'"),
        (("texture", "night.jpg", *QUICK, "--loss", "gramm"), "'neighbours'"),
        (("texture", "night.jpg", "wave.jpg", *QUICK, "--weights", "1"), "got 1 for 2"),
        (("texture", *QUICK), "PICTURE"),
    ],
)
def test_what_is_refused(reverie: Run, words: tuple[object, ...], said: str) -> None:
    assert said in refused(reverie, *words)


def test_regions_need_a_library(reverie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.cluster", None)
    said = refused(reverie, *ONE, "--auto-regions", 2)
    assert "scikit-learn" in said and "reverie-dream[regions]" in said


@pytest.mark.parametrize(
    "words",
    [
        (*ONE, *GRAM, "--mask", "mask.png", "--start", "photo"),
        (*TWO, *GRAM, "--photo-map", "map2.png", "--region-strengths", "2,1"),
        (*ONE, *GRAM, "--photo-map", "map2.png", "--painting-map", "painted2.png"),
        (*ONE, *GRAM, "--begin", "wave.jpg", "--seamless"),
        ("texture", "night.jpg", "wave.jpg", *QUICK, *GRAM, "--weights", "2,1", "--seamless"),
    ],
)
def test_guides_are_kept_in_the_record(reverie: Run, words: tuple[object, ...]) -> None:
    assert reverie(*words, "-o", "o.png").code == 0
    given = [Path(str(word)).name for word in words if str(word).endswith((".png", ".jpg"))]
    assert sorted(i.path for i in read_record(Path("o.png")).inputs) == sorted(given)
    assert "same pixels" in reverie("replay", "o.png").out


def test_regions_are_found(reverie: Run) -> None:
    pytest.importorskip("sklearn")
    assert reverie(*ONE, *GRAM, "--auto-regions", 2, "-o", "o.png").code == 0
    assert "same pixels" in reverie("replay", "o.png").out


def test_the_photo_stays_where_the_mask_is_black(reverie: Run) -> None:
    assert reverie(*ONE, "--mask", "mask.png", "--size", 80, "-o", "o.png").code == 0
    assert torch.equal(read_image("o.png")[..., :36], read_image("photo.png")[..., :36])


def test_what_lies_under_transparency_is_not_painted_with(reverie: Run) -> None:
    pixels = np.asarray(Image.open("photo.png").convert("RGBA")).copy()
    pixels[:, :40, 3] = 0
    Image.fromarray(pixels).save("clear.png")
    pixels[:, :40, :3] = 255
    Image.fromarray(pixels).save("white-under.png")
    for name in ("clear", "white-under"):
        assert reverie("style", f"{name}.png", "night.jpg", *QUICK, "-o", f"{name}-out.png").code == 0
    assert torch.equal(read_image("clear-out.png"), read_image("white-under-out.png"))
    assert read_picture("clear-out.png").alpha is not None
