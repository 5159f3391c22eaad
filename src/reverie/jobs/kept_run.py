"""Description of a kept run, as stored in its folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import AfterValidator, Field

from reverie.crafts.craft import Craft
from reverie.crafts.kinds import FOLDER, FOOTAGE
from reverie.errors import RecipeError
from reverie.jobs.job import FrozenModel, Job
from reverie.jobs.record import Record, hash_of
from reverie.untrusted import json_object, refusing

FORMAT: Literal[2] = 2


def _bare(name: str) -> str:
    """Refuse what is not a plain file name."""
    if Path(name).name != name or name in ("", ".", "..") or "\0" in name:
        raise ValueError("it is not a file name")
    return name


def _somewhere(path: str) -> str:
    """Refuse what no system takes for a path."""
    if not path or "\0" in path:
        raise ValueError("it is not a path")
    return path


Somewhere = Annotated[str, AfterValidator(_somewhere)]


class Source(FrozenModel):
    """Input file of a run: the name of its copy in the folder, and its original path.

    Attributes:
        role: of the input.
        name: of the copy.
        origin: where it lies.
        stays: whether it is read there: clips are too large to be copied.
    """

    role: str
    name: Annotated[str, AfterValidator(_bare)]
    origin: Somewhere
    stays: bool = False


class KeptRun(FrozenModel):
    """Description of a kept run.

    Attributes:
        version: of this form.
        job: as it was asked for.
        record: of the run: settings with every choice made, inputs, networks; where it is to stop, if not at its end.
        output: where the result goes, an absolute path.
        base: the name that companions are named after; None: the output.
        named: whether a user named the output; otherwise what others put there stays.
        sources: one for each of the record's inputs, in their order.
        tile: side of the tiles since larger ones were too large for the memory, pixels; None: the record's.
        passing: whether the folder is removed with the run's end.
        finished: whether the result is written.
    """

    version: Literal[2] = Field(default=FORMAT, alias="format")
    job: Job
    record: Record
    output: Somewhere
    base: Somewhere | None = None
    named: bool = True
    sources: tuple[Source, ...] = ()
    tile: int | None = Field(default=None, ge=0)
    passing: bool = False
    finished: bool = False

    @property
    def run(self) -> str:
        """Fingerprint (sha256) of the run's steps: craft, settings, inputs, networks."""
        r = self.record
        inputs, networks = [(i.role, i.sha256) for i in r.inputs], [n.sha256 for n in r.networks]
        parts = [r.version, r.craft, r.settings, inputs, networks]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    @property
    def record_now(self) -> Record:
        """Record for the result, with the current tiles."""
        if self.tile is None:
            return self.record
        return self.record.model_copy(update={"settings": {**self.record.settings, "tile": self.tile}})

    def is_for(self, craft: Craft[..., Any], job: Job, files: Mapping[str, Sequence[Path]]) -> bool:
        """True if the same request began it: craft, settings, and the bytes of the input files."""
        if craft.name != self.record.craft or craft.checked(job.settings) != craft.checked(self.job.settings):
            return False
        copied = [(name, path) for name, paths in files.items() for path in paths if not _stays(craft, name)]
        return [(name, hash_of(path)) for name, path in copied] == [(i.role, i.sha256) for i in self.record.inputs]

    def to_json(self) -> str:
        """Serialise it as JSON text, with the run's fingerprint, so that damage is detected."""
        return json.dumps({"run": self.run, **self.model_dump(mode="json", by_alias=True)}, indent=1)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse it from JSON text.

        Raises:
            RecipeError: damaged, or of another format.
        """
        with refusing(RecipeError, "the job is damaged: its text is not as it was written. Run its command again."):
            data = json_object(text)
            if (version := data["format"]) != FORMAT:
                raise RecipeError(
                    f"this Reverie reads runs of format {FORMAT}; got {version!r:.20}. Use the Reverie that wrote it."
                )
            run = data.pop("run")
            kept = cls.model_validate(data)
            if kept.run != run or len(kept.sources) != len(kept.record.inputs):
                raise ValueError("it describes another run")
            return kept


def sources_of(record: Record, files: Sequence[Path], craft: Craft[..., Any]) -> tuple[Source, ...]:
    """Build the sources of a run from its input files, in the order of the record."""
    return tuple(
        Source(
            role=wanted.role,
            name=path.name,
            origin=str(path.absolute()),
            stays=craft.input(wanted.role).kind is FOOTAGE,
        )
        for wanted, path in zip(record.inputs, files, strict=True)
    )


def differences(record: Record) -> tuple[str, ...]:
    """Describe what may make the pixels differ from a recorded run's."""
    from reverie.version import __version__

    made = {"PyTorch": (record.torch, torch.__version__), "Reverie": (record.reverie, __version__)}
    return tuple(
        f"made with {name} {then:.40}, this is {now}: pixels may differ a little."
        for name, (then, now) in made.items()
        if then != now
    )


def _stays(craft: Craft[..., Any], name: str) -> bool:
    """True if an input's files are read in place and not copied."""
    return craft.input(name).kind is FOLDER
