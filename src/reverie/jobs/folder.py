"""The folder of a job: what to make, copies of what it is made from, checkpoints, and a lock."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

from reverie.errors import PictureError, RecipeError
from reverie.jobs.checkpoints import Checkpoints
from reverie.networks.fetch import one_at_a_time
from reverie.pictures import atomic_path, write_bytes
from reverie.recipes.record import Record, hash_of

FORMAT: Literal[1] = 1
_JOB, _LOCK, _INPUTS, _PREVIEW = "job.json", "lock", "inputs", "preview.png"


def _bare(name: str) -> str:
    """Refuse what is not a plain file name."""
    if Path(name).name != name or name in ("", ".", ".."):
        raise ValueError("it is not a file name")
    return name


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Source(_Part):
    """A picture that goes into a job: the name of its copy in the folder, and where it lay."""

    role: str
    name: Annotated[str, AfterValidator(_bare)]
    origin: str


class Job(_Part):
    """What a folder says of its job.

    Attributes:
        version: of this form.
        record: recipe, settings with every choice made, inputs, network; where it is to stop, if not at its end.
        output: where the picture goes, an absolute path.
        sources: one for each of the record's inputs, in their order.
        save_every, compare, report: what else is to be written: every so many steps' picture, both pictures side by
            side, the losses.
        every: seconds between checkpoints.
        photos: a folder of pictures, or a list, that are read where they lie; None: all that goes in is copied.
        tile: side of the tiles since larger ones were too large for the memory, pixels; None: the record's.
        same_as: a picture that should come out again.
        passing: whether the folder is removed with the job's end.
        finished: whether the picture is written.
    """

    version: Literal[1] = Field(default=FORMAT, alias="format")
    record: Record
    output: str
    sources: tuple[Source, ...] = ()
    save_every: int | None = Field(default=None, ge=1)
    compare: bool = False
    report: bool = False
    every: float = Field(default=30.0, ge=0)
    photos: str | None = None
    tile: int | None = Field(default=None, ge=0)
    same_as: str | None = None
    passing: bool = False
    finished: bool = False

    @property
    def run(self) -> str:
        """A sha256 that is the same for two runs of the same steps: recipe, settings, pictures, network."""
        r = self.record
        parts = [r.version, r.recipe, r.settings, [(i.role, i.sha256) for i in r.inputs], r.network.sha256]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def record_now(self) -> Record:
        """The record with the tiles it has come to, for the picture."""
        if self.tile is None:
            return self.record
        return self.record.model_copy(update={"settings": {**self.record.settings, "tile": self.tile}})

    def to_json(self) -> str:
        """The job as JSON text, with the identity of its run: a damaged text is recognised."""
        return json.dumps({"run": self.run, **self.model_dump(mode="json", by_alias=True)}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The job in a JSON text.

        Raises:
            RecipeError: damaged, or of another format.
        """
        try:
            data: dict[str, Any] = json.loads(text)
            version = data["format"]
            if version == FORMAT:
                run = data.pop("run")
                job = cls.model_validate(data)
                if job.run == run and len(job.sources) == len(job.record.inputs):
                    return job
        except (ValidationError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            version = FORMAT
        if version != FORMAT:
            raise RecipeError(
                f"this Reverie reads jobs of format {FORMAT}; got {version!r:.20}. Use the Reverie that wrote it."
            )
        raise RecipeError("the job is damaged: its text is not as it was written. Run its command again.")


@dataclass(frozen=True)
class Folder:
    """A folder at work: locked by this process."""

    path: Path
    job: Job

    @property
    def checkpoints(self) -> Checkpoints:
        """The run's checkpoints."""
        return Checkpoints(self.path, self.job.run)

    def inputs(self) -> dict[str, tuple[Path, ...]]:
        """The copies of the pictures that go in, by role, in their order.

        Raises:
            RecipeError: one is not as it was.
            PictureError: one cannot be read.
        """
        files: dict[str, tuple[Path, ...]] = {}
        for number, (source, wanted) in enumerate(zip(self.job.sources, self.job.record.inputs, strict=True)):
            path = self._copy(number, source)
            if hash_of(path) != wanted.sha256:
                raise RecipeError(f"'{path}' is damaged; put the {source.role} '{source.origin}' there again.")
            files[source.role] = (*files.get(source.role, ()), path)
        return files

    def changed(self, **fields: Any) -> Folder:
        """The folder with some of its job changed, on the disk too."""
        job = self.job.model_copy(update=fields)
        write_bytes(self.path / _JOB, job.to_json().encode())
        return replace(self, job=job)

    def retire(self) -> None:
        """The picture is written: remove what only going on needed, and the folder if it was passing."""
        with contextlib.suppress(PictureError):  # a full disk is no reason to fail now
            self.changed(finished=True)
        self.checkpoints.remove()
        shutil.rmtree(self.path / _INPUTS, ignore_errors=True)
        if self.job.passing:
            with contextlib.suppress(OSError):
                (self.path / _JOB).unlink()

    def fill(self, files: Sequence[Path]) -> None:
        """Copy the pictures in, then say what the job is; from then on it can be resumed."""
        self.checkpoints.remove()
        for number, (source, file) in enumerate(zip(self.job.sources, files, strict=True)):
            copy = self._copy(number, source)
            copy.parent.mkdir(parents=True, exist_ok=True)
            with atomic_path(copy) as partial:
                shutil.copyfile(file, partial)
        self.changed()

    def _copy(self, number: int, source: Source) -> Path:
        return self.path / _INPUTS / str(number) / source.name


@contextmanager
def begin(path: Path, job: Job, files: Sequence[Path]) -> Iterator[Folder]:
    """A new job's folder, locked until the block ends.

    Args:
        path: new, empty, or of a finished job.
        job: what to keep there.
        files: of the job's sources, in their order.

    Raises:
        RecipeError: it holds an unfinished job or something else, or another process works on it.
        PictureError: it cannot be made or written to.

    Example:
        >>> with begin(Path("cat.reverie"), job, [cat]) as folder:
        ...     folder.checkpoints.write(iterate.state(), stage=1, step=1)
    """
    _make(path)
    with _locked(path):
        if holds_job(path) and not _read(path / _JOB).finished:
            raise RecipeError(
                f"'{path}' holds an unfinished run; go on with it by 'reverie resume', remove it, or name another"
                " --output or --checkpoint."
            )
        folder = Folder(path, job)
        try:
            folder.fill(files)
        except OSError as error:
            raise _cannot("write to", path, error) from error
        yield folder


@contextmanager
def reopen(path: Path) -> Iterator[Folder]:
    """A job's folder, locked until the block ends, so as to go on.

    Raises:
        RecipeError: there is no job in it, it is damaged or of another format, or another process works on it.
    """
    if not holds_job(path):
        raise RecipeError(f"'{path}' holds no job; name the folder given to --checkpoint, or one ending in .reverie.")
    with _locked(path):
        yield Folder(path, _read(path / _JOB))


def holds_job(path: Path) -> bool:
    """Whether a path is a folder with a job in it, finished or not."""
    return (path / _JOB).is_file()


def _read(path: Path) -> Job:
    try:
        return Job.from_json(path.read_text(encoding="utf8"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read '{path}': {error}.") from error
    except RecipeError as error:
        raise RecipeError(f"'{path}': {error}") from None


def _make(path: Path) -> None:
    """Make the folder, or see that it holds nothing of others."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        strange = [p.name for p in path.iterdir() if not _is_ours(p)]
    except OSError as error:
        raise _cannot("make", path, error) from error
    if strange:
        raise RecipeError(f"a folder for checkpoints is new or empty; '{path}' holds '{sorted(strange)[0]}'.")


def _is_ours(path: Path) -> bool:
    name = path.name
    return name in (_JOB, _LOCK, _INPUTS, _PREVIEW) or name.startswith("checkpoint-") or ".partial" in name


def _cannot(verb: str, path: Path, error: OSError) -> PictureError:
    return PictureError(f"cannot {verb} '{path}': {error.strerror or error}; name another folder with --checkpoint.")


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process at a time; a folder left without a job disappears."""
    try:
        (path / _LOCK).touch()
    except OSError as error:
        raise _cannot("write to", path, error) from error
    empty = False
    try:
        with one_at_a_time(path / _LOCK) as turn:
            for _ in turn:
                raise RecipeError(f"another process works on '{path}'; wait for it, or name another folder.")
            try:
                yield
            finally:
                empty = not holds_job(path)
                if empty:
                    shutil.rmtree(path / _INPUTS, ignore_errors=True)
    finally:
        if empty:
            _vanish(path)


def _vanish(path: Path) -> None:
    """Remove a folder in which nothing but the lock is left."""
    with contextlib.suppress(OSError):
        (path / _LOCK).unlink(missing_ok=True)
        path.rmdir()
