"""A job: a request to make something, which can be serialised."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, JsonValue

from reverie.crafts.settings import validated
from reverie.errors import RecipeError
from reverie.networks.used import NetworkUsed
from reverie.untrusted import json_object, refusing

EVERY = 30.0
"""Seconds between checkpoints."""


class FrozenModel(BaseModel):
    """Base class of serialised models: frozen, and unknown fields are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Stop(FrozenModel):
    """Step after which a picture was taken, if not the last; both are counted from 1."""

    stage: int = Field(ge=1)
    step: int = Field(ge=1)


def _several(value: Any) -> Any:
    """Turn a single file into a tuple of one."""
    return (str(value),) if isinstance(value, str | Path) else value


Files = Annotated[tuple[str, ...], BeforeValidator(_several)]


class RunOptions(FrozenModel):
    """Options of a run: what is written besides the result, and how it is kept.

    Attributes:
        save_every: steps between pictures on the way, or None.
        compare: whether to write the original and the result side by side.
        report: whether to write the losses as a plot.
        checkpoint: a folder to keep the run in; None keeps long runs only, beside the result.
        checkpoint_every: seconds between checkpoints, 0 for every step.
        processes: that make a film's segments beside each other; None: this one makes all.
    """

    save_every: int | None = Field(default=None, ge=1)
    compare: bool = False
    report: bool = False
    checkpoint: str | None = None
    checkpoint_every: float = Field(default=EVERY, ge=0, allow_inf_nan=False)
    processes: int | None = Field(default=None, ge=1, le=1024)


class Expected(FrozenModel):
    """Conditions that a job repeating a recorded one must meet.

    Attributes:
        networks: with their weights; None takes what is here.
        threads: PyTorch's, since the order of sums depends on it.
        until: the step after which it stops; None runs to the end.
        same_as: a file whose pixels should come out again.
        notes: what the user should know.
    """

    networks: tuple[NetworkUsed, ...] | None = None
    threads: int | None = Field(default=None, ge=1)
    until: Stop | None = None
    same_as: str | None = None
    notes: tuple[str, ...] = ()


class Job(FrozenModel):
    """Request to make something.

    Attributes:
        craft: its name.
        settings: by the names users know; those that are left out take their defaults.
        inputs: files by the names of the craft's inputs, or sample styles by their names.
        output: where the result goes; None takes a fresh name in the current folder.
        name: of the result where no output is named; None names it after what goes in.
        preset: whose settings and samples it begins with, and by which the result is named.
        options: what else is written, and how the run is kept.
        expected: what a repeated job must find.
        places: folders in which the inputs of a result may lie.

    Example:
        >>> Job(craft="style", inputs={"photo": "cat.jpg", "painting": ["mosaic"]}, settings={"strength": 2}).craft
        'style'
    """

    craft: str
    settings: dict[str, JsonValue] = {}
    inputs: dict[str, Files] = {}
    output: str | None = None
    name: str | None = None
    preset: str | None = None
    options: RunOptions = Field(default=RunOptions(), alias="beside")
    expected: Expected = Expected()
    places: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Serialise the job as JSON text, without defaults."""
        return json.dumps(self.model_dump(mode="json", by_alias=True, exclude_defaults=True), ensure_ascii=True)

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The job in a JSON text.

        Raises:
            RecipeError: it is none.
        """
        with refusing(RecipeError, "this is no job: it is not whole JSON."):
            values = json_object(text)
        return validated(cls, values, "this is no job")

    def files(self) -> list[tuple[str, str]]:
        """List every input file with the name of its input, in order."""
        return [(name, file) for name, files in self.inputs.items() for file in files]


def paths(inputs: Mapping[str, Sequence[Path]]) -> dict[str, tuple[str, ...]]:
    """Convert files by input to the form a job holds; inputs without any are left out."""
    return {name: tuple(map(str, files)) for name, files in inputs.items() if files}
