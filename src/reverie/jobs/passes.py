"""Items that one pass through a network of ours makes: a photo enlarged, a photo painted at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from reverie.jobs.items import Item
from reverie.jobs.made import Made, memory_for, write_item
from reverie.jobs.smaller import smaller
from reverie.networks.instant import load_instant
from reverie.networks.superres import Variant, load_superres
from reverie.pictures import Picture, check_output, filled, read_mask, read_picture
from reverie.recipes.instant import SMALLEST as LEAST_PAINTED
from reverie.recipes.instant import InstantSettings, Painter, painter, size_for
from reverie.recipes.instant import tile_for as tile_to_paint
from reverie.recipes.record import NetworkUsed, hash_of, record_as
from reverie.recipes.settings import checked
from reverie.recipes.upscale import SMALLEST as LEAST_ENLARGED
from reverie.recipes.upscale import UpscaleSettings, upscaling
from reverie.recipes.upscale import tile_for as tile_to_enlarge

T = TypeVar("T", UpscaleSettings, InstantSettings)
_MANNERS = 4  # paintings that a worker remembers


@dataclass(frozen=True)
class Pass:
    """How items of one craft are made.

    Attributes:
        make: from an item and the share of the memory to how far it is.
        network: from its settings to what it would be made with.
    """

    make: Callable[[Item, float], Iterator[Made]]
    network: Callable[[Any], NetworkUsed]


def superres_used(variant: Variant) -> NetworkUsed:
    """The network that enlarges, as a record names it."""
    return NetworkUsed(name=f"superres-{variant}", sha256=load_superres(variant).sha256)


def enlarge(item: Item, share: float) -> Iterator[Made]:
    """Enlarge an item's photo and write it, its record inside; see `making.make`."""
    files = dict(item.inputs)
    photo = read_picture(files["photo"])
    settings = _within(checked(UpscaleSettings, item.settings.model_dump()), item, share)
    check_output(item.output, size=(photo.size[0] * settings.factor, photo.size[1] * settings.factor))
    tile = tile_to_enlarge(photo.pixels, settings, load_superres(settings.variant))
    settings = settings.model_copy(update={"tile": tile, "memory": None})
    used = superres_used(settings.variant)
    record = record_as(item.recipe, settings, network=used, inputs=item.inputs, output=item.output)
    next_ = smaller(tile, photo.size, least=LEAST_ENLARGED)
    yield Made(0.0, next_)
    for part in upscaling(photo.pixels, settings):
        yield Made(part.done, next_)
    write_item(item, part.image, photo, record)


def paint(item: Item, share: float) -> Iterator[Made]:
    """Paint an item's photo at once and write it, its record inside; see `making.make`."""
    files = dict(item.inputs)
    photo = _opaque(files["photo"])
    wished = checked(InstantSettings, item.settings.model_dump())
    painting, bare = files["painting"], wished.model_copy(update={"memory": None, "tile": None})
    manner = _manner(painting, hash_of(painting), bare)
    settings = manner.settings.model_copy(update={"memory": wished.memory, "tile": wished.tile})
    settings, size = _within(settings, item, share), size_for(photo.pixels, settings)
    check_output(item.output, size=size)
    settings = settings.model_copy(update={"tile": tile_to_paint(size, settings), "memory": None})
    used = NetworkUsed(name=item.recipe, sha256=manner.decoder.sha256)
    record = record_as(item.recipe, settings, network=used, inputs=item.inputs, output=item.output)
    yield Made(0.0, smaller(settings.tile or 0, size, least=LEAST_PAINTED))
    mask = read_mask(files["mask"]) if "mask" in files else None
    image = replace(manner, settings=settings).paint(photo.pixels, mask=mask)
    write_item(item, image, photo, record)


PASSES: Mapping[str, Pass] = MappingProxyType(
    {
        "upscale": Pass(enlarge, lambda settings: superres_used(settings.variant)),
        "instant": Pass(paint, lambda settings: NetworkUsed(name="instant", sha256=load_instant().sha256)),
    }
)
"""By the names of the catalogue."""


@lru_cache(maxsize=_MANNERS)
def _manner(painting: Path, sha256: str, settings: InstantSettings) -> Painter:
    """What paints like a painting; a worker looks at it once."""
    return painter([_opaque(painting).pixels], settings)


def _within(settings: T, item: Item, share: float) -> T:
    """The settings with the worker's part of the memory, or the tiles that are to do after larger ones did not."""
    if item.tile is not None:
        return settings.model_copy(update={"tile": item.tile, "memory": None})
    if settings.tile is not None and settings.memory is None:
        return settings
    return settings.model_copy(update={"memory": str(memory_for(settings.memory, share))})


def _opaque(path: Path) -> Picture:
    """The picture in a file, its transparent places filled."""
    picture = read_picture(path)
    return replace(picture, pixels=filled(picture.pixels, picture.alpha))
