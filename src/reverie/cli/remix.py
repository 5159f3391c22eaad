"""``reverie remix``: a saved result weaker, stronger or in other colours, without computing it again."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from torch import Tensor

from reverie import styles
from reverie.cli.codes import DONE
from reverie.cli.outputs import Wishes, depth_for, placed
from reverie.cli.perform import same_pixels
from reverie.cli.progress import Outcome, reporter
from reverie.errors import RecipeError
from reverie.pictures import filled, read_picture, size_of, write_image
from reverie.recipes.record import Input, Record, Remixed, hash_of, locate, read_record, relative
from reverie.recipes.remix import RemixSettings, remixed
from reverie.recipes.settings import checked


def remix(
    file: Path,
    settings: RemixSettings,
    wishes: Wishes,
    *,
    folders: Sequence[Path] = (),
    name: str | None = None,
    same_as: Path | None = None,
) -> int:
    """Mix a result with its photo and write it, with its alpha, its depth and a record; return the exit code.

    Args:
        file: the result, its record inside.
        settings: how.
        wishes: what to write.
        folders: where its photo and paintings may lie, besides the file's folder and the current one.
        name: of the output where the user names none.
        same_as: a file whose pixels should come out again.
    Raises:
        ReverieError: anything refused; an older output is as it was.
    """
    began = time.perf_counter()
    record, places = read_record(file), [file.parent, Path(), *folders]
    files = [locate(wanted, places, also=_samples(wanted)) for wanted in _needed(record, file, settings)]
    with (
        contextlib.closing(reporter(machine=wishes.json)) as follower,
        placed(wishes, name=name or f"{file.stem}-remix{file.suffix}", inputs=[file, *files]) as outputs,
    ):
        output = outputs.picture
        record = _recorded(record, file, settings, output)
        follower.began(record, output)
        result, (photo, *paintings) = read_picture(file), map(_opaque, files)
        seamless = bool(record.settings.get("seamless"))
        image = remixed(result.pixels, photo, settings, paintings=paintings, seamless=seamless)
        depth = depth_for(output, result)
        output = write_image(
            output, image, alpha=result.alpha, recipe=record.to_json(), depth=depth, into=outputs.into()
        )
        same = same_pixels(same_as, output)
        follower.close()
        follower.ended(Outcome((output,), size_of(image), seconds=time.perf_counter() - began, stopped=None, same=same))
    return DONE


def again(record: Record, wishes: Wishes, *, file: Path, folders: Sequence[Path]) -> int:
    """Mix once more what a file's record describes.

    Args:
        record: in the file.
        wishes: what to write.
        file: the one with the record.
        folders: where to look for the result and the pictures it was made from.
    Raises:
        RecipeError: the result that was mixed is not there.
    """
    last = record.remixed[-1]
    result = locate(last.result, folders)
    name = f"{file.stem}-replay{file.suffix}"
    settings = checked(RemixSettings, dict(last.settings))
    return remix(result, settings, wishes, folders=folders, name=name, same_as=file)


def _needed(record: Record, file: Path, settings: RemixSettings) -> Iterator[Input]:
    """The photo, and the paintings if their colours are wished for."""
    if record.settings.get("zoom") not in (None, 0, 1):
        raise RecipeError(f"'{file}' is a frame of a zoom, and no longer lies on its photo; remix the first frame.")
    photos = [wanted for wanted in record.inputs if wanted.role == "photo"]
    if not photos:
        raise RecipeError(f"a remix mixes a result with its photo, and '{file}' was made without one.")
    yield photos[0]
    if settings.colour == "palette":
        yield from (wanted for wanted in record.inputs if wanted.role == "painting")


def _samples(wanted: Input) -> list[Path]:
    """The sample style that an input may be."""
    return [path for path in map(styles.path, styles.names()) if path.name == Path(wanted.path).name]


def _opaque(path: Path) -> Tensor:
    picture = read_picture(path)
    return filled(picture.pixels, picture.alpha)


def _recorded(record: Record, file: Path, settings: RemixSettings, output: Path) -> Record:
    """The result's record and what is done to it now, every path as seen from the output."""

    def moved(wanted: Input) -> Input:
        return wanted.model_copy(update={"path": relative(file.parent / wanted.path, output.parent)})

    earlier = (each.model_copy(update={"result": moved(each.result)}) for each in record.remixed)
    result = Input(role="result", path=relative(file, output.parent), sha256=hash_of(file))
    now = Remixed(result=result, settings=settings.model_dump(mode="json"))
    inputs = tuple(map(moved, record.inputs))
    return record.model_copy(update={"inputs": inputs, "remixed": (*earlier, now)})
