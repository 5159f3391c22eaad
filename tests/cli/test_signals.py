"""Ctrl-C in any moment of a command, and the end of the process that was started: one line, nothing left at work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="these signals are those of Unix"),
]
STOPPED = "reverie: stopped before the picture was written.\n"
LONG = ("dream", "noise", "--size", "96", "--octaves", "1", "--steps", "9000", "-o", "o.png")


def start(folder: Path, *words: str, heard: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """A command in a folder, heeding Ctrl-C even where the tests do not."""
    return subprocess.Popen(
        [sys.executable, *words],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=heard,
        stderr=heard,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


@pytest.mark.parametrize("seconds", [0.01, 0.03, 0.06, 0.1, 0.2, 0.4, 0.7, 1.0, 1.4, 1.8])
def test_ctrl_c_while_modules_are_loaded(seconds: float, tmp_path: Path) -> None:
    own = "from reverie.__main__ import main; print(flush=True); sys.exit(main())"
    program = f"import sys; sys.argv[1:] = {list(LONG)}; {own}"
    process = start(tmp_path, "-c", program)
    assert process.stdout is not None
    process.stdout.readline()  # before that it is Python's own start
    time.sleep(seconds)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130 and len(said.splitlines()) <= 1
    assert said in (STOPPED, "") and not list(tmp_path.glob(".*partial*"))


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a guardian")
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGKILL, signal.SIGQUIT, signal.SIGTERM])
@pytest.mark.parametrize("seconds", [0.2, 2.5])
def test_no_worker_outlives_its_guardian(number: signal.Signals, seconds: float, tmp_path: Path) -> None:
    process = start(tmp_path, "-m", "reverie", *LONG, heard=subprocess.DEVNULL)
    workers: list[int] = []
    for _ in range(200):
        time.sleep(0.02)
        if workers := children(process.pid):
            break
    (worker,) = workers
    time.sleep(seconds)
    os.kill(process.pid, number)
    process.wait(60)
    assert process.returncode != 0
    for _ in range(100):
        if not Path(f"/proc/{worker}/stat").exists() or " Z " in Path(f"/proc/{worker}/stat").read_text():
            return
        time.sleep(0.05)
    os.kill(worker, signal.SIGKILL)
    pytest.fail("the worker went on")
