"""The process that knows the crafts and looks at pictures: ``python -m reverie.queue.clerk``, spoken to by `Office`.

It hears ``{"number": …, "ask": …, …}`` and answers ``{"number": …, "answer": …}`` or ``{"number": …, "refusal": …}``.
What reads a stranger's file is answered in a process of its own, which has little memory and little time.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import sys
import threading
import warnings
from pathlib import Path
from typing import Any

import torch

from reverie.crafts.registry import crafts
from reverie.errors import DiskFull, ReverieError, reason_of
from reverie.jobs.presets import presets
from reverie.queue.child import Parent
from reverie.queue.questions import STRANGE, Words, ask

MEMORY = 3 * 2**30
"""Bytes that a question about a file may take, beside what the clerk has."""
SECONDS = 60
"""Seconds of processor time that it may take."""
_MOST = 65536


def main() -> None:
    """Answer until the one who asks is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # a process with one thread can be forked
    crafts()
    presets()
    parent, asked = Parent(), queue.SimpleQueue[Words]()
    parent.listen(asked.put)
    while True:
        words = asked.get()
        if words["ask"] in STRANGE and sys.platform == "linux":
            apart(words, parent)
        else:
            parent.say({"number": words["number"], **answered(words)})


def answered(words: Words) -> Words:
    """Answer one question, or refuse it in one line."""
    try:
        told = {name: value for name, value in words.items() if name not in ("number", "ask")}
        return {"answer": ask(words["ask"], **told)}
    except ReverieError as error:
        return {"refusal": str(error), "full": isinstance(error, DiskFull)}
    except MemoryError:
        return {"refusal": "that takes more memory than it may; make the picture smaller."}
    except Exception as error:
        return {"refusal": f"{type(error).__name__}: {reason_of(error)} (a fault of Reverie's)"}


def apart(words: Words, parent: Parent) -> None:
    """Answer a question in a process of its own; what that says is passed on by a thread."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            os.close(reader)
            _limit()
            left = json.dumps(answered(words)).encode()
            while left:
                left = left[os.write(writer, left) :]
        finally:
            os._exit(0)
    os.close(writer)
    threading.Thread(target=_pass_on, args=(words["number"], child, reader, parent), daemon=True).start()


def _pass_on(number: int, child: int, reader: int, parent: Parent) -> None:
    said = b""
    while part := os.read(reader, _MOST):
        said += part
    os.close(reader)
    os.waitpid(child, 0)
    try:
        answer: dict[str, Any] = json.loads(said)
    except ValueError:
        answer = {"refusal": "that takes more memory or time than it may; make the picture smaller."}
    parent.say({"number": number, **answer})


def _limit() -> None:
    """Bound the memory and the time of this process, and the threads that libraries begin for each processor."""
    import resource

    processors = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {processors[os.getpid() % len(processors)]})

    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[0]
    here = int(pages) * resource.getpagesize()
    for what, most in (
        (resource.RLIMIT_AS, here + MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        resource.setrlimit(what, (most if hard == resource.RLIM_INFINITY else min(most, hard), hard))


if __name__ == "__main__":
    main()
