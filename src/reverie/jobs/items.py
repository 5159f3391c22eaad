"""Items of a batch: pictures times paintings times settings, each with a unique name."""

from __future__ import annotations

import hashlib
import itertools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, get_origin

from reverie.crafts.craft import Craft
from reverie.crafts.kinds import FOLDER
from reverie.crafts.registry import find
from reverie.crafts.settings import Settings, checked
from reverie.errors import RecipeError, ReverieError, suggestion
from reverie.jobs.gather import NOISE, SHEETS
from reverie.jobs.inputs import find_files
from reverie.jobs.job import Job
from reverie.jobs.record import Record, hash_of, read_record
from reverie.jobs.weights import weights_now
from reverie.version import __version__

_LONGEST = 160  # bytes of a name
_JOINER = "\u200d"  # makes one emoji of several
Grid = Mapping[str, Sequence[str]]
Origin = tuple[str, frozenset[tuple[str, str]]]
"""What an item is made of, settings apart: its craft, and by input its file."""
_WAYS: tuple[Callable[[Path], str], ...] = (
    lambda path: path.stem,
    lambda path: f"{path.stem}-{path.suffix[1:]}",
    lambda path: f"{path.resolve().parent.name}-{path.stem}",
    lambda path: f"{path.stem}-{_digits(str(path.resolve()))}",
)
"""How a file may be called, the shortest first."""


@dataclass(frozen=True)
class Item:
    """One result of a batch.

    Attributes:
        job: what it is; the stem of its output is the item's name.
        tile: side of the tiles to make it in, pixels, where larger ones were too large; None leaves it to the plan.
    """

    job: Job
    tile: int | None = None

    @property
    def output(self) -> Path:
        """Path of the output."""
        return Path(str(self.job.output))

    @property
    def name(self) -> str:
        """Name that users know it by."""
        return self.output.stem


def parse_grid(words: Iterable[str], kind: type[Settings]) -> dict[str, tuple[str, ...]]:
    """Parse the settings to go through from words such as ``strength=0.5,1,2``.

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
    craft: Craft[..., Any],
    files: Mapping[str, Sequence[Path | None]],
    given: Mapping[str, object],
    *,
    grid: Grid,
    folder: Path,
    suffix: str = ".png",
    earlier: Mapping[Origin, Collection[str]] = MappingProxyType({}),
) -> tuple[Item, ...]:
    """Build an item for every combination of one file for each input and one value for each setting in the grid.

    Args:
        craft: which.
        files: by input; one that is left out or empty has no file, None begins with noise.
        given: settings that all have in common, by the names users know.
        grid: values to go through, as text; ``+`` joins the parts of a value that is a list.
        folder: of the outputs.
        suffix: of the outputs.
        earlier: names that a batch gave before; whatever else is made now, they stay.
    Raises:
        RecipeError: a setting that makes no sense, an input without a file, or two of which only one is taken.
    """
    craft.check({name: 1 for name, every in files.items() if every}, way=lambda each: f"; name them with {each.flag}")
    names = [each.name for each in craft.inputs if files.get(each.name)]
    labels = {name: _labels(files[name]) for name in names}
    chosen = [_settings(craft.settings, given, grid, values) for values in itertools.product(*grid.values())]
    found = []
    for settings, said in chosen:
        for picks in itertools.product(*(files[name] for name in names)):
            inputs = {name: (str(path),) for name, path in zip(names, picks, strict=True) if path is not None}
            named = [labels[name][path] for name, path in zip(names, picks, strict=True)]
            own = _earlier_name(earlier.get(origin(craft.name, inputs), ()), picks, said)
            found.append((settings, inputs, "-".join([*named, *said]), own))
    told = _distinct([name for *_, name, _ in found], [own for *_, own in found])
    return tuple(
        Item(Job(craft=craft.name, settings=settings, inputs=inputs, output=str(folder / f"{name}{suffix}")))
        for (settings, inputs, *_), name in zip(found, told, strict=True)
    )


def origin(craft: str, inputs: Mapping[str, Iterable[str]]) -> Origin:
    """Identify what an item is made of, independently of the current folder."""
    return craft, frozenset((name, str(Path(path).resolve())) for name, paths in inputs.items() for path in paths)


def _earlier_name(names: Collection[str], picks: Sequence[Path | None], said: Sequence[str]) -> str | None:
    """Pick an item's earlier name out of those given to its files; None if there is none."""
    ways = [(NOISE,) if path is None else tuple(way(path) for way in _WAYS) for path in picks] if names else []
    whole = ["-".join([*labels, *said]) for labels in itertools.product(*ways)]
    possible = {each for name in whole for each in (_plain(name), f"{_plain(name)}-{_digits(name)}")}
    return min(possible.intersection(names), default=None)


