"""Entry point of the command line: every way a command can end becomes an exit code and one line."""

from __future__ import annotations

import json
import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reverie.cli.codes import BROKEN, REFUSED, STOPPED
from reverie.cli.guardian import can_guard, guarded
from reverie.cli.messages import told
from reverie.errors import ReverieError
from reverie.files import null_file


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Args:
        argv: the words after ``reverie``; those of this process by default.

    Returns:
        The exit code: 0 done, 1 a fault of Reverie's, 2 refused, 130 stopped by Ctrl-C.

    Example:
        >>> main(["dream", "cat.jpg", "--size", "64", "--steps", "1"])
        cat-dream.png  64x48  ... s
        0
    """
    words = list(sys.argv[1:] if argv is None else argv)
    messages = Messages(debug="--debug" in words, machine="--json" in words)
    _let_waiting_threads_sleep()
    if argv is None:
        warnings.showwarning = messages.warned
    try:
        code = _run([word for word in words if word != "--debug"], messages, alone=argv is None)
        sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of our output has gone, e.g. `| head`
        sys.stdout = null_file()  # lives until the process ends
        return BROKEN
    except KeyboardInterrupt:
        return messages.end("stopped before the picture was written.", STOPPED)
    except ReverieError as error:
        return messages.end(str(error), REFUSED)
    except MemoryError:
        return messages.end(_NO_MEMORY, REFUSED)
    except Exception as error:
        if "allocate memory" in str(error) or "not enough memory" in str(error):
            return messages.end(_NO_MEMORY, REFUSED)
        what = f"{type(error).__name__}: {error}"[:300]
        return messages.end(f"{what} (a fault of Reverie's; --debug shows where)", BROKEN)


def _run(words: Sequence[str], messages: Messages, *, alone: bool) -> int:
    """Run a command; under a guardian where it may take long and the process is ours alone."""
    from reverie.cli.app import run, takes_long

    if not (alone and takes_long(words) and can_guard()):
        return run(words)
    return guarded(run, words, note=messages.note)


_NO_MEMORY = "there is not enough memory for this; try a smaller --size."


@dataclass(frozen=True)
class Messages:
    """Reports the end of a command as one line, on request after a traceback or as JSON too."""

    debug: bool
    machine: bool

    def note(self, line: str) -> None:
        """Print one line, as JSON if requested."""
        if self.machine:
            print(json.dumps({"event": "note", "message": line}), flush=True)
        else:
            print(f"reverie: {told(line)}", file=sys.stderr, flush=True)

    def warned(self, message: Warning | str, *_: object, **__: object) -> None:
        """Print a warning in one line."""
        self.note(" ".join(str(message).split()))

    def end(self, message: str, code: int) -> int:
        """Print one line on stderr; return the exit code."""
        if self.debug:
            traceback.print_exc()
        line = " ".join(message.split())
        if self.machine:
            print(json.dumps({"event": "error", "message": line, "code": code}), flush=True)
        print(f"reverie: {told(line)}", file=sys.stderr)
        return code


def _let_waiting_threads_sleep() -> None:
    """Let waiting threads spin only briefly before they sleep, if the machine is busy.

    Two long-spinning threads on two cores that other programs use are several times slower; threads that never spin are
    three times slower on an idle machine. It must be set before PyTorch is loaded, and changes no result.
    """
    if "torch" not in sys.modules and _others_at_work() * 2 >= (os.cpu_count() or 1):
        os.environ.setdefault("GOMP_SPINCOUNT", "3000")


def _others_at_work() -> int:
    """Count the other threads that are runnable at this moment; 0 if the system does not tell."""
    try:
        running = Path("/proc/loadavg").read_text(encoding="ascii").split()[3].split("/")[0]
        return max(0, int(running) - 1)
    except (OSError, ValueError, IndexError):
        return 0
