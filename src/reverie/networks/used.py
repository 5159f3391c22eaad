"""The network that a run used: its name, and what identifies its weights."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NetworkUsed:
    """A network that a run uses.

    Attributes:
        name: as users know it, e.g. "dreamnet".
        sha256: of its weights.
    """

    name: str
    sha256: str
