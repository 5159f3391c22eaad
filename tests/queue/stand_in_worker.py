"""A worker that loads nothing and makes nothing: it does as a job's settings tell, for tests of who gives it jobs.

Settings: ``steps``, how many of 10 ms; ``die_at``, a step at which it dies, as often as ``deaths`` says; ``full``, a
file while which is there the disk is full; ``hangs``, whether it hears no wish.
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from reverie.queue.child import obey


def doing(words: dict[str, Any], stop: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    for kind, more in _told(words, stop):
        yield {"id": words["id"], "kind": kind, **more}


def _told(words: dict[str, Any], stop: Callable[[], bool]) -> Iterator[tuple[str, dict[str, Any]]]:
    job = json.loads(words["job"])
    told, kept = job["settings"], Path(words["run"]).with_name("kept.json")
    state = json.loads(kept.read_text()) if kept.exists() else {"step": 0, "deaths": 0}
    yield "began", {"smaller": told.get("smaller"), "settings": told}
    steps = told["steps"] if isinstance(told.get("steps"), int) else 2
    while state["step"] < steps:
        if (full := told.get("full")) and Path(full).exists():
            yield "full", {"message": "the disk is full"}
            return
        if state["step"] == told.get("die_at") and state["deaths"] < told.get("deaths", 1) and not words["tile"]:
            state["deaths"] += 1
            keep(kept, state)
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.01)
        state["step"] += 1
        keep(kept, state)
        place = {"progress": state["step"] / steps, "place": f"step {state['step']}"}
        yield "progress", {**place, "losses": {}, "preview": None}
        if stop() and not told.get("hangs"):
            yield "ended", made(job, state, stopped=True)
            return
    if told.get("refused"):
        yield "refused", {"message": "it makes no sense"}
    else:
        yield "ended", made(job, state, stopped=False)


def keep(path: Path, state: dict[str, int]) -> None:
    path.with_suffix(".new").write_text(json.dumps(state))
    path.with_suffix(".new").replace(path)


def made(job: dict[str, Any], state: dict[str, int], *, stopped: bool) -> dict[str, Any]:
    output = Path(job["output"])
    output.write_bytes(f"step {state['step']} of {json.dumps(job['settings'], sort_keys=True)}".encode())
    return {"written": [str(output)], "height": None, "width": None, "stopped": stopped}


if __name__ == "__main__":
    obey(doing)
