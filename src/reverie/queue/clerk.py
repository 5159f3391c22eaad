"""The process that knows the crafts and looks at pictures: ``python -m reverie.queue.clerk``, spoken to by `Office`.

It hears ``{"number": …, "ask": …, …}`` and answers ``{"number": …, "answer": …}`` or ``{"number": …, "refusal": …}``.
"""

from __future__ import annotations

import hashlib
import json
import queue
import signal
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from reverie import styles
from reverie.crafts.craft import Craft, Input
from reverie.crafts.kinds import FOLDER, STYLE_NETWORK, Clip
from reverie.errors import PictureError, RecipeError, ReverieError, reason_of
from reverie.feedforward.custom import custom_styles
from reverie.jobs.film import can_join
from reverie.jobs.job import Job, paths
from reverie.jobs.places import default_name
from reverie.jobs.presets import with_preset
from reverie.jobs.record import hash_of, read_record
from reverie.networks import names as network_names
from reverie.pictures import fit, read_picture, scaled, write_image
from reverie.queue.child import Parent
from reverie.queue.declared import craft_card, crafts_shown, networks_shown, presets_shown, styles_shown
from reverie.version import __version__

Words = dict[str, Any]


def main() -> None:
    """Answer until the one who asks is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.simplefilter("ignore")
    parent, asked = Parent(), queue.SimpleQueue[Words]()
    parent.listen(asked.put)
    while True:
        words = asked.get()
        parent.say({"number": words["number"], **answered(words)})


def answered(words: Words) -> Words:
    """Answer one question, or refuse it in one line."""
    try:
        return {"answer": QUESTIONS[words["ask"]](words)}
    except ReverieError as error:
        return {"refusal": " ".join(str(error).split())}
    except Exception as error:
        return {"refusal": f"{type(error).__name__}: {reason_of(error)} (a fault of Reverie's)"}


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
    """Check an order, and say how it is carried out: its title, its plan, its fingerprint, and all of its settings.

    ``inputs`` has for each file its ``name`` and ``sha256``, or the ``word`` that stands for one.
    """
    craft = _craft(words["craft"])
    inputs: Mapping[str, Sequence[Words]] = words["inputs"]
    names = [word["word"] for name, many in inputs.items() for word in many if _is_word(craft.input(name), word)]
    files = {name: [_named(each) for each in many] for name, many in inputs.items()}
    job = with_preset(
        Job(craft=craft.name, settings=words["settings"], inputs=paths(files), preset=words.get("preset"))
    )
    craft.check({name: len(many) for name, many in job.inputs.items()})
    settings = craft.checked(job.settings)
    network = getattr(settings, "network", None)
    if isinstance(network, str) and network not in network_names():
        raise RecipeError(f"network is one of {', '.join(network_names())}; got '{network:.60}'.")
    known = {name: tuple(map(Path, many)) for name, many in job.inputs.items()}
    title = default_name(craft, job, known)[:80]
    marks = {name: [_mark(each) for each in many] for name, many in inputs.items()}
    whole = [craft.name, settings.model_dump(mode="json"), marks, job.preset, __version__, torch.__version__]
    return {
        "title": title,
        "output": title + _suffix(craft),
        "kept": craft.stepwise,
        "folders": [each.name for each in craft.inputs if each.kind is FOLDER],
        "names": names,
        "fingerprint": hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest(),
        "settings": settings.model_dump(mode="json"),
    }


def _craft(name: str) -> Craft[..., Any]:
    known = crafts_shown()
    if name not in known:
        raise RecipeError(f"there is no craft '{name:.60}'; known are {', '.join(known)}.")
    return known[name]


def _is_word(each: Input, came: Words) -> bool:
    """Whether a word stands for a file by its name: a sample style or a custom style network.

    Raises:
        RecipeError: it names neither.
    """
    if "word" not in came:
        return False
    known = styles.names() if each.kind.samples else custom_styles() if each.kind is STYLE_NETWORK else ()
    if came["word"] not in known:
        also = " or a sample style's name" if each.kind.samples else ""
        raise RecipeError(f"'{came['word']:.60}' is no {each.name}; give the id of a picture{also}.")
    return True


def _named(came: Words) -> Path:
    return Path(came["word"] if "word" in came else came["name"])


def _mark(came: Words) -> str:
    return str(came.get("sha256") or came["word"])


def _suffix(craft: Craft[..., Any]) -> str:
    if craft.makes is Clip:
        return ".mp4" if can_join(".mp4") else ".gif"
    return craft.makes.suffix


def picture(words: Words) -> Words:
    """Read a picture that was brought, all of it; tell its size, its kind, and whether it holds a recipe."""
    path = Path(words["path"])
    read = read_picture(path, max_pixels=words["pixels"])
    (height, width), suffix = read.size, _kind_of(path)
    return {
        "width": width,
        "height": height,
        "suffix": suffix,
        "sha256": hash_of(path),
        "alpha": read.alpha is not None,
    }


def _kind_of(path: Path) -> str:
    """The suffix that belongs to a file's content.

    Raises:
        PictureError: it is of a kind that browsers and other programs do not show.
    """
    with path.open("rb") as file:
        start = file.read(12)
    kinds = {b"\x89PNG": ".png", b"\xff\xd8\xff": ".jpg", b"GIF8": ".gif", b"BM": ".bmp", b"II": ".tif", b"MM": ".tif"}
    if start[:4] == b"RIFF" and start[8:] == b"WEBP":
        return ".webp"
    for mark, suffix in kinds.items():
        if start.startswith(mark):
            return suffix
    raise PictureError("a picture is a PNG, JPEG, WebP, TIFF, GIF or BMP file; export it as one of these.")


def small(words: Words) -> Words:
    """Write a small copy of a picture."""
    read = read_picture(Path(words["path"]), longer=words["side"])
    size = fit(read.size, longer=min(words["side"], max(read.size)))
    alpha = None if read.alpha is None else scaled(read.alpha, size)
    write_image(Path(words["to"]), scaled(read.pixels, size), alpha=alpha, quality=85)
    return {"width": size[1], "height": size[0]}


def record(words: Words) -> Words:
    """Read the record inside a picture: what made it, without any path."""
    found = read_record(Path(words["path"]))
    craft, settings = found.resolve()
    inputs = [{"input": each.role, "name": Path(each.path).name, "sha256": each.sha256} for each in found.inputs]
    return {
        "craft": craft.name,
        "settings": settings.model_dump(mode="json", by_alias=True, exclude_defaults=True),
        "inputs": inputs,
        "reverie": found.reverie,
        "stopped": found.stopped is not None,
        "frame": found.frame,
    }


QUESTIONS: Mapping[str, Callable[[Words], Words]] = {
    "catalogue": catalogue,
    "check": check,
    "picture": picture,
    "small": small,
    "record": record,
}

if __name__ == "__main__":
    main()
