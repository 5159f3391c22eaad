"""`reverie atlas`: a page, its record, and a run that is stopped and goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.cli.conftest import Ended, Run

QUICK = ("--layers", "relu1_1,relu2_1", "--steps", "2", "--precision", "float32")


def test_a_page(reverie: Run) -> None:
    ended = reverie("atlas", "dreamnet", *QUICK, "--photos", ".", "--grid", "2")
    assert ended.code == 0 and ended.out.startswith("dreamnet-atlas.html") and "64 channels of 2 layers" in ended.out
    page = Path("dreamnet-atlas.html").read_text()
    assert '<!-- {"schema":' in page.replace('schema": ', 'schema":') and '"craft": "atlas"' in page
    assert "photo.png" not in page.split("<!-- {")[0]  # what is looked through is nobody's business
    assert not list(Path().glob("*.reverie"))
    assert reverie("atlas", "dreamnet", *QUICK).out.startswith("dreamnet-atlas-2.html")


def test_what_makes_no_sense_is_one_line(reverie: Run) -> None:
    ended = reverie("atlas", "dreamnet", *QUICK, "-o", "atlas.png")
    assert ended.code == 2 and ".html" in ended.err and len(ended.err.splitlines()) == 1
    assert reverie("atlas", "dreamnet", "--layers", "relu9_9").code == 2


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_page(reverie: Run) -> None:
    """The process is killed in the middle of a batch; the same command, given again, ends with the same bytes."""
    words = ["atlas", "dreamnet", *QUICK, "--steps", "6", "--photos", ".", "--grid", "2"]
    assert reverie(*words, "-o", "whole.html").code == 0
    again = [*words, "-o", "killed.html", "--checkpoint-every", "0", "--json"]
    process = subprocess.Popen(
        [sys.executable, "-m", "reverie", *again], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    steps = (line for line in process.stdout if json.loads(line)["event"] == "step")
    assert [json.loads(next(steps))["synthesis"] for _ in range(9)][-1] == 2  # of three: channels, channels, cells
    os.killpg(process.pid, signal.SIGKILL)  # with the guardian of the run
    process.stdout.close()
    assert process.wait(30) == -signal.SIGKILL and not Path("killed.html").exists()
    ended = _once_it_is_dead(reverie, *again)
    first = json.loads(next(line for line in ended.out.splitlines() if '"step"' in line))
    assert first["synthesis"] == 2 and (first["stage"], first["step"]) > (1, 1), "the step before is kept at the least"
    assert _without_record("killed.html") == _without_record("whole.html")
    assert not Path("killed.reverie").exists()


def _once_it_is_dead(reverie: Run, *words: str) -> Ended:
    """The command's end, once the killed process has let go of its folder."""
    for _ in range(100):
        ended = reverie(*words)
        if "another process" not in ended.err:
            break
        time.sleep(0.2)
    assert ended.code == 0, ended.err
    return ended


def _without_record(name: str) -> str:
    return Path(name).read_text(encoding="utf8").split("<!-- {")[0]
