"""Files of tensors: style networks, weights in every form, checkpoints whose digest is right."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor

from fuzz.mutate import changed, odder
from fuzz.target import Target
from reverie.cli.networks import show_style
from reverie.feedforward.johnson import Johnson, draw_johnson, write_johnson
from reverie.files import own
from reverie.jobs import Checkpoints, write_state
from reverie.networks.graph import PICTURE, Blueprint, Node
from reverie.networks.ops import Conv, Window
from reverie.networks.tensorfiles import read_pth, read_safetensors
from reverie.networks.weights import fold
from reverie.networks.zoo import read_dreamnet

_TABLE = Blueprint("small", (Node("a", Conv(4, Window((3, 3)), source="f.0", norm="n"), (PICTURE,)),
                             Node("b", Conv(2, Window(), source="fc"), ("a",))), (0.5,) * 3, (1.0,) * 3)  # fmt: skip
_HEAD = '{"__metadata__":{"sha256":"'
_DIGEST = slice(8 + len(_HEAD), 8 + len(_HEAD) + 64)


def _state() -> dict[str, Tensor]:
    draw = torch.Generator().manual_seed(0)
    parts = {f"n.{name}": torch.rand(4, generator=draw) for name in ("weight", "bias", "running_mean", "running_var")}
    weights = {"f.0.weight": torch.rand(4, 3, 3, 3, generator=draw), "fc.weight": torch.rand(2, 4, generator=draw)}
    return weights | parts | {"fc.bias": torch.rand(2, generator=draw), "n.num_batches_tracked": torch.tensor(3)}


@cache  # PyTorch names storages by their addresses
def _pths() -> tuple[bytes, ...]:
    made = []
    for new in (True, False):
        memory = io.BytesIO()
        torch.save(_state(), memory, _use_new_zipfile_serialization=new)
        made.append(memory.getvalue())
    return tuple(made)


def _styles() -> tuple[bytes, ...]:
    facts = {"painting": "night.jpg", "steps": 7, "seconds": 61.5, "settings": {"size": 512, "seed": 0}}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        write_johnson(path, Johnson(draw_johnson(widths=(4, 6), blocks=1).tensors, facts))
        return (path.read_bytes(),)


def _dreamnets() -> tuple[bytes, ...]:
    widths = {"conv1_1": (4, 3), "conv1_2": (4, 4), "conv2_1": (6, 4)}
    tensors = {f"{name}.weight": torch.zeros(*shape, 3, 3) for name, shape in widths.items()}
    tensors |= {f"{name}.bias": torch.zeros(shape[0]) for name, shape in widths.items()}
    return (save(tensors | {"classifier.weight": torch.zeros(5, 6, 1, 1), "classifier.bias": torch.zeros(5)}),)


def _checkpoints() -> tuple[bytes, ...]:
    run = {"stage": 1, "step": 2, "parameters": [torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))]}
    state = {"run": run, "moments": [{"stage": 1, "size": (4, 4), "total": 1.0, "losses": {}}]}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        write_state(path, state, run="r")
        return (path.read_bytes(),)


def changed_tensors(random: Random, seeds: Sequence[bytes]) -> bytes:
    """A .safetensors whose bytes are changed, or whose header says odd things in sound JSON."""
    if random.random() < 0.4:
        return changed(random, seeds)
    data = random.choice(seeds)
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    if random.random() < 0.5:
        header = _with_texts(random, header)
    else:
        for _ in range(random.randint(1, 3)):
            header = odder(random, header)
    text = json.dumps(header, separators=(",", ":")).encode()
    return len(text).to_bytes(8, "little") + text + data[end:]


def _with_texts(random: Random, header: Mapping[str, Any]) -> Any:
    """The header, with the JSON inside one of its texts changed."""
    about = dict(header["__metadata__"]) if "__metadata__" in header else {}
    for name in [name for name, text in about.items() if text.startswith("{")]:
        about[name] = json.dumps(odder(random, json.loads(about[name])))
        if random.random() < 0.03:
            about[name] = '{"a":' * 50_000
    return {**header, "__metadata__": about}


def changed_pth(random: Random, seeds: Sequence[bytes]) -> bytes:
    """A .pth changed as bytes; or a zip, its parts changed inside it and now and then deflated."""
    data = random.choice(seeds)
    if random.random() < 0.5 or not zipfile.is_zipfile(io.BytesIO(data)):
        return changed(random, seeds)
    memory = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(memory, "w") as new:
        for part in old.infolist():
            inside = old.read(part)
            if random.random() < (0.7 if part.filename.endswith(".pkl") else 0.1):
                inside = changed(random, [inside]) if random.random() < 0.8 else b"\0" * (64 << 20)
            new.writestr(part.filename, inside, zipfile.ZIP_DEFLATED if len(inside) > 1 << 20 else zipfile.ZIP_STORED)
    return memory.getvalue()


def changed_checkpoint(random: Random, seeds: Sequence[bytes]) -> bytes:
    """A checkpoint with odd content, most of the time under a digest that is right."""
    data = changed_tensors(random, seeds)
    if random.random() < 0.2 or len(data) < _DIGEST.stop:
        return data
    head = data[:8] + _HEAD.encode() + b"0" * 64
    digest = hashlib.sha256(head + data[_DIGEST.stop :]).hexdigest().encode()
    return data[:8] + _HEAD.encode() + digest + data[_DIGEST.stop :]


def _quietly(path: Path, _: Path) -> None:
    with contextlib.redirect_stdout(io.TextIOWrapper(io.BytesIO(), "utf8")):
        show_style(str(path))


def _newest(path: Path, out: Path) -> None:
    with own(out) as owned:
        owned.write("checkpoint-001-000002.safetensors", path.read_bytes())
        Checkpoints(owned, "r").newest()


TARGETS = (
    Target("style-networks", _styles, _quietly, changed_tensors, ".safetensors", 2.0, 256),
    Target("weights-pth", _pths, lambda path, _: fold(_TABLE, read_pth(path)), changed_pth, ".pth", 2.0, 64),
    Target(
        "weights",
        lambda: (save(_state()),),
        lambda path, _: fold(_TABLE, read_safetensors(path).tensors),
        changed_tensors,
        ".safetensors",
        2.0,
        64,
    ),
    Target("dreamnets", _dreamnets, lambda path, _: read_dreamnet(path), changed_tensors, ".safetensors", 2.0, 64),
    Target("checkpoints", _checkpoints, _newest, changed_checkpoint, ".safetensors", 2.0, 64),
)
