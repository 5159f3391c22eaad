"""Repeat a recorded job from a picture's record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from reverie.engine.devices import named
from reverie.errors import RecipeError
from reverie.jobs.inputs import files_of
from reverie.jobs.job import Expected, Job, paths
from reverie.jobs.kept_run import differences
from reverie.jobs.record import read_record


def replayed(file: Path, *, places: Sequence[Path] = (), anyway: bool = False) -> Job:
    """Build the job that makes a file's picture again.

    Args:
        file: a picture with a record.
        places: folders in which its inputs may lie, besides the file's folder and the current one.
        anyway: take the networks that are here, though their weights have changed.

    Raises:
        RecipeError: no record, or its inputs are not here.
    """
    record = read_record(file)
    craft, _ = record.resolve()
    settings, elsewhere = on_devices_here(record.settings)
    here = [file.parent, Path(), *places]
    expected = Expected(
        networks=None if anyway else record.networks,
        threads=record.threads,
        until=record.stopped,
        same_as=str(file),
        notes=(*differences(record), *elsewhere),
    )
    return Job(
        craft=craft.name,
        settings=settings,
        inputs=paths(files_of(record, craft, here)),
        name=f"{file.stem}-replay{craft.makes.suffix and file.suffix}",
        expected=expected,
        places=tuple(map(str, here)),
    )


def on_devices_here(settings: Mapping[str, JsonValue]) -> tuple[dict[str, JsonValue], tuple[str, ...]]:
    """Return recorded settings for the devices of this machine, and a note where they are others."""
    device = str(settings.get("device", "cpu"))
    try:
        named(device)
    except RecipeError:
        note = f"made on {device:.40}, which is not here: pixels may differ a little."
        return {name: "auto" if name in ("device", "precision") else x for name, x in settings.items()}, (note,)
    return dict(settings), ()
