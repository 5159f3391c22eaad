from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
import torch

from reverie import cli
from reverie.cli import commands
from reverie.jobs.record import read_record
from reverie.pictures import read_image
from tests.cli.conftest import QUICK, Run

Start = Callable[..., subprocess.Popen[str]]
LONG = ("--size", "64", "--steps", "9999", "--precision", "float32")


def first_step(process: subprocess.Popen[str]) -> None:
    """Wait until a command that writes JSON lines has done some steps."""
    assert process.stdout is not None
    for line in process.stdout:
        if json.loads(line)["event"] == "step" and json.loads(line)["step"] >= 3:
            return


def test_ctrl_c_writes_the_picture_so_far(start: Start, reverie: Run) -> None:
    process = start("dream", "photo.png", *LONG, "-o", "o.png", "--json")
    first_step(process)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and err == ""
    last = json.loads(out.splitlines()[-1])
    assert last["event"] == "stopped" and last["output"] == "o.png"
    stop = read_record(Path("o.png")).stopped
    assert stop is not None and stop.stage == 1 and 3 <= stop.step < 9999
    assert "same pixels" in reverie("replay", "o.png").out


@pytest.mark.slow
def test_ctrl_c_says_so_in_one_line(start: Start) -> None:
    process = start("dream", "photo.png", *LONG, "--save-every", 5)
    deadline = time.monotonic() + 30
    while not Path("photo-dream-0005.png").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, out.count("\n")) == (130, 1)
    assert out.startswith("photo-dream.png  ") and "stopped at stage 1, step" in out
    assert err.count("\n") <= 1 and "Traceback" not in err  # where it would take long, that it is kept


def test_a_killed_run_leaves_the_older_output(start: Start) -> None:
    Path("o.png").write_bytes(b"older")
    process = start("dream", "photo.png", *LONG, "-o", "o.png", "--json")
    first_step(process)
    process.kill()
    process.communicate(timeout=30)
    assert Path("o.png").read_bytes() == b"older"


def test_the_real_command(folder: Path) -> None:
    process = subprocess.run(
        [sys.executable, "-m", "reverie.cli", "dream", "photo.png", *QUICK],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert (process.returncode, process.stderr) == (0, "")
    assert process.stdout.startswith("photo-dream.png  64x48  ")
    assert "\x1b" not in process.stdout
    assert read_image("photo-dream.png").shape == (1, 3, 48, 64)


@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently there")
def test_a_reader_that_is_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with suppress(BrokenPipeError), os.fdopen(writer, "w") as gone:
        monkeypatch.setattr(sys, "stdout", gone)
        assert cli.main(["dream", "photo.png", *LONG, "--json"]) == 1
    assert capsys.readouterr().err == ""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="pipes break differently there")
def test_a_reader_that_goes_away(start: Start) -> None:
    process = start("dream", "photo.png", *LONG, "--json")
    first_step(process)
    assert process.stdout is not None
    process.stdout.close()
    assert process.wait(timeout=30) == 1
    assert process.stderr is not None and process.stderr.read() == ""


def fail_with(error: BaseException) -> Callable[..., int]:
    """A command that fails."""

    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (MemoryError(), 2, "not enough memory"),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory"), 2, "not enough memory"),
        (KeyError("oops"), 1, "--debug"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
)
def test_every_other_end_is_one_line(
    reverie: Run,
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    line: str,
) -> None:
    monkeypatch.setattr(commands, "craft_command", lambda name: fail_with(error))
    ended = reverie("dream")
    assert ended.code == code and line in ended.err and ended.err.count("\n") == 1
    debugged = reverie("dream", "--debug")
    assert debugged.code == code and "Traceback" in debugged.err


def test_debug_shows_where_a_refusal_comes_from(reverie: Run) -> None:
    ended = reverie("--debug", "dream", "nothing.png")
    assert ended.code == 2 and "Traceback" in ended.err
    assert ended.err.splitlines()[-1].startswith("reverie: there is no file 'nothing.png'")


def test_waiting_threads_sleep_on_a_busy_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    from reverie.cli import entry

    monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
    monkeypatch.setattr(entry, "_others_at_work", lambda: 99)
    entry._let_waiting_threads_sleep()
    assert "GOMP_SPINCOUNT" not in os.environ, "too late once PyTorch is loaded"
    monkeypatch.delitem(sys.modules, "torch")
    entry._let_waiting_threads_sleep()
    assert os.environ["GOMP_SPINCOUNT"] == "3000"
    monkeypatch.setitem(sys.modules, "torch", torch)


def test_main_is_public() -> None:
    assert cli.__all__ == ["main"]
