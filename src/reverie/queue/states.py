"""States of a job in the queue, and the ways from one to another."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

State = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
Wish = Literal["cancel", "keep", "pause"]
"""What a running job is asked for: to stop, to stop and keep its picture so far, or to stop and go on later."""

WAYS: Mapping[State, frozenset[State]] = MappingProxyType(
    {
        "queued": frozenset({"running", "paused", "cancelled"}),
        "running": frozenset({"queued", "paused", "done", "failed", "cancelled"}),
        "paused": frozenset({"queued", "cancelled"}),
        "failed": frozenset({"queued"}),
        "cancelled": frozenset({"queued"}),
        "done": frozenset(),
    }
)
OVER: frozenset[State] = frozenset({"done", "failed", "cancelled"})
"""States in which nothing more happens by itself."""


def before(state: State) -> tuple[State, ...]:
    """List the states from which a job may come to this one."""
    return tuple(each for each, ways in WAYS.items() if state in ways)
