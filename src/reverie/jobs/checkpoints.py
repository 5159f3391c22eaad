"""Checkpoints: everything a run needs to resume, in files whose damage is detected."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import torch
from safetensors import safe_open
from torch import Tensor

from reverie.errors import RecipeError
from reverie.files import Owned, Placing, replacing
from reverie.jobs.states import flatten, unflatten
from reverie.untrusted import refusing

FORMAT = 1
_NAME = re.compile(r"checkpoint-(\d+)-(\d+)\.safetensors")
_HEAD = b'{"__metadata__":{"sha256":"'  # every header begins so: the digest's place is known
_DIGEST = slice(8 + len(_HEAD), 8 + len(_HEAD) + 64)
_CHUNK = 1 << 20
_TYPES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run in a folder, the last two kept.

    Attributes:
        folder: in which the run is kept.
        run: identifies the run; a checkpoint of another is refused.
    """

    folder: Owned
    run: str

    def write(self, state: Any, *, stage: int, step: int) -> Path:
        """Write a checkpoint; older ones are touched only once it is whole and on the disk.

        Args:
            state: nested, of tensors and plain values.
            stage, step: after which it was taken; they order the checkpoints.

        Raises:
            FileError: the disk is full, or the folder cannot be written to.
        """
        path = self.folder.path / f"checkpoint-{stage:03d}-{step:06d}.safetensors"
        write_state(path, state, run=self.run, into=self.folder.replacing)
        before = [p for p in self.paths() if _order(p) < _order(path)]
        self.folder.remove(*(p.name for p in set(self.paths()) - {path, *before[-1:]}))
        return path

    def newest(self) -> tuple[Any, tuple[str, ...]]:
        """Read the newest intact checkpoint, None if there is none yet; and notes for the user.

        Raises:
            RecipeError: all are damaged, or one is of another run or of another format.
        """
        notes: list[str] = []
        for path in reversed(self.paths()):
            state = read_state(path, run=self.run)
            if state is not None:
                return state, tuple(notes)
            notes.append(f"'{path}' is damaged; going on from the checkpoint before it.")
        if notes:
            raise RecipeError(
                f"every checkpoint in '{self.folder.path}' is damaged. Delete them there to begin this run anew."
            )
        return None, ()

    def remove(self) -> None:
        """Delete them all."""
        self.folder.remove(*(path.name for path in self.paths()))

    def paths(self) -> list[Path]:
        """List the files written here, oldest first."""
        names = filter(_NAME.fullmatch, filter(self.folder.has, self.folder.names))
        return sorted((self.folder.path / name for name in names), key=_order)


def write_state(path: Path, state: Any, *, run: str, into: Placing = replacing) -> None:
    """Write a state as a safetensors file that holds its own sha256, streamed: it costs no second copy.

    Raises:
        FileError: the disk is full, or the folder cannot be written to.
    """
    text, named = flatten(state)
    tensors = dict(sorted(named.items(), key=lambda pair: -pair[1].element_size()))  # aligned, as readers need it
    header = _header(tensors, {"format": str(FORMAT), "run": run, "state": text})
    digest = hashlib.sha256(header)
    with into(path) as draft:
        draft.file.write(header)
        for tensor in tensors.values():
            data = _bytes(tensor)
            digest.update(data)
            draft.file.write(data)
        draft.file.seek(_DIGEST.start)
        draft.file.write(digest.hexdigest().encode())


def read_state(path: Path, *, run: str) -> Any:
    """Read the state in a file that `write_state` wrote; None if it is damaged.

    Raises:
        RecipeError: it is whole, but of another run or of another format.
    """
    try:
        with refusing(_Damaged, f"'{path}' is damaged."):
            if not _is_intact(path):
                return None
            with safe_open(path, framework="pt") as file:
                about = file.metadata()
                _check(path, about, run)
                return unflatten(about["state"], {name: file.get_tensor(name).clone() for name in file.keys()})  # noqa: SIM118
    except _Damaged:
        return None


class _Damaged(RecipeError):
    """Checkpoint that cannot be read; the one before it may be intact."""


def _check(path: Path, about: dict[str, str], run: str) -> None:
    if about["format"] != str(FORMAT):
        raise RecipeError(
            f"this Reverie reads checkpoints of format {FORMAT}; '{path}' has format {about['format']:.20}."
            " Go on with the Reverie that wrote it."
        )
    if about["run"] != run:
        raise RecipeError(
            f"'{path}' is a checkpoint of another run: its recipe, settings, pictures or network differ."
            " Move it out of this folder."
        )


def _header(tensors: dict[str, Tensor], about: dict[str, str]) -> bytes:
    """Build the file's header, with 64 zeros in place of the digest."""
    table: dict[str, Any] = {"__metadata__": {"sha256": "0" * 64, **about}}
    end = 0
    for name, tensor in tensors.items():
        if tensor.dtype not in _TYPES:
            raise TypeError(f"a checkpoint holds no tensors of {tensor.dtype}; '{name}' is one")
        begin, end = end, end + tensor.numel() * tensor.element_size()
        table[name] = {"dtype": _TYPES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [begin, end]}
    text = json.dumps(table, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _bytes(tensor: Tensor) -> memoryview:
    """Return a view of a tensor's bytes in memory."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return flat.view(torch.uint8).numpy().data


def _is_intact(path: Path) -> bool:
    """True if a file's bytes match the sha256 stored in it."""
    with path.open("rb") as file:
        head = file.read(_DIGEST.stop)
        digest = hashlib.sha256(head[: _DIGEST.start] + b"0" * 64)
        _feed(digest, file)
    return head[8 : _DIGEST.start] == _HEAD and head[_DIGEST] == digest.hexdigest().encode()


def _feed(digest: hashlib._Hash, file: BinaryIO) -> None:
    while chunk := file.read(_CHUNK):
        digest.update(chunk)


def _order(path: Path) -> tuple[int, int]:
    match = _NAME.fullmatch(path.name)
    return (int(match[1]), int(match[2])) if match else (-1, -1)
