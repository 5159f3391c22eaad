"""Work that the system kills goes on in smaller tiles; who kills the guardian kills the work."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from reverie.cli import guardian, main
from reverie.cli.app import takes_long
from reverie.files import is_reserved
from reverie.jobs.record import read_record
from reverie.jobs.smaller import smaller
from reverie.pictures import read_image
from tests.jobs.kept_runs import after_steps, prepared, start, uninterrupted

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills for lack of memory")
RUN = ("dream", "photo.png", "--size", "160", "--octaves", "1", "--precision", "float32")
KEPT = ("-o", "o.png", "--checkpoint", "ck", "--checkpoint-every", "0", "--json")
Process = subprocess.Popen[str]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a photo and a painting."""
    yield from prepared(tmp_path, monkeypatch)


def worker_of(process: Process) -> int:
    """The process that does a guardian's work."""
    (pid,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(pid)


def kill_worker(process: Process, number: int = signal.SIGKILL) -> None:
    """End the work some steps on, as the system does."""
    assert after_steps(process, 3)
    os.kill(worker_of(process), number)


def rest_of(process: Process) -> tuple[list[dict[str, object]], str]:
    """The events and the errors of a command that comes to its end."""
    out, err = process.communicate(timeout=100)
    return [json.loads(line) for line in out.splitlines()], err


def notes(events: list[dict[str, object]]) -> list[str]:
    return [str(e["message"]) for e in events if e["event"] == "note"]


@pytest.mark.slow
def test_killed_for_want_of_memory_it_goes_on_in_tiles(folder: Path) -> None:
    words = (*RUN, "--steps", "20", "--strength", "0.2")  # many short steps: time to kill it, and little chaos
    process = start(*words, *KEPT)
    kill_worker(process)
    events, err = rest_of(process)
    assert (process.returncode, err) == (0, "")
    killed, gone_on = notes(events)
    assert killed.endswith("for lack of memory; going on in tiles of 128 px.")
    assert gone_on.startswith("going on after stage 1, step ")
    first = next(e for e in events if e["event"] == "step")["step"]
    assert isinstance(first, int) and first >= 3, "not from the beginning"
    uninterrupted(words)
    assert (read_image("o.png") - read_image("whole.png")).abs().mean() < 1e-3, "to rounding"
    assert read_record(Path("o.png")).settings["tile"] == 128


@pytest.mark.slow
def test_in_the_smallest_tiles_it_ends_in_one_line(folder: Path) -> None:
    process = start(*RUN, "--steps", "9999", *KEPT)
    kill_worker(process)
    kill_worker(process)
    events, err = rest_of(process)
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert "it cannot be cut smaller" in err and "--size" in err and "'reverie resume " in err
    assert events[-1] == {"event": "error", "message": err.strip().removeprefix("reverie: "), "code": 2}
    job = json.loads(Path("ck/job.json").read_text())
    assert (job["tile"], job["record"]["settings"]["tile"]) == (128, 0)
    assert len(list(Path("ck").glob("checkpoint-*"))) >= 2, "nothing is lost"


@pytest.mark.slow
def test_an_unkept_run_begins_anew_in_smaller_tiles(folder: Path) -> None:
    process = start(*RUN, "--steps", "20", "--json")
    kill_worker(process)
    events, err = rest_of(process)
    assert (process.returncode, err) == (0, "")
    (note,) = notes(events)
    assert note.endswith("once more in tiles of 128 px.")
    assert read_record(Path("photo-dream.png")).settings["tile"] == 128


def test_an_unkept_run_that_cannot_be_cut_ends_in_one_line(folder: Path) -> None:
    process = start(*RUN[:3], "64", *RUN[4:], "--steps", "300", "--json")
    kill_worker(process)
    _, err = rest_of(process)
    assert (process.returncode, err.count("\n")) == (2, 1)
    assert "cannot be cut smaller" in err and "free some memory" in err
    assert is_reserved(Path("photo-dream.png")), "nothing was written: the next run takes the name"


@pytest.mark.slow
@pytest.mark.parametrize("words", [("upscale", "photo.png"), ("instant", "photo.png", "night.jpg")])
def test_what_takes_moments_begins_anew_in_smaller_tiles(folder: Path, words: tuple[str, ...]) -> None:
    Image.open("photo.png").resize((1000, 40)).save("photo.png")
    process = start(*words, "--json", "--tile", "800", "--")
    assert after_steps(process, 0), "it has begun"
    os.kill(worker_of(process), signal.SIGKILL)
    events, err = rest_of(process)
    assert (process.returncode, err) == (0, "")
    assert notes(events) == ["the system ended this run by SIGKILL, most likely for lack of memory; once more in"
                             " tiles of 400 px."]  # fmt: skip
    (made,) = (p for p in Path().glob("photo-*.png"))
    assert read_record(made).settings["tile"] == 400


@pytest.mark.slow
def test_another_death_is_passed_on(folder: Path) -> None:
    process = start(*RUN, "--steps", "9999", *KEPT)
    kill_worker(process, signal.SIGUSR1)
    assert rest_of(process)[1] == "" and process.returncode == -signal.SIGUSR1


@pytest.mark.slow
def test_who_kills_the_guardian_kills_the_work(folder: Path) -> None:
    process = start(*RUN, "--steps", "9999", *KEPT)
    assert after_steps(process, 1)
    worker = Path(f"/proc/{worker_of(process)}")
    process.kill()
    deadline = time.monotonic() + 20
    while worker.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not worker.exists()
    process.communicate()
    assert process.returncode == -signal.SIGKILL


@pytest.mark.slow
def test_ctrl_c_on_a_terminal_comes_once(folder: Path) -> None:
    """The terminal asks both processes to stop; the second would be asked twice if the first passed it on."""
    mine, its = pty.openpty()
    code = "import sys; from reverie.cli import main; sys.exit(main())"
    words = [sys.executable, "-c", code, *RUN, "--steps", "9999", "-o", "o.png", "--save-every", "3"]
    terminal = {"stdin": its, "stdout": its, "stderr": its, "start_new_session": True}
    process = subprocess.Popen(words, preexec_fn=_take_terminal, **terminal)  # type: ignore[call-overload]
    os.close(its)
    deadline = time.monotonic() + 60
    while not Path("o-0006.png").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    os.write(mine, b"\x03")
    said = _all_said(mine)
    assert process.wait(timeout=60) == 130
    assert "stopped at stage 1, step" in said and "Traceback" not in said
    assert read_record(Path("o.png")).stopped is not None


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _all_said(terminal: int) -> str:
    said = b""
    while True:
        try:
            said += os.read(terminal, 4096)
        except OSError:  # nobody holds the other end
            return said.decode()


@pytest.mark.parametrize(
    ("words", "long"),
    [
        ("dream cat.jpg", True),
        ("--debug style cat.jpg mosaic --json", True),
        ("resume ck", True),
        ("dream --help", False),
        ("style cat.jpg mosaic --dry-run", False),
        ("batch dream cats", False),
        ("upscale cat.jpg", True),
        ("instant cat.jpg mosaic", True),
        ("zoom cat.jpg --frames 9", True),
        ("train style mosaic --photos cats", True),
        ("networks", False),
        ("--help", False),
        ("", False),
    ],
)
def test_only_what_may_be_long_is_guarded(words: str, long: bool) -> None:
    assert takes_long(words.split()) is long


def test_a_process_that_has_begun_is_not_split(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not guardian.can_guard(), "PyTorch is loaded"
    monkeypatch.setattr(os, "fork", lambda: pytest.fail("it was split"))
    monkeypatch.setattr(sys, "argv", ["reverie", "dream", "nowhere.png"])
    assert main() == 2


@pytest.mark.parametrize(
    ("tile", "size", "next_"),
    [
        (0, (3000, 9000), 1024),
        (0, (1500, 2000), 512),
        (0, (300, 200), 128),
        (0, (129, 100), 128),
        (0, (128, 100), None),
        (2048, (9000, 9000), 1024),
        (768, (9000, 9000), 384),
        (192, (900, 900), 128),
        (1024, (300, 200), 128),
        (128, (900, 900), None),
    ],
)
def test_smaller_tiles(tile: int, size: tuple[int, int], next_: int | None) -> None:
    assert smaller(tile, size) == next_


def test_every_way_down_ends() -> None:
    tile: int | None = 0
    for _ in range(4 + 1):  # 1024, 512, 256, 128, none
        tile = smaller(tile or 0, (100_000, 100_000))
    assert tile is None


def test_without_a_guardian_nothing_is_left_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[bytes] = []
    monkeypatch.setattr(os, "write", lambda fd, text: told.append(text))
    guardian.on_killed(guardian.RestartPlan("x"))
    assert told == []
    monkeypatch.setattr(guardian, "_pipe", 1)
    guardian.on_killed(guardian.RestartPlan("x", ("resume", "é")))
    guardian.on_killed(None)
    guardian.on_killed(guardian.restart_in_tiles(64))
    left = [json.loads(line) for line in told]
    assert left[:2] == [["x", ["resume", "é"], []], None] and left[2][1:] == [[], ["--tile", "64"]]
