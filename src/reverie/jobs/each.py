"""A folder in the place of a photo: the same for each photo in it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from reverie.crafts.craft import Craft
from reverie.crafts.kinds import PHOTO, Still
from reverie.files import make_folder
from reverie.jobs.gather import gather
from reverie.jobs.job import Job
from reverie.jobs.places import default_name


def each_photo(craft: Craft[..., Any], job: Job) -> Iterator[tuple[Job, bool]]:
    """The job itself; or one for each photo, and that they are many, where its photo is a folder.

    Args:
        craft: of the job.
        job: whose output is a folder, then; without one it is named after the photos'.
    Raises:
        PictureError: the folder holds no picture.
        FileError: the output's folder cannot be made.
    """
    main = craft.main
    words = () if main is None else job.inputs.get(main.name, ())
    if (
        main is None
        or main.kind is not PHOTO
        or craft.makes is not Still
        or len(words) != 1
        or not _is_folder(words[0])
    ):
        yield job, False
        return
    photos = [path for path in gather(words) if path]
    others = {name: tuple(map(Path, files)) for name, files in job.inputs.items()}
    folder = Path(job.output or default_name(craft, job, others))
    make_folder(folder, beside="name another --output")
    for photo in photos:
        name = default_name(craft, job, {**others, main.name: (photo,)})
        inputs = {**job.inputs, main.name: (str(photo),)}
        yield job.model_copy(update={"inputs": inputs, "output": None, "name": str(folder / f"{name}.png")}), True


def _is_folder(word: str) -> bool:
    try:
        return Path(word).is_dir()
    except OSError:
        return False
