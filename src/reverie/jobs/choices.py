"""Sheets of choices: one photo in every sample style or preset, or a dream of every class, small, in one picture."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from reverie import styles
from reverie.crafts.registry import find
from reverie.errors import RecipeError
from reverie.jobs.inputs import find_files, load
from reverie.jobs.job import Job, RunOptions
from reverie.jobs.outputs import placed
from reverie.jobs.presets import presets, with_preset
from reverie.pictures import contact_sheet, write_image
from reverie.recipes import dream, instant

SIDE = 192
"""Pixels of the longer side of each picture."""
MOST = 40
"""Pictures of a sheet at most."""
_COLUMNS, _CELL = 4, 208
Choice = tuple[str, Job]
"""A caption, and the job whose small picture stands above it."""


def in_every_style(photo: str) -> list[Choice]:
    """List a photo in every sample style, at once."""
    return [
        (name, Job(craft=instant.name, inputs={"photo": photo, "painting": name}, settings={"size": SIDE}))
        for name in styles.names()
    ]


def by_every_preset(photo: str) -> list[Choice]:
    """List a photo by every preset of the crafts that work on one, as a draft."""
    draft = {"size": SIDE, "quality": "draft"}
    known = {name: find(preset.craft) for name, preset in presets().items()}
    return [
        (name, Job(craft=craft.name, inputs={"photo": photo}, settings=draft, preset=name))
        for name, craft in known.items()
        if craft.main is not None and craft.main.name == "photo" and set(draft) <= set(craft.settings.model_fields)
    ]


def of_every_class(names: Sequence[str]) -> list[Choice]:
    """List dreams of classes, from noise.

    Raises:
        RecipeError: more than fit on a sheet.
    """
    if not 0 < len(names) <= MOST:
        raise RecipeError(f"a sheet shows 1 to {MOST} classes; got {len(names)}: name a word that fewer have.")
    how = {"size": SIDE, "octaves": 3, "quality": "draft"}
    return [(name, Job(craft=dream.name, settings={"class": [name], **how})) for name in names]


def write_sheet(choices: Sequence[Choice], *, name: Path, output: Path | None = None) -> Iterator[str | Path]:
    """Make every choice and write them as one sheet.

    Args:
        choices: what to show.
        name: the file that is taken where none is named; it gets a number where it exists.
        output: as the user named it.
    Yields:
        The caption of each picture, once it is made; at last the file.
    Raises:
        ReverieError: a photo that cannot be read, or a file that cannot be written.
    """
    used = {Path(file) for _, job in choices for _, file in job.files()}
    with placed(output, RunOptions(), name=name, inputs=used) as outputs:
        made = []
        for caption, job in choices:
            made.append(_picture(job))
            yield caption
        sheet = contact_sheet(made, columns=_COLUMNS, captions=[c for c, _ in choices], width=_COLUMNS * _CELL)
        yield write_image(outputs.result, sheet, into=outputs.into())


def _picture(job: Job) -> Tensor:
    """Make a job's picture in memory: it is small, and no file of its own."""
    job = with_preset(job)
    craft = find(job.craft)
    settings = craft.checked(job.settings)
    run = craft.make(load(craft, find_files(craft, job.inputs), longer=SIDE).values, settings)
    *_, last = run.steps(run.planned())
    image: Tensor = last.image
    return image
