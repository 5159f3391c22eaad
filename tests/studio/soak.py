"""Soak the studio: ``python -m tests.studio.soak FOLDER`` (``make soak``), for minutes.

Many jobs and many listeners, while the worker and the service are killed again and again in the middle of a run, the
disk is filled and the clock is moved. In the end every job is done, once, none is lost, and each result is byte for
byte the command line's; and each listener has heard each end, once.
On Linux, with a folder that may be filled; as root, one of 96 MB is mounted there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reverie.client import Client, Refusal
from reverie.queue.home import Home
from reverie.queue.store import Store
from tests.studio.driven_studio import worker_of

CLOCK = """
import os, pathlib, sys, time
_time, _file = time.time, pathlib.Path(os.environ["SOAK_CLOCK"])
def moved():
    try:
        return _time() + float(_file.read_text() or 0)
    except (OSError, ValueError):
        return _time()
time.time = moved
time.time_ns = lambda: int(moved() * 1e9)
if "studio" in sys.orig_argv:
    import reverie.queue.folders
    reverie.queue.folders.EVERY = 0.3
"""
"""Python's clock, moved by the seconds that stand in a file; and checkpoints so often that tiny jobs have some."""
HARMS = ("worker", "service", "fill", "clock")
STRENGTH = {
    "jobs": 200, "clients": 20, "workers": 50, "services": 10, "fills": 2, "clocks": 5, "seed": 0, "port": 7899,
}  # fmt: skip
Settings = dict[str, Any]


@dataclass
class Counts:
    """What was done, how often; and jobs that it interrupted, that went on from a checkpoint, that the disk paused."""

    workers: int = 0
    services: int = 0
    fills: int = 0
    clocks: int = 0
    interrupted: int = 0
    went_on: int = 0
    paused: int = 0


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
            "REVERIE_HOME": str(folder / "own"),
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
        return worker_of(self.process.pid)

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        self.process.wait(30)


def ordered(number: int) -> Settings:
    """The settings of a job: tiny, each with a seed of its own; every third takes seconds, to be interrupted."""
    steps = 150 if number % 3 == 0 else 10 + number % 10
    return {"size": 32, "octaves": 1, "steps": steps, "seed": number, "precision": "float32"}


def expected(folder: Path, photo: Path, count: int) -> dict[int, bytes]:
    """What the command line makes of each, with one thread, as the studio has."""
    import torch

    from reverie.cli import main

    torch.set_num_threads(1)
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


class Listener(threading.Thread):
    """Listens to all events from the first, through every death of the service: each comes once, in order.

    Attributes:
        ends: how often each job was told to be done.
        wrong: what was not as it should be.
    """

    def __init__(self, studio: Soaked) -> None:
        super().__init__(daemon=True)
        self._address, self._last, self._over = f"http://127.0.0.1:{studio.port}", 0, threading.Event()
        self.ends, self.kinds, self.wrong = Counter[str](), Counter[str](), list[str]()
        self.start()

    def run(self) -> None:
        while not self._over.is_set():
            try:
                for event in Client(self._address, timeout=5).events(after=max(self._last, 1)):
                    self._hear(event)
            except (OSError, Refusal, ValueError):
                time.sleep(0.1)

    def _hear(self, event: dict[str, Any]) -> None:
        if event["number"] <= self._last:
            self.wrong.append(f"event {event['number']} came after {self._last}")
        self._last = event["number"]
        self.kinds[event["event"]] += 1
        self.ends[event["job"]] += event.get("state") == "done"

    def end(self, ids: Iterable[str]) -> list[str]:
        """Hear the rest, and stop; what is not as it should be."""
        until = time.monotonic() + 30
        while time.monotonic() < until and not all(self.ends[id] for id in ids):
            time.sleep(0.1)
        self._over.set()
        odd = [id for id in ids if self.ends[id] != 1]
        return [*self.wrong, *([f"a listener heard {self.ends[odd[0]]} ends of {len(odd)} jobs"] if odd else [])]


