"""Nothing of a user's own is ever lost: commands among other people's files, with and without faults."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from reverie.cli import main, work
from reverie.files import drafts
from reverie.jobs import Event, perform
from reverie.jobs.events import Stepped
from tests.files.bystanders import lost, put_bystanders, put_photo, seen

QUICK = ("--size", "64", "--octaves", "1", "--steps", "2")
TINY = ("--steps", "2", "--size", "64", "--crop", "64", "--batch", "1", "--width", "4", "--blocks", "1",
        "--style-weight", "9")  # fmt: skip
BESIDE = ("--compare", "--report", "--save-every", "1")
COMMANDS: dict[str, tuple[str, ...]] = {
    "dream": ("dream", "photo.png", *QUICK),
    "dream beside": ("dream", "photo.png", *QUICK, *BESIDE),
    "dream named": ("dream", "photo.png", *QUICK, *BESIDE, "-o", "out.png"),
    "dream kept": ("dream", "photo.png", *QUICK, *BESIDE, "-o", "out.png", "--checkpoint", "kept"),
    "dream kept here": ("dream", "photo.png", *QUICK, "-o", "out.png", "--checkpoint", "."),
    "dream kept in a link": ("dream", "photo.png", *QUICK, "-o", "out.png", "--checkpoint", "to-folder"),
    "dream to a device": ("dream", "photo.png", *QUICK, "-o", "device.png"),
    "dream to a fifo": ("dream", "photo.png", *QUICK, "-o", "fifo.png"),
    "dream to a read-only file": ("dream", "photo.png", *QUICK, "-o", "read-only.png"),
    "style": ("style", "photo.png", "mosaic", "--size", "64", "--steps", "1", *BESIDE),
    "texture": ("texture", "photo.png", "--size", "64", "--steps", "1", "--compare"),
    "instant": ("instant", "photo.png", "mosaic", "--size", "64"),
    "upscale": ("upscale", "photo.png"),
    "remix": ("remix", "made.png", "--strength", "0.5"),
    "remix named": ("remix", "made.png", "--strength", "0.5", "--compare", "-o", "out.png"),
    "remix to a fifo": ("remix", "made.png", "-o", "fifo.png"),
    "zoom": ("zoom", "photo.png", *QUICK, "--frames", "2"),
    "zoom here": ("zoom", "photo.png", *QUICK, "--frames", "2", "-o", "."),
    "train": ("train", "style", "photo.png", "--photos", "own.txt", *TINY),
    "train named": ("train", "style", "photo.png", "--photos", "own.txt", *TINY, "-o", "out.safetensors"),
    "train to a link": ("train", "style", "photo.png", "--photos", "own.txt", *TINY, "-o", "device.safetensors"),
    "batch": ("batch", "upscale", "photo.png", "--workers", "1"),
    "batch here": ("batch", "upscale", "photo.png", "-o", "../folder", "--workers", "1"),
    "batch among others": ("batch", "upscale", "photo.png", "-o", "inputs", "--workers", "1"),
}
REFUSED = {name for name in COMMANDS if " to a " in name or " here" in name or " in a " in name}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A result, for what goes on from one."""
    place = tmp_path_factory.mktemp("made")
    put_photo(place)
    with pytest.MonkeyPatch.context() as here:
        here.chdir(place)
        here.setenv("REVERIE_HOME", str(tmp_path_factory.getbasetemp() / "home"))
        assert main(["dream", "photo.png", *QUICK, "-o", "made.png"]) == 0
    return place / "made.png"


@pytest.fixture
def folder(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Path]:
    """The current folder, full of other people's files."""
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path_factory.getbasetemp() / "home"))
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    place = tmp_path / "folder"
    place.mkdir()
    monkeypatch.chdir(place)
    put_bystanders(place)
    put_photo(place)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    (place / "made.png").write_bytes(made.read_bytes())
    yield place
    torch.set_num_threads(threads)


