"""Folder of a kept job: its request, copies of its inputs, checkpoints, and a lock."""

from __future__ import annotations

import contextlib
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from reverie.errors import FileError, RecipeError
from reverie.files import Owned, is_owned, own
from reverie.jobs.checkpoints import Checkpoints
from reverie.jobs.job import Expected, Job
from reverie.jobs.kept_run import KeptRun, Source, differences
from reverie.jobs.record import hash_of, relative
from reverie.untrusted import TEXT, contents

KEPT = ".reverie"
"""Suffix of the folders in which runs are kept."""
_JOB, _INPUTS = "job.json", "inputs"
_ANOTHER = "name another folder with --checkpoint"


@dataclass(frozen=True)
class Folder:
    """An open folder, locked by this process.

    Attributes:
        owned: with its journal of what was written into it.
        kept: what it says of its run.
    """

    owned: Owned
    kept: KeptRun

    @property
    def path(self) -> Path:
        """Path of the folder."""
        return self.owned.path

    @property
    def checkpoints(self) -> Checkpoints:
        """Checkpoints of the run."""
        return Checkpoints(self.owned, self.kept.run)

    @property
    def resume_line(self) -> str:
        """Command that resumes the run."""
        return resume_line(self.path)

    def request(self) -> Job:
        """Build the job that resumes the run, with the copies of its inputs and every choice as it was made."""
        kept, record = self.kept, self.kept.record_now
        copies = {name: tuple(map(str, paths)) for name, paths in self.inputs().items()}
        expected = Expected(
            networks=record.networks,
            threads=record.threads,
            until=kept.record.stopped,
            same_as=kept.job.expected.same_as,
            notes=differences(record),
        )
        return kept.job.model_copy(
            update={
                "settings": record.settings,
                "inputs": {**kept.job.inputs, **copies},
                "output": kept.output,
                "preset": None,
                "expected": expected,
            }
        )

    def inputs(self) -> dict[str, tuple[Path, ...]]:
        """Return the copies of the input pictures, by role, in their order.

        Raises:
            RecipeError: one is not as it was.
            PictureError: one cannot be read.
        """
        files: dict[str, tuple[Path, ...]] = {}
        for number, (source, wanted) in enumerate(zip(self.kept.sources, self.kept.record.inputs, strict=True)):
            path = Path(source.origin) if source.stays else self.path / _copy(number, source)
            if hash_of(path) != wanted.sha256:
                if source.stays:
                    raise RecipeError(f"the {source.role} '{path}' is not as it was; put the one it began with there.")
                raise RecipeError(f"'{path}' is damaged; put the {source.role} '{source.origin}' there again.")
            files[source.role] = (*files.get(source.role, ()), path)
        return files

    def changed(self, **fields: Any) -> Folder:
        """Return the folder with some of its job's fields changed, on disk too."""
        kept = self.kept.model_copy(update=fields)
        self.owned.write(_JOB, kept.to_json().encode())
        return replace(self, kept=kept)

    def with_fields(self, **fields: Any) -> Folder:
        """Return the folder with some of its job's fields changed, on disk only after `settle`."""
        return replace(self, kept=self.kept.model_copy(update=fields))

    def redirected(self, output: Path) -> Folder:
        """Return the folder with another output; its record's paths are relative to that."""
        record = self.kept.record
        inputs = tuple(
            wanted.model_copy(update={"path": relative(Path(source.origin), output.parent)})
            for source, wanted in zip(self.kept.sources, record.inputs, strict=True)
        )
        moved = record.model_copy(update={"inputs": inputs})
        return self.with_fields(output=str(output.absolute()), base=None, named=True, record=moved)

    def settle(self) -> None:
        """Write changed fields to disk, once nothing was refused."""
        if _read(self.path / _JOB) != self.kept:
            self.changed()

    def clean_up(self) -> tuple[str, ...]:
        """Clean up a finished run: remove what only resuming needed, and the folder if it was temporary.

        Returns:
            What to tell the user: that the folder stays, where others have put something into it.
        """
        with contextlib.suppress(FileError):  # a full disk is no reason to fail now
            self.changed(finished=True)
        self.checkpoints.remove()
        self.owned.remove(*(name for name in self.owned.names if name != _JOB))
        if not self.kept.passing:
            return ()
        left = self.owned.remove_all()
        return (f"'{self.path}' stays, since '{left[0]}' in it is not Reverie's.",) if left else ()

    def fill(self, files: Sequence[Path]) -> None:
        """Copy the pictures in, then write the job; from then on it can be resumed."""
        self.checkpoints.remove()
        copied = [(n, s, f) for n, (s, f) in enumerate(zip(self.kept.sources, files, strict=True)) if not s.stays]
        for number, source, file in copied:
            with file.open("rb") as original, self.owned.replacing(_copy(number, source)) as copy:
                shutil.copyfileobj(original, copy.file)
        self.changed()


def resume_line(path: Path) -> str:
    """Return the command that resumes the run kept in a folder."""
    return f"reverie resume {shlex.quote(str(path))}"


def _copy(number: int, source: Source) -> str:
    """Return the name of a source's copy in the folder."""
    return f"{_INPUTS}/{number}/{source.name}"


@contextmanager
def begin(path: Path, kept: KeptRun, files: Sequence[Path]) -> Iterator[Folder]:
    """Create the folder of a new job, locked until the block ends.

    Args:
        path: new, empty, or of a finished job.
        kept: what to write there.
        files: of its sources, in their order.

    Raises:
        RecipeError: it holds an unfinished job.
        FileError: it holds something else, another process works on it, or it cannot be made or written to.

    Example::

        with begin(Path("cat.reverie"), kept, [cat]) as folder:
            folder.checkpoints.write(iterate.state(), stage=1, step=1)
    """
    with _own(path) as owned:
        if holds_job(path) and not _read(path / _JOB).finished:
            raise RecipeError(
                f"'{path}' holds an unfinished run; go on with it by 'reverie resume', remove it, or name another"
                " --output or --checkpoint."
            )
        folder = Folder(owned, kept)
        try:
            folder.fill(files)
        except OSError as error:
            raise FileError(f"cannot write to '{path}': {error.strerror or error}; {_ANOTHER}.") from error
        yield folder


@contextmanager
def reopen(path: Path) -> Iterator[Folder]:
    """Open a job's folder to resume it, locked until the block ends.

    Raises:
        RecipeError: there is no job in it, or it is damaged or of another format.
        FileError: another process works on it.
    """
    if not holds_job(path):
        raise RecipeError(f"'{path}' holds no job; name the folder given to --checkpoint, or one ending in .reverie.")
    with own(path, others="later") as owned:
        yield Folder(owned, _read(path / _JOB))


def holds_job(path: Path) -> bool:
    """True if a path is a folder with a job in it, finished or not."""
    return is_owned(path) and (path / _JOB).is_file()


def _read(path: Path) -> KeptRun:
    try:
        return KeptRun.from_json(contents(path, RecipeError, most=TEXT))
    except RecipeError as error:
        raise RecipeError(f"'{path}': {error}") from error.__cause__


@contextmanager
def _own(path: Path) -> Iterator[Owned]:
    """Own a folder for a new job; it is removed if no job is written into it."""
    with own(path, beside=_ANOTHER) as owned:
        try:
            yield owned
        finally:
            if not holds_job(path):
                owned.remove_all()
