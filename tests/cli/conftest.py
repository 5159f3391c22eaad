from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reverie.cli import main, work
from reverie.jobs.events import Event
from reverie.jobs.perform import perform

QUICK = ("--size", "64", "--steps", "2", "--precision", "float32")
PAINTED = (*QUICK, "--start", "photo", "--loss", "gram")
"""The quickest way to paint."""
INTERRUPTIBLE = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from reverie.cli import main; sys.exit(main())"
)


@dataclass(frozen=True)
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


Run = Callable[..., Ended]


@pytest.fixture(autouse=True)
def surroundings(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cache of its own, a plain terminal of 100 columns; threads here, and in processes, as before."""
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path_factory.getbasetemp() / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    threads = torch.get_num_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", str(threads))
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a photo and two paintings."""
    monkeypatch.chdir(tmp_path)
    return write_pictures(tmp_path)


def write_pictures(folder: Path) -> Path:
    """Put a photo and two paintings into a folder."""
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:60, :80] / 80
    photo = np.stack([x, y, 0.5 + 0.5 * np.sin(20 * x * y)], axis=2)
    Image.fromarray((photo * 255).astype(np.uint8)).save(folder / "photo.png")
    for name in ("night", "wave"):
        coarse = generator.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC).save(folder / f"{name}.jpg")
    return folder


@pytest.fixture
def reverie(folder: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in this process, in the current folder."""

    def run(*words: object) -> Ended:
        capsys.readouterr()
        code = main([str(word) for word in words])
        told = capsys.readouterr()
        return Ended(code, told.out, told.err)

    return run


@pytest.fixture
def signalled(monkeypatch: pytest.MonkeyPatch) -> Callable[[type[Event], int], None]:
    """`signalled(kind, number)`: at the next event of that kind comes a signal."""

    def order(kind: type[Event], number: int) -> None:
        left = [True]

        def with_signal(events: Iterator[Event]) -> Iterator[Event]:
            for event in events:
                yield event
                if isinstance(event, kind) and left:
                    left.clear()
                    signal.raise_signal(number)

        monkeypatch.setattr(work, "perform", lambda *given, **more: with_signal(perform(*given, **more)))

    return order


@pytest.fixture
def start(folder: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a command as a process of its own, in the current folder."""
    started: list[subprocess.Popen[str]] = []

    def begin(*words: object) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTIBLE, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**os.environ},
        )
        started.append(process)
        return process

    yield begin
    for process in started:
        process.kill()
        process.communicate()
