"""``--zoom``: a dream into which one zooms, written frame by frame into a folder, and kept until it is whole."""

from __future__ import annotations

import contextlib
import shlex
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from reverie import jobs
from reverie.cli.codes import DONE
from reverie.cli.film import FILMS, can_join, check_film, join
from reverie.cli.interrupt import Wish, listening
from reverie.cli.machines import Machines
from reverie.cli.order import Job, Order
from reverie.cli.outputs import Wishes, check_no_input, folder_beside, placed
from reverie.cli.perform import perform, prepare, same_pixels
from reverie.cli.progress import Outcome, Reporter, reporter
from reverie.errors import FileError, PictureError, RecipeError
from reverie.files import (
    Draft,
    Placing,
    check_writable,
    make_folder,
    new_folder,
    numbered,
    remove_empty,
    replacing,
)
from reverie.jobs import Folder, begin, holds_job, reopen
from reverie.pictures import write_image
from reverie.recipes.catalogue import beside_of
from reverie.recipes.dream import DreamSettings
from reverie.recipes.record import Record, Stop, hash_of
from reverie.recipes.settings import Settings, checked
from reverie.recipes.zoom import ZoomStep, zooming

_LEFT = {"tile", "memory", "precision"}  # chosen by Reverie, where the user does not


@dataclass(frozen=True)
class Reel:
    """Where a zoom is written.

    Attributes:
        folder: of the frames.
        film: to which they are to be joined; None: one beside the folder, where that can be done.
        made: whether the folder was made for this zoom.
    """

    folder: Path
    film: Path | None
    made: bool = False

    def frame(self, number: int) -> Path:
        """The file of a frame, counted from 0."""
        return self.folder / f"{number:05d}.png"


def make(order: Order, wishes: Wishes) -> int:
    """Make a picture, or where the settings ask for one, a zoom; the exit code."""
    return zoom(order, wishes) if getattr(order.settings, "zoom", 0) else perform(order, wishes)


def zoom(order: Order, wishes: Wishes) -> int:
    """Make the frames of a zoom, those that are not made yet, and join them.

    Returns:
        The exit code.

    Raises:
        ReverieError: anything refused; frames that are made stay.
    """
    began, reel = time.perf_counter(), _reel(order, wishes)
    with ExitStack() as stack:
        follower = stack.enter_context(contextlib.closing(reporter(machine=wishes.json)))
        machines = stack.enter_context(contextlib.closing(Machines(wishes)))
        order = _continued(order, folder_beside(reel.folder), stack)
        job = _prepared(order, wishes, reel, follower, machines)
        if wishes.dry_run:
            follower.close()
            follower.planned(job.plan)
            return DONE
        folder = order.folder or stack.enter_context(_begun(job, reel))
        follower.began(job.record, reel.folder)
        with listening() as wish, _pausing(folder):
            last = _follow(job, reel, folder, follower, wish, machines)
            whole = last is None or (last.image is not None and last.number + 1 == last.frames)
            written = _joined(reel, job.settings, folder, follower) if whole else (reel.folder,)
        for line in folder.retire() if whole else ():
            follower.note(line)
        outcome = Outcome(
            written,
            job.synthesis.stages[-1].size,
            seconds=time.perf_counter() - began,
            stopped=None if last is None or whole else Stop(stage=last.iterate.stage, step=last.iterate.step),
            same=same_pixels(order.same_as, reel.frame(_frames(job.settings) - 1)) if whole else None,
            way=None if whole else _way(folder),
        )
        follower.close()
        follower.ended(outcome)
    return DONE if whole else wish.code


def _follow(
    job: Job, reel: Reel, folder: Folder, follower: Reporter, wish: Wish, machines: Machines
) -> ZoomStep | None:
    """Make the frames that are missing, until the user stops it; the last step, None where none was missing."""
    folder.settle()
    state, notes = folder.checkpoints.newest()
    for line in notes:
        follower.note(line)
    done = None if state is None else (state["number"], state["frame"], state["palette"])
    palette, step = done and done[2], None
    beside = beside_of({role: [p.pixels for p in many] for role, many in job.pictures.items()})
    settings = checked(DreamSettings, job.settings.model_dump())
    for step in zooming(job.synthesis, settings, beside=beside, executor=machines.executor(job.plan), done=done):
        follower.stepped(replace(step.iterate, done=step.done))
        if step.image is not None:
            palette = step.image if palette is None else palette
            recipe = _record_of(job.record, step.number).to_json()
            write_image(reel.frame(step.number), step.image, recipe=recipe, into=_frame_of(folder))
            kept = {"number": step.number, "frame": step.image, "palette": palette}
            folder.checkpoints.write(kept, stage=1, step=step.number + 1)
            follower.saved(reel.frame(step.number))
        if wish.stop:
            break
    return step


