"""Events of a job: one union type, shown by screens and sent by workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reverie.jobs.job import Stop

if TYPE_CHECKING:
    from reverie.engine import Plan, Step

Size = tuple[int, int]


@dataclass(frozen=True)
class Noted:
    """A note for the user."""

    line: str

    def as_json(self) -> dict[str, Any]:
        """``{"event": "note", "message": …}``."""
        return {"event": "note", "message": self.line}


@dataclass(frozen=True)
class Downloaded:
    """More bytes of a network arrived; `total` is None if the server does not tell."""

    network: str
    bytes: int
    total: int | None

    def as_json(self) -> dict[str, Any]:
        """``{"event": "download", "network": …, "bytes": …, "of": …}``."""
        return {"event": "download", "network": self.network, "bytes": self.bytes, "of": self.total}


@dataclass(frozen=True)
class Planned:
    """Plan of a dry run; nothing is made."""

    plan: Plan

    def as_json(self) -> dict[str, Any]:
        """``{"event": "plan", "tile": …, "peak": …, "seconds": …}``."""
        return {"event": "plan", **asdict(self.plan)}


@dataclass(frozen=True)
class Began:
    """Start of the work.

    Attributes:
        craft: its name.
        settings: all of them, every automatic choice made.
        output: where the result goes.
        smaller: side of the tiles in which it may do where these turn out too large for the memory, pixels; None
            where it cannot be cut smaller.
        kept: the folder from which it can go on; None where it is not kept.
    """

    craft: str
    settings: Mapping[str, Any]
    output: Path
    smaller: int | None = None
    kept: Path | None = None

    def as_json(self) -> dict[str, Any]:
        """``{"event": "began", "craft": …, "settings": …, "output": …}``."""
        return {"event": "began", "craft": self.craft, "settings": dict(self.settings), "output": str(self.output)}


@dataclass(frozen=True, eq=False)
class Stepped:
    """A step is done; read what you need from it before requesting the next event."""

    step: Step

    def as_json(self) -> dict[str, Any]:
        """``{"event": "step", "done": …, "losses": {…}, …}``."""
        return {"event": "step", **self.step.facts()}


@dataclass(frozen=True)
class Enlarging:
    """Every step is done, and the last picture is being enlarged to this (H, W)."""

    size: Size

    def as_json(self) -> dict[str, Any]:
        """``{"event": "enlarging", "width": …, "height": …}``."""
        return {"event": "enlarging", "width": self.size[1], "height": self.size[0]}


@dataclass(frozen=True)
class Saved:
    """An intermediate picture is written."""

    path: Path

    def as_json(self) -> dict[str, Any]:
        """``{"event": "saved", "path": …}``."""
        return {"event": "saved", "path": str(self.path)}


@dataclass(frozen=True)
class Ended:
    """End of the job: everything is written.

    Attributes:
        written: the result first, then what lies beside it.
        size: (H, W) of a picture; None of what is none.
        steps: of a training; None of anything else.
        seconds: that it took.
        stopped: where the user stopped it; None at its end.
        same: whether a repeated job's pixels are those of its file; None where that cannot be told.
        kept: the folder from which it can go on; None where it is done.
        said: what else there is to say of it, line by line.
        figures: the same for programs, by name.
    """

    written: tuple[Path, ...]
    size: Size | None
    seconds: float
    steps: int | None = None
    stopped: Stop | None = None
    same: bool | None = None
    kept: Path | None = None
    said: tuple[str, ...] = ()
    figures: Mapping[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """``{"event": "ended", "output": …, "also": […], …}``; "stopped" where the user stopped it."""
        result, *rest = map(str, self.written)
        size = {} if self.size is None else {"width": self.size[1], "height": self.size[0]}
        rare = {
            "steps": self.steps,
            "same": self.same,
            "kept": self.kept and str(self.kept),
            "said": list(self.said) or None,
            "figures": dict(self.figures) or None,
        }
        return {
            "event": "stopped" if self.stopped else "ended",
            "output": result,
            "also": rest,
            **size,
            "seconds": round(self.seconds, 3),
            **{name: value for name, value in rare.items() if value is not None},
        }


@dataclass(frozen=True)
class Finished:
    """There is nothing to resume: the run kept in a folder is finished."""

    folder: Path
    output: Path

    @property
    def line(self) -> str:
        """The event as a line of text."""
        return f"the run in '{self.folder}' is finished; its result went to '{self.output}'."

    def as_json(self) -> dict[str, Any]:
        """``{"event": "finished", "output": …, "message": …}``."""
        return {"event": "finished", "output": str(self.output), "message": self.line}


Event = Noted | Downloaded | Planned | Began | Stepped | Enlarging | Saved | Ended | Finished