class Journal:
    """The queue as its journal has it, also while there is no service."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def rows(self, statement: str, *values: object) -> list[Any]:
        with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True, timeout=10)) as journal:
            return journal.execute(statement, values).fetchall()

    def amidst(self) -> str | None:
        """The job that runs, has told of a step since it began or went on, and is not near its end."""
        found = self.rows(
            "SELECT id FROM jobs WHERE state='running' AND progress<0.7 AND EXISTS (SELECT 1 FROM events AS e WHERE"
            " e.job=jobs.id AND kind='progress' AND number>(SELECT max(number) FROM events AS s WHERE s.job=jobs.id"
            " AND kind='state'))"
        )
        return str(found[0][0]) if found else None

    def begun(self, id: str) -> int:
        """How often a job has begun or gone on."""
        states = self.rows("SELECT data FROM events WHERE job=? AND kind='state'", id)
        return sum(json.loads(data)["state"] == "running" for (data,) in states)

    def left(self) -> int:
        """Jobs that are not done."""
        return int(self.rows("SELECT count(*) FROM jobs WHERE state!='done'")[0][0])


@dataclass
class Harm:
    """All that is done to a studio, each time in the middle of a job's run.

    Attributes:
        studio: the studio.
        journal: of its queue.
        counts: what was done.
        chance: decides when.
    """

    studio: Soaked
    journal: Journal
    counts: Counts
    chance: random.Random

    def do(self, kind: str) -> bool:
        """Do one harm; whether it interrupted a job, or changed what was asked for. False where nothing is left."""
        job = self._wait()
        if job is None:
            return False
        before = self.journal.begun(job)
        getattr(self, f"_{kind}")()
        if kind in ("worker", "service"):
            while self.journal.begun(job) == before:  # until it goes on
                if not self.journal.rows("SELECT 1 FROM jobs WHERE id=? AND state!='done'", job):
                    return self.do(kind)  # it was done before it was hit: another
                time.sleep(0.02)
            self.counts.interrupted += 1
        name = f"{kind}s"
        setattr(self.counts, name, getattr(self.counts, name) + 1)
        return True

    def _wait(self) -> str | None:
        """Wait for a job in the middle of its run, and then for a moment."""
        while (job := self.journal.amidst()) is None:
            if not self.journal.left():
                return None
            time.sleep(0.02)
        time.sleep(self.chance.random() * 0.2)
        return job

    def _worker(self) -> None:
        if (worker := self.studio.worker()) is not None:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)

    def _service(self) -> None:
        self.studio.kill()

    def _fill(self) -> None:
        if not fill(self.studio.folder, 10):
            self.counts.fills -= 1  # it is no small disk

    def _clock(self) -> None:
        self.studio.clock.write_text(str(self.chance.choice([-1e8, -3600, 3600, 1e8])))


def disturb(harm: Harm, asked: argparse.Namespace) -> list[str]:
    """Do all the harm that was asked for, mixed, and wait for the jobs; what could not be done."""
    kinds = [kind for kind in HARMS for _ in range(getattr(asked, f"{kind}s"))]
    harm.chance.shuffle(kinds)
    undone = Counter(kind for kind in kinds if not harm.do(kind))
    while harm.journal.left():
        time.sleep(0.1)
    return [f"the jobs were over before all harm was done: {dict(undone)} left"] if undone else []


def verdict(studio: Soaked, counts: Counts, ids: dict[str, int], wanted: dict[int, bytes]) -> list[str]:
    """What is not as it should be."""
    wrong = []
    with closing(Store(studio.home.journal)) as store:
        entries = {entry.id: entry for entry in store.jobs(most=10**6)}
        events = store.events(0, most=10**7)
        ends = Counter(e.job for e in events if e.data.get("state") == "done")
        counts.went_on = sum(e.data.get("message", "").startswith("going on after") for e in events)
        counts.paused = sum(e.data.get("reason") == "disk" for e in events)
        for id, number in ids.items():
            entry = entries.get(id)
            if entry is None or entry.state != "done" or len(entry.results) != 1 or ends[id] != 1:
                wrong.append(f"job {number}: {entry and (entry.state, entry.error, entry.results)}, {ends[id]} ends")
                continue
            if store.file(entry.results[0], brought=False).path.read_bytes() != wanted[number]:
                wrong.append(f"job {number}: other bytes than the command line's")
        if counts.fills and not counts.paused:
            wrong.append("the disk was full, and no job was paused")
        if len(entries) != len(ids):
            wrong.append(f"{len(entries)} jobs of {len(ids)}")
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
        photo, counts = studio.client.bring(folder / "cat.png"), Counts()
        ids = {studio.client.order("dream", {"photo": photo}, ordered(n))["id"]: n for n in range(asked.jobs)}
        listeners = [Listener(studio) for _ in range(asked.clients)]
        wrong = disturb(Harm(studio, Journal(studio.home.journal), counts, chance), asked)
        wrong += [line for each in listeners for line in each.end(ids)]
        studio.end()
        wrong += verdict(studio, counts, ids, wanted)
        if wrong:
            shutil.copy(place / "log", folder / "log")
    told = {**vars(counts), "jobs": len(ids), "clients": asked.clients, "faults": len(wrong), "wrong": wrong[:20]}
    print(json.dumps({**told, "seconds": round(time.monotonic() - began)}, indent=1))
    return 1 if wrong else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path)
    for name, count in STRENGTH.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True)
    return soak(asked.folder, asked)


if __name__ == "__main__":
    sys.exit(main())
