"""Place a job's result, by the kind of output: chosen, checked and reserved before any work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reverie.clips import film_format
from reverie.crafts.craft import Craft
from reverie.crafts.kinds import FOLDER, RESULT, Clip, Document, Film, Output, Report, Sheet, Still, Weights
from reverie.engine.films import FilmRun
from reverie.errors import RecipeError
from reverie.feedforward.custom import styles_folder
from reverie.files import check_writable, cut_name, is_folder, make_folder, numbered, remove_empty
from reverie.jobs import disk
from reverie.jobs.events import Size
from reverie.jobs.film import FILMS, check_film
from reverie.jobs.film_writer import film_writer
from reverie.jobs.folder import Folder, holds_job, reopen
from reverie.jobs.job import Job
from reverie.jobs.outputs import Outputs, check_no_input, folder_beside, placed
from reverie.jobs.prepared import PreparedJob
from reverie.jobs.writers import (
    DocumentWriter,
    FrameOutputs,
    FramesWriter,
    ReportWriter,
    StillWriter,
    WeightsWriter,
    Writer,
)
from reverie.pictures import check_output

Files = Mapping[str, tuple[Path, ...]]


@dataclass(frozen=True, eq=False)
class Placement:
    """Output location of a job.

    Attributes:
        job: as it was asked for, or as it was when its run was kept.
        files: by input.
        folder: of an unfinished run, with which it goes on; None begins anew.
        output: the result's file, or the folder of its frames.
        named: whether the user named it.
        waiting: the folder of an unfinished run whose name it would have taken; None where there is none.
    """

    job: Job
    files: Files
    folder: Folder | None
    output: Path
    named: bool
    waiting: Path | None = field(default=None, kw_only=True)

    @property
    def base(self) -> Path:
        """Path that the run's folder is named after."""
        return self.output

    def check(self, photo: Size | None, longer: int | None) -> None:
        """Refuse a result that could not be written, as soon as its size is known.

        Args:
            photo: (H, W) of the picture it is made from.
            longer: the result's longer side, pixels.
        """

    def needs(self, size: Size, depth: int) -> list[tuple[str, Path, int]]:
        """List the disk space for the result: purpose, path, bytes."""
        return []

    def writer(self, work: PreparedJob, folder: Folder | None) -> Writer:
        """Create the writer of the result."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class StillPlacement(Placement):
    """Output location of a picture.

    Attributes:
        outputs: its files.
    """

    outputs: Outputs

    @property
    def base(self) -> Path:
        """Path that its companions are named after."""
        return self.outputs.base

    def check(self, photo: Size | None, longer: int | None) -> None:
        """Check that its format allows the size, and that the disk has room."""
        check_output(self.output, size=None if longer is None else (longer, longer))
        disk.check_result(self.output, photo, longer)

    def needs(self, size: Size, depth: int) -> list[tuple[str, Path, int]]:
        """The space for the picture."""
        check_output(self.output, size=size)
        return [("the picture", self.output, disk.result_bytes(self.output, size, depth=depth))]

    def writer(self, work: PreparedJob, folder: Folder | None) -> Writer:
        """Create a writer of pictures."""
        stages = getattr(getattr(work.run, "synthesis", None), "stages", ())
        return StillWriter(
            work.record,
            self.outputs,
            work.photo,
            work.shown,
            save_every=self.job.options.save_every,
            folder=folder,
            result=None if work.plan.result == work.plan.size else work.plan.result,
            before=[stage.steps for stage in stages],
        )


@dataclass(frozen=True, eq=False)
class FramesPlacement(Placement):
    """Output location of a sequence.

    Attributes:
        outputs: its folder and its film.
    """

    outputs: FrameOutputs

    def needs(self, size: Size, depth: int) -> list[tuple[str, Path, int]]:
        """The space for one frame; the rest are written one by one."""
        return [("a frame", self.output, disk.result_bytes(self.outputs.frame(0), size))]

    def writer(self, work: PreparedJob, folder: Folder | None) -> Writer:
        """Create a writer of frames."""
        if folder is None:
            raise RecipeError("a sequence of frames is kept in a folder while it is made.")
        return FramesWriter(work.record, self.outputs, folder)


@dataclass(frozen=True, eq=False)
class WeightsPlacement(Placement):
    """Output location of a network."""

    def writer(self, work: PreparedJob, folder: Folder | None) -> Writer:
        """Create a writer of networks."""
        if folder is None:
            raise RecipeError("a training is kept in a folder while it goes on.")
        photos = [self.files[each.name] for each in work.craft.inputs if each.kind is FOLDER]
        return WeightsWriter(work.record, self.output, folder, sum(map(len, photos)))


@dataclass(frozen=True, eq=False)
class DocumentPlacement(Placement):
    """Output location of a page."""

    def writer(self, work: PreparedJob, folder: Folder | None) -> Writer:
        """Create a writer of pages."""
        return DocumentWriter(work.record, self.output)


@dataclass(frozen=True, eq=False)
class FilmPlacement(Placement):
    """Output location of a film: its file, or the folder of its frames."""

    def writer(self, work: PreparedJob, folder: Folder | None) -> Writer:
        """Create a writer of films."""
        if folder is None:
            raise RecipeError("a film is kept in a folder while it is made.")
        if not isinstance(work.run, FilmRun):
            raise RecipeError(f"'{work.craft.name}' says that it makes a film, and returns none; return a FilmRun.")
        kind = film_writer(self.output, self.job.options)
        return kind(work.record, self.output, self.named, work.run, work.plan, self.job.options, folder)


@dataclass(frozen=True, eq=False)
class ReportPlacement(Placement):
    """Output location of files that a craft writes by itself."""

    def writer(self, work: PreparedJob, folder: Folder | None) -> Writer:
        """Create a writer that leaves it to the craft."""
        return ReportWriter(self.output)


def placement_for(
    craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None
) -> AbstractContextManager[Placement]:
    """Place a job's result; names at which nothing was written are freed when the context ends.

    Args:
        craft: of the job.
        job: what is to be made.
        files: by input.
        folder: of a run to go on with.
    Raises:
        RecipeError: an output that is not for what the craft makes.
        FileError: a file that could not be written, or that is an input.
    """
    place: AbstractContextManager[Placement] = _PLACES[craft.makes](craft, job, files, folder)
    return place


def default_name(craft: Craft[..., Any], job: Job, files: Files) -> str:
    """Build the default name from the main file and the preset, paintings or craft: ``cat-dream``, ``cat-night``."""
    main = craft.main
    first = "-".join(path.stem for path in files.get(main.name, ())[:3]) if main else ""
    named = [] if main is None or main.kind is RESULT else [each for each in craft.inputs[1:] if each.kind.names]
    into = [path.stem for each in named for path in files.get(each.name, ())]
    label = craft.label(craft.checked(job.settings)) if craft.label else craft.name
    words = first or ("noise" if craft.noise else ""), job.preset or "-".join(into[:3]) or label
    return "-".join(cut_name(word) for word in words if word)


@contextmanager
def _still(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    name = Path(job.name or f"{default_name(craft, job, files)}{_suffix(craft, files)}")
    output = None if job.output is None else Path(job.output)
    inputs = [path for paths in files.values() for path in paths]
    kept = folder.kept if folder else None
    with placed(output, job.options, name=name, inputs=inputs, kept=kept) as outputs:
        first = folder_beside(name)
        waiting = first if output is None and folder is None and holds_job(first) else None
        yield StillPlacement(job, files, folder, outputs.result, outputs.named, outputs, waiting=waiting)


def _suffix(craft: Craft[..., Any], files: Files) -> str:
    """Choose the suffix of a picture that the user did not name; a result made into another keeps its own."""
    main = craft.main
    return files[main.name][0].suffix if main is not None and main.kind is RESULT else craft.makes.suffix


@contextmanager
def _frames(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    with ExitStack() as stack:
        for outputs in _frame_outputs(craft, job, files):
            folder = folder or _unfinished(folder_beside(outputs.folder), craft, job, files, stack)
            taken = outputs.folder.is_dir() and any(outputs.folder.iterdir())
            if folder is not None:
                job, files = folder.request(), {**files, **folder.inputs()}
            elif taken and job.output is not None:
                raise RecipeError(f"'{outputs.folder}' holds something already; name a new or empty folder.")
            elif taken or folder_beside(outputs.folder).exists():
                continue
            made = make_folder(outputs.folder)
            try:
                yield FramesPlacement(job, files, folder, outputs.folder, job.output is not None, outputs)
            finally:
                if made:
                    remove_empty(outputs.folder)
            return


def _frame_outputs(craft: Craft[..., Any], job: Job, files: Files) -> Iterator[FrameOutputs]:
    """Yield the places for a sequence: as the user named it, or after the photo, with numbers.

    Raises:
        RecipeError: a name that is neither a folder's nor a film's, or a film that cannot be made here.
    """
    if job.output is None:
        yield from (FrameOutputs(each, None) for each in numbered(Path(job.name or default_name(craft, job, files))))
    output = Path(str(job.output))
    output = output if output.name not in ("", "..") else output.resolve()  # "." has a name to name others after
    if not output.name:
        raise RecipeError(f"'{output}' holds something already; name a new or empty folder.")
    if output.suffix.lower() in FILMS:
        check_film(output)
        check_no_input(output, [path for paths in files.values() for path in paths])
        check_writable(output)
        yield FrameOutputs(output.with_suffix(""), output)
    elif output.suffix and not is_folder(output):
        raise RecipeError(f"a zoom goes into a folder, or a film ending in {' or '.join(FILMS)}; got '{output}'.")
    else:
        yield FrameOutputs(output, None)


@contextmanager
def _weights(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    with ExitStack() as stack:
        for output in _networks(craft, job, files):
            folder = folder or _unfinished(folder_beside(output), craft, job, files, stack)
            if folder is not None:
                job, files = folder.request(), {**files, **folder.inputs()}
            elif job.output is None and (output.exists() or folder_beside(output).exists()):
                continue
            check_writable(output)
            yield WeightsPlacement(job, files, folder, output, job.output is not None)
            return


@contextmanager
def _film(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    with ExitStack() as stack:
        for output in _films(craft, job, files):
            folder = folder or _unfinished(folder_beside(output), craft, job, files, stack)
            if folder is not None:
                job, files = folder.request(), {**files, **folder.inputs()}
            elif job.output is None and (output.exists() or folder_beside(output).exists()):
                continue
            film_writer(output, job.options)
            if folder is None and not output.suffix and output.is_dir() and any(output.iterdir()):
                raise RecipeError(f"'{output}' holds something already; name a new or empty folder, or a film.")
            made = not output.suffix and make_folder(output)
            if output.suffix:
                check_no_input(output, [path for paths in files.values() for path in paths])
                check_writable(output)
            try:
                yield FilmPlacement(job, files, folder, output, folder.kept.named if folder else job.output is not None)
            finally:
                if made:
                    remove_empty(output)
            return


def _films(craft: Craft[..., Any], job: Job, files: Files) -> Iterator[Path]:
    """Yield the paths for a film: as the user named it, or after the clip, numbered.

    Raises:
        RecipeError: a suffix that no film has.
    """
    if job.output is None:
        name = Path(job.name or f"{default_name(craft, job, files)}{craft.makes.suffix}")
        film_format(name)
        yield from numbered(name)
    output = Path(str(job.output))
    if output.suffix and not is_folder(output):
        film_format(output)
        yield output
    yield output if output.name not in ("", "..") else output.resolve()


def _networks(craft: Craft[..., Any], job: Job, files: Files) -> Iterator[Path]:
    """Yield the paths for a network: as the user named it, or in the styles folder after the painting, numbered."""
    suffix = craft.makes.suffix
    if job.output is None:
        folder = styles_folder()
        make_folder(folder, beside="name a file with -o")
        (main, *_) = files[craft.inputs[0].name]
        yield from numbered(folder / f"{main.stem}{suffix}")
    output = Path(str(job.output))
    if output.suffix.lower() != suffix:
        raise RecipeError(f"a network is written as {suffix}; got '{output}'. Name it {output.stem}{suffix}.")
    yield output


def _unfinished(path: Path, craft: Craft[..., Any], job: Job, files: Files, stack: ExitStack) -> Folder | None:
    """Open the folder in which an unfinished run of this very request is kept; None if there is none.

    Raises:
        RecipeError: another run is kept there, and the user named the output.
    """
    if not holds_job(path):
        return None
    with contextlib.suppress(RecipeError):
        folder = stack.enter_context(reopen(path))
        if not folder.kept.finished and folder.kept.is_for(craft, job, files):
            folder.inputs()  # refused where a copy is damaged
            return folder
    if job.output is None:
        return None
    raise RecipeError(f"'{path}' holds another unfinished run; go on with it by 'reverie resume {path}', or remove it.")


@contextmanager
def _document(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    with ExitStack() as stack:
        for output in _documents(craft, job, files):
            folder = folder or _unfinished(folder_beside(output), craft, job, files, stack)
            if folder is not None:
                job, files = folder.request(), {**files, **folder.inputs()}
            elif job.output is None and (output.exists() or folder_beside(output).exists()):
                continue
            check_writable(output)
            yield DocumentPlacement(job, files, folder, output, job.output is not None)
            return


def _documents(craft: Craft[..., Any], job: Job, files: Files) -> Iterator[Path]:
    """Yield the paths for a page: as the user named it, or after the craft, numbered."""
    suffix = craft.makes.suffix
    if job.output is None:
        yield from numbered(Path(job.name or f"{default_name(craft, job, files)}{suffix}"))
    output = Path(str(job.output))
    if output.suffix.lower() != suffix:
        raise RecipeError(f"{craft.name} writes a page, {suffix}; got '{output}'. Name it {output.stem}{suffix}.")
    yield output


@contextmanager
def _report(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    if job.output is None:
        raise RecipeError(f"{craft.name} needs a file or a folder; name one with -o, as in '{craft.example}'.")
    yield ReportPlacement(job, files, None, Path(job.output), True)


_PLACES: Mapping[Output, Any] = {
    Still: _still, Sheet: _still, Clip: _frames, Film: _film, Weights: _weights, Document: _document, Report: _report
}  # fmt: skip
