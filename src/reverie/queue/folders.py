"""The folder of a job: its inputs by their names, beside which its result comes to lie."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reverie import styles
from reverie.errors import FileError, RecipeError, reason_of
from reverie.files import make_folder, numbered, share
from reverie.queue.entries import Entry
from reverie.queue.home import Home
from reverie.queue.store import Store

EVERY = 5.0
"""Seconds between a job's checkpoints, about."""


def asked_of(entry: Entry, home: Home, store: Store) -> dict[str, Any]:
    """Lay out a job's folder, and return what its worker is asked for; see `queue.worker.doing`.

    Raises:
        FileError: the disk is full.
        RecipeError: an input is gone.
    """
    folder, order, plan = home.job(entry.id), entry.order, entry.plan
    make_folder(folder, beside="free some space")
    job: dict[str, Any] = {
        "craft": order.craft,
        "settings": dict(order.settings),
        "inputs": {name: [] for name in order.inputs},
        "preset": order.preset,
        "output": str(folder / plan.output),
        "beside": {"checkpoint": str(home.run(entry.id)), "checkpoint_every": EVERY} if plan.kept else {},
    }
    for name, path in _laid_out(entry, folder, store):
        if path not in job["inputs"][name]:
            job["inputs"][name].append(path)
    return {
        "id": entry.id,
        "job": json.dumps(job),
        "run": str(home.run(entry.id)),
        "preview": str(home.preview(entry.id)),
        "number": entry.preview,
        "tile": entry.tile,
    }


def _laid_out(entry: Entry, folder: Path, store: Store) -> Iterator[tuple[str, str]]:
    """Lay out the files of a job; yield the input's name and the path of each, for some a folder's."""
    taken: dict[Path, str] = {folder / entry.plan.output: ""}
    for known_as, id in entry.plan.beside:
        stored = store.find(id)
        if stored is not None and taken.setdefault(folder / known_as, id) == id:
            _share(stored.path, folder / known_as)
    for name, words in entry.order.inputs.items():
        inner = folder / name if name in entry.plan.folders else folder
        make_folder(inner, beside="free some space")
        for word in words:
            if word in entry.plan.names:
                yield name, str(styles.path(word)) if word in styles.names() else word
                continue
            stored = store.find(word)
            if stored is None:
                raise RecipeError(f"the {name} of this job is gone; bring it again.")
            path = next(path for path in numbered(inner / stored.name) if taken.setdefault(path, word) == word)
            _share(stored.path, path)
            yield name, str(inner if inner is not folder else path)


def _share(file: Path, target: Path) -> None:
    try:
        share(file, target)
    except OSError as error:
        raise FileError(f"cannot write '{target}': {reason_of(error)}; free some space.") from error
