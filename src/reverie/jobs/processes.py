"""Processes that work for another: how often they speak, how they end."""

from __future__ import annotations

import multiprocessing as mp
import os
import signal
from multiprocessing.connection import wait

OFTEN = 0.25
"""Seconds between what a worker says of its progress."""


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
