"""Ctrl-C and SIGTERM as a request: once to stop after this step, twice to stop now."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_ECHO = 0.1  # seconds; who ends a group of processes may reach one of them by several ways
_SHELL = 128  # a shell's exit code for a program that a signal ended is this and the signal's number


class StopRequest:
    """Request by the user, or the system, that a run stop.

    Attributes:
        stop: whether it should.
        code: the exit code when it does: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(self) -> None:
        self.stop, self.code = False, 0
        self._when = 0.0

    def made(self) -> bool:
        """True if the run should stop."""
        return self.stop

    def handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal.

        Raises:
            KeyboardInterrupt: it is the second one.
            SystemExit: so it is, and not Ctrl-C.
        """
        if self.stop and number == signal.SIGINT:
            raise KeyboardInterrupt
        if self.stop and time.monotonic() - self._when > _ECHO:
            raise SystemExit(_SHELL + number)
        if not self.stop:
            self.stop, self.code, self._when = True, _SHELL + number, time.monotonic()


@contextmanager
def listening() -> Iterator[StopRequest]:
    """Within the block, let Ctrl-C and SIGTERM set a request instead of interrupting."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    taken = [number for number in _SIGNALS if before[number] is not signal.SIG_IGN]  # as for `reverie … &` in a script
    for number in taken:
        signal.signal(number, request.handle)
    try:
        yield request
    finally:
        for number in taken:
            signal.signal(number, before[number])
