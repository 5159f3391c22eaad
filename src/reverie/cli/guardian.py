"""Guardian of a run: the process that was started stays small and watches another that does the work.

Where memory runs out, Linux ends the largest process by SIGKILL, without a word to it. The guardian survives, and the
run goes on in a new process with smaller tiles, as the old one told it to. Who kills the guardian kills the work.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from reverie.errors import OutOfMemory

_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG of <linux/prctl.h>
_MOST = 65536  # bytes that a pipe holds
_pipe: int | None = None  # to the guardian, in a process that has one


@dataclass(frozen=True)
class RestartPlan:
    """Plan of the guardian for when the system kills the worker.

    Attributes:
        line: what it tells the user.
        words: the command with which the work goes on.
        more: words to put after the command's own, with which it begins anew. Neither ends it.
    """

    line: str
    words: tuple[str, ...] = ()
    more: tuple[str, ...] = ()


KILLED = "the system ended this run by SIGKILL, most likely for lack of memory"
_UNKEPT = RestartPlan(f"{KILLED}. Allow it less with --memory, or keep it with --checkpoint DIR so that it can go on.")


def restart_in_tiles(tile: int | None) -> RestartPlan:
    """Plan to start a short command anew, in smaller tiles, if the system kills it.

    Args:
        tile: their side, pixels; None where they cannot be smaller.
    """
    if tile is None:
        return RestartPlan(f"{KILLED}, though it cannot be cut smaller; free some memory, and try again.")
    return RestartPlan(f"{KILLED}; once more in tiles of {tile} px.", more=("--tile", str(tile)))


def on_killed(plan: RestartPlan | None) -> None:
    """Tell the guardian, if there is one, what to do when this process is killed; None: nothing can go on."""
    if _pipe is not None:
        told = None if plan is None else [plan.line, plan.words, plan.more]
        with suppress(OSError):
            os.write(_pipe, json.dumps(told).encode() + b"\n")


def can_guard() -> bool:
    """True if this process may become a guardian: on Linux, before PyTorch or anything else starts threads."""
    return sys.platform == "linux" and "torch" not in sys.modules and threading.active_count() == 1


def guarded(work: Callable[[Sequence[str]], int], words: Sequence[str], *, note: Callable[[str], None]) -> int:
    """Run a command in another process, and again whenever the system kills it for lack of memory.

    It returns in both processes: what the work returned in the one, the same in the guardian.

    Args:
        work: the command's; from words to an exit code.
        words: of the command.
        note: tells the user a line, when the work goes on after its death.
    Raises:
        OutOfMemory: in the guardian; the work was killed and cannot go on.
    """
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _signals())
    while True:
        (reader, writer), (life, alive) = os.pipe(), os.pipe()
        guardian, worker = os.getpid(), os.fork()
        if not worker:
            os.close(reader)
            os.close(alive)
            _be_guarded(guardian, writer, life)
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return work(words)
        os.close(writer)
        os.close(life)
        code = _ended(worker)
        os.close(alive)
        plan = _last_plan(reader)
        if code != -signal.SIGKILL:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            return code if code >= 0 else _end_by_signal(-code)
        _restore_terminal()
        if not plan.words and not plan.more:
            raise OutOfMemory(plan.line)
        note(plan.line)
        words = plan.words or _with(words, plan.more)


def _signals() -> set[signal.Signals]:
    return {signal.SIGCHLD, signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


def _be_guarded(guardian: int, writer: int, life: int) -> None:
    """Make the worker die with the guardian, at once.

    The system sees to that; and, as not every system keeps its word, so does a pipe that ends with the guardian.
    """
    import ctypes  # where it costs nothing: PyTorch takes it as well

    global _pipe
    _pipe = writer
    threading.Thread(target=_die_at_end_of, args=(life,), daemon=True).start()
    ctypes.CDLL(None).prctl(_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != guardian:  # it died before that
        os.kill(os.getpid(), signal.SIGKILL)


def _die_at_end_of(life: int) -> None:
    os.read(life, 1)  # nothing is ever written
    os.kill(os.getpid(), signal.SIGKILL)


def _ended(worker: int) -> int:
    """Wait for the worker; what others ask of the guardian is asked of the worker. Its code, or minus its signal."""
    while True:
        came = signal.sigwaitinfo(_signals())
        if came.si_signo == signal.SIGCHLD:
            ended, status = os.waitpid(worker, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
        elif came.si_code <= 0:  # another process's, to the guardian; a terminal's own reaches the worker by itself
            os.kill(worker, came.si_signo)


def _last_plan(reader: int) -> RestartPlan:
    """Read the worker's last restart plan."""
    os.set_blocking(reader, False)
    said = b""
    with suppress(BlockingIOError):
        while more := os.read(reader, _MOST):
            said += more
    os.close(reader)
    whole = said.split(b"\n")[:-1]
    told = json.loads(whole[-1]) if whole else None
    return _UNKEPT if told is None else RestartPlan(told[0], tuple(told[1]), tuple(told[2]))


def _with(words: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    """Add options to a command's words; the last one of a name counts."""
    end = words.index("--") if "--" in words else len(words)
    return (*words[:end], *more, *words[end:])


def _end_by_signal(number: int) -> int:
    """End by the signal that ended the worker, as if there had been only one process."""
    with suppress(OSError, ValueError):
        signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    return 128 + number


def _restore_terminal() -> None:
    """Show the cursor again, and clear the line of the bar."""
    if sys.stderr.isatty():
        sys.stderr.write("\r\x1b[2K\x1b[?25h")
        sys.stderr.flush()
