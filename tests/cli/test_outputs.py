from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from reverie.pictures import read_image
from tests.cli.conftest import QUICK, Run


def test_named_output_is_replaced_whole(reverie: Run) -> None:
    Path("o.png").write_bytes(b"older")
    assert reverie("dream", "photo.png", *QUICK, "-o", "o.png").code == 0
    assert read_image("o.png").shape == (1, 3, 48, 64)
    assert not list(Path().glob(".*partial*"))


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("o.bmp", "suffix"),
        ("o", "suffix"),
        ("nowhere/o.png", "folder"),
        ("taken.png", "folder"),
        ("photo.png", "made from"),
        ("n" * 300 + ".png", "long"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_any_work(reverie: Run, output: str, reason: str) -> None:
    Path("taken.png").mkdir()
    photo = Path("photo.png").read_bytes()
    ended = reverie("dream", "photo.png", "--steps", 10_000, "--size", 4096, "-o", output)
    assert ended.code == 2 and reason in ended.err and ended.err.count("\n") == 1
    assert Path("photo.png").read_bytes() == photo


def test_too_large_for_the_format_is_refused_before_any_work(reverie: Run) -> None:
    ended = reverie("dream", "photo.png", "--size", 20_000, "-o", "o.webp")
    assert ended.code == 2 and "WebP" in ended.err


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_may_not_be_written_to(reverie: Run) -> None:
    Path("locked").mkdir(mode=0o500)
    assert reverie("dream", "photo.png", "-o", "locked/o.png").code == 2


def test_no_input_is_written_over_by_what_lies_beside(reverie: Run) -> None:
    Path("photo.png").rename("o-report.png")
    photo = Path("o-report.png").read_bytes()
    ended = reverie("dream", "o-report.png", *QUICK, "-o", "o.png", "--compare", "--report")
    assert ended.code == 0 and "also o-2-compare.png, o-2-report.png" in ended.out
    assert Path("o-report.png").read_bytes() == photo


def test_fresh_names_leave_companions_alone(reverie: Run) -> None:
    def name(*more: object) -> str:
        return reverie("dream", "photo.png", *QUICK, "--octaves", 1, *more).out.split()[0]

    Path("photo-dream-compare.png").touch()
    assert name() == "photo-dream.png"
    Path("photo-dream.png").unlink()
    assert name("--compare") == "photo-dream-2.png"
    assert Path("photo-dream-compare.png").read_bytes() == b""
    Path("photo-dream-0004.png").touch()
    assert name("--save-every", 2) == "photo-dream-3.png", "2 is taken"
    assert Path("photo-dream-3-0002.png").exists()


def test_a_link_as_output_is_written_through(reverie: Run) -> None:
    Path("real.png").write_bytes(b"older")
    Path("link.png").symlink_to("real.png")
    assert reverie("dream", "photo.png", *QUICK, "-o", "link.png").code == 0
    assert Path("link.png").is_symlink() and read_image("real.png").shape == (1, 3, 48, 64)


def test_inputs_are_never_changed(reverie: Run) -> None:
    names = ("photo.png", "night.jpg")
    before = [hashlib.sha256(Path(n).read_bytes()).hexdigest() for n in names]
    assert reverie("style", *names, *QUICK, "--compare", "--save-every", 1).code == 0
    assert [hashlib.sha256(Path(n).read_bytes()).hexdigest() for n in names] == before
