"""Published weights: fetched once, checked, trimmed to what is used, and kept in half precision."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import pickle
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save as dump_safetensors
from torch import Tensor

from reverie.errors import ChecksumMismatch, ReverieError, WeightsError
from reverie.networks.aligned import aligned
from reverie.networks.fetch import (
    Checkpoint,
    Progress,
    fetch,
    hash_file,
    mismatch,
    one_at_a_time,
    size_so_far,
)
from reverie.networks.graph import Blueprint
from reverie.networks.ops import Conv
from reverie.pictures.files import write_bytes


@dataclass(frozen=True)
class Weights:
    """Tensors by name, as the tables call them, and the sha256 of the file they came from."""

    tensors: Mapping[str, Tensor]
    sha256: str


@cache
def checkpoints() -> Mapping[str, Checkpoint]:
    """Every published file we know, by network."""
    text = Path(__file__).with_name("weights.toml").read_text(encoding="utf-8")
    return {
        name: Checkpoint(name=name, **{**row, "keep": tuple(row["keep"])}) for name, row in tomllib.loads(text).items()
    }


def cache_folder() -> Path:
    """Where fetched weights are kept: ``$REVERIE_HOME/weights``, or the platform's cache folder."""
    if home := os.environ.get("REVERIE_HOME"):
        return Path(home).expanduser() / "weights"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local"))
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "reverie" / "weights"


def obtain(checkpoint: Checkpoint, blueprint: Blueprint) -> Iterator[Progress]:
    """Put a network's weights into the cache, fetching and converting them unless they are there.

    A file in ``$REVERIE_WEIGHTS`` is taken instead of a download. Several processes may ask at
    once: one works, the others wait and report its progress.

    Args:
        checkpoint: what to fetch.
        blueprint: whose convolutions are kept.

    Yields:
        Progress of the download; nothing when no download is needed.

    Raises:
        WeightsError: unreachable, not published, not readable, no room.
        ChecksumMismatch: the bytes that came are not the published ones.
    """
    if _local_file(checkpoint) or is_cached(checkpoint):
        return
    folder = _make(cache_folder())
    with one_at_a_time(folder / f"{checkpoint.name}.lock") as waiting:
        for _ in waiting:
            yield Progress(size_so_far(folder / f"{checkpoint.file}.part"), checkpoint.bytes)
        if is_cached(checkpoint):
            return
        yield from fetch(checkpoint, folder)
        convert(folder / checkpoint.file, blueprint, _cached_file(checkpoint), checkpoint.keep)
        (folder / checkpoint.file).unlink()


def is_cached(checkpoint: Checkpoint) -> bool:
    """Whether a network's converted weights are in the cache."""
    return _record(_cached_file(checkpoint)).exists()


def find(checkpoint: Checkpoint, blueprint: Blueprint) -> Weights:
    """A network's weights: from ``$REVERIE_WEIGHTS``, from the cache, or fetched now.

    Raises:
        WeightsError: if they cannot be had.
    """
    if local := _local_file(checkpoint):
        return from_file(local, blueprint, checkpoint)
    for _ in obtain(checkpoint, blueprint):
        pass
    return read_cached(_cached_file(checkpoint))


def from_file(path: Path, blueprint: Blueprint, checkpoint: Checkpoint) -> Weights:
    """Weights from a .pth or .safetensors file with the published key names, converted once.

    A file that bears the published name must hold the published bytes; any other is believed.

    Raises:
        WeightsError: if the file is missing, unreadable, or of another network.
        ChecksumMismatch: if it bears the published name and holds other bytes.
    """
    if not path.is_file():
        raise WeightsError(f"weights must be a .pth or .safetensors file; there is no '{path}'.")
    digest = hash_file(path)
    if path.name == checkpoint.file and not digest.startswith(checkpoint.sha256):
        raise ChecksumMismatch(mismatch(path, digest, checkpoint) + "; copy it again.")
    target = cache_folder() / f"{checkpoint.name}-{digest[:8]}.safetensors"
    if not _record(target).exists():
        convert(path, blueprint, target, checkpoint.keep)
    return read_cached(target)


def read_cached(path: Path) -> Weights:
    """A converted file of the cache, checked against what was recorded when it was written.

    Raises:
        ChecksumMismatch: if it has changed since; it is removed, so that asking again repairs it.
    """
    try:
        data, recorded = path.read_bytes(), _record(path).read_text(encoding="ascii").strip()
    except OSError as error:
        raise WeightsError(f"cannot read cached weights '{path}': {error.strerror}.") from error
    digest = hashlib.sha256(data).hexdigest()
    if digest != recorded:
        _forget(path)
        raise ChecksumMismatch(
            f"cached weights '{path.name}' have sha256 {digest[:8]} where {recorded[:8]} was"
            " written; they are removed, run again to fetch them anew."
        )
    return Weights(parse(data, path), digest)


