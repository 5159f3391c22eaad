"""Tasks: runs that write their own files."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reverie.engine.executors import Executor
from reverie.engine.iterates import State
from reverie.engine.memory import allowed_memory, resident
from reverie.engine.plan import Plan
from reverie.networks.used import NetworkUsed


@dataclass(frozen=True, eq=False)
class Ready:
    """The one step of a `Task`: nothing is done before it writes.

    Attributes:
        write: the task's.
    """

    write: Callable[[Path], Sequence[str]]
    done: float = 1.0
    last: bool = True
    at: tuple[int, int] = (1, 1)
    losses: Mapping[str, float] = field(default_factory=dict)
    place: str = ""

    def facts(self) -> dict[str, Any]:
        """Return the share that is done."""
        return {"done": self.done}

    def state(self) -> None:
        """Return None: it starts anew."""


@dataclass(frozen=True, eq=False)
class Task:
    """Work that writes its own files.

    Attributes:
        write: from where to write to the lines that say what was written; it refuses before it writes anything.
        networks, notes: see `Run`.
    """

    write: Callable[[Path], Sequence[str]]
    networks: Sequence[NetworkUsed] = ()
    notes: Sequence[str] = ()
    precision: None = None
    least: None = None

    def planned(self, *, memory: str | None = None, tile: int | None = None) -> Plan:
        """Plan the task as a whole."""
        return Plan((0, 0), (0, 0), 0, resident(), allowed_memory(memory), step_seconds=0.0, seconds=0.0, disk=0)

    def steps(self, plan: Plan, *, executor: Executor | None = None, state: State | None = None) -> Iterator[Ready]:
        """Yield the one step."""
        return iter([Ready(self.write)])
