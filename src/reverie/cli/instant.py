"""``reverie instant``: photos painted like paintings at once, and the same again by ``reverie replay``."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from reverie import styles
from reverie.cli.codes import DONE, REFUSED
from reverie.cli.guardian import Will, again_in, leave
from reverie.cli.outputs import Outputs, Wishes, depth_for, placed
from reverie.cli.perform import check_network, same_pixels
from reverie.cli.progress import Outcome, Reporter, reporter
from reverie.errors import PictureError
from reverie.feedforward.instant import load_instant
from reverie.feedforward.johnson import read_johnson
from reverie.feedforward.own import own_styles
from reverie.files import make_folder
from reverie.jobs.items import gather
from reverie.jobs.passes import instant_used
from reverie.jobs.smaller import smaller
from reverie.pictures import Picture, check_output, filled, read_mask, read_picture, resize, size_of, write_image
from reverie.recipes.instant import SMALLEST, InstantSettings, Painter, painter, size_for
from reverie.recipes.own_style import OwnPainter, own_painter
from reverie.recipes.record import Input, NetworkUsed, Record, locate, record_as
from reverie.recipes.settings import checked

NAME = "instant"


@dataclass(frozen=True)
class Order:
    """What to paint.

    Attributes:
        photo: its file.
        paintings: theirs; none where a network knows its one manner.
        settings: how.
        name: of the output where the user names none.
        mask: a file, white where to paint.
        same_as: a file whose pixels should come out again.
        notes: what the user should know.
        network: the file of a style network of one's own.
    """

    photo: Path
    paintings: tuple[Path, ...]
    settings: InstantSettings
    name: str
    mask: Path | None = None
    same_as: Path | None = None
    notes: tuple[str, ...] = ()
    network: Path | None = None

    @property
    def inputs(self) -> list[tuple[str, Path]]:
        """Role and file of all that goes in."""
        painted = [("painting", path) for path in self.paintings]
        beside = [(role, path) for role, path in (("mask", self.mask), ("network", self.network)) if path]
        return [("photo", self.photo), *painted, *beside]

    @property
    def manner(self) -> tuple[str, ...]:
        """What a name says of how it is painted."""
        return tuple(path.stem for path in (*self.paintings[:3], *([self.network] if self.network else [])))


def paint(order: Order, wishes: Wishes) -> int:
    """Paint a photo, or all of a folder, and write what comes out; return the exit code.

    Of a folder, the wished output is a folder too; the paintings are looked at once, and a photo that cannot be read
    is left out.

    Raises:
        ReverieError: anything refused; older outputs are as they were.
    """
    with contextlib.closing(reporter(machine=wishes.json)) as follower:
        for line in order.notes:
            follower.note(line)
        works = _works(order, wishes)
        manner, many = _manner(order), order.photo.is_dir()
        painted = [_painted(each, its, manner, follower, many=many) for each, its in works]
    return DONE if all(painted) else REFUSED


def _painted(order: Order, wishes: Wishes, manner: Painter | OwnPainter, follower: Reporter, *, many: bool) -> bool:
    """Whether a photo was painted: of many, one that cannot be is named, and the others go on."""
    try:
        with placed(wishes, name=order.name, inputs=[path for _, path in order.inputs]) as outputs:
            _paint_one(order, outputs, manner, follower, many=many)
    except PictureError as error:
        if not many:
            raise
        follower.note(str(error))
        return False
    return True


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
    by_role: dict[str, list[Path]] = {"photo": [], "painting": [], "mask": [], "network": []}
    for wanted in record.inputs:
        by_role.setdefault(wanted.role, []).append(locate(wanted, places, also=_known(wanted)))
    if not by_role["network"]:
        check_network(None if anyway else record.network, NetworkUsed(name=NAME, sha256=load_instant().sha256))
    order = Order(
        by_role["photo"][0],
        tuple(by_role["painting"]),
        settings,
        f"{file.stem}-replay{file.suffix}",
        mask=next(iter(by_role["mask"]), None),
        same_as=file,
        notes=notes,
        network=next(iter(by_role["network"]), None),
    )
    return paint(order, wishes)


def _works(order: Order, wishes: Wishes) -> list[tuple[Order, Wishes]]:
    """What to paint photo by photo."""
    if not order.photo.is_dir():
        return [(order, wishes)]
    photos = [path for path in gather([str(order.photo)]) if path]
    folder = wishes.output or Path(order.name).with_suffix("")
    make_folder(folder, beside="name another --output")
    made, own = "-".join(order.manner), replace(wishes, output=None)
    return [(replace(order, photo=p, name=str(folder / f"{p.stem}-{made}.png")), own) for p in photos]


def _manner(order: Order) -> Painter | OwnPainter:
    """What paints."""
    if order.network is not None:
        return own_painter(read_johnson(order.network), order.settings)
    pictures = [_opaque(path) for path in order.paintings]
    return painter([p.pixels for p in pictures], order.settings, opaque=[p.alpha for p in pictures])


def _will(order: Order, tile: int, size: tuple[int, int], *, many: bool) -> Will:
    """What happens when the system kills this process: the photo is painted anew in tiles of half the side."""
    if many:
        return Will(
            "the system ended this by SIGKILL, most likely for want of memory; smaller tiles by --tile take less, and"
            " 'reverie batch instant' sees to that by itself."
        )
    return again_in(None if order.same_as else smaller(tile, size, least=SMALLEST))


def _paint_one(order: Order, outputs: Outputs, manner: Painter | OwnPainter, follower: Reporter, *, many: bool) -> None:
    """One photo painted and written, with its alpha, its depth and its record."""
    began = time.perf_counter()
    output = outputs.picture
    photo = _opaque(order.photo)
    size = size_for(photo.pixels, manner.settings)
    check_output(output, size=size)
    tile = manner.tile(size)
    if isinstance(manner, OwnPainter) and (advice := manner.advice(size)):
        follower.note(advice)
    manner = replace(manner, settings=manner.settings.model_copy(update={"tile": tile, "memory": None}))
    record = record_as(NAME, manner.settings, network=instant_used(manner), inputs=order.inputs, output=output)
    leave(_will(order, tile, size, many=many))
    follower.began(record, output)
    mask = None if order.mask is None else read_mask(order.mask)
    image = manner.paint(photo.pixels, mask=mask, opaque=photo.alpha)
    alpha = None if photo.alpha is None else resize(photo.alpha, size_of(image)).clamp_(0, 1)
    depth = depth_for(output, photo)
    output = write_image(output, image, alpha=alpha, recipe=record.to_json(), depth=depth, into=outputs.into())
    same = same_pixels(order.same_as, output)
    follower.close()
    follower.ended(Outcome((output,), size_of(image), seconds=time.perf_counter() - began, stopped=None, same=same))


def _opaque(path: Path) -> Picture:
    """The picture in a file, its transparent places filled."""
    picture = read_picture(path)
    return replace(picture, pixels=filled(picture.pixels, picture.alpha))


def _known(wanted: Input) -> list[Path]:
    """The sample style, or the network of one's own, that an input may be."""
    known = own_styles().values() if wanted.role == "network" else map(styles.path, styles.names())
    return [path for path in known if path.name == Path(wanted.path).name]
