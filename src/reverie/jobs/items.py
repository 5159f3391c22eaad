"""The items of a batch: pictures times paintings times settings, each with a name of its own."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, JsonValue

from reverie.errors import RecipeError, suggestion
from reverie.recipes.catalogue import OnePass, Recipe
from reverie.recipes.settings import checked

PICTURES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".gif")
LISTS = (".txt", ".lst", ".list")
NOISE = "noise"
KEPT = ".reverie"
"""Suffix of the folders in which runs are kept."""
_LONGEST = 150  # letters of a name
Grid = Mapping[str, Sequence[str]]


@dataclass(frozen=True)
class Item:
    """One picture of a batch.

    Attributes:
        recipe: its name in the catalogue.
        settings: checked; those that were given are set.
        inputs: (role, file), in the order of the record; none for the first role begins with noise.
        output: where the picture goes; its stem is the item's name.
        tile: side of the tiles to make it in, pixels, where larger ones were too large; None leaves it to the plan.
    """

    recipe: str
    settings: BaseModel
    inputs: tuple[tuple[str, Path], ...]
    output: Path
    tile: int | None = None

    @property
    def name(self) -> str:
        """What users know it by."""
        return self.output.stem

    def given(self) -> dict[str, JsonValue]:
        """The settings that are not the default, by the names users know."""
        return self.settings.model_dump(mode="json", by_alias=True, exclude_unset=True)


def parse_grid(words: Iterable[str], kind: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """The settings to go through, from words such as ``strength=0.5,1,2``.

    Raises:
        RecipeError: no such setting, or no value.

    Example:
        >>> parse_grid(["seed=1,2"], StyleSettings)
        {'seed': ('1', '2')}
    """
    known = {field.alias or name: field for name, field in kind.model_fields.items()}
    grid: dict[str, tuple[str, ...]] = {}
    for word in words:
        key, _, text = word.partition("=")
        key = key.strip().replace("-", "_")
        values = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
        if key not in known:
            raise RecipeError(f"--grid: there is no setting '{key}'.{suggestion(key, known)}")
        if not values or key in grid:
            raise RecipeError(f"--grid goes through each setting once, as in strength=0.5,1,2; got '{word}'.")
        grid[key] = values
    return grid


def items_of(
    recipe: Recipe[Any] | OnePass,
    files: Mapping[str, Sequence[Path | None]],
    given: Mapping[str, object],
    *,
    grid: Grid,
    folder: Path,
    suffix: str = ".png",
) -> tuple[Item, ...]:
    """Every combination of one file for each role and one value for each setting of the grid.

    Args:
        recipe: which.
        files: by role; a role that is left out or empty has no picture.
        given: settings that all have in common, by the names users know.
        grid: values to go through, as text; ``+`` joins the parts of a value that is a list.
        folder: of the outputs.
        suffix: of the outputs.
    Raises:
        RecipeError: a setting that makes no sense, a role without a picture, or two of which only one is taken.
    """
    for role in recipe.roles:
        if role.required and not files.get(role.name):
            raise RecipeError(f"{recipe.name} needs a {role.name}: {role.description}.")
    if isinstance(recipe, OnePass) and recipe.either and sum(bool(files.get(name)) for name in recipe.either) != 1:
        raise RecipeError(
            f"{recipe.name} paints like a painting, or by a network of your own; give --painting or --network, one of"
            " the two."
        )
    roles = [role.name for role in recipe.roles if files.get(role.name)]
    labels = {role: _labels(files[role]) for role in roles}
    chosen = [_settings(recipe.settings, given, grid, values) for values in itertools.product(*grid.values())]
    items = []
    for settings, said in chosen:
        for picks in itertools.product(*(files[role] for role in roles)):
            inputs = tuple((role, path) for role, path in zip(roles, picks, strict=True) if path is not None)
            named = [labels[role][path] for role, path in zip(roles, picks, strict=True)]
            items.append((settings, inputs, _plain("-".join([*named, *said]))))
    names = _distinct([name for *_, name in items])
    return tuple(
        Item(recipe.name, settings, inputs, folder / f"{name}{suffix}")
        for (settings, inputs, _), name in zip(items, names, strict=True)
    )


def _settings(
    kind: type[BaseModel], given: Mapping[str, object], grid: Grid, values: Sequence[str]
) -> tuple[BaseModel, list[str]]:
    """Settings with one value for each key of the grid, and what a name says of them."""
    fields = {field.alias or name: field for name, field in kind.model_fields.items()}
    picked: dict[str, object] = {
        key: value.split("+") if get_origin(fields[key].annotation) is tuple else value
        for key, value in zip(grid, values, strict=True)
    }
    said = [f"{key}{'' if value[:1].isdigit() else '-'}{value}" for key, value in zip(grid, values, strict=True)]
    return checked(kind, {**given, **picked}), said


def _labels(paths: Sequence[Path | None]) -> dict[Path | None, str]:
    """A short name for each file, told apart by suffix, folder or, in the end, a few hexadecimal digits."""
    ways = (
        lambda p: p.stem,
        lambda p: f"{p.stem}-{p.suffix[1:]}",
        lambda p: f"{p.resolve().parent.name}-{p.stem}",
        lambda p: f"{p.stem}-{hashlib.sha256(str(p.resolve()).encode('utf8', 'surrogateescape')).hexdigest()[:8]}",
    )
    labels: dict[Path | None, str] = {None: NOISE}
    left = [p for p in paths if p is not None]
    for way in ways:
        said = {p: way(p) for p in left}
        counts = [name.casefold() for name in (*said.values(), *labels.values())]
        labels |= {p: name for p, name in said.items() if counts.count(name.casefold()) == 1}
        left = [p for p in left if p not in labels]
    return labels


def _plain(name: str) -> str:
    """A name that every file system takes."""
    return re.sub(r"[^\w.+=,-]+", "_", name).strip("._")[:_LONGEST] or "picture"


def _distinct(names: list[str]) -> list[str]:
    """Names of which no two are the same, even where capitals are not told apart."""
    taken: set[str] = set()
    out = []
    for name in names:
        numbered = itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2)))
        free = next(n for n in numbered if n.casefold() not in taken)
        taken.add(free.casefold())
        out.append(free)
    return out
