"""What an input may take: time, memory, and the files it was given."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_CHANGING = {"os.remove", "os.rename", "os.rmdir", "os.mkdir", "os.truncate", "os.symlink", "os.link", "os.chmod",
             "shutil.rmtree", "shutil.move"}  # fmt: skip
_RUNNING = {"subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "os.fork", "socket.connect", "pty.spawn"}
_BEYOND = 4 << 30  # bytes of address space above what the process has: a bomb ends itself, not the machine


class TooSlow(BaseException):
    """An input took longer than its target allows; no decoder's ``except Exception`` swallows it."""


class Touched:
    """Notes programs run and files written outside one folder, by Python's audit events."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.seen: list[str] = []
        sys.addaudithook(self._hear)

    @contextlib.contextmanager
    def only(self, folder: Path) -> Iterator[None]:
        """While this lasts, only what lies in the folder may be written."""
        self.folder, self.seen = folder, []
        try:
            yield
        finally:
            self.folder = None

    def _hear(self, event: str, args: tuple[object, ...]) -> None:
        if self.folder is None:
            return
        if event in _RUNNING or (_is_change(event, args) and not self._allowed(args[0])):
            self.seen.append(f"{event} {args[0]!r:.200}")

    def _allowed(self, given: object) -> bool:
        if not isinstance(given, str | bytes | os.PathLike):
            return True  # a descriptor that is open already
        path = os.fsdecode(given)
        return path == os.devnull or (self.folder is not None and Path(path).resolve().is_relative_to(self.folder))


def _is_change(event: str, args: tuple[object, ...]) -> bool:
    return event in _CHANGING or (event == "open" and isinstance(args[2], int) and bool(args[2] & _WRITING))


TOUCHED = Touched()
"""Audit hooks stay for the life of a process, so there is one."""


@contextlib.contextmanager
def alarm(seconds: float) -> Iterator[None]:
    """Raise `TooSlow` after so many seconds, as soon as the interpreter has its turn again."""

    def ring(number: int, frame: FrameType | None) -> None:
        raise TooSlow(f"more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextlib.contextmanager
def bounded() -> Iterator[None]:
    """Hold the process to a few gigabytes more than it has; where the system cannot, nothing happens."""
    try:
        import resource
    except ImportError:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    size = _status("VmSize")
    if size:
        resource.setrlimit(resource.RLIMIT_AS, (size + _BEYOND, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def begin_peak() -> int:
    """Bytes that the process has now, its peak counted from here on; 0 where the system does not say."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return _status("VmRSS")


def peak_since(before: int) -> int:
    """Bytes of the peak above what there was."""
    return _status("VmHWM") - before


def cleared(folder: Path) -> Path:
    """A folder, empty."""
    for entry in folder.iterdir() if folder.is_dir() else ():
        shutil.rmtree(entry) if entry.is_dir() and not entry.is_symlink() else entry.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of everything in a folder."""
    found = {}
    for path in folder.rglob("*"):
        status = path.lstat()
        found[str(path.relative_to(folder))] = (status.st_size if path.is_file() else 0, status.st_mtime_ns)
    return found


def _status(name: str) -> int:
    try:
        lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith(name)), 0)
