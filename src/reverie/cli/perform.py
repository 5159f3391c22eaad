"""From a recipe, settings and files to the written picture: what every craft's command does."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reverie.cli.codes import DONE
from reverie.cli.disk import check_result
from reverie.cli.interrupt import Wish, listening
from reverie.cli.keeping import Keeper, keeping, pausing, with_disk
from reverie.cli.machines import Machines
from reverie.cli.order import Job, Order
from reverie.cli.outputs import Outputs, Wishes, depth_for, placed
from reverie.cli.progress import Outcome, Reporter, reporter
from reverie.cli.report import Moment, write_report
from reverie.engine import Executor, Iterate
from reverie.errors import RecipeError
from reverie.files import Placing
from reverie.networks import download
from reverie.pictures import (
    check_output,
    read_image,
    read_picture,
    resize,
    side_by_side,
    write_image,
)
from reverie.recipes.record import NetworkUsed, Stop, record_of

_LOSSLESS = {".png", ".tif", ".tiff"}
_TALLEST = 1024  # pixels, of a picture in a comparison


@dataclass(frozen=True)
class Course:
    """How a run went: its last iterate, what the report shows, whether the user stopped it."""

    last: Iterate
    moments: tuple[Moment, ...]
    interrupted: bool


def perform(order: Order, wishes: Wishes) -> int:
    """Make a picture and write it, its record inside.

    Returns:
        The exit code.

    Raises:
        ReverieError: anything refused; an older output is as it was.
    """
    began = time.perf_counter()
    with (
        contextlib.closing(reporter(machine=wishes.json)) as follower,
        contextlib.closing(Machines(wishes)) as machines,
        placed(wishes, name=order.name, inputs=order.inputs, kept=order.kept) as outputs,
    ):
        job = prepare(order, wishes, outputs, follower, machines)
        if wishes.dry_run:
            follower.close()
            follower.planned(job.plan)
            return DONE
        with keeping(job, follower) as keeper, pausing(keeper):
            follower.began(job.record, job.outputs.picture)
            with listening() as wish:
                course = follow(job, follower, wish, machines.executor(job.plan), keeper)
                size, written = finish(job, course, job.outputs.into(keeper.folder if keeper else None))
            for line in keeper.folder.retire() if keeper and not course.interrupted else ():
                follower.note(line)
        outcome = Outcome(
            written,
            size,
            seconds=time.perf_counter() - began,
            stopped=_stop(course.last) if course.interrupted else None,
            same=same_pixels(job.order.same_as, written[0]),
            way=keeper.way if keeper and course.interrupted else None,
        )
        follower.close()
        follower.ended(outcome)
    return wish.code if course.interrupted else DONE


def prepare(order: Order, wishes: Wishes, outputs: Outputs, follower: Reporter, machines: Machines) -> Job:
    """Everything that can be refused, refused before any work; then the network fetched."""
    files = [(role, path) for role, paths in order.files.items() for path in paths]
    pictures = {role: tuple(map(read_picture, paths)) for role, paths in order.files.items()}
    longer = order.settings.longer
    check_output(outputs.picture, size=None if longer is None else (longer, longer))
    photo = next(iter(pictures.get(order.recipe.roles[0].name, ())), None)
    check_result(outputs.picture, None if photo is None else photo.size, longer)
    for progress in download(order.settings.network):
        follower.downloaded(order.settings.network, progress)
    follower.close()
    settings = order.settings.resolved()
    synthesis = order.recipe.prepare(order.recipe.inputs(pictures), settings)
    chosen = machines.plan(settings, synthesis)
    settings = settings.planned(chosen)
    record = record_of(order.recipe, settings, inputs=files, output=outputs.picture)
    way = "" if order.folder else "; --anyway uses them"
    check_network(order.network, record.network, way=way)
    if record.enlarger is not None:
        check_network(order.enlarger, record.enlarger, way=way)
    record = order.folder.job.record_now if order.folder else record
    for line in order.notes:
        follower.note(line)
    return with_disk(Job(order, wishes, outputs, pictures, settings, record, synthesis, chosen))


def check_network(wanted: NetworkUsed | None, here: NetworkUsed, *, way: str = "; --anyway uses them") -> None:
    """Refuse a network whose weights are others than a recorded run's.

    Args:
        wanted: the recorded one; None takes any.
        here: the one that would be used.
        way: how to go on all the same.

    Raises:
        RecipeError: they differ.
    """
    if wanted is not None and wanted != here:
        raise RecipeError(
            f"the weights of {here.name} have changed since (sha256 {here.sha256[:8]}, not {wanted.sha256[:8]}){way}."
        )


def follow(job: Job, follower: Reporter, wish: Wish, executor: Executor, keeper: Keeper | None = None) -> Course:
    """Run to the end, to the step where a replayed run was stopped, or until the user stops it."""
    moments = list(keeper.moments) if keeper else []
    state = keeper.take() if keeper else None
    steps = job.synthesis.run(executor=executor, state=state)
    del state  # the run lets go of it once it is used
    for iterate in steps:
        follower.stepped(iterate)
        if iterate.last and job.synthesis.enlarge is not None:
            follower.enlarging(job.plan.result)
        if job.wishes.report:
            moments.append(Moment.of(iterate))
        count = _count(job, iterate)
        if job.wishes.save_every and count % job.wishes.save_every == 0:
            into = job.outputs.into(keeper.folder if keeper else None)
            follower.saved(save(job, job.outputs.step(count), iterate.image, iterate, into))
        if iterate.last or _stop(iterate) == job.order.until:
            break
        if keeper and wish.stop:
            keeper.keep(iterate, moments)
        if wish.stop:
            return Course(iterate, tuple(moments), interrupted=True)
        if keeper:
            keeper.stepped(iterate, moments)
    return Course(iterate, tuple(moments), interrupted=False)


def _count(job: Job, iterate: Iterate) -> int:
    """The number of a step, counted from 1 over the whole run."""
    return sum(stage.steps for stage in job.synthesis.stages[: iterate.stage - 1]) + iterate.step


def save(job: Job, path: Path, image: Tensor, iterate: Iterate, into: Placing) -> Path:
    """Write the picture as it stands, with its alpha, its depth and its record; return where it lies."""
    on_the_way = {"stopped": _stop(iterate), "enlarger": None}  # nothing has enlarged it yet
    record = job.record.model_copy(update={"stopped": None} if iterate.last else on_the_way)
    photo = job.photo
    return write_image(
        path,
        image,
        alpha=None if photo is None or photo.alpha is None else _fitted(photo.alpha, image),
        recipe=record.to_json(),
        depth=depth_for(path, photo),
        into=into,
    )


def finish(job: Job, course: Course, into: Placing) -> tuple[tuple[int, int], tuple[Path, ...]]:
    """Write the picture and what was wished beside it; return its (H, W), and where they lie."""
    outputs, image = job.outputs, course.last.image
    written = [save(job, outputs.picture, image, course.last, into)]
    if outputs.compare is not None:
        written.append(write_image(outputs.compare, comparison(job, image), into=into))
    if outputs.report is not None:
        written.append(write_report(outputs.report, course.moments, title=_title(job), into=into))
    return (int(image.shape[2]), int(image.shape[3])), tuple(written)


def comparison(job: Job, image: Tensor) -> Tensor:
    """What went in and what came out, side by side."""
    recipe = job.order.recipe
    shown = [(picture.name, picture.pixels) for many in job.pictures.values() for picture in many]
    if job.photo is None and recipe.noise is not None:
        shown.insert(0, ("noise", recipe.noise(job.settings)))
    shown.append((job.outputs.picture.name, image))
    return side_by_side(
        [pixels for _, pixels in shown],
        height=min(int(image.shape[2]), _TALLEST),
        captions=[name for name, _ in shown],
    )


def _title(job: Job) -> str:
    names = [picture.name for many in job.pictures.values() for picture in many] or ["noise"]
    return f"{job.order.recipe.name}: {', '.join(names)}"


def _stop(iterate: Iterate) -> Stop:
    return Stop(stage=iterate.stage, step=iterate.step)


def _fitted(alpha: Tensor, image: Tensor) -> Tensor:
    return resize(alpha, (int(image.shape[2]), int(image.shape[3]))).clamp(0, 1)


def same_pixels(old: Path | None, new: Path) -> bool | None:
    """Whether a replay's pixels are those of its file; None where there is none, or a lossy format hides it."""
    if old is None or not {old.suffix.lower(), new.suffix.lower()} <= _LOSSLESS:
        return None
    return torch.equal(read_image(old), read_image(new))
