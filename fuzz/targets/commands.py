"""Command lines: words of every command with values of every kind, planned or run on next to nothing."""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from random import Random
from unittest import mock

import torch

from fuzz.target import Target
from reverie.cli import main
from reverie.pictures import write_image

_PLAIN = ("--precision", "float32", "-o", "o.png")
_BASES: tuple[tuple[str, ...], ...] = (
    ("dream", "photo.png", "--size", "32", "--octaves", "1", "--steps", "1", *_PLAIN),
    ("dream", "noise", "--size", "32", "--octaves", "1", "--steps", "1", *_PLAIN),
    ("style", "photo.png", "night.png", "--size", "32", "--steps", "1", "--start", "photo", *_PLAIN),
    ("texture", "night.png", "--size", "32", "--steps", "1", *_PLAIN),
    ("instant", "photo.png", "night.png", "--size", "32", "-o", "o.png"),
    ("upscale", "photo.png", "-o", "o.png"),
    ("remix", "photo.png", "-o", "o.png"),
    ("replay", "photo.png", "-o", "o.png"),
    ("resume", "."),
    ("networks", "dreamnet"),
    ("presets",),
    ("styles",),
)
_FOREIGN = {"--cluster", "--debug", "--memory", "--install-completion", "--show-completion"}
"""What reaches beyond this process, or says nothing."""
_VALUES = (
    *("", "0", "1", "-1", "2", "3.5", "1e9", "1e400", "nan", "inf", "-0", "18446744073709551616", "9" * 400, "٣"),
    *("photo.png", "night.png", "o.png", "none.png", ".", "..", "a/b", "noise", "dreamnet", "vgg0", "\udcff"),
    *("relu3_2", "relu3_2:7", "relu3_2:99999", "relu9_9", "relu3_2=0.5", "dogs", "espresso", "cat", "1000", "\x1b[2J"),
    *("photo", "painting", "palette", "mean", "adam", "lbfgs", "float32", "draft", "faithful", "sharp", "all", "yes"),
    *("1,2", "1,,2", ",", "=", "a=b", "0.5,0.5", "1.5,0.5", "50%", "4GB", "0GB", "-1GB", "16x16", "--", "-", "~", "*"),
)  # fmt: skip
_COSTLY = {"--size", "--steps", "--octaves", "--frames", "--upscale", "--iterations", "--tile"}
_SMALL = ("", "0", "1", "-1", "2", "3", "nan", "x", "33", "1e400", "9" * 400)


@functools.cache
def _options(command: str) -> tuple[str, ...]:
    """The options that a command's help tells of."""
    with contextlib.redirect_stdout(io.StringIO()) as told, contextlib.redirect_stderr(io.StringIO()):
        main([command, "--help"])
    words = sorted(set(re.findall(r"--[a-z][a-z-]+", told.getvalue())) - _FOREIGN)
    return tuple(words)


def _seeds() -> tuple[bytes, ...]:
    return tuple(json.dumps(base).encode() for base in _BASES)


def changed_words(random: Random, seeds: Sequence[bytes]) -> bytes:
    """A command with options added, values exchanged, words dropped; half of them only plan."""
    words: list[str] = json.loads(random.choice(seeds))
    for _ in range(random.randint(1, 3)):
        options = _options(words[0]) if words else ()
        way = random.random()
        if way < 0.7 and options:
            option = random.choice(options)
            words += [option] if random.random() < 0.3 else [option, _value(random, option)]
        elif way < 0.9 and len(words) > 1:
            place = random.randrange(1, len(words))
            words[place] = _value(random, words[place - 1])
        elif words:
            del words[random.randrange(len(words))]
    if random.random() < 0.5:
        words.append("--dry-run")
    return json.dumps(words).encode()


def _value(random: Random, option: str) -> str:
    return random.choice(_SMALL if option in _COSTLY else _VALUES)


@functools.cache
def _pictures() -> dict[str, bytes]:
    """Two small pictures, by name."""
    made = {}
    for number, name in enumerate(("photo.png", "night.png")):
        path = Path(name)
        write_image(path, torch.rand(1, 3, 40, 48, generator=torch.Generator().manual_seed(number)))
        made[name] = path.read_bytes()
    return made


def _run(path: Path, out: Path) -> None:
    for name, data in _pictures().items():
        (out / name).write_bytes(data)
    words = json.loads(path.read_bytes())
    said, told = io.TextIOWrapper(io.BytesIO(), "utf8"), io.TextIOWrapper(io.BytesIO(), "utf8", "backslashreplace")
    places = ("REVERIE_HOME", "TORCHINDUCTOR_CACHE_DIR")
    home = mock.patch.dict(os.environ, dict.fromkeys(places, str(out / "home")))
    with home, contextlib.redirect_stdout(said), contextlib.redirect_stderr(told):
        code = main(words)
    told.seek(0)
    last = told.read()
    if code not in (0, 2) or "Traceback" in last:
        raise AssertionError(f"exit {code}: {last[-300:]}")


TARGETS = (Target("command-lines", _seeds, _run, changed_words, ".json", 20.0, 1024),)
