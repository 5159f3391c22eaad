"""A worker that loads nothing and makes nothing: it does as a job's settings tell, for tests of who gives it jobs.

Settings: ``steps``, how many of 10 ms; ``die_at``, a step at which it dies, as often as ``deaths`` says; ``full``, a
file while which is there the disk is full; ``hangs``, whether it hears no wish.
"""

from __future__ import annotations

import json
import os
import queue
import signal
import threading
import time
from pathlib import Path
from typing import Any

from reverie.queue.child import Parent


def main() -> None:
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
        words = asked.get()
        say = lambda kind, id=words["id"], **more: parent.say({"id": id, "kind": kind, **more})  # noqa: E731
        do(words, say, stop)


def do(words: dict[str, Any], say: Any, stop: threading.Event) -> None:
    job = json.loads(words["job"])
    told, kept = job["settings"], Path(words["run"]).with_name("kept.json")
    state = json.loads(kept.read_text()) if kept.exists() else {"step": 0, "deaths": 0}
    say("began", smaller=told.get("smaller"), settings=told)
    steps = told["steps"] if isinstance(told.get("steps"), int) else 2
    while state["step"] < steps:
        if (full := told.get("full")) and Path(full).exists():
            return say("full", message="the disk is full")
        if state["step"] == told.get("die_at") and state["deaths"] < told.get("deaths", 1) and not words["tile"]:
            state["deaths"] += 1
            keep(kept, state)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
        state["step"] += 1
        keep(kept, state)
        say("progress", progress=state["step"] / steps, place=f"step {state['step']}", losses={}, preview=None)
        if stop.is_set() and not told.get("hangs"):
            return end(job, say, state, stopped=True)
    if told.get("refused"):
        return say("refused", message="it makes no sense")
    return end(job, say, state, stopped=False)


def keep(path: Path, state: dict[str, int]) -> None:
    path.with_suffix(".new").write_text(json.dumps(state))
    path.with_suffix(".new").replace(path)


def end(job: dict[str, Any], say: Any, state: dict[str, int], *, stopped: bool) -> None:
    output = Path(job["output"])
    output.write_bytes(f"step {state['step']} of {json.dumps(job['settings'], sort_keys=True)}".encode())
    say("ended", written=[str(output)], height=None, width=None, stopped=stopped)


if __name__ == "__main__":
    main()
