"""Presets: settings that go well together, under the name of how they look."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from reverie import styles
from reverie.errors import RecipeError, suggestion
from reverie.recipes.catalogue import find
from reverie.recipes.settings import Settings, checked, validated
from reverie.strangers import json_object, refusing

_ROOM = Path(__file__).parents[1] / "presets"


class Preset(BaseModel):
    """Settings that go well together.

    Attributes:
        recipe: its name in the catalogue.
        summary: what it looks like, in one line.
        settings: those that are not the default, by the names users know.
        samples: sample styles by role, used for a role that is given no picture.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    recipe: str
    summary: str = Field(min_length=1, max_length=90)
    settings: dict[str, JsonValue] = {}
    samples: dict[str, tuple[str, ...]] = {}

    @classmethod
    def from_json(cls, text: str | bytes) -> Self:
        """The preset in a JSON text.

        Raises:
            RecipeError: one line naming what is wrong.
        """
        with refusing(RecipeError, "the preset is damaged: it is not whole JSON."):
            values = json_object(text)
        return validated(cls, values, "the preset is damaged")

    def given(self) -> dict[str, Any]:
        """The settings as if they were typed, by the names users know.

        Raises:
            RecipeError: the recipe has no such setting, or not of that value.
        """
        if not self.settings:
            return {}
        settings: Settings = checked(find(self.recipe).settings, dict(self.settings))
        return settings.model_dump(mode="json", by_alias=True, exclude_unset=True)

    def pictures(self, role: str) -> tuple[Path, ...]:
        """The files of its sample styles for a role; none where it brings none."""
        return tuple(map(styles.path, self.samples.get(role, ())))


def presets(recipe: str | None = None) -> Mapping[str, Preset]:
    """All presets by name, in alphabetical order; those of one recipe where it is named.

    Example:
        >>> "night-oil" in presets("style")
        True
    """
    files = sorted(_ROOM.glob("*.json"))
    found = {file.stem: Preset.from_json(file.read_bytes()) for file in files}
    return {name: preset for name, preset in found.items() if recipe in (None, preset.recipe)}


def find_preset(name: str, recipe: str) -> Preset:
    """The preset of that name.

    Raises:
        RecipeError: the recipe has none of that name.

    Example:
        >>> find_preset("night-oil", "style").samples
        {'painting': ('night-strokes',)}
    """
    known, every = presets(recipe), presets()
    if name in every and name not in known:
        raise RecipeError(f"preset '{name}' is for {every[name].recipe}; 'reverie presets' lists those for {recipe}.")
    if name not in known:
        raise RecipeError(f"{recipe} has no preset '{name}'; 'reverie presets' lists them.{suggestion(name, known)}")
    return known[name]
