"""A default test that takes too much processor time fails, and says so."""

from __future__ import annotations

import pytest

from tests import budget

WORKING = "sum(i * i for i in range(1_000_000))"
SUITE = f"""
import pytest, subprocess, sys, time

@pytest.fixture(scope="module")
def shared():
    {WORKING}

@pytest.fixture
def own():
    {WORKING}

def test_working(): {WORKING}
def test_its_fixture(own): pass
def test_a_child(): subprocess.run([sys.executable, "-c", "{WORKING}"], check=True)
def test_waiting(): time.sleep(0.1)
def test_shared(shared): pass
@pytest.mark.slow
def test_slow(): {WORKING}
def test_failing(): assert not sum(i for i in range(3_000_000))
"""


def outcomes(pytester: pytest.Pytester, slowness: float) -> tuple[list[pytest.TestReport], list[pytest.TestReport]]:
    """What passes and what fails of a suite whose tests may take 20 milliseconds on a machine so slow."""
    pytester.makeini("[pytest]\nmarkers = slow")
    pytester.makepyfile(SUITE)
    result = pytester.inline_run("-p", "no:cacheprovider", plugins=[budget.Budget(0.02, lambda: slowness)])
    passed, _, failed = result.listoutcomes()
    return passed, failed  # type: ignore[return-value]


def test_who_fails(pytester: pytest.Pytester) -> None:
    """What a test, its own fixtures and its children compute counts; waiting and what is shared do not."""
    passed, failed = outcomes(pytester, slowness=0.5)
    assert [report.nodeid.split("::")[1] for report in passed] == ["test_waiting", "test_shared", "test_slow"]
    told = {report.nodeid.split("::")[1]: report.longreprtext for report in failed}
    assert list(told) == ["test_working", "test_its_fixture", "test_a_child", "test_failing"]
    assert told.pop("test_failing").count("make it smaller") == 0
    assert all(text.startswith("a default test may take 0.0 s of processor time here") for text in told.values())


def test_on_a_slower_machine(pytester: pytest.Pytester) -> None:
    """Who is a thousand times slower has a thousand times as long."""
    _, failed = outcomes(pytester, slowness=1000)
    assert [report.nodeid.split("::")[1] for report in failed] == ["test_failing"]
