"""The plan's figure of disk, and what is refused before any work: no room, no size, no memory."""

from __future__ import annotations

import json
import shutil
import sys
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import reverie as rv
from reverie.jobs import Checkpoints, disk, flatten
from reverie.jobs.perform import perform
from reverie.optimisers import Optimiser
from tests.cli.conftest import QUICK, Run

Usage = namedtuple("Usage", "total used free")
MB = 2**20
PIXELS = 48 * 64  # of the photo at QUICK's size


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """`free(bytes)`: no disk has more."""
    return lambda amount: monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(2**50, 0, amount))


def planned(reverie: Run, *words: object) -> int:
    """The bytes of disk in a plan."""
    ended = reverie(*words, "--dry-run", "--json", "-o", "o.png")
    assert (ended.code, ended.err) == (0, "")
    plan = json.loads(ended.out)
    assert plan["event"] == "plan"
    return int(plan["disk"])


def refused(reverie: Run, *words: object) -> str:
    """The one line with which a command was refused; nothing is left behind."""
    names = sorted(path.name for path in Path().iterdir())
    ended = reverie(*words)
    assert (ended.code, ended.out) == (2, "") and ended.err.count("\n") == 1, ended
    assert ended.err.startswith("reverie: ") and "Traceback" not in ended.err
    assert sorted(path.name for path in Path().iterdir()) == names
    return ended.err


def test_the_figure_is_the_result_and_where_it_is_kept_three_checkpoints(reverie: Run) -> None:
    dream, style = ("dream", "photo.png", *QUICK), ("style", "photo.png", "night.jpg", *QUICK)
    copies = Path("photo.png").stat().st_size
    assert planned(reverie, *dream) == 3 * PIXELS
    assert planned(reverie, *dream, "--checkpoint", "ck") == (3 + 3 * 12) * PIXELS + copies
    copies += Path("night.jpg").stat().st_size
    assert planned(reverie, *style, "--checkpoint", "ck") == (3 + 3 * 12 * 4) * PIXELS + copies, "moments and average"
    lbfgs = planned(reverie, *style, "--optimizer", "lbfgs", "--checkpoint", "ck")
    assert lbfgs == (3 + 3 * 12 * 43) * PIXELS + copies
    assert not Path("ck").exists()


def test_long_runs_count_as_kept(reverie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    short = planned(reverie, "dream", "photo.png", *QUICK)
    monkeypatch.setattr(sys.modules[perform.__module__], "LONG", 0.0)
    assert planned(reverie, "dream", "photo.png", *QUICK) > short + 3 * 12 * PIXELS


def test_it_is_said_in_words(reverie: Run) -> None:
    out = reverie("dream", "photo.png", "--size", 1024, "--steps", 1, "--dry-run").out
    assert "2 MB of disk" in out and out.count("\n") == 1
    assert "disk" in reverie("dream", "--help").out


@pytest.mark.parametrize("choice", [rv.Adam(), rv.LBFGS(history=3), rv.Normalised()])
def test_a_state_is_as_large_as_is_said(choice: Optimiser) -> None:
    """What an optimiser's checkpoint holds, in pictures."""
    p = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0)).requires_grad_(True)
    run = choice.start((p,))

    def closure() -> torch.Tensor:
        p.grad = None
        loss = (p - 0.3).pow(4).sum() + p.diff(dim=2).square().sum()
        loss.backward()
        return loss.detach()

    for _ in range(8):
        run.step(closure)
    _, tensors = flatten(run.state())
    assert round(sum(x.numel() for x in tensors.values()) / p.numel()) == choice.stored <= choice.buffers


def test_a_checkpoint_is_as_large_as_is_said(reverie: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    style = ("style", "photo.png", "night.jpg", *QUICK, "--checkpoint", "ck")
    said = planned(reverie, *style)
    written: list[int] = []
    monkeypatch.setattr(Checkpoints, "remove", lambda self: written.extend(p.stat().st_size for p in self.paths()))
    assert reverie(*style, "-o", "o.png", "--checkpoint-every", 0).code == 0
    (size,) = set(written)
    copies = sum(Path(name).stat().st_size for name in ("photo.png", "night.jpg"))
    assert 0 < 3 * size - (said - copies - 3 * PIXELS) < 3 * 8000, "the rest is words, and the generator"


def test_sizes_beyond_the_disk(reverie: Run, free: Callable[[int], None]) -> None:
    free(MB)
    assert reverie("dream", "photo.png", *QUICK).code == 0
    line = refused(reverie, "dream", "photo.png", "--size", 9000)
    assert "9000x6750 px needs 174 MB of disk (the picture 174 MB); 1 MB are free at" in line and "--size" in line
    assert "3 checkpoints" in refused(reverie, "style", "photo.png", "night.jpg", "--size", 128, "--checkpoint", "ck")
    free(200 * MB)
    assert "disk" in refused(reverie, "style", "photo.png", "night.jpg", "--size", 9000, "-o", "x.npy")
    assert "disk" in refused(reverie, "dream", "noise", "--size", 9000), "a square"
    assert "disk" in refused(reverie, "dream", "noise", "--size", 9000, "--dry-run")


def test_what_lies_there_already_is_not_asked_for_again(tmp_path: Path) -> None:
    what = rv.Synthesis(
        rv.total_variation(), rv.networks.load("dreamnet"), rv.PixelCanvas(torch.zeros(1, 3, 8, 8)), rv.octaves((8, 8))
    )
    whole = disk.kept_bytes(what, [], folder=tmp_path / "none")
    (tmp_path / "checkpoint").write_bytes(bytes(500))
    assert disk.kept_bytes(what, [], folder=tmp_path) == whole - 500 == 3 * 64 * 12 * 3 - 500


@pytest.mark.parametrize("amount", ["lots", "0", "0GB", "-1GB", "", "4 elephants", "nan", "1e9GB", "GB"])
def test_unreadable_memory_limits(reverie: Run, amount: str) -> None:
    for words in (
        ("dream", "photo.png"),
        ("style", "photo.png", "night.jpg"),
        ("batch", "dream", "photo.png", "-o", "out"),
        ("dream", "photo.png", "--dry-run"),
    ):
        line = refused(reverie, *words, f"--memory={amount}")
        assert line == f"reverie: memory is an amount such as 4GB or 900MB; got '{amount}'.\n"


def test_memory_that_is_too_little(reverie: Run) -> None:
    assert "Try --memory" in refused(reverie, "dream", "photo.png", "--memory", "1MB")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--size", "0"), "size"),
        (("--size", "-5"), "size"),
        (("--size", "100001"), "size"),
        (("--tile", "-1"), "tile"),
        (("--steps", "0"), "steps"),
        (("--workers", "2"), "--workers"),
        (("--workers", "0"), "workers"),
        (("--cluster", "nowhere"), "nobody answers at 'nowhere'"),
    ],
)
def test_numbers_that_make_no_sense(reverie: Run, words: tuple[str, ...], said: str) -> None:
    assert said in refused(
        reverie, "dream", "photo.png", *(f"{a}={b}" for a, b in zip(words[::2], words[1::2], strict=True))
    )