def _reel(order: Order, wishes: Wishes) -> Reel:
    """Where the zoom goes: the folder or the film that was named, else a fresh folder after the photo.

    Raises:
        RecipeError: a name that is neither, a film that cannot be made here, or a wish that pictures alone can have.
    """
    if wishes.compare or wishes.report or wishes.save_every or wishes.checkpoint:
        raise RecipeError("a zoom writes its frames, and keeps itself; leave out --compare, --report and the like.")
    output = wishes.output or Path(f"{Path(order.name).stem.removesuffix('-dream')}-zoom")
    output = output.resolve() if output.name in ("", "..") else output
    if output.suffix.lower() in FILMS:
        check_film(output)
        check_no_input(output, order.inputs)
        check_writable(output)
        return Reel(output.with_suffix(""), output)
    if output.suffix and not output.is_dir():
        raise RecipeError(f"a zoom goes into a folder, or a film ending in {' or '.join(FILMS)}; got '{output}'.")
    if wishes.output is None and not holds_job(folder_beside(output)):
        free = (path for path in numbered(output) if not folder_beside(path).exists())
        return Reel(next(filter(new_folder, free)), None, made=True)
    return Reel(output, None)


def _frame_of(folder: Folder) -> Placing:
    """How a frame comes to its place: one that this zoom wrote before it was stopped is replaced, no other."""

    def refuse(draft: Draft) -> None:
        if not draft.create():
            raise FileError(f"'{draft.target}' is not of this zoom, and is not replaced; move it away")

    return lambda path: folder.owned.beside(path, refuse)


def _continued(order: Order, path: Path, stack: ExitStack) -> Order:
    """The order that goes on with an unfinished zoom of the same wishes, where one is kept.

    Raises:
        RecipeError: what is kept there is another run.
    """
    if order.folder is not None or not holds_job(path):
        return order
    folder = stack.enter_context(reopen(path))
    record = folder.job.record
    _, settings = record.resolve()
    files = [(role, hash_of(path)) for role, paths in order.files.items() for path in paths]
    if _wishes(settings) != _wishes(order.settings) or files != [(i.role, i.sha256) for i in record.inputs]:
        raise RecipeError(f"'{path}' holds another unfinished run; go on with it by '{_way(folder)}', or remove it.")
    torch.set_num_threads(record.threads)
    return replace(order, settings=settings, network=record.network, folder=folder)


def _prepared(order: Order, wishes: Wishes, reel: Reel, follower: Reporter, machines: Machines) -> Job:
    """Everything that can be refused, refused before any work.

    Raises:
        RecipeError: the folder holds something else.
        PictureError: it cannot be made.
    """
    made = make_folder(reel.folder) or reel.made
    with ExitStack() as refused:
        if made:
            refused.callback(remove_empty, reel.folder)
        if order.folder is None and any(reel.folder.iterdir()):
            raise RecipeError(f"'{reel.folder}' holds something already; name a new or empty folder.")
        first = replace(wishes, output=reel.frame(0))
        with placed(first, name=order.name, inputs=order.inputs) as outputs:
            job = prepare(order, first, outputs, follower, machines)
        if not wishes.dry_run:
            refused.pop_all()
    return job


@contextmanager
def _begun(job: Job, reel: Reel) -> Iterator[Folder]:
    """The folder in which the zoom is kept until it is whole."""
    described = jobs.Job(
        record=job.record,
        output=str((reel.film or reel.folder).absolute()),
        sources=tuple(
            jobs.Source(role=wanted.role, name=path.name, origin=str(path.absolute()))
            for wanted, path in zip(job.record.inputs, job.sources, strict=True)
        ),
        passing=True,
    )
    with begin(folder_beside(reel.folder), described, job.sources) as folder:
        yield folder


def _joined(reel: Reel, settings: Settings, folder: Folder, follower: Reporter) -> tuple[Path, ...]:
    """Join the frames to the film that was asked for, or to one beside them where that can be done."""
    film = reel.film or reel.folder.with_name(f"{reel.folder.name}.mp4")
    if not can_join(film.suffix.lower()):
        follower.note("pip install 'reverie-dream[video]' joins such frames to an .mp4; -o zoom.gif makes a GIF.")
        return (reel.folder,)
    frames = [reel.frame(number) for number in range(_frames(settings))]
    return (join(frames, film, into=replacing if reel.film else folder.owned.beside), reel.folder)


@contextmanager
def _pausing(folder: Folder) -> Iterator[None]:
    """Within the block, a file that cannot be written pauses the zoom, and the user is told how to go on."""
    try:
        yield
    except PictureError as error:
        raise PictureError(f"{str(error).rstrip('.')}. The zoom is paused; '{_way(folder)}' goes on.") from error


def _record_of(record: Record, number: int) -> Record:
    """The record of one frame: it is the last of a zoom of so many, and the first a dream by itself."""
    return record.model_copy(update={"settings": {**record.settings, "zoom": number and number + 1}})


def _wishes(settings: Settings) -> dict[str, Any]:
    return {name: value for name, value in settings.model_dump(mode="json").items() if name not in _LEFT}


def _frames(settings: Settings) -> int:
    return int(getattr(settings, "zoom", 0))


def _way(folder: Folder) -> str:
    return f"reverie resume {shlex.quote(str(folder.path))}"
