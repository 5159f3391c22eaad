"""A process of ours that speaks JSON, a line at a time, on its input and output; it ends with the one that began it."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any

Words = Mapping[str, Any]


class Child:
    """A process that was begun, and is killed with `end`.

    Args:
        module: that it runs.
        words: after the module's name.
        heard: called with each of its lines, in a thread of its own.
        died: called with its exit code, once, when it has ended.
    """

    def __init__(
        self, module: str, *words: str, heard: Callable[[dict[str, Any]], None], died: Callable[[int], None]
    ) -> None:
        self._heard, self._died = heard, died
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self._lock = threading.Lock()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    def send(self, words: Words) -> None:
        """Send a line; to a process that has ended, nothing."""
        with self._lock, contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.write(json.dumps(words).encode() + b"\n")
                self._process.stdin.flush()

    def end(self) -> None:
        """Kill it; no file is left half written."""
        self._process.kill()

    def wait(self) -> None:
        """Wait until it has ended, and that was heard."""
        self._listener.join(10)

    def _listen(self) -> None:
        if self._process.stdout is not None:
            for words in lines_of(self._process.stdout):
                self._heard(words)
        code = self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            with contextlib.suppress(OSError):
                if pipe is not None:
                    pipe.close()
        self._died(code)


def lines_of(pipe: IO[bytes]) -> Iterator[dict[str, Any]]:
    """Yield what the other side says, until it ends; a last line that is cut is left out."""
    with contextlib.suppress(OSError, ValueError):
        for line in pipe:
            if line.endswith(b"\n"):
                yield json.loads(line)


class Parent:
    """The other side, in the process itself: what it hears and says; when the parent ends, so does this, at once.

    What anything else prints goes to the error output, so that it is not taken for a line.
    """

    def __init__(self) -> None:
        self._out = os.dup(1)
        os.dup2(2, 1)
        self._lock = threading.Lock()

    def say(self, words: Words) -> None:
        """Say a line."""
        with self._lock:
            left = json.dumps(words).encode() + b"\n"
            try:
                while left:
                    left = left[os.write(self._out, left) :]
            except OSError:
                os._exit(1)

    def listen(self, heard: Callable[[dict[str, Any]], None]) -> None:
        """Hear every line in a thread of its own."""
        threading.Thread(target=self._listen, args=(heard,), daemon=True).start()

    def _listen(self, heard: Callable[[dict[str, Any]], None]) -> None:
        for words in lines_of(sys.stdin.buffer):
            heard(words)
        os._exit(1)


def obey(doing: Callable[[dict[str, Any], Callable[[], bool]], Iterator[Words]]) -> None:
    """Do what the parent asks for, one thing after another, until it is gone.

    The parent says ``{"do": …}`` and, for what is being done, ``{"stop": true}``.

    Args:
        doing: does one thing; it asks whether to stop, and yields what is told to the parent.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the parent
    parent, asked, stop = Parent(), queue.SimpleQueue[dict[str, Any]](), threading.Event()

    def heard(words: dict[str, Any]) -> None:
        if "stop" in words:
            stop.set()
        else:
            stop.clear()
            asked.put(words["do"])

    parent.listen(heard)
    parent.say({"kind": "ready"})
    while True:
        for words in doing(asked.get(), stop.is_set):
            parent.say(words)
