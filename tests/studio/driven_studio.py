"""A studio in a process of its own, as users start it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"


@dataclass
class Studio:
    """A running studio.

    Attributes:
        home: of its queue.
        process: the service.
        address: of its page.
    """

    home: Path
    process: subprocess.Popen[str]
    address: str

    def kill(self) -> None:
        """End it without a warning."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def again(self) -> None:
        """Start it once more, at the same address."""
        port = int(self.address.rstrip("/").rpartition(":")[2])
        self.process, self.address = _started(self.home, port)

    def worker(self) -> int:
        """Number of the process that does its jobs."""
        found = worker_of(self.process.pid)
        assert found is not None, "nobody does its jobs"
        return found


def worker_of(service: int) -> int | None:
    """Number of the process that does a service's jobs; None where there is none, or no Linux."""
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().split(b"\0")
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, IndexError, ValueError):
            continue
        if parent == service and b"reverie.queue.worker" in words:
            return int(path.name)
    return None


@contextlib.contextmanager
def studio(home: Path) -> Iterator[Studio]:
    """A studio of its own for the block."""
    process, address = _started(home, 0)
    running = Studio(home, process, address)
    try:
        yield running
    finally:
        if running.process.poll() is None:
            running.process.send_signal(signal.SIGINT)
            running.process.wait(30)


def _started(home: Path, port: int) -> tuple[subprocess.Popen[str], str]:
    words = [sys.executable, "-m", "reverie", "studio", "--port", str(port), "--home", str(home), "--no-browser"]
    path = os.pathsep.join(filter(None, [str(SOURCE), os.environ.get("PYTHONPATH", "")]))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "REVERIE_HOME": str(home / "own")}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=environment, start_new_session=True)
    assert process.stdout is not None
    with process.stdout as told:
        line = told.readline()
    found = re.search(r"http://\S+/", line)
    assert found, f"the studio does not start: {line}"
    return process, found[0]
