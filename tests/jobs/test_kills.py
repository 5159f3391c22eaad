"""Processes killed, stopped, and out of disk: the picture that comes out in the end is the same, to the byte."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from reverie.cli import main
from tests.jobs.kept_runs import RUNS, after_steps, kill_after, prepared, start, uninterrupted

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals are other ones there")
KEPT = ("-o", "o.png", "--checkpoint", "ck", "--precision", "float32", "--json")
EVERY = ("--checkpoint-every", "0")
LONG = ("dream", "photo.png", "--size", "64", "--octaves", "1", "--steps", "40", "--precision", "float32")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a photo and a painting."""
    yield from prepared(tmp_path, monkeypatch)


def words_of(name: str) -> tuple[str, ...]:
    return (*RUNS[name], "--precision", "float32")


@pytest.mark.bits
@pytest.mark.parametrize(
    ("name", "steps"),
    [
        ("dream short", 5),
        pytest.param("dream whole", 5, marks=pytest.mark.slow),
        pytest.param("style whole", 6, marks=pytest.mark.slow),
        pytest.param("dream enlarged", 4, marks=pytest.mark.slow),
    ],
)
def test_killed_and_resumed(folder: Path, name: str, steps: int) -> None:
    """Killed twice each: on the way, and again when it has gone on."""
    whole = uninterrupted(words_of(name))
    assert kill_after(start(*RUNS[name], *KEPT, *EVERY), steps, 0.0)
    assert kill_after(start("resume", "ck", "--json"), 4, 0.01)
    assert not Path("o.png").exists()
    assert main(["resume", "ck"]) == 0
    assert Path("o.png").read_bytes() == whole


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in RUNS if "short" not in name])
def test_killed_at_random_moments(folder: Path, name: str) -> None:
    """At least six kills each, over whole and tiled dreams and styles, and every resumed result the same."""
    chance = random.Random(name)
    whole = uninterrupted(words_of(name))
    kills = 0
    while kills < 6:
        shutil.rmtree("ck", ignore_errors=True)
        Path("o.png").unlink(missing_ok=True)
        process = start(*RUNS[name], *KEPT, *EVERY)
        for _ in range(4):
            if not kill_after(process, chance.randrange(9), chance.random() * 0.08):
                break
            kills += 1
            process = start("resume", "ck", "--json")
        process.communicate()
        assert main(["resume", "ck"]) == 0
        assert Path("o.png").read_bytes() == whole
    print(f"{name}: {kills} kills")


@pytest.mark.parametrize(
    ("number", "code"), [pytest.param(signal.SIGTERM, 143, marks=pytest.mark.slow), (signal.SIGINT, 130)]
)
def test_a_signal_stops_at_the_step_and_says_how_to_go_on(folder: Path, number: signal.Signals, code: int) -> None:
    Path("o.png").write_bytes(b"older")
    process = start(*LONG, *KEPT)
    assert after_steps(process, 8)
    assert not list(Path("ck").glob("*.safetensors")), "none is due yet"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (code, "")
    last = json.loads(out.splitlines()[-1])
    assert last["event"] == "stopped" and last["resume"] == "reverie resume ck"
    assert Path("o.png").read_bytes() != b"older"
    assert main(["resume", "ck"]) == 0
    assert Path("o.png").read_bytes() == uninterrupted(LONG)


@pytest.mark.slow
def test_a_second_ctrl_c_ends_at_once(folder: Path) -> None:
    process = start("dream", "photo.png", "--size", "640", "--octaves", "1", *KEPT, *EVERY)
    assert after_steps(process, 1)
    process.send_signal(signal.SIGINT)
    time.sleep(0.15)  # less than a step takes
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert process.returncode == 130 and "Traceback" not in err
    assert not list(Path().rglob("*.partial*"))
    assert json.loads(out.splitlines()[-1])["event"] == "error" and not Path("o.png").exists()


def limited(size: int) -> Callable[[], None]:
    """Files may grow to so many bytes."""

    def limit() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))

    return limit


def paused(process: subprocess.Popen[str], reason: str) -> None:
    """The process ended with the one line of a paused run."""
    _, err = process.communicate(timeout=100)
    assert process.returncode == 2 and err.count("\n") == 1, err
    assert reason in err and "The run is paused; 'reverie resume " in err


@pytest.mark.slow
def test_a_checkpoint_larger_than_allowed(folder: Path) -> None:
    Path("o.png").write_bytes(b"older")
    paused(start(*RUNS["dream whole"], *KEPT, *EVERY, limit=limited(60_000)), "the file grew past the allowed size")
    assert len(list(Path("ck").glob("*.safetensors"))) == 2 and not list(Path().rglob("*.partial*"))
    assert Path("o.png").read_bytes() == b"older"
    paused(start("resume", "ck", "--json", limit=limited(60_000)), "the file grew past the allowed size")
    assert main(["resume", "ck"]) == 0
    assert Path("o.png").read_bytes() == uninterrupted(words_of("dream whole"))


@pytest.mark.slow
def test_a_picture_larger_than_allowed(folder: Path) -> None:
    Path("o.npy").write_bytes(b"older")
    paused(start(*RUNS["dream whole"], *KEPT[2:], "-o", "o.npy", limit=limited(60_000)), "cannot write")
    assert Path("o.npy").read_bytes() == b"older"
    assert main(["resume", "ck"]) == 0
    assert Path("o.npy").read_bytes() == uninterrupted(words_of("dream whole"), "whole.npy")


@pytest.fixture
def small_disk(folder: Path) -> Iterator[Callable[[str], None]]:
    """A disk of 100 kB at `disk`; call it to give it another size."""

    def mount(*options: str) -> int:
        return subprocess.run(["mount", *options], capture_output=True, check=False).returncode

    def resize(size: str) -> None:
        mount("-o", f"remount,size={size}", "disk")

    Path("disk").mkdir()
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or mount("-t", "tmpfs", "-o", "size=100k", "tmpfs", "disk"):
        pytest.skip("making a small disk needs root and the right to mount")
    yield resize
    subprocess.run(["umount", folder / "disk"], check=True)


def test_a_disk_that_fills_up(folder: Path, small_disk: Callable[[str], None]) -> None:
    Path("disk/o.png").write_bytes(b"older")
    kept = ("-o", "disk/o.png", "--checkpoint", "disk/ck", *KEPT[4:], *EVERY)
    words = (*RUNS["dream short"], *kept)
    assert main([*map(str, words)]) == 2, "there is no room from the beginning"
    small_disk("4m")
    process = start(*words)
    assert after_steps(process, 3)
    process.send_signal(signal.SIGSTOP)  # it waits until the disk is full
    with contextlib.suppress(OSError), Path("disk/others").open("wb", buffering=0) as file:
        while file.write(bytes(2**16)):
            pass
    process.send_signal(signal.SIGCONT)
    paused(process, "the disk is full")
    assert len(list(Path("disk/ck").glob("*.safetensors"))) >= 1 and not list(Path("disk").rglob("*.partial*"))
    assert Path("disk/o.png").read_bytes() == b"older"
    Path("disk/others").unlink()
    assert main(["resume", "disk/ck"]) == 0
    assert Path("disk/o.png").read_bytes() == uninterrupted(words_of("dream short"), "disk/whole.png")
