"""Published weights: downloaded once, checked, trimmed to what is used, and kept in half precision."""

from __future__ import annotations

import contextlib
import hashlib
import os
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from safetensors.torch import save as dump_safetensors
from torch import Tensor

from reverie.errors import ChecksumMismatch, FileError, ReverieError, WeightsError, reason_of
from reverie.files import make_folder, one_at_a_time, remove, write_bytes
from reverie.networks.digests import hash_file
from reverie.networks.fetch import (
    Checkpoint,
    Progress,
    fetch,
    mismatch,
    size_so_far,
)
from reverie.networks.graph import Blueprint, weight_shapes
from reverie.networks.ops import Conv
from reverie.networks.tensorfiles import read_pth, read_safetensors
from reverie.untrusted import contents


@dataclass(frozen=True)
class Weights:
    """Tensors by name, as the tables call them, and the sha256 of the file they came from."""

    tensors: Mapping[str, Tensor]
    sha256: str


@cache
def checkpoints() -> Mapping[str, Checkpoint]:
    """Return every published file that Reverie knows, by network."""
    text = Path(__file__).with_name("weights.toml").read_text(encoding="utf-8")
    return {
        name: Checkpoint(name=name, **{**row, "keep": tuple(row["keep"])}) for name, row in tomllib.loads(text).items()
    }


def cache_folder() -> Path:
    """Return the folder of fetched weights: ``$REVERIE_HOME/weights``, or the platform's cache folder."""
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
        remove(folder / checkpoint.file)


def is_cached(checkpoint: Checkpoint) -> bool:
    """True if a network's converted weights are in the cache."""
    return _is_kept(_cached_file(checkpoint))


def find(checkpoint: Checkpoint, blueprint: Blueprint) -> Weights:
    """Find a network's weights: in ``$REVERIE_WEIGHTS``, in the cache, or by fetching them now.

    Raises:
        WeightsError: if they cannot be had.
    """
    if local := _local_file(checkpoint):
        return from_file(local, blueprint, checkpoint)
    for _ in obtain(checkpoint, blueprint):
        pass
    return read_cached(_cached_file(checkpoint))


def from_file(path: Path, blueprint: Blueprint, checkpoint: Checkpoint) -> Weights:
    """Load weights from a .pth or .safetensors file with the published key names, converted once.

    A file that bears the published name must hold the published bytes; any other is believed.

    Raises:
        WeightsError: if the file is missing, unreadable, or of another network.
        ChecksumMismatch: if it bears the published name and holds other bytes.
    """
    if not path.is_file():
        raise WeightsError(f"weights must be a .pth or .safetensors file; there is no '{path}'.")
    digest = _digest(path)
    if path.name == checkpoint.file and not digest.startswith(checkpoint.sha256):
        raise ChecksumMismatch(mismatch(path, digest, checkpoint) + "; copy it again.")
    target = cache_folder() / f"{checkpoint.name}-{digest[:8]}.safetensors"
    if not _is_kept(target):
        convert(path, blueprint, target, checkpoint.keep)
    return read_cached(target)


def read_cached(path: Path) -> Weights:
    """Read a converted file of the cache, checked against what was recorded when it was written.

    Raises:
        ChecksumMismatch: if it has changed since; it is removed, so that asking again repairs it.
    """
    recorded = contents(_record(path), WeightsError).strip().decode("ascii", "replace")
    digest = _digest(path)
    if digest != recorded:
        _forget(path)
        raise ChecksumMismatch(
            f"cached weights '{path.name}' have sha256 {digest[:8]} where {recorded[:8]} was"
            " written; they are removed, run again to fetch them anew."
        )
    return Weights(read_safetensors(path, digest).tensors, digest)


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
    """Fold a published checkpoint's batch norms; return its tensors under the table's names, in float64.

    A fully connected layer becomes a 1x1 convolution. Folding: w' = w g / s and b' = (b - m) g / s
    + beta, with s = sqrt(var + epsilon).

    Raises:
        WeightsError: if a key is missing.
    """
    folded = {}
    shapes = weight_shapes(blueprint)
    for node in blueprint.nodes:
        if isinstance(node.op, Conv):
            take = partial(_taken, tensors, blueprint.name)
            weight, bias = _folded(node.op, shapes[node.name], take, blueprint.norm_epsilon)
            folded[f"{node.name}.weight"], folded[f"{node.name}.bias"] = weight, bias
    return folded


def _folded(
    op: Conv, shape: tuple[int, ...], take: Callable[[str, tuple[int, ...]], Tensor], epsilon: float
) -> tuple[Tensor, Tensor]:
    weight, channels = take(f"{op.source}.weight", shape), shape[:1]
    if not op.norm:
        return weight, take(f"{op.source}.bias", channels)
    gain, shift, mean, variance = (
        take(f"{op.norm}.{part}", channels) for part in ("weight", "bias", "running_mean", "running_var")
    )
    scale = gain / (variance + epsilon).sqrt()
    return weight * scale[:, None, None, None], shift - mean * scale


def _taken(tensors: Mapping[str, Tensor], network: str, key: str, shape: tuple[int, ...]) -> Tensor:
    """Return a file's tensor in float64, in the network's shape; a linear layer's as a 1x1 convolution's."""
    remedy = "bring the file torchvision publishes"
    if key not in tensors:
        raise WeightsError(f"these weights are not of {network}: they lack '{key}'; {remedy}.")
    found = tensors[key]
    if tuple(found.shape) not in (shape, shape[:2] if shape[2:] == (1, 1) else shape):
        raise WeightsError(
            f"these weights are not of {network}: '{key}' is {tuple(found.shape)}, not {shape}; {remedy}."
        )
    if not found.is_floating_point():
        raise WeightsError(f"these weights are not of {network}: '{key}' holds {found.dtype}; {remedy}.")
    return found.double().reshape(shape)


def _local_file(checkpoint: Checkpoint) -> Path | None:
    """Find the network's file in the folder that ``$REVERIE_WEIGHTS`` names, if it is there."""
    folder = os.environ.get("REVERIE_WEIGHTS")
    if not folder:
        return None
    names = (checkpoint.file, f"{checkpoint.name}.safetensors", f"{checkpoint.name}.pth")
    paths = (Path(folder).expanduser() / name for name in names)
    return next((path for path in paths if path.is_file()), None)


def _cached_file(checkpoint: Checkpoint) -> Path:
    return cache_folder() / f"{checkpoint.name}-{checkpoint.sha256[:8]}.safetensors"


def _is_kept(path: Path) -> bool:
    """True if a converted file is there with its record."""
    return path.is_file() and _record(path).is_file()


def _digest(path: Path) -> str:
    try:
        return hash_file(path)
    except OSError as error:
        raise WeightsError(f"cannot read '{path}': {reason_of(error)}.") from error


def _record(path: Path) -> Path:
    """Return the path of the record of a converted file's sha256; it is written last, so that it proves the file."""
    return path.with_name(f"{path.name}.sha256")


def _forget(path: Path) -> None:
    for file in (_record(path), path):
        with contextlib.suppress(OSError):
            remove(file)


def _read(path: Path) -> Mapping[str, Tensor]:
    return read_safetensors(path).tensors if path.suffix == ".safetensors" else read_pth(path)


def _make(folder: Path) -> Path:
    try:
        make_folder(folder, beside="set REVERIE_HOME to one you may write to")
    except FileError as error:
        raise WeightsError(str(error)) from error
    return folder
