"""What every writer does, and what a result takes over from its photo."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from reverie.jobs.events import Event, Size
from reverie.jobs.report import StepLosses
from reverie.pictures import is_lossless, read_image


@dataclass(frozen=True, eq=False)
class Photo:
    """Properties that a result takes over from its photo.

    Attributes:
        alpha: (1, 1, H, W) in [0, 1]; None where it has none.
        depth: bits a channel.
    """

    alpha: Tensor | None = None
    depth: int = 8


class Writer(ABC):
    """Writes a run's output, during the run and at its end.

    Attributes:
        history: losses by step, for a report.
    """

    history: list[StepLosses]
    said: tuple[str, ...] = ()
    figures: Mapping[str, Any] = MappingProxyType({})

    @abstractmethod
    def stepped(self, step: Any) -> Iterator[Event]:
        """Write the output of a step."""

    def completes(self, step: Any) -> bool:
        """True if a step completes an output that is not made again; a checkpoint is then written at once."""
        return False

    def close(self) -> None:  # noqa: B027  # most hold nothing open
        """Let go of what is not finished."""

    @abstractmethod
    def finish(self, step: Any, *, whole: bool) -> Iterator[Event]:
        """Write the result.

        Args:
            step: the last.
            whole: whether the run is at its end; otherwise the user stopped it.
        """

    @property
    @abstractmethod
    def written(self) -> tuple[Path, ...]:
        """Paths that were written, the result first."""

    @property
    def size(self) -> Size | None:
        """(H, W) of the picture written; None if there is none."""
        return None

    @property
    def comparable(self) -> Path:
        """Picture whose pixels a repeated job compares."""
        return self.written[0]


def same_pixels(old: Path | None, new: Path) -> bool | None:
    """Compare a repeated job's pixels with its file's; None if there is none, or if a format is lossy."""
    if old is None or not (is_lossless(old) and is_lossless(new)):
        return None
    return torch.equal(read_image(old), read_image(new))
