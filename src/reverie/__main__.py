"""`python -m reverie` is the command `reverie`: Ctrl-C ends it in one line from its first moment to its last."""

from __future__ import annotations

import os
import signal
import sys
import time
from types import FrameType

_STOPPED = 130
_ECHO = 0.5  # seconds; a terminal and a guardian may both tell of one Ctrl-C
_heard = [-_ECHO]


def main() -> int:
    """Run the command that the words of this process say; return its exit code."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # which it is not under nohup
        signal.signal(signal.SIGINT, _stop)
    from reverie.cli.entry import main as run

    code = run()
    if code == _STOPPED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return code


def _stop(_number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; but while a module is loaded end at once, as libraries break where that is interrupted.

    Nothing is at work then: what is under way listens in a way of its own.
    """
    before, _heard[0] = _heard[0], time.monotonic()
    if _heard[0] - before < _ECHO:
        return
    if _is_loading(frame):
        os.write(2, b"reverie: stopped before the picture was written.\n")
        os._exit(_STOPPED)
    raise KeyboardInterrupt


def _is_loading(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            return True
        frame = frame.f_back
    return False


if __name__ == "__main__":
    sys.exit(main())
