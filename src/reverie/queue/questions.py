"""Questions about crafts and pictures, each answered by plain values; in the clerk, or in the process that asks."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from reverie import styles
from reverie.crafts.craft import Craft, Input
from reverie.crafts.kinds import FOLDER, RESULT, STYLE_NETWORK, Clip
from reverie.crafts.settings import Settings
from reverie.errors import PictureError, RecipeError, ReverieError
from reverie.feedforward.custom import custom_styles
from reverie.jobs.film import can_join
from reverie.jobs.job import Job, paths
from reverie.jobs.places import default_name
from reverie.jobs.presets import with_preset
from reverie.jobs.record import hash_of, read_record
from reverie.networks import names as network_names
from reverie.pictures import fit, read_head, read_picture, scaled, write_image
from reverie.queue.declared import (
    command_line,
    craft_card,
    crafts_shown,
    networks_shown,
    presets_shown,
    styles_shown,
)
from reverie.version import __version__

Words = dict[str, Any]
LOOK = 1024
"""Longer side in which a picture that is brought is read, pixels: all of it is decoded, and little kept."""
_KINDS = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"II": ".tif", b"MM": ".tif"}


def catalogue(_: Words) -> Words:
    """Everything that may be chosen: crafts with their forms, presets, networks, sample styles."""
    crafts = crafts_shown()
    return {
        "crafts": [craft_card(each) for each in crafts.values()],
        "presets": presets_shown(crafts),
        "networks": networks_shown(),
        "styles": styles_shown(),
    }


def check(words: Words) -> Words:
    """Check an order, and say how it is carried out: title, plan, fingerprint, and the files that it needs beside.

    ``inputs`` has for each file its ``name``, ``sha256`` and ``path``, or the ``word`` that stands for one.

    Raises:
        RecipeError: it makes no sense.
    """
    craft = _craft(words["craft"])
    inputs: Mapping[str, Sequence[Words]] = words["inputs"]
    names = [word["word"] for name, many in inputs.items() for word in many if _is_word(craft.input(name), word)]
    files = {name: [Path(each.get("word") or each["name"]) for each in many] for name, many in inputs.items()}
    own = Job(craft=craft.name, settings=words["settings"], inputs=paths(files), preset=words.get("preset"))
    job = with_preset(own)
    beside = [each for name, many in inputs.items() if craft.input(name).kind is RESULT for each in _beside(many)]
    brought = {**{each["input"]: 1 for each in beside}, **{name: len(many) for name, many in job.inputs.items()}}
    craft.check({name: count for name, count in brought.items() if name in {each.name for each in craft.inputs}})
    settings = _checked(craft, job)
    title = default_name(craft, job, {name: tuple(map(Path, many)) for name, many in job.inputs.items()})[:80]
    return {
        "title": title,
        "output": title + _suffix(craft, job),
        "kept": craft.long,
        "folders": [each.name for each in craft.inputs if each.kind is FOLDER],
        "names": names,
        "beside": beside,
        "fingerprint": _fingerprint(craft, settings, inputs, job.preset),
        "seeded": "seed" in type(settings).model_fields,
    }


def _craft(name: str) -> Craft[..., Any]:
    known = crafts_shown()
    if name not in known:
        raise RecipeError(f"there is no craft '{name:.60}'; known are {', '.join(known)}.")
    return known[name]


def _is_word(each: Input, came: Words) -> bool:
    """Whether a word stands for a file by its name: a sample style or a custom style network.

    Raises:
        RecipeError: it names neither; a path is never taken.
    """
    if "word" not in came:
        return False
    known = styles.names() if each.kind.samples else custom_styles() if each.kind is STYLE_NETWORK else ()
    if came["word"] not in known:
        also = " or a sample style's name" if each.kind.samples else ""
        raise RecipeError(f"'{came['word']:.60}' is no {each.name}; give the id of a picture{also}.")
    return True


def _checked(craft: Craft[..., Any], job: Job) -> Settings:
    """Check the settings; a network is one that is known by its name."""
    settings = craft.checked(job.settings)
    network = getattr(settings, "network", None)
    if isinstance(network, str) and network not in network_names():
        raise RecipeError(f"network is one of {', '.join(network_names())}; got '{network:.60}'.")
    return settings


def _beside(results: Sequence[Words]) -> list[Words]:
    """List the files that results were made from."""
    records = [read_record(Path(each["path"])) for each in results if "path" in each]
    return [
        {"input": each.role, "name": Path(each.path).name, "sha256": each.sha256}
        for found in records
        for each in found.inputs
    ]


def _suffix(craft: Craft[..., Any], job: Job) -> str:
    if craft.makes is Clip:
        return ".mp4" if can_join(".mp4") else ".gif"
    if craft.main is not None and craft.main.kind is RESULT:  # a result made into another keeps its own
        return Path(job.inputs[craft.main.name][0]).suffix
    return craft.makes.suffix


def _fingerprint(
    craft: Craft[..., Any], settings: Settings, inputs: Mapping[str, Sequence[Words]], preset: str | None
) -> str:
    """Sum up all that a result depends on."""
    marks = {name: [each.get("sha256") or each["word"] for each in many] for name, many in inputs.items() if many}
    whole = [craft.name, settings.model_dump(mode="json"), marks, preset, __version__, torch.__version__]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()


def picture(words: Words) -> Words:
    """Decode all of a picture that was brought; tell its size and its kind.

    Raises:
        PictureError: it is none, or damaged, or has too many pixels.
    """
    path = Path(words["path"])
    suffix = _kind_of(path)
    head = read_head(path, max_pixels=words["pixels"])
    read_picture(path, max_pixels=words["pixels"], longer=LOOK)
    height, width = head.size
    return {"width": width, "height": height, "suffix": suffix, "sha256": hash_of(path)}


def _kind_of(path: Path) -> str:
    """The suffix that belongs to a file's content.

    Raises:
        PictureError: it is of a kind that browsers and other programs do not show.
    """
    with path.open("rb") as file:
        start = file.read(12)
    if start[:4] == b"RIFF" and start[8:] == b"WEBP":
        return ".webp"
    for mark, suffix in _KINDS.items():
        if start.startswith(mark):
            return suffix
    raise PictureError("a picture is a PNG, JPEG, WebP, TIFF, GIF or BMP file; export it as one of these.")


def small(words: Words) -> Words:
    """Write a small copy of a picture as a JPEG, at ``to``.

    Raises:
        PictureError: the file is no picture.
    """
    read = read_picture(Path(words["path"]), longer=words["side"])
    size = fit(read.size, longer=min(words["side"], max(read.size)))
    alpha = None if read.alpha is None else scaled(read.alpha, size)
    write_image(Path(words["to"]), scaled(read.pixels, size), alpha=alpha, quality=85)
    return {"width": size[1], "height": size[0]}


def record(words: Words) -> Words:
    """Read the record inside a picture: what made it, without any path.

    Raises:
        RecipeError: it holds none that can be used.
    """
    found = read_record(Path(words["path"]))
    craft, settings = found.resolve()
    _craft(craft.name)
    inputs = [{"input": each.role, "name": Path(each.path).name, "sha256": each.sha256} for each in found.inputs]
    changed = settings.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    machine = {"tile", "memory"}
    return {
        "craft": craft.name,
        "settings": {name: value for name, value in changed.items() if name not in machine},
        "inputs": inputs,
        "reverie": found.reverie,
        "stopped": found.stopped is not None,
        "frame": found.frame,
    }


def command(words: Words) -> Words:
    """The command that does the same on the command line; ``inputs`` has the names of files."""
    craft = _craft(words["craft"])
    return {"command": command_line(craft, words["inputs"], words["settings"], words.get("preset"))}


QUESTIONS: Mapping[str, Callable[[Words], Words]] = {
    "catalogue": catalogue,
    "check": check,
    "picture": picture,
    "small": small,
    "record": record,
    "command": command,
}
STRANGE = frozenset({"picture", "small", "record", "check"})
"""Questions that read files which others made: each is answered in a process of its own, within limits."""


def ask(question: str, **words: Any) -> Words:
    """Answer a question here.

    Raises:
        ReverieError: it is refused.
    """
    try:
        return QUESTIONS[question](words)
    except ReverieError as error:
        raise type(error)(_without_paths(" ".join(str(error).split()), words)) from error


def _without_paths(line: str, words: Words) -> str:
    """Name a picture as its owner does, and not as it lies here."""
    return line.replace(str(words["path"]), str(words.get("name", "the picture"))) if "path" in words else line
