"""What every training here has in common: it goes on where it stopped, keeps checkpoints, and writes a log."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from reverie.engine import State, TrainingStep
from reverie.jobs import read_state, write_state

CHECKPOINT, BEFORE_DECAY = "checkpoint.safetensors", "before-decay.safetensors"


def uniform(g: torch.Generator, low: float, high: float) -> float:
    """A number between two."""
    return low + (high - low) * float(torch.rand((), generator=g))


def kept(
    follow: Callable[[State | None], Iterator[TrainingStep]],
    out: Path,
    export: Callable[[TrainingStep], None],
    *,
    decay_from: int,
    seconds: float = 120.0,
) -> Iterator[TrainingStep]:
    """The steps, from the last checkpoint on; now and then, before the decay and at the end one is kept and exported.

    Args:
        follow: from a state, or from the beginning, to the steps.
        out: the folder of the run.
        export: writes what a step's average is.
        decay_from: the step whose checkpoint is kept for good.
        seconds: between checkpoints.
    """
    saved = time.monotonic()
    for step in follow(state_in(out)):
        yield step
        if step.last or step.step == decay_from or time.monotonic() - saved > seconds:
            saved = time.monotonic()
            for name in (CHECKPOINT, *([BEFORE_DECAY] if step.step == decay_from else ())):
                write_state(out / name, step.state(), run="training")
            export(step)


def state_in(out: Path) -> State | None:
    """The state of the run in a folder; None where it has not begun."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / CHECKPOINT
    if not path.exists():
        return None
    state = read_state(path, run="training")
    if state is None:
        raise SystemExit(f"'{path}' is damaged; remove it to begin anew.")
    return dict(state)


def log(out: Path, row: Mapping[str, Any]) -> None:
    """Add a line to the log."""
    with (out / "log.jsonl").open("a", encoding="utf8") as file:
        print(json.dumps(row), file=file, flush=True)


def save(tensors: Mapping[str, Tensor], path: Path, facts: Mapping[str, Any]) -> None:
    """Write weights in half precision, whole or not at all."""
    partial = path.with_suffix(".partial")
    halves = {name: x.detach().half().contiguous() for name, x in tensors.items()}
    save_file(halves, partial, metadata={name: str(fact) for name, fact in facts.items()})
    os.replace(partial, path)
