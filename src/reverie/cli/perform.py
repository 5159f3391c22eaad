"""From a recipe, settings and files to the written picture: what every craft's command does."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from reverie.cli.entry import DONE, STOPPED
from reverie.cli.interrupt import listening
from reverie.cli.outputs import Outputs, Wishes, plan
from reverie.cli.progress import Outcome, Reporter, reporter
from reverie.cli.report import Moment, write_report
from reverie.engine import Iterate
from reverie.networks import download
from reverie.pictures import (
    Picture,
    check_output,
    format_of,
    read_image,
    read_picture,
    resize,
    side_by_side,
    write_image,
)
from reverie.recipes.catalogue import Recipe
from reverie.recipes.record import Record, Stop, record_of
from reverie.recipes.settings import Settings

_TALLEST = 1024  # pixels; of a picture in a comparison


@dataclass(frozen=True)
class Order:
    """What to make.

    Attributes:
        recipe, settings: how.
        files: by role; none in the first role begins with noise.
        name: of the output where the user names none.
        until: where to stop before the end, as a replay of a stopped run does.
        same_as: a file whose pixels should come out again.
    """

    recipe: Recipe[Any]
    settings: Settings
    files: Mapping[str, tuple[Path, ...]]
    name: str
    until: Stop | None = None
    same_as: Path | None = None


@dataclass(frozen=True)
class Loaded:
    """The pictures of an order, read, by role."""

    pictures: Mapping[str, tuple[Picture, ...]]
    main: str

    @property
    def photo(self) -> Picture | None:
        """The picture it begins with; None when that is noise."""
        return next(iter(self.pictures[self.main]), None)

    @property
    def tensors(self) -> dict[str, list[Tensor]]:
        """As a recipe takes them."""
        return {role: [p.pixels for p in many] for role, many in self.pictures.items()}


@dataclass
class Course:
    """A run on its way: the last iterate, and the losses so far where a report is wanted."""

    last: Iterate | None = None
    taken: int = 0
    moments: list[Moment] = field(default_factory=list)
    stopped: Stop | None = None


def perform(order: Order, wishes: Wishes) -> int:
    """Make the picture and write it, its record inside; return the exit code.

    Raises:
        ReverieError: anything refused; nothing has been written then but pictures on the way.
    """
    began = time.perf_counter()
    files = [(role, path) for role, paths in order.files.items() for path in paths]
    outputs = plan(wishes, name=order.name, inputs=[path for _, path in files])
    loaded = read(order)
    check_output(outputs.picture, depth=depth_for(loaded.photo, outputs.picture), size=_size(order))
    with contextlib.closing(reporter(machine=wishes.json)) as follower:
        settings = fetched(order.settings, follower)
        record = record_of(order.recipe, settings, inputs=files, output=outputs.picture)
        follower.began(record, outputs.picture)
        with listening() as wish:
            course = Course()
            steps = order.recipe.begin(loaded.tensors, settings)
            for iterate in walk(steps, course, until=order.until):
                follower.stepped(iterate)
                if wishes.report:
                    course.moments.append(Moment.of(iterate))
                if wishes.save_every and course.taken % wishes.save_every == 0:
                    path, here = outputs.step(course.taken), Stop(stage=iterate.stage, step=iterate.step)
                    write(path, iterate.image, loaded.photo, _at(record, None if iterate.last else here))
                    follower.saved(path)
                if wish.stop and not iterate.last:
                    course.stopped = Stop(stage=iterate.stage, step=iterate.step)
                    break
            outcome = finish(order, course, loaded, outputs, record, settings, began)
        follower.close()
        follower.ended(outcome)
    return STOPPED if wish.stop and course.stopped else DONE
