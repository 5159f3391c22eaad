"""A default test may take five seconds of processor time; one that takes more is made smaller or marked slow.

Processor time, of the test and of the processes it waited for, so that a busy machine fails nobody. What fixtures of a
wider scope make is shared by many tests and counted for none.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest

SECONDS = 5.0
"""What a test may take on the machine that `PACE` was measured on, or on a faster one."""
PACE = 1.0
"""Seconds of processor time to import PyTorch on that machine, an AMD EPYC with nothing else to do, rounded down."""


def spent() -> float:
    """Seconds of processor time of this process and of its children that ended."""
    now = os.times()
    return now.user + now.system + now.children_user + now.children_system


def slowness() -> float:
    """How much slower than that machine this one is now; a busy machine takes more processor time as well.

    What is timed is the start of a process with PyTorch, as much of what the longest tests do is.
    """
    began = spent()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    return (spent() - began) / PACE


def verdict(seconds: float, allowed: float) -> str:
    """What is told of a test that took too long."""
    return (
        f"a default test may take {allowed:.1f} s of processor time here, this one took {seconds:.1f} s: "
        "make it smaller, share what it makes, or mark it slow"
    )


class Budget:
    """Fails tests over their budget; those marked slow have none."""

    def __init__(self, seconds: float = SECONDS, slowness: Callable[[], float] = slowness) -> None:
        self.seconds, self.slowness = seconds, slowness
        self.began = 0.0

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, object, object]:
        if fixturedef.scope == "function":
            return (yield)
        began, spent_at = self.began, spent()
        try:
            return (yield)
        finally:
            self.began = began + spent() - spent_at

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self) -> Generator[None, None, None]:
        self.began = spent()
        yield

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        seconds = spent() - self.began
        if call.when == "call" and report.passed and seconds > self.seconds and item.get_closest_marker("slow") is None:
            allowed = self.seconds * max(1.0, self.slowness())
            if seconds > allowed:
                report.outcome = "failed"
                report.longrepr = verdict(seconds, allowed)
        return report
