"""The items of a batch: pictures times paintings times settings, each with a name of its own."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_origin

from pydantic import BaseModel, JsonValue

from reverie import styles
from reverie.errors import PictureError, RecipeError, suggestion
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


def gather(
    words: Iterable[str], *, samples: bool = False, noise: bool = False, deep: bool = False
) -> tuple[Path | None, ...]:
    """The pictures that words mean: files, all of a folder, the lines of a list; each file once, folders by name.

    Args:
        words: paths; a list is a ``.txt`` file of paths, from its own folder, and ``#`` begins a comment.
        samples: whether a word may also name a sample style.
        noise: whether the word ``noise`` stands for no picture, None.
        deep: whether a folder's folders count, too; hidden ones and those of kept runs never do.
    Raises:
        PictureError: a word means nothing, a folder holds no picture, or a list cannot be read.
    """
    found: dict[Path | None, Path | None] = {}
    for word in words:
        for path in _meant(word, samples=samples, noise=noise, deep=deep):
            found.setdefault(path and path.resolve(), path)
    return tuple(found.values())


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


def _pictures(folder: Path, *, deep: bool) -> Iterator[Path]:
    """What may be a picture in a folder, by its suffix."""
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.suffix.lower() in PICTURES:
            yield path
        elif deep and path.is_dir() and not path.is_symlink() and path.suffix != KEPT:
            with contextlib.suppress(PermissionError):  # one folder of many
                yield from _pictures(path, deep=True)


def _meant(word: str, *, samples: bool, noise: bool, deep: bool) -> list[Path | None]:
    path = Path(word)
    try:
        if path.is_dir():
            inside = sorted(_pictures(path, deep=deep))
            if not inside:
                raise PictureError(f"the folder '{word}' holds no picture ({', '.join(PICTURES)}).")
            return list(inside)
        if path.is_file():
            return _listed(path) if path.suffix.lower() in LISTS else [path]
    except OSError as error:
        raise PictureError(f"cannot read '{word}': {error.strerror or error}.") from error
    if noise and word == NOISE:
        return [None]
    if samples and word in styles.names():
        return [styles.path(word)]
    raise PictureError(
        f"there is no file or folder{' or sample style' if samples else ''} '{word}'; check its spelling."
        f"{suggestion(word, styles.names()) if samples else ''}"
    )


def _listed(path: Path) -> list[Path | None]:
    """The files that a list names; one that is not there fails by itself, later."""
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except UnicodeDecodeError:
        raise PictureError(f"'{path}' is no list of paths: it is not UTF-8 text.") from None
    named = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not named:
        raise PictureError(f"the list '{path}' names no picture; write a path on each line.")
    if "\0" in "".join(named):
        raise PictureError(f"'{path}' is no list of paths: a zero byte stands in one; write a path on each line.")
    return [path.parent / name for name in named]


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
