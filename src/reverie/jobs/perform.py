"""Execute jobs: the only place that makes anything."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from reverie.crafts.craft import Craft
from reverie.crafts.kinds import FOLDER, Film, Report
from reverie.crafts.registry import find
from reverie.crafts.settings import Settings, longer_side
from reverie.engine import Plan, Run
from reverie.engine.films import FilmRun
from reverie.engine.runs import Optimisation
from reverie.errors import FileError, OutOfMemory, RecipeError, ReverieError
from reverie.jobs import disk
from reverie.jobs.checkpointer import LONG, Checkpointer, pausing
from reverie.jobs.events import Began, Downloaded, Ended, Event, Finished, Noted, Planned, Stepped
from reverie.jobs.folder import Folder, begin, holds_job, reopen, resume_line
from reverie.jobs.gathering import gathered
from reverie.jobs.inputs import Loaded, find_files, load, with_chosen, with_inherited
from reverie.jobs.job import Expected, Job, Stop, paths
from reverie.jobs.kept_run import KeptRun, sources_of
from reverie.jobs.machines import Machines
from reverie.jobs.outputs import folder_beside
from reverie.jobs.placements import Placement
from reverie.jobs.places import placement_for
from reverie.jobs.prepared import PreparedJob
from reverie.jobs.presets import presets, with_preset
from reverie.jobs.ready import check_ready
from reverie.jobs.record import record_of
from reverie.jobs.smaller import smaller
from reverie.jobs.writers.writer import Photo, Writer, same_pixels
from reverie.networks import NetworkUsed, download

StopCheck = Callable[[], bool]
"""Tells whether the user, or the system, wants the run to stop."""


def perform(
    job: Job,
    machines: Machines | None = None,
    *,
    stop: StopCheck = lambda: False,
    dry_run: bool = False,
    folder: Folder | None = None,
) -> Iterator[Event]:
    """Do a job: make what it asks for, and write it.

    Args:
        job: what.
        machines: where; by default in this process.
        stop: asked after each step.
        dry_run: whether to plan only.
        folder: of an earlier process's run, to go on with.
    Yields:
        What happens; the last is `Ended`, or `Planned`.
    Raises:
        ReverieError: anything refused; older outputs are as they were.

    Example:
        >>> quick = {"size": 64, "steps": 1, "octaves": 1}
        >>> *_, ended = perform(Job(craft="dream", inputs={"photo": "cat.jpg"}, settings=quick))
        >>> ended.size, ended.written[0].name
        ((48, 64), 'cat-dream.png')
    """
    began, machines = time.perf_counter(), machines or Machines()
    job, craft, files = _resolve(job)
    with ExitStack() as stack:
        machines = machines.shared_by(job.options.processes)
        stack.enter_context(_with_threads(job))
        stack.enter_context(_telling_of_memory())
        place = stack.enter_context(placement_for(craft, job, files, folder))
        job, folder = place.job, place.folder
        work = yield from _prepare(job, craft, place, machines)
        if dry_run:
            yield Planned(work.plan)
            return
        if folder is None and (folder := _start_keeping(work, place, stack)):
            stack.enter_context(_removing_if_refused(folder))
        checkpointer = Checkpointer(folder) if folder else None
        if folder:
            folder.settle()
        yield from map(Noted, (*_notes(work, place, folder), *(checkpointer.notes if checkpointer else ())))
        yield _beginning(work, place, folder)
        with pausing(folder):
            writer = place.writer(work, folder)
            stack.callback(writer.close)
            writer.history.extend(checkpointer.history if checkpointer else ())
            last, whole = yield from _execute(work, writer, checkpointer, machines, stop)
            yield from writer.finish(last, whole=whole or folder is None)
        if folder and whole:
            yield from map(Noted, folder.clean_up())
        yield _end(work, writer, last, whole, folder, seconds=time.perf_counter() - began)


def resume(
    path: Path,
    output: Path | None = None,
    *,
    machines: Machines,
    tile: int | None = None,
    stop: StopCheck = lambda: False,
) -> Iterator[Event]:
    """Go on with the run kept in a folder, and write what it makes.

    Args:
        path: of the folder, or the output that is not finished.
        output: where to, if not where it was to go.
        machines: where.
        tile: side of the tiles from here on, pixels, 0 for the whole picture at once; None leaves them as they were.
        stop: asked after each step.
    Yields:
        What happens.
    Raises:
        RecipeError: no run, or a damaged one.
        FileError: another process works on it.
    """
    with reopen(kept_at(path)) as folder:
        kept = folder.kept
        if kept.finished:
            if kept.passing:  # it was killed while it cleaned up
                folder.clean_up()
            yield Finished(path, Path(kept.output))
            return
        if "tile" not in kept.record.settings and (tile is not None or machines.distributed):
            craft = kept.record.craft
            raise RecipeError(f"{craft} has no tiles and runs on one machine; leave out --tile and --cluster.")
        folder = folder if tile is None else folder.with_fields(tile=tile)
        folder = folder if output is None else folder.redirected(output)
        yield from perform(folder.request(), machines, stop=stop, folder=folder)


def kept_at(path: Path) -> Path:
    """Return the folder in which a run is kept: the path itself, or the one beside the output of that name."""
    return path if holds_job(path) or not holds_job(folder_beside(path)) else folder_beside(path)


def _resolve(job: Job) -> tuple[Job, Craft[..., Any], dict[str, tuple[Path, ...]]]:
    """Resolve a job: add what its preset and its result bring along, find its craft and its files."""
    craft = find(job.craft)
    job = with_preset(job)
    files, notes = with_chosen(craft, find_files(craft, job.inputs))
    files, given = with_inherited(craft, files, job.settings, [*map(Path, job.places), Path()])
    expected = job.expected.model_copy(update={"notes": (*job.expected.notes, *notes)})
    craft.check({name: len(each) for name, each in files.items()}, way=_hint(craft))
    if job.options.processes and craft.makes is not Film:
        raise RecipeError(f"only a film is made by several processes; {craft.name} takes no 'processes'.")
    reported = craft.stepwise or craft.makes is Film
    if (job.options.report and not reported) or (job.options.save_every and not craft.stepwise):
        raise RecipeError(f"{craft.name} has no pictures or losses on the way; leave out --report and --save-every.")
    folders = {
        each.name: job.inputs[each.name] for each in craft.inputs if each.kind is FOLDER and files.get(each.name)
    }
    kept = {name: tuple(map(os.path.abspath, words)) for name, words in folders.items()}  # read anew on going on
    done = {"settings": given, "inputs": {**paths(files), **kept}, "expected": expected}
    return job.model_copy(update=done), craft, files


def _hint(craft: Craft[..., Any]) -> Callable[[Any], str]:
    """Return a hint, for an error message, on where a missing input may come from."""

    def hint(_: Any) -> str:  # presets are read where something is missing only
        brought = ", or a --preset that brings one" if presets(craft.name) else ""
        return f"{brought}; 'reverie {craft.name} --help' shows more"

    return hint


def _prepare(
    job: Job, craft: Craft[..., Any], place: Placement, machines: Machines
) -> Generator[Event, None, PreparedJob]:
    """Check everything before any work, and fetch the network."""
    settings = machines.settings(craft.checked(job.settings))
    files = place.files
    check_ready(craft, files, settings)
    loaded = load(craft, files, longer=longer_side(settings, enlarged=False))
    size = None if loaded.photo is None else loaded.photo.size
    place.check(size, longer_side(settings))
    network = getattr(settings, "network", None)
    if isinstance(network, str):
        for progress in download(network):
            yield Downloaded(network, progress.done, progress.total)
    run = craft.make(loaded.values, settings)
    photo, shown, listed = _photo_of(craft, loaded), _comparison(job, craft, loaded, settings), loaded.listed()
    del loaded  # the pictures, as large as they were read
    plan = machines.plan(run, settings)
    settings = _with_choices(settings, run, plan)
    record = record_of(craft.name, settings, networks=run.networks, inputs=listed, output=place.output)
    if place.folder is None:
        check_networks(job.expected, record.networks)
    else:
        check_networks(Expected(networks=place.folder.kept.record.networks), record.networks, way="")
        record = place.folder.kept.record_now
    work = PreparedJob(job, craft, record, run, plan, photo, shown, [path for _, path in listed])
    return replace(work, plan=_with_disk(work, place))


def _with_choices(settings: Settings, run: Run, plan: Plan) -> Settings:
    """Fill in every automatic choice: tiles and precision change the rounding of sums."""
    made = {"tile": plan.tile, "memory": None, "device_memory": None, "precision": run.precision}
    if (device := getattr(run, "device", None)) is not None:
        made["device"] = device
    known = type(settings).model_fields
    return settings.model_copy(update={name: value for name, value in made.items() if name in known})


def check_networks(expected: Expected, here: Sequence[NetworkUsed], *, way: str = "; --anyway uses them") -> None:
    """Refuse networks whose weights are others than a recorded run's.

    Args:
        expected: with the recorded ones; None takes any.
        here: those that would be used.
        way: how to go on all the same.

    Raises:
        RecipeError: they differ.
    """
    if expected.networks is None:
        return
    known = {each.name: each for each in here}
    for wanted in expected.networks:
        found = known.get(wanted.name)
        if found != wanted:
            now = "is not used" if found is None else f"sha256 {found.sha256[:8]}, not {wanted.sha256[:8]}"
            raise RecipeError(f"the weights of {wanted.name} have changed since ({now}){way}.")


def _photo_of(craft: Craft[..., Any], loaded: Loaded) -> Photo:
    photo = loaded.photo
    return Photo() if photo is None or not craft.makes.of_photo else Photo(photo.alpha, photo.depth)


def _comparison(job: Job, craft: Craft[..., Any], loaded: Loaded, settings: Settings) -> list[tuple[str, torch.Tensor]]:
    """Return the pictures of a comparison; none unless requested, so that they are not kept in memory."""
    if not job.options.compare:
        return []
    shown = [(picture.name, picture.pixels) for many in loaded.pictures.values() for picture in many]
    if craft.noise is not None and loaded.photo is None:
        shown.insert(0, ("noise", craft.noise(settings)))
    return shown


def _folder_for(work: PreparedJob, place: Placement) -> Path | None:
    """Choose the folder in which a run is kept; None if it is not."""
    if place.folder is not None:
        return place.folder.path
    if work.job.options.checkpoint is not None:
        return Path(work.job.options.checkpoint)
    always = not (work.craft.makes.picture or work.craft.makes is Report)
    return folder_beside(place.base) if always or work.plan.seconds > LONG else None


def _with_disk(work: PreparedJob, place: Placement) -> Plan:
    """Add to the plan the disk space that the job needs.

    Raises:
        PictureError: that is more than there is.
    """
    folder, plan = _folder_for(work, place), work.plan
    needs = [
        *place.needs(plan.result, work.photo.depth),
        ("references", disk.references_in(), plan.disk),
    ]
    if folder is not None and isinstance(work.run, Optimisation):
        kept = disk.kept_bytes(work.run.synthesis, work.files, folder=folder)
        needs.append((f"{disk.AT_ONCE} checkpoints", folder, kept))
    disk.check(needs, plan.result)
    return replace(plan, disk=sum(amount for _, _, amount in needs))


def _start_keeping(work: PreparedJob, place: Placement, stack: ExitStack) -> Folder | None:
    """Create the folder in which the run is kept; None if it is not kept."""
    path = _folder_for(work, place)
    if path is None:
        return None
    kept = KeptRun(
        job=work.job,
        record=work.record.model_copy(update={"stopped": work.job.expected.until}),
        output=str(place.output.absolute()),
        base=str(place.base.absolute()),
        named=place.named,
        sources=sources_of(work.record, work.files, work.craft),
        passing=work.job.options.checkpoint is None,
    )
    return stack.enter_context(begin(path, kept, work.files))


@contextmanager
def _removing_if_refused(folder: Folder) -> Iterator[None]:
    """Within the block, remove the folder of a run refused before its first checkpoint."""
    try:
        yield
    except FileError:  # the run is paused
        raise
    except ReverieError:
        if folder.checkpoints.newest()[0] is None:
            folder.clean_up()
        raise


def _notes(work: PreparedJob, place: Placement, folder: Folder | None) -> Iterator[str]:
    """Yield what the user should know before the work begins."""
    yield from (*work.job.expected.notes, *work.run.notes)
    if place.waiting is not None:
        yield f"an unfinished run lies in '{place.waiting}'; '{resume_line(place.waiting)}' goes on with it."
    if place.folder is None and folder is not None and folder.kept.passing and work.plan.seconds > LONG:
        yield f"this will take a while; if it is stopped, '{folder.resume_line}' goes on with it."


def _beginning(work: PreparedJob, place: Placement, folder: Folder | None) -> Began:
    repeated = work.job.expected.same_as is not None
    least, plan = work.run.least, work.plan
    less = None if least is None or repeated else smaller(plan.tile, plan.size, least=least)
    kept = None if folder is None else folder.path
    return Began(work.craft.name, work.record.settings, place.output, less, kept)


def _execute(
    work: PreparedJob, writer: Writer, checkpointer: Checkpointer | None, machines: Machines, stop: StopCheck
) -> Generator[Event, None, tuple[Any, bool]]:
    """Run to the end, to the step where a repeated run was stopped, or until the user stops it.

    Returns:
        The last step, and whether the run is at its end.
    """
    executor = machines.executor(work.plan)
    state, processes = checkpointer.take() if checkpointer else None, work.job.options.processes
    if processes and checkpointer and isinstance(work.run, FilmRun):
        steps: Iterator[Any] = gathered(work.run, checkpointer.folder, processes, state)
    else:
        steps = work.run.steps(work.plan, executor=executor, state=state)
    until = work.job.expected.until
    for step in steps:
        yield Stepped(step)
        yield from map(Noted, getattr(step, "notes", ()))
        told: Iterable[Event] = writer.stepped(step)
        if checkpointer and writer.completes(step):  # first written, then kept, then told
            told = list(told)
            checkpointer.write(step, writer.history)
        yield from told
        if step.last or (until is not None and step.at == (until.stage, until.step)):
            return step, True
        if stop():
            if checkpointer:
                checkpointer.write(step, writer.history)
            return step, False
        if checkpointer:
            checkpointer.stepped(step, writer.history)
    raise RuntimeError("a run ended without a last step")


def _end(work: PreparedJob, writer: Writer, last: Any, whole: bool, folder: Folder | None, *, seconds: float) -> Ended:
    written = writer.written
    same_as = work.job.expected.same_as
    return Ended(
        written,
        writer.size,
        seconds,
        steps=getattr(last, "step", None) if writer.size is None else None,
        stopped=None if whole else Stop(stage=last.at[0], step=last.at[1]),
        same=same_pixels(Path(same_as), writer.comparable) if same_as and whole else None,
        kept=folder.path if folder and not whole else None,
        said=writer.said,
        figures=writer.figures,
    )


@contextmanager
def _telling_of_memory() -> Iterator[None]:
    """Within the block, tell in one line that an accelerator's memory ran out.

    Raises:
        OutOfMemory: it did.
    """
    try:
        yield
    except torch.OutOfMemoryError:
        raise OutOfMemory("the device's memory ran out; try a smaller --tile or --size, or --device cpu.") from None


@contextmanager
def _with_threads(job: Job) -> Iterator[None]:
    """Within the block, use as many threads as the recorded run, as the order of sums depends on them, or a share."""
    before = torch.get_num_threads()
    threads = job.expected.threads or max(1, before // (job.options.processes or 1))
    if threads != before:
        torch.set_num_threads(threads)
    try:
        yield
    finally:
        if torch.get_num_threads() != before:
            torch.set_num_threads(before)
