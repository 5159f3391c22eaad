"""``reverie instant``: photos painted like paintings at once, and the same again by ``reverie replay``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reverie import styles
from reverie.cli.codes import DONE
from reverie.cli.outputs import Wishes, depth_for, plan
from reverie.cli.perform import check_network, same_pixels
from reverie.cli.progress import Outcome, Reporter, reporter
from reverie.errors import PictureError
from reverie.jobs.items import gather
from reverie.networks.instant import Instant, load_instant
from reverie.pictures import Picture, check_output, filled, read_mask, read_picture, resize, size_of, write_image
from reverie.recipes.instant import InstantSettings, Painter, painter, size_for, tile_for
from reverie.recipes.record import Input, NetworkUsed, Record, locate, record_as
from reverie.recipes.settings import checked

NAME = "instant"


@dataclass(frozen=True)
class Order:
    """What to paint.

    Attributes:
        photo: its file.
        paintings: theirs.
        settings: how.
        name: of the output where the user names none.
        mask: a file, white where to paint.
        same_as: a file whose pixels should come out again.
        notes: what the user should know.
    """

    photo: Path
    paintings: tuple[Path, ...]
    settings: InstantSettings
    name: str
    mask: Path | None = None
    same_as: Path | None = None
    notes: tuple[str, ...] = ()

    @property
    def inputs(self) -> list[tuple[str, Path]]:
        """Role and file of all that goes in."""
        painted = [("painting", path) for path in self.paintings]
        return [("photo", self.photo), *painted, *([("mask", self.mask)] if self.mask else [])]


def paint(order: Order, wishes: Wishes) -> int:
    """Paint a photo, or all of a folder, and write what comes out; return the exit code.

    Of a folder, the wished output is a folder too; the paintings are looked at once.

    Raises:
        ReverieError: anything refused; older outputs are as they were.
    """
    with contextlib.closing(reporter(machine=wishes.json)) as follower:
        for line in order.notes:
            follower.note(line)
        works = _works(order, wishes)
        manner = painter([_opaque(path).pixels for path in order.paintings], order.settings)
        for each, its in works:
            _paint_one(each, its, manner, follower)
    return DONE


def again(
    record: Record, places: Sequence[Path], wishes: Wishes, *, file: Path, anyway: bool, notes: tuple[str, ...]
) -> int:
    """Paint once more what a file's record describes.

    Args:
        record: in the file.
        places: folders in which its pictures may lie.
        wishes: what to write.
        file: the one with the record.
        anyway: take the network that is here, though its weights have changed.
        notes: what the user should know.
    """
    settings = checked(InstantSettings, dict(record.settings))
    by_role: dict[str, list[Path]] = {"photo": [], "painting": [], "mask": []}
    for wanted in record.inputs:
        by_role.setdefault(wanted.role, []).append(locate(wanted, places, also=_samples(wanted)))
    check_network(None if anyway else record.network, _network_used(load_instant()))
    order = Order(
        by_role["photo"][0],
        tuple(by_role["painting"]),
        settings,
        f"{file.stem}-replay{file.suffix}",
        mask=next(iter(by_role["mask"]), None),
        same_as=file,
        notes=notes,
    )
    return paint(order, wishes)


def _works(order: Order, wishes: Wishes) -> list[tuple[Order, Wishes]]:
    """What to paint photo by photo."""
    if not order.photo.is_dir():
        return [(order, wishes)]
    photos = [path for path in gather([str(order.photo)]) if path]
    folder = wishes.output or Path(order.name).with_suffix("")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise PictureError(f"cannot make the folder '{folder}': {error.strerror}; name another --output.") from None
    made, own = "-".join(path.stem for path in order.paintings[:3]), replace(wishes, output=None)
    return [(replace(order, photo=p, name=str(folder / f"{p.stem}-{made}.png")), own) for p in photos]


def _paint_one(order: Order, wishes: Wishes, manner: Painter, follower: Reporter) -> None:
    """One photo painted and written, with its alpha, its depth and its record."""
    began = time.perf_counter()
    output = plan(wishes, name=order.name, inputs=[path for _, path in order.inputs]).picture
    photo = _opaque(order.photo)
    size = size_for(photo.pixels, manner.settings)
    check_output(output, size=size)
    manner = replace(manner, settings=_settled(manner.settings, size))
    used = _network_used(manner.decoder)
    record = record_as(NAME, manner.settings, network=used, inputs=order.inputs, output=output)
    follower.began(record, output)
    image = manner.paint(photo.pixels, mask=None if order.mask is None else read_mask(order.mask))
    alpha = None if photo.alpha is None else resize(photo.alpha, size_of(image)).clamp_(0, 1)
    write_image(output, image, alpha=alpha, recipe=record.to_json(), depth=depth_for(output, photo))
    same = same_pixels(order.same_as, output)
    follower.close()
    follower.ended(Outcome((output,), size_of(image), seconds=time.perf_counter() - began, stopped=None, same=same))


def _settled(settings: InstantSettings, size: tuple[int, int]) -> InstantSettings:
    """The settings with the tile chosen."""
    return settings.model_copy(update={"tile": tile_for(size, settings), "memory": None})


def _network_used(decoder: Instant) -> NetworkUsed:
    return NetworkUsed(name=NAME, sha256=decoder.sha256)


def _opaque(path: Path) -> Picture:
    """The picture in a file, its transparent places filled."""
    picture = read_picture(path)
    return replace(picture, pixels=filled(picture.pixels, picture.alpha))


def _samples(wanted: Input) -> list[Path]:
    """The sample style that an input may be."""
    return [path for path in map(styles.path, styles.names()) if path.name == Path(wanted.path).name]
