"""The record of a run, kept inside its picture: enough to make the same picture again."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, Self

import torch
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from reverie.errors import PictureError, RecipeError
from reverie.feedforward.superres import Variant, load_superres
from reverie.networks import load
from reverie.pictures import read_recipe
from reverie.recipes.catalogue import Recipe, S, find
from reverie.recipes.settings import Settings, checked
from reverie.recipes.upscale import FINISHER
from reverie.version import __version__

SCHEMA: Literal[1] = 1
_CLIMB = 2  # folders a recorded path may go up before it is kept as a name only
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


def _near(path: str) -> str:
    """Refuse a path that a record of ours never holds: far up, absolute, or none."""
    parts = PurePosixPath(path).parts
    odd = "\0" in path or "\\" in path or ":" in path.split("/")[0]
    if not parts or path.startswith("/") or parts.count("..") > _CLIMB or odd:
        raise ValueError("it is not a path near the picture")
    return path


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Input(_Part):
    """A picture that went into a run.

    Attributes:
        role: what it was for, e.g. "photo".
        path: relative to the output's folder where it lies near, otherwise its name only.
        sha256: of the file.
    """

    role: str
    path: Annotated[str, AfterValidator(_near)]
    sha256: Sha256


class NetworkUsed(_Part):
    """A network that a run used, and the sha256 that identifies its weights."""

    name: str
    sha256: str


class Stop(_Part):
    """The step after which a picture was taken, where that was not the last one; both from 1."""

    stage: int = Field(ge=1)
    step: int = Field(ge=1)


class Remixed(_Part):
    """That a finished result was mixed anew with its photo.

    Attributes:
        result: the file that it was done to; its role is "result".
        settings: how.
    """

    result: Input
    settings: dict[str, JsonValue]


class Record(_Part):
    """What is written into a picture.

    Attributes:
        version: of this form of record.
        reverie, torch: the versions that made the picture.
        threads: PyTorch's, since the order of sums depends on it.
        recipe: its name in the catalogue.
        settings: all of them, every automatic choice made.
        inputs: the pictures that went in; none for a dream from noise.
        network: whose features were used.
        enlarger: what enlarged the finished picture; None where nothing did.
        stopped: where the run was when the picture was taken; None at its end.
        remixed: what was done to the result since, in turn.
    """

    version: Literal[1] = Field(default=SCHEMA, alias="schema")
    reverie: str
    torch: str
    threads: int = Field(ge=1, le=4096)
    recipe: str
    settings: dict[str, JsonValue]
    inputs: tuple[Input, ...]
    network: NetworkUsed
    enlarger: NetworkUsed | None = None
    stopped: Stop | None = None
    remixed: tuple[Remixed, ...] = ()

    def to_json(self) -> str:
        """The record as JSON text on one line."""
        return json.dumps(self.model_dump(mode="json", by_alias=True), ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The record in a JSON text.

        Raises:
            RecipeError: damaged, of a newer Reverie, or something else altogether.

        Example:
            >>> Record.from_json(rv.pictures.read_recipe("dream.png")).recipe
            'dream'
        """
        try:
            data = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise RecipeError("the recipe is damaged: it is not whole JSON.") from error
        if not isinstance(data, dict) or not {"schema", "recipe"} <= data.keys():
            raise RecipeError("this is not a recipe of Reverie's; something else wrote it.")
        if data["schema"] != SCHEMA:
            raise RecipeError(
                f"this Reverie reads recipes of schema {SCHEMA}; got {data['schema']!r:.20}, of"
                f" Reverie {data.get('reverie')!r:.20}. Update with pip install -U reverie-dream."
            )
        try:
            return cls.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise RecipeError(f"the recipe is damaged: {where}: {first['msg'].lower()}.") from None

    def resolve(self) -> tuple[Recipe[Any], Settings]:
        """The recipe and its settings, checked as if typed by a user.

        Raises:
            RecipeError: this Reverie has no such recipe or setting.
        """
        recipe = find(self.recipe)
        return recipe, checked(recipe.settings, dict(self.settings))


