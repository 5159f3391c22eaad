"""Input files of a job: find them from the words given, and read them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reverie import styles
from reverie.clips import open_footage
from reverie.crafts.craft import Craft, Input
from reverie.crafts.kinds import FOLDER, FOOTAGE, MASK, PHOTO, PLACE, RESULT, STYLE_NETWORK, WORD
from reverie.errors import PictureError, RecipeError, suggestion
from reverie.feedforward import read_johnson
from reverie.feedforward.custom import custom_styles, find_custom_style
from reverie.files import is_folder
from reverie.finding import READ, Describer, suitable
from reverie.jobs.gather import gather
from reverie.jobs.record import Record, locate, read_record
from reverie.networks import load as load_network
from reverie.pictures import Picture, filled, read_mask, read_picture

_UNREAD = (FOLDER, PLACE, WORD)
"""Kinds that are not read, copied or recorded as files: the craft itself handles them."""
Found = Mapping[str, tuple[Path, ...]]
"""Files by the names of inputs."""


@dataclass(frozen=True, eq=False)
class Loaded:
    """Inputs of a job, as read.

    Attributes:
        files: by input, in the order of the record; the photos of a folder are not among them.
        pictures: by input, those that are pictures.
        values: by parameter, as the craft takes them.
        photo: the picture it works on; None where that is noise, or none.
    """

    files: Found
    pictures: Mapping[str, tuple[Picture, ...]]
    values: Mapping[str, Any]
    photo: Picture | None

    def listed(self) -> list[tuple[str, Path]]:
        """List every input file with the name of its input."""
        return [(name, path) for name, paths in self.files.items() for path in paths]


def find_files(craft: Craft[..., Any], words: Mapping[str, Sequence[str]]) -> dict[str, tuple[Path, ...]]:
    """Find the files that the words of each input mean, in the craft's order.

    Raises:
        RecipeError: the craft takes no such input.
        PictureError, WeightsError: a word means nothing.
    """
    for name in words:
        craft.input(name)
    return {
        each.name: tuple(path for word in words[each.name] for path in _meant(each, word))
        for each in craft.inputs
        if words.get(each.name)
    }


def with_chosen(
    craft: Craft[..., Any], files: Mapping[str, tuple[Path, ...]]
) -> tuple[dict[str, tuple[Path, ...]], tuple[str, ...]]:
    """Replace a folder of paintings by the one in it that suits the photo; return the files, and what to say of it.

    Raises:
        RecipeError: a painting is named besides, or there is no photo that it could suit.
        PictureError: the folder holds none that can be read.
    """
    found, notes = dict(files), []
    for each in craft.inputs:
        if not each.kind.chooses or not found.get(each.name):
            continue
        target, main = craft.input(each.kind.chooses), craft.main
        if found.get(target.name) or main is None or not found.get(main.name):
            raise RecipeError(f"{each.flag} finds a {target.name} for a photo; give a photo, and no {target.name}.")
        (folder,) = found.pop(each.name)
        photo = read_picture(found[main.name][0], longer=READ)
        chosen = suitable(filled(photo.pixels, photo.alpha), folder, Describer(load_network()))
        found[target.name] = (chosen,)
        notes.append(f"'{chosen}' suits the photo.")
    return {each.name: found[each.name] for each in craft.inputs if each.name in found}, tuple(notes)


def with_inherited(
    craft: Craft[..., Any], files: Mapping[str, tuple[Path, ...]], given: Mapping[str, Any], places: Sequence[Path]
) -> tuple[dict[str, tuple[Path, ...]], dict[str, Any]]:
    """Add what a result brings along: the inputs it was made from, and settings that the craft inherits.

    Args:
        craft: takes a `Result`, or is left as it is.
        files: by input.
        given: settings.
        places: folders in which the inputs may lie, beside the result's own.
    Raises:
        RecipeError: the result has no usable record, or what it was made from is not there.
    """
    results = [each.name for each in craft.inputs if each.kind is RESULT and files.get(each.name)]
    if not results:
        return dict(files), dict(given)
    result = files[results[0]][0]
    record = read_record(result)
    if record.frame:
        raise RecipeError(f"'{result}' is a frame of a zoom, and no longer lies on its photo; take the first frame.")
    found = dict(files)
    for each in craft.inputs:
        wanted = [] if found.get(each.name) else [i for i in record.inputs if i.role == each.name]
        if each.required and not wanted and not found.get(each.name):
            raise RecipeError(f"{craft.name} needs the {each.name} of a result, and '{result}' was made without one.")
        if wanted:
            with nullcontext() if each.required else suppress(RecipeError):  # what it can do without may have gone
                found[each.name] = tuple(locate(i, [result.parent, *places], also=known_as(i.path)) for i in wanted)
    inherited = {name: record.settings[name] for name in craft.inherits if name in record.settings}
    return {each.name: found[each.name] for each in craft.inputs if each.name in found}, {**inherited, **given}


def files_of(record: Record, craft: Craft[..., Any], places: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """Find the files that went into a recorded run, by input, in their order.

    Raises:
        RecipeError: the craft takes no such input, or a file is not there.
    """
    files: dict[str, tuple[Path, ...]] = {}
    for wanted in record.inputs:
        craft.input(wanted.role)
        files[wanted.role] = (*files.get(wanted.role, ()), locate(wanted, places, also=known_as(wanted.path)))
    return files


def known_as(recorded: str) -> list[Path]:
    """The sample styles and custom style networks that a recorded file may be, by its name."""
    known = [*map(styles.path, styles.names()), *custom_styles().values()]
    return [path for path in known if path.name == Path(recorded).name]


def load(craft: Craft[..., Any], files: Found, *, longer: int | None = None) -> Loaded:
    """Read the files of a job.

    Args:
        craft: of the job.
        files: by input.
        longer: the longer side in which photos are worked on, pixels: much larger ones are read reduced.
    Raises:
        RecipeError: a file is missing, or there are too many.
        PictureError, WeightsError: one cannot be read.
    """
    craft.check({name: len(paths) for name, paths in files.items()})
    inputs = [each for each in craft.inputs if files.get(each.name)]
    read = {each.name: [_read(each, path, longer) for path in files[each.name]] for each in inputs}
    pictures = {name: tuple(each for each in many if isinstance(each, Picture)) for name, many in read.items()}
    pictures = {name: many for name, many in pictures.items() if many}
    values = {each.name: _values(each, read[each.name]) for each in inputs}
    for parameter, name in craft.alphas.items():
        alphas = [p.alpha for p in pictures.get(name, ())]
        if alphas:
            values[parameter] = alphas if craft.input(name).many else alphas[0]
    main = craft.main
    photo = None if main is None or main.kind.names else next(iter(pictures.get(main.name, ())), None)
    recorded = {each.name: files[each.name] for each in inputs if each.kind not in _UNREAD}
    return Loaded(recorded, pictures, values, photo)


def _read(each: Input, path: Path, longer: int | None) -> Any:
    """Read a file; the files of a folder are read where they are needed."""
    if each.kind in _UNREAD:
        return str(path) if each.kind is WORD else path
    if each.kind is STYLE_NETWORK:
        return read_johnson(path)
    if each.kind is FOOTAGE:
        return open_footage(path)
    if each.kind is MASK:
        return read_mask(path, everywhere=each.many)
    return read_picture(path, longer=longer if each.kind is PHOTO else None)


def _values(each: Input, read: Sequence[Any]) -> Any:
    """Convert an input to what the craft takes: pictures as tensors, their transparent parts filled."""
    found = [filled(one.pixels, one.alpha) if isinstance(one, Picture) else one for one in read]
    return found if each.many or each.kind is FOLDER else found[0]


def sample_or_file(word: str) -> Path:
    """Find the file that a word means; a file of that name takes precedence over a sample style.

    Raises:
        PictureError: neither exists.
    """
    here = Path(word)
    if os.path.exists(here) or here.suffix or here.name != word:  # noqa: PTH110 (of any length)
        return here
    if word in styles.names():
        return styles.path(word)
    raise PictureError(
        f"there is no file or sample style '{word}'; 'reverie styles' lists those.{suggestion(word, styles.names())}"
    )


def _meant(each: Input, word: str) -> tuple[Path, ...]:
    """Find the files that one word means for an input."""
    if each.kind is STYLE_NETWORK:
        return (find_custom_style(word),)
    if each.kind is FOLDER:
        return tuple(path for path in gather([word], deep=True) if path)
    if each.many and is_folder(word):
        return tuple(path for path in gather([word]) if path)
    return (sample_or_file(word) if each.kind.samples or each.many else Path(word),)