def is_made(item: Item) -> bool:
    """True if an item's output exists and is what would be made: same craft, settings, inputs and weights.

    What Reverie chooses by itself (precision, tile) may differ, and so may the version of PyTorch: they change
    pixels by rounding only.
    """
    craft = find(item.job.craft)
    try:
        record = read_record(item.output)
        files = find_files(craft, item.job.inputs)
        inputs = [(n, hash_of(path)) for n, every in files.items() for path in every if not _stays(craft, n)]
        weights = [weights_now(used) for used in record.networks]
    except ReverieError:
        return False
    wished = craft.checked(item.job.settings).model_dump(mode="json")
    return (
        (record.craft, record.reverie, record.stopped) == (craft.name, __version__, None)
        and [(i.role, i.sha256) for i in record.inputs] == inputs
        and [used.sha256 for used in record.networks] == weights
        and _same(wished, record)
    )


def _stays(craft: Craft[..., Any], name: str) -> bool:
    return craft.input(name).kind is FOLDER


def _same(wished: Mapping[str, Any], record: Record) -> bool:
    """True if the settings are the same, apart from those left to Reverie."""
    made = record.settings
    left = {"memory", "device_memory"}
    left |= {"tile"} if wished.get("tile") is None or _is_within(made.get("tile"), wished["tile"]) else set()
    left |= {name for name in ("precision", "device") if wished.get(name) == "auto"}
    left |= {"device"} if made.get("device") == f"{wished.get('device')}:0" else set()
    return {k: v for k, v in wished.items() if k not in left} == {k: v for k, v in made.items() if k not in left}


def _is_within(tile: object, wished: int) -> bool:
    """True if tiles are smaller than requested, as larger ones did not fit."""
    return isinstance(tile, int) and tile > 0 and (not wished or tile < wished)


def _settings(
    kind: type[Settings], given: Mapping[str, object], grid: Grid, values: Sequence[str]
) -> tuple[dict[str, Any], list[str]]:
    """Build settings with one value for each key of the grid, and the parts of a name that tell them."""
    fields = {field.alias or name: field for name, field in kind.model_fields.items()}
    picked: dict[str, object] = {
        key: value.split("+") if get_origin(fields[key].annotation) is tuple else value
        for key, value in zip(grid, values, strict=True)
    }
    said = [f"{key}{'' if value[:1].isdigit() else '-'}{value}" for key, value in zip(grid, values, strict=True)]
    settings = checked(kind, {**given, **picked})
    return settings.model_dump(mode="json", by_alias=True, exclude_unset=True), said


def _labels(paths: Sequence[Path | None]) -> dict[Path | None, str]:
    """A short name for each file, told apart by suffix, folder or, in the end, a few hexadecimal digits."""
    labels: dict[Path | None, str] = {None: NOISE}
    left = [p for p in paths if p is not None]
    for way in _WAYS:
        said = {p: way(p) for p in left}
        counts = [name.casefold() for name in (*said.values(), *labels.values())]
        labels |= {p: name for p, name in said.items() if counts.count(name.casefold()) == 1}
        left = [p for p in left if p not in labels]
    return labels


def _plain(name: str) -> str:
    """Make a name valid on every file system: letters, digits and symbols of any script, and some signs."""
    kept = "".join(letter if _is_kept(letter) else "_" for letter in name)
    plain = re.sub("__+", "_", kept).strip("._")
    if not plain.strip("_-"):
        return f"picture-{_digits(name)}"
    if len(plain.encode()) > _LONGEST:
        plain = f"{plain.encode()[:_LONGEST].decode(errors='ignore')}-{_digits(name)}"
    return f"picture-{plain}" if SHEETS.fullmatch(plain) else plain


def _is_kept(letter: str) -> bool:
    if letter.isascii():
        return letter.isalnum() or letter in "_.+=,-"
    return letter == _JOINER or unicodedata.category(letter)[0] in "LMNS"


def _digits(name: str) -> str:
    """Hash a name to a few hexadecimal digits."""
    return hashlib.sha256(name.encode("utf8", "surrogateescape")).hexdigest()[:8]


def _distinct(names: Sequence[str], own: Sequence[str | None]) -> list[str]:
    """Plain names of which no two are the same, even where capitals are not told apart.

    Which one a name becomes does not depend on the order of the others: later items change no earlier one's.

    Args:
        names: one for each item.
        own: the name that an item had before, and keeps.
    """
    plain = [_plain(name) for name in names]
    counts = Counter(each.casefold() for each in plain)
    told = [
        short if counts[short.casefold()] == 1 or short == name else f"{short}-{_digits(name)}"
        for name, short in zip(names, plain, strict=True)
    ]
    return _numbered(told, own)


def _numbered(names: Sequence[str], own: Sequence[str | None]) -> list[str]:
    """The same with numbers, for what is left."""
    taken = {each.casefold() for each in own if each}
    out = []
    for name, kept in zip(names, own, strict=True):
        if kept:
            out.append(kept)
            continue
        numbered = itertools.chain([name], (f"{name}-{n}" for n in itertools.count(2)))
        free = next(n for n in numbered if n.casefold() not in taken)
        taken.add(free.casefold())
        out.append(free)
    return out
