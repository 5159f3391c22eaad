"""`reverie perturb`: a picture of 8 bits within its ball, judged, and the figures wherever they are asked for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from reverie.jobs.record import read_record
from reverie.pictures import read_image
from tests.cli.conftest import Run

QUICK = ("--size", 32, "--steps", 2)


def test_it_stays_within_epsilon_and_says_what_came_of_it(reverie: Run, folder: Path) -> None:
    words = ("--as", "goldfish", "--epsilon", 6, "--compare", "--judge", "dreamnet", "--json", "-o", "out.png")
    ended = reverie("perturb", "photo.png", *QUICK, *words)
    assert ended.code == 0
    last = json.loads(ended.out.splitlines()[-1])
    figures = last["figures"]
    change = (read_image("out.png") - read_image("photo.png")) * 255
    assert float(change.abs().max()) == pytest.approx(figures["linf"], abs=0.01) and figures["linf"] <= 6
    assert float(change.pow(2).mean().sqrt()) == pytest.approx(figures["l2"], abs=0.01)
    assert figures["success"] == (figures["after"]["name"] == "goldfish")
    assert figures["target"]["probability"][1] > figures["target"]["probability"][0]
    assert {*figures["jpeg"]} == {"90", "75"} and figures["judge"]["network"] == "dreamnet"
    assert {*figures["flips_at"]} == {"linf", "l2"}
    assert read_record(Path("out.png")).figures == figures
    assert read_image("out-compare.png").shape[3] > 3 * 80
    again = reverie("replay", "out.png")
    assert again.code == 0 and "same pixels" in again.out


def test_away_and_one_step_by_root_mean_square(reverie: Run, folder: Path) -> None:
    words = ("--away", "--norm", "l2", "--epsilon", 3, "--steps", 1, "--size", 32, "--robust")
    ended = reverie("perturb", "photo.png", *words)
    assert ended.code == 0 and ended.out.startswith("photo-perturb.png  80x60")
    assert "survives JPEG 90" in ended.out
    change = read_image("photo-perturb.png") - read_image("photo.png")
    assert float(change.pow(2).mean().sqrt()) * 255 <= 3.1


def test_one_change_for_a_folder(reverie: Run, folder: Path) -> None:
    Path("many").mkdir()
    for name in ("photo.png", "night.jpg", "wave.jpg"):
        (Path("many") / name).write_bytes(Path(name).read_bytes())
    (Path("many") / "broken.png").write_bytes(b"no picture")
    ended = reverie("perturb", "photo.png", "--as", "goldfish", "--over", "many", *QUICK, "-o", "out.png")
    assert ended.code == 0 and "it was fitted to" in ended.out
    common = read_record(Path("out.png")).figures["common"]
    assert isinstance(common, dict)
    assert [len(each) for each in common.values() if isinstance(each, list)] == [2, 2]
    assert "of 2 photos it was fitted to, and in" in ended.out and "of 1 others" in ended.out
    assert not torch.equal(read_image("out.png"), read_image("photo.png"))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "--as CLASS, or --away"),
        (("--as", "goldfish", "--away"), "--as CLASS, or --away"),
        (("--away", "--over", "."), "give --as CLASS with --over"),
        (("--as", "zzz"), "has no class 'zzz'"),
        (("--as", "goldfish", "--epsilon", "0"), "epsilon"),
    ],
)
def test_what_makes_no_sense_is_one_line(reverie: Run, folder: Path, words: tuple[str, ...], told: str) -> None:
    ended = reverie("perturb", "photo.png", *words)
    assert ended.code == 2 and told in ended.err and ended.err.count("\n") == 1
