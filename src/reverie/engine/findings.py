"""What runs find out, besides the pictures that show it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class Findings:
    """What a run found out, besides the picture that shows it.

    Attributes:
        figures: plain values by name, for programs and for the picture's record.
        lines: the same for people.
        shown: captions and pictures that a comparison shows besides the result, (1, 3, h, w) in [0, 1] each.
    """

    figures: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[str] = ()
    shown: Sequence[tuple[str, Tensor]] = ()
