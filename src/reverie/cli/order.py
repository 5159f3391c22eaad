"""What a command is to make, as it was asked for and once it is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reverie.cli.outputs import Outputs, Wishes
from reverie.engine import Plan, Synthesis
from reverie.jobs import Folder
from reverie.jobs import Job as JobKept
from reverie.pictures import Picture
from reverie.recipes.catalogue import Recipe
from reverie.recipes.record import NetworkUsed, Record, Stop
from reverie.recipes.settings import Settings


@dataclass(frozen=True)
class Order:
    """What to make.

    Attributes:
        recipe, settings: how.
        files: by role; none in the first role begins with noise.
        name: of the output where the user names none.
        until: where to stop before the end, as the replay of a stopped run does.
        same_as: a file whose pixels should come out again.
        network: the one it must be, weights included; None takes what is here.
        enlarger: the same of the network that enlarges the finished picture.
        notes: what the user should know.
        folder: of an earlier process's run, to go on with.
    """

    recipe: Recipe[Any]
    settings: Settings
    files: Mapping[str, tuple[Path, ...]]
    name: str
    until: Stop | None = None
    same_as: Path | None = None
    network: NetworkUsed | None = None
    enlarger: NetworkUsed | None = None
    notes: tuple[str, ...] = ()
    folder: Folder | None = None

    @property
    def kept(self) -> JobKept | None:
        """The job of an earlier process's run."""
        return None if self.folder is None else self.folder.job

    @property
    def inputs(self) -> tuple[Path, ...]:
        """The files that go in, in the order of the record."""
        return tuple(path for paths in self.files.values() for path in paths)


@dataclass(frozen=True)
class Job:
    """An order made ready: files checked, pictures read, every automatic choice made."""

    order: Order
    wishes: Wishes
    outputs: Outputs
    pictures: Mapping[str, tuple[Picture, ...]]
    settings: Settings
    record: Record
    synthesis: Synthesis
    plan: Plan

    @property
    def sources(self) -> tuple[Path, ...]:
        """The files that go in, in the order of the record."""
        return self.order.inputs

    @property
    def photo(self) -> Picture | None:
        """The picture it begins with; None when that is noise."""
        return next(iter(self.pictures.get(self.order.recipe.roles[0].name, ())), None)
