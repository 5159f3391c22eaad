"""Commands as processes of their own that are killed on the way, and pictures to run them on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reverie.cli import main

PROGRAM = (
    "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
    "from reverie.cli import main; sys.exit(main())"
)
RUNS = {
    "dream short": ("dream", "photo.png", "--size", "80", "--octaves", "2", "--steps", "9"),
    "dream whole": ("dream", "photo.png", "--size", "96", "--steps", "8"),
    "dream tiled": ("dream", "photo.png", "--size", "96", "--steps", "6", "--tile", "32"),
    "dream enlarged": ("dream", "photo.png", "--size", "96", "--steps", "7", "--upscale", "2"),
    "style whole": ("style", "photo.png", "night.jpg", "--size", "184", "--steps", "10"),
    "style tiled": ("style", "photo.png", "night.jpg", "--size", "184", "--steps", "8", "--tile", "64"),
    "style lbfgs": ("style", "photo.png", "night.jpg", "--size", "96", "--steps", "16", "--optimiser", "lbfgs"),
}
"""Short runs over several scales."""


def prepared(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Make a folder the current one, with a photo and a painting; a cache of its own."""
    monkeypatch.setenv("REVERIE_HOME", str(folder.parent / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.chdir(folder)
    threads = torch.get_num_threads()
    pictures(folder)
    yield folder
    torch.set_num_threads(threads)


def pictures(folder: Path) -> None:
    """Put a photo and a painting into a folder."""
    y, x = np.mgrid[:60, :80] / 80
    photo = np.stack([x, y, 0.5 + 0.5 * np.sin(20 * x * y)], axis=2)
    Image.fromarray((photo * 255).astype(np.uint8)).save(folder / "photo.png")
    coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(coarse).resize((64, 64), Image.Resampling.BICUBIC).save(folder / "night.jpg")


def start(*words: object, limit: Callable[[], None] | None = None) -> subprocess.Popen[str]:
    """Start a command in the current folder, with as many threads as here; `limit` runs in it first."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": str(torch.get_num_threads())},
        preexec_fn=limit,
    )


def after_steps(process: subprocess.Popen[str], count: int) -> bool:
    """Wait until a command that tells in JSON has begun and done so many more steps; False if it ended before."""
    assert process.stdout is not None
    for line in process.stdout:
        event = json.loads(line)["event"]
        count -= event == "step"
        if count <= 0 and event in ("began", "step"):
            return True
    return False


def kill_after(process: subprocess.Popen[str], count: int, pause: float) -> bool:
    """Kill a command some steps and a moment later; False if it ended before, well."""
    reached = after_steps(process, count)
    time.sleep(pause)
    process.kill()
    process.communicate()
    assert process.returncode in (0, -signal.SIGKILL)
    return reached and process.returncode != 0


def uninterrupted(words: tuple[object, ...], output: str = "whole.png") -> bytes:
    """The file that a run writes when nothing happens."""
    assert main([*map(str, words), "-o", output]) == 0
    return Path(output).read_bytes()
