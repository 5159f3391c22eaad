"""Expand a folder given in place of a photo into a job for each photo in it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reverie.crafts.craft import Craft, Input
from reverie.crafts.kinds import PHOTO
from reverie.files import is_folder, make_folder, remove_empty
from reverie.jobs.gather import gather
from reverie.jobs.job import Job
from reverie.jobs.places import default_name


@contextmanager
def each_photo(craft: Craft[..., Any], job: Job) -> Iterator[list[Job]]:
    """Yield the job itself, or one job for each photo if its photo is a folder.

    Args:
        craft: of the job.
        job: whose output is a folder, then; without one it is named after the photos'. It disappears in the end if
            nothing was written.
    Raises:
        PictureError: the folder holds no picture.
        FileError: the output's folder cannot be made.
    """
    main = craft.main
    if main is None or not _has_folder(craft, main, job):
        yield [job]
        return
    photos = [path for path in gather(job.inputs[main.name]) if path]
    others = {name: tuple(map(Path, files)) for name, files in job.inputs.items()}
    folder = Path(job.output or default_name(craft, job, others))
    jobs = []
    for photo in photos:
        name = default_name(craft, job, {**others, main.name: (photo,)})
        inputs = {**job.inputs, main.name: (str(photo),)}
        own = {"inputs": inputs, "output": None, "name": str(folder / f"{name}{craft.makes.suffix}")}
        jobs.append(job.model_copy(update=own))
    made = make_folder(folder, beside="name another --output")
    try:
        yield jobs
    finally:
        if made:
            remove_empty(folder)


def _has_folder(craft: Craft[..., Any], main: Input, job: Job) -> bool:
    words = job.inputs.get(main.name, ())
    return main.kind is PHOTO and craft.makes.picture and len(words) == 1 and is_folder(words[0])
