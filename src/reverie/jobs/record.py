"""Record of a run, stored inside its picture: enough to make the same picture again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import AfterValidator, Field, JsonValue

from reverie.clips import FILMS, is_frames, read_film_recipe
from reverie.crafts.craft import Craft
from reverie.crafts.registry import find
from reverie.crafts.settings import Settings, validated
from reverie.engine.devices import named, title
from reverie.errors import PictureError, RecipeError, reason_of
from reverie.jobs.job import FrozenModel, Stop
from reverie.networks.used import NetworkUsed
from reverie.pictures import read_recipe
from reverie.untrusted import refusing
from reverie.version import __version__

SCHEMA: Literal[2] = 2
_MOST_THREADS = 256  # that a record is heeded in on any machine: with others, the order of sums is another
_CLIMB = 2  # folders a recorded path may go up before it is kept as a name only
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _near(path: str) -> str:
    """Refuse a path that a record of ours never holds: far up, absolute, or empty."""
    parts = PurePosixPath(path).parts
    odd = "\0" in path or "\\" in path or ":" in path.split("/")[0]
    if not parts or path.startswith("/") or parts.count("..") > _CLIMB or odd:
        raise ValueError("it is not a path near the picture")
    return path


def _runnable(threads: int) -> int:
    """Limit the number of threads to what a machine can take: a file from elsewhere may ask for thousands."""
    return min(threads, max(_MOST_THREADS, 2 * (os.cpu_count() or 1)))


class Input(FrozenModel):
    """A picture that went into a run.

    Attributes:
        role: what it was for, e.g. "photo".
        path: relative to the output's folder where it lies near, otherwise its name only.
        sha256: of the file.
    """

    role: str
    path: Annotated[str, AfterValidator(_near)]
    sha256: Sha256


class Record(FrozenModel):
    """Record stored in a picture: the request that made it, and what was used.

    Attributes:
        version: of this form of record.
        reverie, torch: the versions that made the picture.
        threads: PyTorch's, since the order of sums depends on it; when read, no more than a machine bears.
        accelerator: what its networks ran on calls itself; None for a processor.
        craft: its name.
        settings: all of them, every automatic choice made.
        inputs: the files that went in; none for what begins with noise.
        networks: those that were used.
        frame: number of the picture in a sequence, from 0; None where it is in none.
        stopped: where the run was when the picture was taken; None at its end.
        figures: what the run found out, by name; not part of the request.
    """

    version: Literal[2] = Field(default=SCHEMA, alias="schema")
    reverie: str
    torch: str
    threads: Annotated[int, Field(ge=1, le=4096), AfterValidator(_runnable)]
    accelerator: str | None = Field(default=None, max_length=200)
    craft: str
    settings: dict[str, JsonValue]
    inputs: tuple[Input, ...] = ()
    networks: tuple[NetworkUsed, ...] = ()
    frame: int | None = Field(default=None, ge=0)
    stopped: Stop | None = None
    figures: dict[str, JsonValue] = Field(default={})

    def to_json(self) -> str:
        """Serialise the record as JSON text on one line."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse a record from JSON text.

        Raises:
            RecipeError: damaged, of another Reverie, or something else altogether.

        Example:
            >>> Record.from_json(read_recipe("dream.png")).craft
            'dream'
        """
        with refusing(RecipeError, "the recipe is damaged: it is not whole JSON."):
            data = json.loads(text)
        if not isinstance(data, dict) or "schema" not in data or not {"craft", "recipe"} & data.keys():
            raise RecipeError("this is not a recipe of Reverie's; something else wrote it.")
        if data["schema"] != SCHEMA:
            raise RecipeError(
                f"this Reverie reads recipes of schema {SCHEMA}; got {data['schema']!r:.20}, of"
                f" Reverie {data.get('reverie')!r:.20}. Use the Reverie that wrote it."
            )
        return validated(cls, data, "the recipe is damaged")

    def resolve(self) -> tuple[Craft[..., Any], Settings]:
        """Return the craft and its settings, validated as if typed by a user.

        Raises:
            RecipeError: this Reverie has no such craft or setting.
        """
        craft = find(self.craft)
        return craft, craft.checked(self.settings)


def record_of(
    craft: str,
    settings: Settings,
    *,
    networks: Iterable[NetworkUsed] = (),
    inputs: Iterable[tuple[str, Path]],
    output: Path,
) -> Record:
    """Build the record of a run that is about to begin.

    Args:
        craft: its name.
        settings: every automatic choice made.
        networks: those that are used.
        inputs: (input, file) of each that goes in, in the order they are used.
        output: where the picture will be written; paths are kept relative to its folder.

    Raises:
        PictureError: an input cannot be read.
    """
    return Record(
        reverie=__version__,
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        accelerator=_accelerator(getattr(settings, "device", "cpu")),
        craft=craft,
        settings=settings.model_dump(mode="json"),
        inputs=tuple(
            Input(role=role, path=relative(path, output.parent), sha256=hash_of(path)) for role, path in inputs
        ),
        networks=tuple(networks),
    )


def _accelerator(device: str) -> str | None:
    """Return what an accelerator calls itself; None for a processor."""
    return None if device in ("auto", "cpu") else title(named(device))[:200]


def read_record(path: Path, *, suffix: str | None = None) -> Record:
    """Read the record inside a picture or a film.

    Args:
        path: of the file.
        suffix: that tells what it is; by default the file's own.
    Raises:
        PictureError: the file is missing or damaged.
        RecipeError: it holds none, or one that cannot be used.
    """
    film = FILMS.get((suffix or path.suffix).lower())
    text = read_film_recipe(path) if film is not None and film.recipe else read_recipe(path)
    if text is None:
        raise RecipeError(
            f"'{path}' holds no recipe; Reverie writes one into PNG, JPEG, WebP, TIFF and films but GIF, and"
            " other programs remove it when they save."
        )
    try:
        return Record.from_json(text)
    except RecipeError as error:
        raise RecipeError(f"cannot use the recipe in '{path}': {error}") from error


def relative(path: Path, folder: Path) -> str:
    """Convert a path to a record's form: relative to the output's folder if near, else the name, for privacy."""
    try:
        text = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
        near = _near(text)
    except ValueError:  # far, on another drive, or of letters that only this system takes
        near = path.name.replace("\\", "_").replace(":", "_") or "picture"
    return os.fsencode(near).decode("utf-8", "replace")


def locate(wanted: Input, folders: Sequence[Path], *, also: Sequence[Path] = ()) -> Path:
    """Find the file that a record means: the first of its name whose bytes are the recorded ones.

    Args:
        wanted: what to find.
        folders: where to look, by the recorded path and by its name alone.
        also: further files that may be it.

    Raises:
        RecipeError: none is there, or only files with other bytes.
    """
    name = PurePosixPath(wanted.path).name
    candidates = [f / way for f in folders for way in dict.fromkeys((wanted.path, name))]
    others = [path for path in (*candidates, *also) if path.exists()]
    for path in others:
        if hash_of(path) == wanted.sha256:
            return path
    if others:
        raise RecipeError(
            f"'{others[0]}' is not the {wanted.role} this picture was made from: its sha256"
            " differs. Name the folder of the right one with --inputs."
        )
    raise RecipeError(f"the {wanted.role} '{wanted.path}' is not here. Name the folder it lies in with --inputs.")


def hash_of(path: Path) -> str:
    """Compute the sha256 of a file, or of the names and pictures of a folder of frames, in hexadecimal.

    Raises:
        PictureError: it cannot be read.
    """
    try:
        if path.is_dir():
            frames = sorted(each for each in path.iterdir() if is_frames(each) and each.is_file())
            known = "".join(f"{each.name} {hash_of(each)}\n" for each in frames)
            return hashlib.sha256(known.encode("utf8", "surrogateescape")).hexdigest()
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:  # ValueError: a name with a zero byte
        raise PictureError(f"cannot open '{path}': {reason_of(error)}; check its name and folder") from error
