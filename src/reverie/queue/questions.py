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
from reverie.crafts.kinds import FOLDER, FOOTAGE, RESULT, STYLE_NETWORK, Clip
from reverie.crafts.settings import Settings
from reverie.errors import RecipeError, ReverieError
from reverie.feedforward.custom import custom_styles
from reverie.jobs.film import can_join
from reverie.jobs.job import Job, paths
from reverie.jobs.places import default_name
from reverie.jobs.presets import with_preset
from reverie.jobs.record import read_record
from reverie.networks import names as network_names
from reverie.queue.brought import CLIPS, FILMS, facts_of, small, suffix_of
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
    for name, many in inputs.items():
        _check_files(craft.input(name), many)
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
        kind = "clip" if each.kind is FOOTAGE else "picture"
        raise RecipeError(f"'{came['word']:.60}' is no {each.name}; give the id of a {kind}{also}.")
    return True


def _check_files(each: Input, came: Sequence[Words]) -> None:
    """Refuse clips for pictures, and pictures for clips.

    Raises:
        RecipeError: one is of the other kind.
    """
    for name in (file["name"] for file in came if "name" in file):
        suffix = Path(name).suffix
        if each.kind is FOOTAGE and suffix not in CLIPS:
            raise RecipeError(f"{each.name} takes a clip, and '{name}' is a picture; bring a clip.")
        if each.kind is not FOOTAGE and suffix in FILMS:
            raise RecipeError(f"{each.name} takes a picture, and '{name}' is a clip; bring a picture.")


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


def record(words: Words) -> Words:
    """Read the record inside a picture or a film: what made it, without any path.

    Raises:
        RecipeError: it holds none that can be used.
    """
    path = Path(words["path"])
    found = read_record(path, suffix=suffix_of(path))
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
    "brought": facts_of,
    "small": small,
    "record": record,
    "command": command,
}
STRANGE = frozenset({"brought", "small", "record", "check"})
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
