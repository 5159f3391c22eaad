"""Presets: settings that go well together, under the name of how they look."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any, Self

from pydantic import Field, JsonValue

from reverie import styles
from reverie.crafts.registry import find
from reverie.crafts.settings import validated
from reverie.errors import PluginWarning, RecipeError, suggestion
from reverie.jobs.job import FrozenModel, Job
from reverie.untrusted import json_object, refusing

PLUGINS = "reverie.presets"
"""Group of entry points by which packages add presets: each names a package that holds JSON files."""
_ROOM = Path(__file__).parents[1] / "presets"


class Preset(FrozenModel):
    """Settings that go well together.

    Attributes:
        craft: its name.
        summary: what it looks like, in one line.
        settings: those that are not the default, by the names users know.
        samples: sample styles by input, used for one that is given no file.
    """

    craft: str
    summary: str = Field(min_length=1, max_length=90)
    settings: dict[str, JsonValue] = Field(default={})
    samples: dict[str, tuple[str, ...]] = Field(default={})

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """Parse a preset from JSON text.

        Raises:
            RecipeError: one line naming what is wrong.
        """
        with refusing(RecipeError, "the preset is damaged: it is not whole JSON."):
            values = json_object(text)
        return validated(cls, values, "the preset is damaged")

    def given(self) -> dict[str, Any]:
        """Return the settings as if they were typed, by the names users know.

        Raises:
            RecipeError: the craft has no such setting, or not of that value.
        """
        if not self.settings:
            return {}
        settings = find(self.craft).checked(self.settings)
        return settings.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def pictures(self, name: str) -> tuple[Path, ...]:
        """Return the files of its sample styles for an input; empty if it has none."""
        return tuple(map(styles.path, self.samples.get(name, ())))


def presets(craft: str | None = None) -> Mapping[str, Preset]:
    """Return all presets by name, in alphabetical order, or only those of one craft.

    Example:
        >>> "night-oil" in presets("style")
        True
    """
    return {name: preset for name, preset in _every().items() if craft in (None, preset.craft)}


def find_preset(name: str, craft: str) -> Preset:
    """Look up a craft's preset by name.

    Raises:
        RecipeError: the craft has none of that name.

    Example:
        >>> find_preset("night-oil", "style").samples
        {'painting': ('night-strokes',)}
    """
    known, every = presets(craft), presets()
    if name in every and name not in known:
        raise RecipeError(f"preset '{name}' is for {every[name].craft}; 'reverie presets' lists those for {craft}.")
    if name not in known:
        raise RecipeError(f"{craft} has no preset '{name}'; 'reverie presets' lists them.{suggestion(name, known)}")
    return known[name]


def with_preset(job: Job) -> Job:
    """Fill in the settings and samples of a job's preset, where the job gives none itself.

    Raises:
        RecipeError: there is no such preset.
    """
    if job.preset is None:
        return job
    preset = find_preset(job.preset, job.craft)
    samples = {name: tuple(map(str, preset.pictures(name))) for name in preset.samples}
    return job.model_copy(update={"settings": {**preset.given(), **job.settings}, "inputs": {**samples, **job.inputs}})


@cache
def _every() -> Mapping[str, Preset]:
    found = {path.stem: Preset.from_json(path.read_bytes()) for path in sorted(_ROOM.glob("*.json"))}
    for name, text in sorted(_added()):
        try:
            if name in found:
                raise RecipeError("there is a preset of that name already")
            found[name] = Preset.from_json(text)
        except RecipeError as error:
            warnings.warn(f"the preset '{name}' is left out: {error}", PluginWarning, stacklevel=2)
    return dict(sorted(found.items()))


def _added() -> Iterator[tuple[str, str]]:
    """Yield name and text of the presets in installed packages."""
    for entry in metadata.entry_points(group=PLUGINS):
        try:
            files = [file for file in resources.files(entry.value).iterdir() if file.name.endswith(".json")]
            yield from ((file.name.removesuffix(".json"), file.read_text(encoding="utf8")) for file in files)
        except (Exception, SystemExit) as error:  # a stranger's package
            words = f"{type(error).__name__}: {error}"
            warnings.warn(f"the presets of '{entry.name}' are left out: {words}", PluginWarning, stacklevel=2)
