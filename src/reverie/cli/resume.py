"""Resume: a run that was stopped or killed goes on, with the same result."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from pathlib import Path

import torch

from reverie.cli import train
from reverie.cli.order import Order
from reverie.cli.outputs import Wishes
from reverie.cli.replay import differences
from reverie.cli.zoom import make
from reverie.errors import RecipeError
from reverie.jobs import Folder, reopen
from reverie.recipes.record import relative


def resume(path: Path, wishes: Wishes, *, tile: int | None = None) -> int:
    """Go on with the run kept in a folder, and write its picture.

    Args:
        path: of the folder.
        wishes: where to, if not where it was to go, how progress is shown, where to compute; the rest is as it was.
        tile: side of the tiles from here on, pixels, 0 for the whole picture at once; None leaves them as they were.

    Returns:
        The exit code.

    Raises:
        RecipeError: no job, a damaged one, or another process works on it.
    """
    with reopen(path) as folder:
        if folder.job.finished:
            return _say_finished(folder, machine=wishes.json)
        files = folder.inputs()
        trained = folder.job.record.recipe == train.NAME
        if trained and (tile is not None or wishes.cluster is not None):
            raise RecipeError("a training has no tiles and runs on one machine; leave out --tile and --cluster.")
        folder = folder if wishes.output is None or trained else _redirected(folder, wishes.output)
        folder = folder if tile is None else folder.wished(tile=tile)
        threads = torch.get_num_threads()
        torch.set_num_threads(folder.job.record.threads)
        try:
            if trained:
                return train.go_on(folder, files, json=wishes.json, output=wishes.output)
            return make(_order(folder, files), _wishes(folder, wishes))
        finally:
            torch.set_num_threads(threads)


def _order(folder: Folder, files: dict[str, tuple[Path, ...]]) -> Order:
    job = folder.job
    recipe, settings = job.record_now.resolve()
    return Order(
        recipe,
        settings,
        {role.name: files.get(role.name, ()) for role in recipe.roles},
        name=Path(job.output).name,
        until=job.record.stopped,
        same_as=None if job.same_as is None else _existing(Path(job.same_as)),
        network=job.record.network,
        enlarger=job.record.enlarger,
        notes=differences(job.record),
        folder=folder,
    )


def _wishes(folder: Folder, wishes: Wishes) -> Wishes:
    """The wishes of the first command, progress shown as this one wants it."""
    job = folder.job
    return replace(wishes, output=Path(job.output), save_every=job.save_every, compare=job.compare, report=job.report)


def _redirected(folder: Folder, output: Path) -> Folder:
    """The same job with another output: its record's paths are as seen from there."""
    record = folder.job.record
    inputs = tuple(
        wanted.model_copy(update={"path": relative(Path(source.origin), output.parent)})
        for source, wanted in zip(folder.job.sources, record.inputs, strict=True)
    )
    return folder.wished(
        output=str(output.absolute()), named=True, beside=None, record=record.model_copy(update={"inputs": inputs})
    )


def _say_finished(folder: Folder, *, machine: bool) -> int:
    line = f"the run in '{folder.path}' is finished; its picture went to '{folder.job.output}'."
    print(json.dumps({"event": "finished", "output": folder.job.output, "message": line}) if machine else line)
    return 0


def _existing(path: Path) -> Path | None:
    with contextlib.suppress(OSError):
        return path if path.is_file() else None
    return None
