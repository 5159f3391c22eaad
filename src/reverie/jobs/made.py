"""What is told of an item while it is made, what its worker may use, and how its picture is written."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from reverie.engine.memory import free_memory, parse_memory, resident
from reverie.jobs.items import Item
from reverie.jobs.record import Record
from reverie.pictures import Picture, format_of, resize, size_of, write_image


@dataclass(frozen=True)
class Made:
    """How far an item is.

    Attributes:
        done: share of its run, in [0, 1].
        smaller: side of the tiles to try if its worker is killed now, pixels; None where they cannot be smaller.
    """

    done: float
    smaller: int | None


def memory_for(wished: str | None, share: float) -> int:
    """Bytes that a worker may use, what it has already included.

    Args:
        wished: by the user, for all workers together; None: what is free.
        share: of that, in (0, 1].
    """
    if wished is not None:
        return int(parse_memory(wished) * share)
    own = resident()
    return int((free_memory() - own) * share) + own


def write_item(item: Item, image: Tensor, photo: Picture | None, record: Record) -> None:
    """Write an item's picture with its photo's alpha and depth, its record inside."""
    deep = photo is not None and photo.depth == 16 and 16 in format_of(item.output).depths
    alpha = None if photo is None or photo.alpha is None else resize(photo.alpha, size_of(image)).clamp(0, 1)
    write_image(item.output, image, alpha=alpha, recipe=record.to_json(), depth=16 if deep else 8)