def record_of(recipe: Recipe[S], settings: S, *, inputs: Iterable[tuple[str, Path]], output: Path) -> Record:
    """The record of a run that is about to begin.

    Args:
        recipe: which.
        settings: resolved already (``settings.resolved()``).
        inputs: (role, file) of each picture, in the order they are used.
        output: where the picture will be written; paths are kept relative to its folder.

    Raises:
        PictureError: an input cannot be read.
        WeightsError: the network's weights cannot be had.

    Example:
        >>> cat, dream = Path("cat.jpg"), Path("dream.png")
        >>> record_of(find("dream"), DreamSettings(), inputs=[("photo", cat)], output=dream).recipe
        'dream'
    """
    network = NetworkUsed(name=settings.network, sha256=load(settings.network).sha256)
    enlarger = enlarger_of(settings)
    return record_as(recipe.name, settings, network=network, enlarger=enlarger, inputs=inputs, output=output)


def enlarger_of(settings: Settings) -> NetworkUsed | None:
    """The network that enlarges the finished picture under these settings; None where they ask for none."""
    return superres_used(FINISHER) if settings.upscale > 1 else None


def superres_used(variant: Variant) -> NetworkUsed:
    """The network that enlarges, as a record names it."""
    return NetworkUsed(name=f"superres-{variant}", sha256=load_superres(variant).sha256)


def record_as(
    name: str,
    settings: BaseModel,
    *,
    network: NetworkUsed,
    enlarger: NetworkUsed | None = None,
    inputs: Iterable[tuple[str, Path]],
    output: Path,
) -> Record:
    """The record of a run of that name, with these networks; see ``record_of``."""
    return Record(
        reverie=__version__,
        torch=torch.__version__,
        threads=torch.get_num_threads(),
        recipe=name,
        settings=settings.model_dump(mode="json"),
        inputs=tuple(
            Input(role=role, path=relative(path, output.parent), sha256=hash_of(path)) for role, path in inputs
        ),
        network=network,
        enlarger=enlarger,
    )


def read_record(path: Path) -> Record:
    """The record inside a picture file.

    Raises:
        PictureError: the file is missing or damaged.
        RecipeError: it holds none, or one that cannot be used.
    """
    text = read_recipe(path)
    if text is None:
        raise RecipeError(
            f"'{path}' holds no recipe; Reverie writes one into PNG, JPEG, WebP and TIFF, and"
            " other programs remove it when they save."
        )
    try:
        return Record.from_json(text)
    except RecipeError as error:
        raise RecipeError(f"cannot use the recipe in '{path}': {error}") from error


def relative(path: Path, folder: Path) -> str:
    """A path as a record keeps it: from the output's folder if near, else the name, for privacy."""
    try:
        text = Path(os.path.relpath(path.resolve(), folder.resolve())).as_posix()
        near = _near(text)
    except ValueError:  # far, on another drive, or of letters that only this system takes
        near = path.name.replace("\\", "_").replace(":", "_") or "picture"
    return os.fsencode(near).decode("utf-8", "replace")


def locate(wanted: Input, folders: Sequence[Path], *, also: Sequence[Path] = ()) -> Path:
    """The file that a record means: the first of its name whose bytes are the recorded ones.

    Args:
        wanted: what to find.
        folders: where to look, by the recorded path and by its name alone.
        also: further files that may be it.

    Raises:
        RecipeError: none is there, or only files with other bytes.
    """
    name = PurePosixPath(wanted.path).name
    candidates = [f / way for f in folders for way in dict.fromkeys((wanted.path, name))]
    others = [path for path in (*candidates, *also) if path.is_file()]
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
    """The sha256 of a file, in hexadecimal.

    Raises:
        PictureError: it cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        reason = error.strerror or error
        raise PictureError(f"cannot open '{path}': {reason}; check its name and folder") from error
