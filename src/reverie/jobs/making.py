"""Making one item of a batch: from its files to its written picture, without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch

from reverie.engine import Plan, Synthesis, parse_memory, plan
from reverie.engine.memory import free_memory, resident
from reverie.engine.plan import BOUNDLESS
from reverie.errors import ReverieError
from reverie.jobs.items import Item
from reverie.jobs.smaller import smaller
from reverie.networks import load
from reverie.pictures import Picture, check_output, format_of, read_picture, resize, size_of, write_image
from reverie.recipes.catalogue import find
from reverie.recipes.record import hash_of, read_record, record_of
from reverie.recipes.settings import Settings


@dataclass(frozen=True)
class Made:
    """How far an item is.

    Attributes:
        done: share of its run, in [0, 1].
        smaller: side of the tiles to try if its worker is killed now, pixels; None where they cannot be smaller.
    """

    done: float
    smaller: int | None


def make(item: Item, *, share: float = 1.0) -> Iterator[Made]:
    """Make an item's picture and write it, its record inside.

    Args:
        item: what.
        share: of the memory that this process may take, in (0, 1].
    Yields:
        How far it is: before the first step, and after each.
    Raises:
        ReverieError: anything refused; an older output is as it was.
    """
    recipe = find(item.recipe)
    longer = getattr(item.settings, "size", None)
    check_output(item.output, size=longer and (longer, longer))
    pictures: dict[str, list[Picture]] = {}
    for role, path in item.inputs:
        pictures.setdefault(role, []).append(read_picture(path))
    settings = item.settings.resolved()
    what = recipe.prepare(recipe.inputs(pictures), settings)
    chosen = _planned(settings, what, share) if item.tile is None else plan(what, memory=BOUNDLESS, tile=item.tile)
    next_ = None if what.network.periodic else smaller(chosen.tile, chosen.size)
    record = record_of(recipe, settings.planned(chosen), inputs=item.inputs, output=item.output)
    yield Made(0.0, next_)
    for iterate in what.run(executor=chosen.executor()):
        yield Made(iterate.done, next_)
    photo = next(iter(pictures.get(recipe.roles[0].name, ())), None)
    _write(item, iterate.image, photo, record.to_json())


def is_made(item: Item) -> bool:
    """Whether an item's output is there and is what would be made: same recipe, settings, inputs and weights.

    What Reverie chooses by itself (precision, tile) may differ, and so may the version of PyTorch: they change
    pixels by rounding only.
    """
    try:
        record = read_record(item.output)
        inputs = [(role, hash_of(path)) for role, path in item.inputs]
        network = _weights_of(item.settings.network)
    except ReverieError:
        return False
    wished, made = _wishes(item.settings.model_dump(mode="json"), record.settings)
    return (
        (record.recipe, record.reverie, record.stopped) == (item.recipe, _version(), None)
        and [(i.role, i.sha256) for i in record.inputs] == inputs
        and record.network.sha256 == network
        and wished == made
    )


def _wishes(wished: dict[str, Any], made: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both settings without those that were left to Reverie."""
    left = {"memory"}
    left |= {"tile"} if wished.get("tile") is None or _is_within(made.get("tile"), wished["tile"]) else set()
    left |= {"precision"} if wished.get("precision") == "auto" else set()
    return ({k: v for k, v in wished.items() if k not in left}, {k: v for k, v in made.items() if k not in left})


def _is_within(tile: int | None, wished: int) -> bool:
    """Whether tiles are smaller than was wished: larger ones did not fit."""
    return tile is not None and tile > 0 and (not wished or tile < wished)


def _planned(settings: Settings, what: Synthesis, share: float) -> Plan:
    """How to run within this process's share of the memory."""
    if settings.memory is None and settings.tile is not None:
        return settings.plan(what)
    most = free_memory() - resident() if settings.memory is None else parse_memory(settings.memory)
    own = resident() if settings.memory is None else 0
    return plan(what, memory=int(most * share) + own, tile=settings.tile)


def _write(item: Item, image: torch.Tensor, photo: Picture | None, recipe: str) -> None:
    """Write the picture with its photo's alpha and depth."""
    format_ = format_of(item.output)
    deep = photo is not None and photo.depth == 16 and 16 in format_.depths
    alpha = None if photo is None or photo.alpha is None else resize(photo.alpha, size_of(image)).clamp(0, 1)
    write_image(item.output, image, alpha=alpha, recipe=recipe, depth=16 if deep else 8)


@lru_cache(maxsize=8)
def _weights_of(network: str) -> str:
    return load(network).sha256


def _version() -> str:
    import reverie  # the package is whole only once this module is

    return reverie.__version__
