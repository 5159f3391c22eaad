"""Soak the studio: ``python -m tests.studio.soak FOLDER`` (``make soak``), for minutes.

Many jobs and many listeners, while the worker and the service are killed again and again, the disk is filled and the
clock is moved. In the end every job is done, once, none is lost, and each result is byte for byte the command line's.
On Linux, with a folder that may be filled; as root, one of 96 MB is mounted there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reverie.client import Client, Refusal
from reverie.queue.home import Home
from reverie.queue.store import Store

CLOCK = """
import os, pathlib, time
_time, _file = time.time, pathlib.Path(os.environ["SOAK_CLOCK"])
def moved():
    try:
        return _time() + float(_file.read_text() or 0)
    except (OSError, ValueError):
        return _time()
time.time = moved
time.time_ns = lambda: int(moved() * 1e9)
"""
"""Python's clock, moved by the seconds that stand in a file."""
Settings = dict[str, Any]


@dataclass
class Counts:
    """What was done to the studio."""

    workers: int = 0
    services: int = 0
    fills: int = 0
    clocks: int = 0
    interrupted: int = 0
    events: Counter[str] = field(default_factory=Counter)


class Soaked:
    """A studio that is killed and begun again, at the same address.

    Args:
        folder: where it lies.
        port: of it.
    """

    def __init__(self, folder: Path, port: int) -> None:
        self.home, self.port, self.folder = Home(folder / "home"), port, folder
        site = folder / "site"
        site.mkdir()
        (site / "sitecustomize.py").write_text(CLOCK)
        self.clock = folder / "clock"
        self.clock.write_text("0")
        paths = [str(site), str(Path(__file__).parents[2] / "src")]
        self._environment = {
            **os.environ, "PYTHONPATH": os.pathsep.join(paths), "SOAK_CLOCK": str(self.clock), "OMP_NUM_THREADS": "1",
        }  # fmt: skip
        self.begin()

    def begin(self) -> None:
        words = [sys.executable, "-m", "reverie", "studio", "--no-browser"]
        words += ["--port", str(self.port), "--home", str(self.home.path)]
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(words, env=self._environment, stdout=log, stderr=log)
        self.client = Client(f"http://127.0.0.1:{self.port}", timeout=120)
        end = time.monotonic() + 120
        while time.monotonic() < end:
            try:
                self.client.jobs("running")
                return
            except (OSError, Refusal):
                time.sleep(0.1)
        raise SystemExit(f"the studio did not begin; see {self.folder / 'log'}")

    def kill(self) -> None:
        """Kill the service, and begin it again."""
        self.process.kill()
        self.process.wait()
        self.begin()

    def worker(self) -> int | None:
        """Number of the process that does its jobs."""
        for path in Path("/proc").glob("[0-9]*"):
            try:
                words = (path / "cmdline").read_bytes().split(b"\0")
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            except (OSError, IndexError, ValueError):
                continue
            if parent == self.process.pid and b"reverie.queue.worker" in words:
                return int(path.name)
        return None

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


def ordered(number: int) -> Settings:
    """The settings of a job: tiny, each with a seed of its own; some take seconds, most less than one."""
    steps = 120 if number % 10 == 0 else 20 + number % 10
    return {"size": 32, "octaves": 1, "steps": steps, "seed": number, "precision": "float32"}


def expected(folder: Path, photo: Path, count: int) -> dict[int, bytes]:
    """What the command line makes of each."""
    from reverie.cli import main

    found = {}
    for number in range(count):
        output = folder / f"{number}" / "cat-dream.png"
        output.parent.mkdir()
        shutil.copy(photo, output.parent / "cat.png")
        words = [word for name, value in ordered(number).items() for word in (f"--{name}", str(value))]
        if main(["dream", str(output.parent / "cat.png"), *words, "-o", str(output)]) != 0:
            raise SystemExit("the command line failed")
        found[number] = output.read_bytes()
    return found


@contextmanager
def small_disk(folder: Path) -> Iterator[Path]:
    """A small disk of its own within the block, where this user may mount one."""
    place = folder / "disk"
    place.mkdir()
    mounted = os.geteuid() == 0 and not subprocess.call(["mount", "-t", "tmpfs", "-o", "size=96m", "tmpfs", str(place)])
    try:
        yield place
    finally:
        if mounted:
            subprocess.call(["umount", "-l", str(place)])


def fill(place: Path, seconds: float) -> bool:
    """Fill a small disk for a while; False where it is none."""
    if shutil.disk_usage(place).total > 2**28:
        return False
    ballast = place / "ballast"
    with ballast.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(2**16))
        except OSError:
            pass
    time.sleep(seconds)
    ballast.unlink()
    return True


