"""Items that one pass through a network of ours makes: a photo enlarged, a photo painted at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import TypeVar

from reverie.feedforward.instant import load_instant
from reverie.feedforward.johnson import read_johnson
from reverie.feedforward.superres import load_superres
from reverie.jobs.items import Item
from reverie.jobs.made import Made, memory_for, write_item
from reverie.jobs.record import NetworkUsed, hash_of, record_as, superres_used
from reverie.jobs.smaller import smaller
from reverie.pictures import Picture, check_output, filled, read_mask, read_picture
from reverie.recipes.instant import SMALLEST as LEAST_PAINTED
from reverie.recipes.instant import InstantSettings, Painter, painter, size_for
from reverie.recipes.parts.own_style import OwnPainter, own_painter
from reverie.recipes.settings import checked
from reverie.recipes.upscale import SMALLEST as LEAST_ENLARGED
from reverie.recipes.upscale import UpscaleSettings, upscaling
from reverie.recipes.upscale import tile_for as tile_to_enlarge

T = TypeVar("T", UpscaleSettings, InstantSettings)
_MANNERS = 4  # paintings, and networks of one's own, that a worker remembers
OWN = "own style"
"""What a record calls the network where it is one's own."""


@dataclass(frozen=True)
class Pass:
    """How items of one craft are made.

    Attributes:
        make: from an item and the share of the memory to how far it is.
        network: from an item to what it would be made with.
    """

    make: Callable[[Item, float], Iterator[Made]]
    network: Callable[[Item], NetworkUsed]


def instant_used(manner: Painter | OwnPainter) -> NetworkUsed:
    """The network that paints at once, as a record names it."""
    if isinstance(manner, OwnPainter):
        return NetworkUsed(name=OWN, sha256=manner.network.sha256)
    return NetworkUsed(name="instant", sha256=manner.decoder.sha256)


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
    bare = wished.model_copy(update={"memory": None, "tile": None})
    paths = (files.get("painting"), files.get("network"))
    manner = _manner(*paths, tuple(hash_of(path) for path in paths if path), bare)
    settings = manner.settings.model_copy(update={"memory": wished.memory, "tile": wished.tile})
    settings, size = _within(settings, item, share), size_for(photo.pixels, settings)
    check_output(item.output, size=size)
    tile = replace(manner, settings=settings).tile(size)
    settings = settings.model_copy(update={"tile": tile, "memory": None})
    record = record_as(item.recipe, settings, network=instant_used(manner), inputs=item.inputs, output=item.output)
    yield Made(0.0, smaller(tile, size, least=LEAST_PAINTED))
    mask = read_mask(files["mask"]) if "mask" in files else None
    image = replace(manner, settings=settings).paint(photo.pixels, mask=mask, opaque=photo.alpha)
    write_item(item, image, photo, record)


def _painted_with(item: Item) -> NetworkUsed:
    """The network that an item would be painted with."""
    own = dict(item.inputs).get("network")
    if own is not None:
        return NetworkUsed(name=OWN, sha256=hash_of(own))
    return NetworkUsed(name="instant", sha256=load_instant().sha256)


PASSES: Mapping[str, Pass] = MappingProxyType(
    {
        "upscale": Pass(enlarge, lambda item: superres_used(item.settings.model_dump()["variant"])),
        "instant": Pass(paint, _painted_with),
    }
)
"""By the names of the catalogue."""


@lru_cache(maxsize=_MANNERS)
def _manner(
    painting: Path | None, network: Path | None, sha256: tuple[str, ...], settings: InstantSettings
) -> Painter | OwnPainter:
    """What paints like a painting, or by a network of one's own; a worker looks at it once."""
    if network is not None:
        return own_painter(read_johnson(network), settings)
    pictures = [_opaque(painting)] if painting else []
    return painter([p.pixels for p in pictures], settings, opaque=[p.alpha for p in pictures])


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
