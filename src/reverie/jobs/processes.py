"""Processes that work for another: how often they speak, how they end."""

from __future__ import annotations

import contextlib
import multiprocessing as mp
import os
import signal
from collections.abc import Callable
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

OFTEN = 0.25
"""Seconds between what a worker says of its progress."""


class WorkerProcess:
    """A process that is fed through a pipe; it starts when it is first needed, and anew after its death.

    Args:
        work: what it runs; its end of the pipe comes first.
        arguments: what comes after.

    Attributes:
        pipe: this end of the pipe, once it has started; raises EOFError or OSError where the process is dead.
    """

    pipe: Connection

    def __init__(self, work: Callable[..., None], *arguments: object) -> None:
        self._work, self._arguments = work, arguments
        self._process: BaseProcess | None = None

    def give(self, task: object) -> None:
        """Send a task; a process that does not live is started first."""
        if self._process is None or not self._process.is_alive():
            self._start()
        self.tell(task)

    def tell(self, word: object) -> None:
        """Send a word, which is lost where the process is dead: its silence will be heard."""
        with contextlib.suppress(OSError):
            self.pipe.send(word)

    def exit_code(self) -> int | None:
        """Return the exit code of a process whose pipe is closed; None if it still does not end."""
        if self._process is None:
            raise RuntimeError("a worker ended that was never begun")
        self._process.join(5)
        return self._process.exitcode

    def end(self) -> None:
        """Kill the process."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self.pipe.close()
            self._process = None

    def _start(self) -> None:
        self.end()
        context = mp.get_context("spawn")
        self.pipe, its = context.Pipe()
        self._process = context.Process(target=self._work, args=(its, *self._arguments), daemon=True)
        self._process.start()
        its.close()


def describe_death(code: int | None) -> str:
    """Describe in one line how a worker died."""
    if code is not None and code < 0:
        name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
        hint = "; there may be too little memory: try fewer --workers" if name == "SIGKILL" else ""
        return f"its worker was ended by {name}{hint}."
    return f"its worker ended with exit code {code}."


def end_with_parent() -> None:
    """Wait for the end of the parent process, and end this one then."""
    parent = mp.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