def listen(studio: Soaked, counts: Counts, over: threading.Event, wrong: list[str]) -> None:
    """Listen to all events from the first, through every death of the service: each comes once, in order."""
    last = 0
    while not over.is_set():
        try:
            for event in Client(f"http://127.0.0.1:{studio.port}", timeout=5).events(after=max(last, 1)):
                if event["number"] <= last:
                    wrong.append(f"event {event['number']} came after {last}")
                last = event["number"]
                counts.events[event["event"]] += 1
                if over.is_set():
                    return
        except (OSError, Refusal, ValueError):
            time.sleep(0.1)


def disturb(studio: Soaked, place: Path, counts: Counts, asked: argparse.Namespace, chance: random.Random) -> None:
    """Do all the harm that was asked for, for as long as there are jobs."""
    while True:
        try:
            left = len(studio.client.jobs("queued", "running", "paused"))
        except (OSError, Refusal):
            left = 1
        if not left:
            return
        if not at_work(studio):
            time.sleep(0.05)
            continue
        time.sleep(chance.random())
        if counts.services < asked.services and counts.workers >= counts.services * asked.workers / asked.services:
            studio.kill()
            counts.services += 1
        elif counts.workers < asked.workers and (worker := studio.worker()) is not None:
            try:
                os.kill(worker, signal.SIGKILL)
                counts.workers += 1
            except ProcessLookupError:
                continue
        if counts.workers in (asked.workers // 3, 2 * asked.workers // 3) and counts.fills < 2:
            counts.fills += fill(place, 4)
        if counts.workers % 10 == 5 and counts.clocks < counts.workers // 10 + 1:
            studio.clock.write_text(str(chance.choice([-1e8, -3600, 3600, 1e8])))
            counts.clocks += 1


def at_work(studio: Soaked) -> bool:
    """Whether a job has done a step."""
    try:
        return any(job["progress"] > 0 for job in studio.client.jobs("running"))
    except (OSError, Refusal):
        return False


def verdict(studio: Soaked, counts: Counts, ids: dict[str, int], wanted: dict[int, bytes]) -> list[str]:
    """What is not as it should be."""
    wrong = []
    with closing(Store(studio.home.journal)) as store:
        entries = {entry.id: entry for entry in store.jobs(most=10**6)}
        ends = Counter(e.job for e in store.events(0, most=10**7) if e.data.get("state") == "done")
        for id, number in ids.items():
            entry = entries.get(id)
            if entry is None or entry.state != "done" or len(entry.results) != 1 or ends[id] != 1:
                wrong.append(f"job {number}: {entry and (entry.state, entry.error, entry.results)}, {ends[id]} ends")
                continue
            if store.file(entry.results[0], brought=False).path.read_bytes() != wanted[number]:
                wrong.append(f"job {number}: other bytes than the command line's")
        if len(entries) != len(ids):
            wrong.append(f"{len(entries)} jobs of {len(ids)}")
        counts.interrupted = sum(e.data.get("state") == "running" for e in store.events(0, most=10**7)) - len(ids)
    return wrong


def soak(folder: Path, asked: argparse.Namespace) -> int:
    """Soak a studio in a folder; the exit code."""
    chance, began = random.Random(asked.seed), time.monotonic()
    y, x = np.mgrid[:24, :32] / 32
    pixels = np.stack([x, y, 0.5 + 0.5 * np.sin(20 * x * y)], axis=2)
    Image.fromarray((pixels * 255).astype(np.uint8)).save(folder / "cat.png")
    (folder / "expected").mkdir()
    wanted = expected(folder / "expected", folder / "cat.png", asked.jobs)
    with ExitStack() as stack:
        place = stack.enter_context(small_disk(folder))
        studio = Soaked(place, asked.port)
        stack.callback(studio.process.kill)
        photo, counts, over, wrong = studio.client.bring(folder / "cat.png"), Counts(), threading.Event(), list[str]()
        ids = {studio.client.order("dream", {"photo": photo}, ordered(n))["id"]: n for n in range(asked.jobs)}
        listeners = [
            threading.Thread(target=listen, args=(studio, counts, over, wrong), daemon=True)
            for _ in range(asked.clients)
        ]
        for listener in listeners:
            listener.start()
        disturb(studio, place, counts, asked, chance)
        over.set()
        studio.end()
        wrong += verdict(studio, counts, ids, wanted)
        if wrong:
            shutil.copy(place / "log", folder / "log")
    told = {**vars(counts), "events": dict(counts.events), "jobs": len(ids), "wrong": wrong[:20]}
    print(json.dumps({**told, "seconds": round(time.monotonic() - began)}, indent=1))
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    for name, count in (("jobs", 200), ("clients", 20), ("workers", 50), ("services", 10), ("seed", 0), ("port", 7899)):
        parser.add_argument(f"--{name}", type=int, default=count)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True)
    return soak(asked.folder, asked)


if __name__ == "__main__":
    sys.exit(main())
