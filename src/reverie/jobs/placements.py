"""Where results lie, by the kind of output, and what writes them there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from reverie.crafts.kinds import FOLDER
from reverie.engine.films import FilmRun
from reverie.errors import RecipeError
from reverie.jobs import disk
from reverie.jobs.events import Size
from reverie.jobs.folder import Folder
from reverie.jobs.job import Job
from reverie.jobs.outputs import Outputs
from reverie.jobs.prepared import PreparedJob
from reverie.jobs.writers.document import DocumentWriter, ReportWriter
from reverie.jobs.writers.film import film_writer
from reverie.jobs.writers.frames import FrameOutputs, FramesWriter
from reverie.jobs.writers.still import StillWriter
from reverie.jobs.writers.weights import WeightsWriter
from reverie.jobs.writers.writer import Writer
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
