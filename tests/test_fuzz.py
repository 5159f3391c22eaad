"""What was found by fuzzing stays mended, and the harness itself sees what it should."""

from __future__ import annotations

import mmap
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from fuzz import Target, fuzz, replay  # noqa: E402
from fuzz.harness import CORPUS, read_one  # noqa: E402
from fuzz.targets import every_target  # noqa: E402
from reverie.errors import PictureError  # noqa: E402

TARGETS = {target.name: target for target in every_target()}
MOST_KEPT = 200_000  # bytes of the corpus


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_seeds_are_read_and_changes_of_them_are_read_or_refused(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    ends = [read_one(target, seed, tmp_path) for seed in target.seeds()]
    assert "read" in ends and set(ends) <= {"read", "refused"}
    inputs = 6 if name == "command-lines" else 20  # each of which is a whole run
    tally = fuzz([target], tmp_path, inputs=inputs, seed=1)
    assert not tally.findings and sum(tally.ends.values()) == inputs


@pytest.mark.parametrize("name", sorted(TARGETS))
def test_what_was_found_stays_mended(name: str, tmp_path: Path) -> None:
    folder = CORPUS / name
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    tally = replay(TARGETS[name], files, tmp_path)
    assert not tally.findings and sum(tally.ends.values()) == len(files)


def test_the_corpus_is_small_and_all_of_it_is_read() -> None:
    kept = [path for path in CORPUS.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in kept) < MOST_KEPT
    assert {path.parent.name for path in kept} <= {*TARGETS, CORPUS.name}


@pytest.mark.slow
def test_two_minutes_of_all_kinds() -> None:
    command = [sys.executable, "-m", "fuzz", "--seconds", "120", "--seed", str(int(time.time()) // 86400)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_the_same_seed_makes_the_same_inputs() -> None:
    for target in TARGETS.values():
        seeds = target.seeds()
        assert seeds == target.seeds()
        one, two = (target.change(Random("3"), seeds) for _ in range(2))
        assert one == two


@pytest.mark.parametrize("end", ["read", "refused", "KeyError", "more than 0.2 s", "MB of memory", "touched", "changed",
                                 "no printable line"])  # fmt: skip
def test_every_end_is_told_apart(end: str, tmp_path: Path) -> None:
    def run(path: Path, out: Path) -> None:
        (out / "result").write_bytes(path.read_bytes())
        if end == "refused":
            raise PictureError("no")
        if end == "KeyError":
            raise KeyError(1)
        if end == "no printable line":
            raise PictureError("")
        if end.startswith("more"):
            time.sleep(2)
        if end.startswith("MB"):
            with mmap.mmap(-1, 100 << 20) as fresh:  # what the process has freed is no use here
                fresh.write(bytes(100 << 20))
        if end == "touched":
            (tmp_path / "elsewhere").write_text("")
        if end == "changed":
            path.unlink()

    seconds = 0.2 if end.startswith("more") else 10
    end_ = read_one(Target("t", lambda: [b"x"], run, seconds=seconds, megabytes=64), b"x", tmp_path)
    wanted = "touched" if end == "changed" else end
    assert wanted in end_
