"""Schedule of checkpoints."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager

from reverie.errors import RecipeError

SHARE = 20
"""Between checkpoints a run works at least this many times as long as one took to write."""


class CheckpointSchedule:
    """A checkpoint every so many seconds, less often where writing one takes long.

    Args:
        every: seconds between checkpoints; 0 takes one after each step, whatever it costs.
    Raises:
        RecipeError: it is no time.
    """

    def __init__(self, every: float) -> None:
        if math.isnan(every) or every < 0:
            raise RecipeError(f"seconds between checkpoints are 0 or more; got {every}.")
        self.every, self.cost = every, 0.0
        self._last = time.monotonic()

    def due(self) -> bool:
        """True if a checkpoint is due."""
        wait = max(self.every, SHARE * self.cost) if self.every else 0.0
        return time.monotonic() - self._last >= wait

    @contextmanager
    def timing(self) -> Iterator[None]:
        """Measure how long the block, which writes a checkpoint, takes."""
        began = time.monotonic()
        yield
        self._last = time.monotonic()
        self.cost = self._last - began
