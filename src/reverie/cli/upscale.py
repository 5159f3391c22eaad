"""``reverie upscale``: a photo enlarged twice, three or four times, and the same again by ``reverie replay``."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from reverie.cli import guardian
from reverie.cli.codes import DONE
from reverie.cli.outputs import Wishes, depth_for, placed
from reverie.cli.perform import check_network, same_pixels
from reverie.cli.progress import Outcome, Reporter, reporter
from reverie.feedforward.superres import load_superres
from reverie.jobs.smaller import smaller
from reverie.pictures import Picture, check_output, read_picture, resize, size_of, write_image
from reverie.recipes.record import NetworkUsed, Record, record_as, superres_used
from reverie.recipes.settings import checked
from reverie.recipes.upscale import SMALLEST, UpscaleSettings, tile_for, upscaling

NAME = "upscale"


@dataclass(frozen=True)
class Order:
    """What to enlarge.

    Attributes:
        photo: its file.
        settings: how.
        name: of the output where the user names none.
        same_as: a file whose pixels should come out again.
        network: the one it must be, weights included; None takes what is here.
        notes: what the user should know.
    """

    photo: Path
    settings: UpscaleSettings
    name: str
    same_as: Path | None = None
    network: NetworkUsed | None = None
    notes: tuple[str, ...] = ()


def enlarge(order: Order, wishes: Wishes) -> int:
    """Enlarge a picture and write it, with its alpha, its depth and its record; return the exit code.

    Raises:
        ReverieError: anything refused; an older output is as it was.
    """
    began = time.perf_counter()
    with (
        contextlib.closing(reporter(machine=wishes.json)) as follower,
        placed(wishes, name=order.name, inputs=[order.photo]) as outputs,
    ):
        for line in order.notes:
            follower.note(line)
        output = outputs.picture
        photo = read_picture(order.photo)
        height, width = (side * order.settings.factor for side in photo.size)
        check_output(output, size=(height, width))
        record, settings = _recorded(order, photo, output)
        less = smaller(settings.tile or 0, photo.size, least=SMALLEST)
        guardian.leave(guardian.again_in(None if order.same_as else less))
        follower.began(record, output)
        image = _followed(photo.pixels, settings, follower)
        output = write_image(
            output,
            image,
            alpha=None if photo.alpha is None else resize(photo.alpha, size_of(image)).clamp_(0, 1),
            recipe=record.to_json(),
            depth=depth_for(output, photo),
            into=outputs.into(),
        )
        same = same_pixels(order.same_as, output)
        follower.close()
        follower.ended(
            Outcome((output,), (height, width), seconds=time.perf_counter() - began, stopped=None, same=same)
        )
    return DONE


def again(record: Record, photo: Path, wishes: Wishes, *, file: Path, anyway: bool, notes: tuple[str, ...]) -> int:
    """Enlarge once more what a file's record describes.

    Args:
        record: in the file.
        photo: the picture it was made from.
        wishes: what to write.
        file: the one with the record.
        anyway: take the network that is here, though its weights have changed.
        notes: what the user should know.
    """
    settings = checked(UpscaleSettings, dict(record.settings))
    network = None if anyway else record.network
    return enlarge(Order(photo, settings, f"{file.stem}-replay{file.suffix}", file, network, notes), wishes)


def _recorded(order: Order, photo: Picture, output: Path) -> tuple[Record, UpscaleSettings]:
    """What is kept inside the picture, and the settings with every automatic choice made."""
    used = superres_used(order.settings.variant)
    check_network(order.network, used)
    tile = tile_for(photo.pixels, order.settings, load_superres(order.settings.variant))
    settings = order.settings.model_copy(update={"tile": tile, "memory": None})
    return record_as(NAME, settings, network=used, inputs=[("photo", order.photo)], output=output), settings


def _followed(pixels: Tensor, settings: UpscaleSettings, follower: Reporter) -> Tensor:
    for part in upscaling(pixels, settings):
        follower.enlarged(part)
    return part.image
