"""Making one item of a batch: from its files to its written picture, without a screen."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from reverie.engine import Plan, Synthesis, plan
from reverie.engine.plan import BOUNDLESS
from reverie.errors import ReverieError
from reverie.jobs.items import Item
from reverie.jobs.made import Made, memory_for, write_item
from reverie.jobs.passes import PASSES
from reverie.jobs.record import enlarger_of, hash_of, read_record, record_of
from reverie.jobs.smaller import smaller
from reverie.networks import load
from reverie.pictures import Picture, check_output, read_picture
from reverie.recipes.catalogue import find
from reverie.recipes.settings import Settings, checked
from reverie.version import __version__


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
    way = PASSES[item.recipe].make if item.recipe in PASSES else _run
    yield from way(item, share)


def _run(item: Item, share: float) -> Iterator[Made]:
    """Make an item by a run."""
    recipe = find(item.recipe)
    settings: Settings = checked(recipe.settings, item.settings.model_dump())
    longer = settings.longer
    check_output(item.output, size=None if longer is None else (longer, longer))
    pictures: dict[str, list[Picture]] = {}
    for role, path in item.inputs:
        pictures.setdefault(role, []).append(read_picture(path))
    settings = settings.resolved()
    what = recipe.prepare(recipe.inputs(pictures), settings)
    chosen = _planned(settings, what, share) if item.tile is None else plan(what, memory=BOUNDLESS, tile=item.tile)
    next_ = None if what.network.periodic else smaller(chosen.tile, chosen.size)
    record = record_of(recipe, settings.planned(chosen), inputs=item.inputs, output=item.output)
    yield Made(0.0, next_)
    for iterate in what.run(executor=chosen.executor()):
        yield Made(iterate.done, next_)
    photo = next(iter(pictures.get(recipe.roles[0].name, ())), None)
    write_item(item, iterate.image, photo, record)


def is_made(item: Item) -> bool:
    """Whether an item's output is there and is what would be made: same recipe, settings, inputs and weights.

    What Reverie chooses by itself (precision, tile) may differ, and so may the version of PyTorch: they change
    pixels by rounding only.
    """
    try:
        record = read_record(item.output)
        inputs = [(role, hash_of(path)) for role, path in item.inputs]
        weights = _weights_of(item)
    except ReverieError:
        return False
    wished, made = _wishes(item.settings.model_dump(mode="json"), record.settings)
    return (
        (record.recipe, record.reverie, record.stopped) == (item.recipe, __version__, None)
        and [(i.role, i.sha256) for i in record.inputs] == inputs
        and [used.sha256 for used in (record.network, record.enlarger) if used] == weights
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
    return plan(what, memory=memory_for(settings.memory, share), tile=settings.tile)


def _weights_of(item: Item) -> list[str]:
    """The sha256 of the network that an item would be made with, and of the one that would enlarge it."""
    if item.recipe in PASSES:
        return [PASSES[item.recipe].network(item).sha256]
    settings = checked(find(item.recipe).settings, item.settings.model_dump())
    enlarger = enlarger_of(settings)
    return [_weights(settings.network), *([enlarger.sha256] if enlarger else [])]


@lru_cache(maxsize=8)
def _weights(network: str) -> str:
    return load(network).sha256