def convert(path: Path, blueprint: Blueprint, target: Path, keep: tuple[str, ...]) -> None:
    """Write the convolutions a network uses, batch norms folded in, as half-precision safetensors.

    Raises:
        WeightsError: if the file is unreadable or of another network.
    """
    tensors = {key: value for key, value in _read(path).items() if key.startswith(keep)}
    kept = fold(blueprint, tensors)
    data = dump_safetensors({key: value.half().contiguous() for key, value in kept.items()})
    try:
        _make(target.parent)
        write_bytes(target, data)
        write_bytes(_record(target), hashlib.sha256(data).hexdigest().encode("ascii"))
    except ReverieError as error:
        raise WeightsError(str(error)) from error


def fold(blueprint: Blueprint, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A published checkpoint's tensors under the table's names, batch norms folded, in float64.

    A fully connected layer becomes a 1x1 convolution. Folding: w' = w g / s and b' = (b - m) g / s
    + beta, with s = sqrt(var + epsilon).

    Raises:
        WeightsError: if a key is missing.
    """
    folded = {}
    try:
        for node in blueprint.nodes:
            if isinstance(node.op, Conv):
                weight, bias = _folded(node.op, tensors, blueprint.norm_epsilon)
                folded[f"{node.name}.weight"], folded[f"{node.name}.bias"] = weight, bias
    except KeyError as missing:
        raise WeightsError(
            f"these weights are not of {blueprint.name}: they lack {missing}; bring the file torchvision publishes."
        ) from None
    return folded


def _folded(op: Conv, tensors: Mapping[str, Tensor], epsilon: float) -> tuple[Tensor, Tensor]:
    weight = tensors[f"{op.source}.weight"].double()
    if weight.ndim == 2:
        weight = weight[:, :, None, None]
    if not op.norm:
        return weight, tensors[f"{op.source}.bias"].double()
    gain, shift, mean, variance = (
        tensors[f"{op.norm}.{part}"].double() for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / (variance + epsilon).sqrt()
    return weight * scale[:, None, None, None], shift - mean * scale


def _local_file(checkpoint: Checkpoint) -> Path | None:
    """The network's file in the folder ``$REVERIE_WEIGHTS`` names, if it is there."""
    folder = os.environ.get("REVERIE_WEIGHTS")
    if not folder:
        return None
    names = (checkpoint.file, f"{checkpoint.name}.safetensors", f"{checkpoint.name}.pth")
    paths = (Path(folder).expanduser() / name for name in names)
    return next((path for path in paths if path.is_file()), None)


def _cached_file(checkpoint: Checkpoint) -> Path:
    return cache_folder() / f"{checkpoint.name}-{checkpoint.sha256[:8]}.safetensors"


def _record(path: Path) -> Path:
    """Where a converted file's sha256 is recorded; written last, so that it proves the file."""
    return path.with_name(f"{path.name}.sha256")


def _forget(path: Path) -> None:
    for file in (_record(path), path):
        with contextlib.suppress(OSError):
            file.unlink()


def _read(path: Path) -> Mapping[str, Tensor]:
    """All tensors of a .safetensors file, or of a .pth read without running anything in it."""
    if path.suffix == ".safetensors":
        return parse(path.read_bytes(), path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, OSError) as error:
        raise WeightsError(
            f"'{path.name}' is not a readable .pth of plain tensors; copy it again or bring a .safetensors."
        ) from error
    if not isinstance(content, dict):
        raise WeightsError(f"'{path.name}' must hold a dictionary of tensors; bring a state_dict.")
    return {str(key): value for key, value in content.items() if isinstance(value, Tensor)}


def parse(data: bytes, path: Path) -> Mapping[str, Tensor]:
    """The tensors of a .safetensors file's bytes, aligned."""
    try:
        tensors: dict[str, Tensor] = parse_safetensors(data)
    except (SafetensorError, json.JSONDecodeError) as error:
        raise WeightsError(f"'{path.name}' is not a readable .safetensors: {error}.") from error
    return {name: aligned(tensor) for name, tensor in tensors.items()}


def _make(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WeightsError(
            f"cannot make the cache folder '{folder}': {error.strerror}; set REVERIE_HOME to one you may write to."
        ) from error
    return folder