SLOW = {"batch", "batch among others"}  # they start processes


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in COMMANDS])
def test_every_bystander_is_there_afterwards(name: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = seen(folder)
    code = main(COMMANDS[name])
    assert lost(before, folder) == []
    said = capsys.readouterr()
    assert code == (2 if name in REFUSED else 0), said.err
    assert said.err.count("\n") <= 1 if name in REFUSED else True
    if name in REFUSED:
        assert seen(folder) == before, "refused before any work"


@pytest.mark.parametrize("name", ["dream beside", "dream kept", "zoom", "upscale"])
@pytest.mark.parametrize("turn", [1, 2, 3, 4])
def test_a_disk_that_is_full_at_the_nth_file(
    name: str, turn: int, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left, flush = [turn], drafts.flush

    def full(path: Path, access: int = os.O_RDWR) -> None:
        left[0] -= 1
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        flush(path, access)

    before = seen(folder)
    with monkeypatch.context() as faulty:
        faulty.setattr(drafts, "flush", full)
        code = main(COMMANDS[name])
    assert lost(before, folder) == []
    assert code in (0, 2) and "a fault of Reverie's" not in capsys.readouterr().err
    assert not [name for name in seen(folder).keys() - before.keys() if ".partial" in name]


def test_a_finished_run_leaves_its_names_free_again(folder: Path) -> None:
    """A name that was reserved and not written is gone; one that was written stays."""
    before = seen(folder)
    assert main(["dream", "photo.png", "--size", "64", "--network", "nothing"]) == 2
    assert seen(folder) == before


def test_twice_the_same_command(folder: Path) -> None:
    first = seen(folder)
    assert main(COMMANDS["dream beside"]) == 0
    between = seen(folder)
    assert main(COMMANDS["dream beside"]) == 0
    assert lost(first, folder) == lost(between, folder) == []
    assert len(seen(folder)) == len(between) + 5


@pytest.mark.parametrize("suffix", [".png", ".gif"])
def test_the_film_is_not_its_photo(folder: Path, suffix: str) -> None:
    photo = Path("photo.png").rename(f"loop{suffix}")
    before = photo.read_bytes()
    assert main(["zoom", photo.name, *QUICK, "--frames", "2", "-o", photo.name]) == 2
    assert photo.read_bytes() == before


def _with_ctrl_c(events: Iterator[Event]) -> Iterator[Event]:
    """The same, while Ctrl-C is pressed at every step."""
    for event in events:
        yield event
        if isinstance(event, Stepped):
            signal.raise_signal(signal.SIGINT)


def test_a_refused_resume_changes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as stopped:
        stopped.setattr(work, "perform", lambda *given, **more: _with_ctrl_c(perform(*given, **more)))
        assert main(COMMANDS["dream kept"]) == 130
    before = seen(folder)
    for output in ("x.bmp", "nowhere/x.png", "device.png", "read-only.png"):
        assert main(["resume", "kept", "-o", output]) == 2
        assert seen(folder) == before
    (folder / "kept" / "mine.txt").write_bytes(b"my own")
    (folder / "kept" / "checkpoint-009-000009.safetensors").write_bytes(b"my own")
    before = seen(folder)
    assert main(["resume", "kept"]) == 0
    ours = {name for name in before if name.startswith(("kept/", "out"))} - {
        "kept/mine.txt", "kept/checkpoint-009-000009.safetensors", "out-0001.png", "out-compare.png", "out-report.png",
    }  # fmt: skip
    assert lost(before, folder, named=tuple(ours)) == []


# --- processes of their own ----------------------------------------------------------------------


def start(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "reverie", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ["dream beside", "dream kept", "zoom", "batch"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_killed_at_random_moments(name: str, number: signal.Signals, folder: Path) -> None:
    chance, before = random.Random(f"{name} {number}"), seen(folder)
    for _ in range(3):
        process = start(*COMMANDS[name], "--seed", "1") if "batch" not in name else start(*COMMANDS[name])
        time.sleep(chance.uniform(0.5, 3.0))
        process.send_signal(number)
        process.wait(timeout=60)
        assert lost(before, folder) == []
    if name == "dream beside":
        assert main(COMMANDS[name]) == 0, "what a killed run had reserved is free again"
        assert lost(before, folder) == []


@pytest.mark.slow
def test_two_at_once_get_two_names(folder: Path) -> None:
    Path("photo-dream.png").unlink()
    before = seen(folder)
    both = [start(*COMMANDS["dream"]) for _ in range(2)]
    assert [process.wait(timeout=120) for process in both] == [0, 0]
    made = seen(folder).keys() - before.keys()
    assert made == {"photo-dream.png", "photo-dream-2.png"} and lost(before, folder) == []
