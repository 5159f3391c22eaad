"""Ctrl-C as a wish: once to stop after this step, twice to stop now."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Wish:
    """Whether the user wants a run to stop."""

    def __init__(self) -> None:
        self.stop = False

    def heard(self, number: int, frame: FrameType | None) -> None:
        """A signal came.

        Raises:
            KeyboardInterrupt: it is the second one.
        """
        if self.stop:
            raise KeyboardInterrupt
        self.stop = True


@contextmanager
def listening() -> Iterator[Wish]:
    """Within the block, Ctrl-C sets a wish instead of interrupting."""
    wish = Wish()
    ignored = signal.getsignal(signal.SIGINT) is signal.SIG_IGN  # as for `reverie … &` in a script
    if ignored or threading.current_thread() is not threading.main_thread():
        yield wish
        return
    before = signal.signal(signal.SIGINT, wish.heard)
    try:
        yield wish
    finally:
        signal.signal(signal.SIGINT, before)
