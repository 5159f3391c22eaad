"""What `--memory` allows is kept, by the whole process; what does not fit is refused with remedies that work."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from PIL import Image

from benchmarks.promises import CRAFTS, SIDES, VARIANTS, Kept, kept, lay_out, runs, table
from tests.cli.conftest import Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")


@pytest.mark.parametrize(
    ("craft", "tile", "less"),
    [
        pytest.param("dream", "0", 340, marks=pytest.mark.slow),
        pytest.param("instant", "", 300, marks=pytest.mark.slow),
        pytest.param("upscale", "64", 260, marks=pytest.mark.slow),
    ],
)
def test_the_least_that_is_named_is_enough_and_kept(tmp_path: Path, craft: str, tile: str, less: int) -> None:
    lay_out(tmp_path, 160)
    run = kept(tmp_path, craft, 160, tile, less)
    assert run.ok, run


@pytest.mark.slow
@pytest.mark.parametrize("craft", [*CRAFTS, *VARIANTS])
@pytest.mark.parametrize("side", SIDES)
def test_every_craft_keeps_to_its_memory(tmp_path: Path, craft: str, side: int) -> None:
    broken = [run for run in runs(tmp_path, [craft], [side]) if not run.ok]
    assert not broken, table(broken)


def test_a_broken_promise_is_seen() -> None:
    assert Kept("dream", 256, "", 400, 390, 400).ok and not Kept("dream", 256, "", 400, 390, 401).ok


@pytest.mark.parametrize(
    "words", [("dream", "photo.png"), ("instant", "photo.png", "night.jpg"), ("upscale", "photo.png")]
)
def test_a_tile_does_not_cancel_the_limit(reverie: Run, words: tuple[str, ...]) -> None:
    ended = reverie(*words, "--tile", 512, "--memory", "1MB", "-o", "o.png")
    assert (ended.code, ended.err.count("\n")) == (2, 1) and "--memory" in ended.err
    assert not Path("o.png").exists()


@pytest.mark.slow
def test_a_smaller_size_is_offered_only_where_it_helps(reverie: Run) -> None:
    little = reverie("dream", "photo.png", "--memory", "1MB").err
    assert "--size" not in little and re.search(r"Try --memory \d+MB or more\.$", little.strip()), little
    words = ("dream", "noise", "--octaves", 1, "--dry-run")
    less = f"{_enough(reverie, *words, '--size', 2000) * 85 // 100}MB"
    offered = re.search(r"--size (\d+)", reverie(*words, "--size", 2000, "--memory", less).err)
    assert offered and reverie(*words, "--size", offered[1], "--memory", less).code == 0


@pytest.mark.slow
def test_the_tile_that_fits_is_offered(reverie: Run) -> None:
    words = ("dream", "noise", "--size", 1500, "--octaves", 1, "--memory", f"{_held() + 700}MB", "--dry-run")
    refused = reverie(*words, "--tile", 0)
    offered = re.search(r"--tile (\d+)", refused.err)
    assert refused.code == 2 and offered, refused.err
    assert reverie(*words, "--tile", offered[1]).code == 0


def _enough(reverie: Run, *words: object) -> int:
    """MB that refusals name, until there is none."""
    amount = 1
    while (ended := reverie(*words, "--memory", f"{amount}MB")).code:
        raised = re.search(r"--memory (\d+)MB", ended.err)
        assert raised and int(raised[1]) > amount, ended.err
        amount = int(raised[1])
    return amount


def _held() -> int:
    """MB that this process holds now."""
    text = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) // 2**10 for line in text.splitlines() if line.startswith("VmRSS"))


def test_a_picture_is_refused_before_it_is_read(reverie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("reverie.jobs.inputs.read_picture", None)
    Image.new("RGBA", (2000, 2000), (90, 120, 200, 100)).save("large.png")
    ended = reverie("dream", "large.png", "--size", 64, "--memory", f"{_held() + 100}MB")
    assert (ended.code, ended.err.count("\n")) == (2, 1) and "filling the transparent parts" in ended.err
    assert "--size" not in ended.err


@pytest.mark.parametrize(
    "words",
    [("instant", "photo.png", "night.jpg", "--precision", "float32"), ("upscale", "photo.png")],
)
def test_a_plan_of_one_pass_says_what_it_takes(reverie: Run, words: tuple[str, ...]) -> None:
    said = reverie(*words, "--dry-run").out
    planned = re.search(r": (\d+) MB of memory at most", said)
    assert planned and int(planned[1]) > _held() and "step" not in said and "0 s" not in said, said
