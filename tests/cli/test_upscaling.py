from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from reverie.jobs.record import read_record
from reverie.pictures import read_image, read_picture, write_image
from tests.cli.conftest import Run


def test_a_photo_enlarged(reverie: Run) -> None:
    ended = reverie("upscale", "photo.png", "--factor", 3)
    assert ended.code == 0 and ended.out.startswith("photo-x3.png  240x180")
    assert read_image("photo-x3.png").shape == (1, 3, 180, 240)
    assert reverie("upscale", "photo.png", "--factor", 3).out.startswith("photo-x3-2.png")
    record = read_record(Path("photo-x3.png"))
    assert record.craft == "upscale" and record.settings["factor"] == 3
    assert [n.name for n in record.networks] == ["superres-faithful"]


@pytest.mark.bits
def test_the_same_pixels_again(reverie: Run) -> None:
    assert reverie("upscale", "photo.png", "--tile", 32, "-o", "o.png").code == 0
    ended = reverie("replay", "o.png")
    assert ended.code == 0 and ended.out.startswith("o-replay.png  160x120") and "same pixels" in ended.out
    Path("photo.png").rename("elsewhere.png")
    assert reverie("replay", "o.png").code == 2


def test_alpha_and_sixteen_bits(reverie: Run) -> None:
    photo = read_image("photo.png")
    alpha = torch.linspace(0, 1, 80).expand(1, 1, 60, 80)
    write_image("deep.png", photo, alpha=alpha, depth=16)
    assert reverie("upscale", "deep.png", "-o", "o.tif").code == 0
    large = read_picture("o.tif")
    assert large.depth == 16 and large.size == (120, 160) and large.alpha is not None
    assert (large.alpha - torch.linspace(0, 1, 160)).abs().max() < 0.01
    values = (large.pixels * 65535).numpy()
    assert len(np.unique(values.round())) > 2000
    assert reverie("upscale", "deep.png", "-o", "o.jpg").code == 0
    assert read_picture("o.jpg").alpha is None


def test_a_seamless_picture(reverie: Run) -> None:
    assert reverie("upscale", "photo.png", "--seamless", "-o", "o.png").code == 0
    write_image("rolled.png", read_image("photo.png").roll(30, 3))
    assert reverie("upscale", "rolled.png", "--seamless", "--tile", 32, "-o", "r.png").code == 0
    assert (read_image("r.png").roll(-60, 3) - read_image("o.png")).abs().max() < 1.5 / 255
    assert "same pixels" in reverie("replay", "r.png").out


def test_progress_for_a_machine(reverie: Run) -> None:
    ended = reverie("upscale", "photo.png", "--tile", 40, "--json")
    events = [json.loads(line) for line in ended.out.splitlines()]
    assert [e["event"] for e in events] == ["began", *["step"] * 4, "ended"]
    assert (events[-2]["tile"], events[-2]["tiles"], events[-2]["done"]) == (4, 4, 1)
    assert events[-1]["output"] == "photo-x2.png"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("none.png",), "none.png"),
        (("photo.png", "--factor", 5), "factor: "),
        (("photo.png", "--factor", "two"), "factor: "),
        (("photo.png", "--tile", 0), "tile: "),
        (("photo.png", "--memory", "1MB"), "--memory"),
        (("photo.png", "--memory", "some"), "memory is an amount"),
        (("photo.png", "-o", "photo.png"), "made from"),
        (("photo.png", "-o", "o.exe"), "o.exe"),
    ],
)
def test_what_is_refused(reverie: Run, words: tuple[object, ...], said: str) -> None:
    ended = reverie("upscale", *words)
    assert ended.code == 2 and said in ended.err and ended.err.count("\n") == 1


def test_a_width_of_one_pixel(reverie: Run) -> None:
    write_image("thin.png", torch.rand(1, 3, 5, 1, generator=torch.Generator().manual_seed(0)))
    assert reverie("upscale", "thin.png", "--factor", 4).code == 0
    assert read_image("thin-x4.png").shape == (1, 3, 20, 4)


def test_its_help(reverie: Run) -> None:
    ended = reverie("upscale", "--help")
    assert ended.code == 0
    assert all(flag in ended.out for flag in ("--factor", "--variant", "or sharp", "--tile", "--memory", "--output"))
