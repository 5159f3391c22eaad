"""Untrusted files of tensors: read without running anything in them, and no larger than they are."""

from __future__ import annotations

import hashlib
import json
import pickletools
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, Any

import torch
from safetensors.torch import load as parse_safetensors
from safetensors.torch import save
from torch import Tensor

from reverie.errors import WeightsError
from reverie.networks.aligned import aligned
from reverie.untrusted import TEXT, contents, json_object, refusing

MOST = 10_000
"""Tensors of a file, at most."""
_LENGTH = 8  # bytes in which a .safetensors says how long its header is
_ZIP = b"PK\x03\x04"
_PICKLES = 5  # in an old .pth: magic number, version, system, tensors, keys of their numbers
_STORAGES = ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool")
_NEEDED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch._utils _rebuild_parameter",
    *(f"torch {kind}Storage" for kind in _STORAGES),
}
"""All that the pickle of a state_dict may call. PyTorch allows more, of which some take any memory they name."""


@dataclass(frozen=True)
class TensorFile:
    """The contents of a file of tensors.

    Attributes:
        tensors: by name.
        about: the texts in a .safetensors' header; none of a .pth.
        sha256: of the file.
    """

    tensors: Mapping[str, Tensor]
    about: Mapping[str, str]
    sha256: str


def dump_safetensors(tensors: Mapping[str, Tensor], about: Mapping[str, str]) -> bytes:
    """Serialise tensors and texts: equal contents give equal bytes, though the library orders texts at random."""
    data = save(dict(tensors), dict(about))
    length = int.from_bytes(data[:_LENGTH], "little")
    header = json.dumps(json.loads(data[_LENGTH : _LENGTH + length]), sort_keys=True, separators=(",", ":")).encode()
    header = header.ljust(-(-len(header) // 8) * 8)  # the tensors begin at a multiple of 8 bytes
    return len(header).to_bytes(_LENGTH, "little") + header + data[_LENGTH + length :]


def read_safetensors(path: Path, sha256: str | None = None) -> TensorFile:
    """Read the tensors and texts in a .safetensors file.

    Args:
        path: of the file.
        sha256: of it, where that is known already.

    Raises:
        WeightsError: it is missing or damaged.
    """
    data = contents(path, WeightsError)
    with refusing(WeightsError, f"'{path.name}' is not a readable .safetensors; copy it again."):
        header = _header(data)
        about = header.pop("__metadata__", None) or {}
        if len(header) > MOST:
            raise WeightsError(f"'{path.name}' names {len(header)} tensors where {MOST} are the most; use another.")
        parsed: dict[str, Tensor] = parse_safetensors(data)  # which checks what is claimed before it allocates
        tensors = {name: aligned(tensor) for name, tensor in parsed.items()}
    return TensorFile(tensors, about, sha256 or hashlib.sha256(data).hexdigest())


def read_pth(path: Path) -> Mapping[str, Tensor]:
    """Read the tensors of a state_dict that PyTorch saved, in the new form or the old.

    Nothing in it is run, and nothing is allocated beyond the file's own length.

    Raises:
        WeightsError: it is missing or damaged, or holds more than plain tensors.
    """
    refusal = f"'{path.name}' is not a readable .pth of plain tensors (nothing in it was run); use a state_dict."
    with refusing(WeightsError, refusal):
        length = path.stat().st_size
        with path.open("rb") as file:
            _check_claims(file, length)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what an odd file might be
            content: Any = torch.load(path, map_location="cpu", weights_only=True)
    if not isinstance(content, dict):
        raise WeightsError(f"'{path.name}' must hold a dictionary of tensors; use a state_dict.")
    with refusing(WeightsError, refusal):
        tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
        if sum(tensor.numel() * tensor.element_size() for tensor in tensors.values()) > length:
            raise ValueError("the tensors are larger than the file")
    return tensors


def _header(data: bytes) -> dict[str, Any]:
    length = int.from_bytes(data[:_LENGTH], "little")
    if not 0 < length <= min(len(data) - _LENGTH, TEXT):
        raise ValueError(f"the header claims {length} bytes of {len(data)}")
    return json_object(data[_LENGTH : _LENGTH + length])


def _check_claims(file: IO[bytes], length: int) -> None:
    """Refuse a .pth that would unpack to more than its length, or whose pickles call what no state_dict needs."""
    if file.read(len(_ZIP)) != _ZIP:
        file.seek(0)
        for _ in range(_PICKLES):
            _check_pickle(file)
        return
    with zipfile.ZipFile(file) as parts:
        parts_of = parts.infolist()
        if len(parts_of) > MOST or any(part.compress_type != zipfile.ZIP_STORED for part in parts_of):
            raise ValueError("PyTorch does not compress what it saves")
        if sum(part.file_size for part in parts_of) > length:
            raise ValueError("its parts are larger than the file")
        for part in parts_of:
            if part.filename.endswith(".pkl"):
                _check_pickle(BytesIO(parts.read(part)))


def _check_pickle(file: IO[bytes]) -> None:
    for code, argument, _ in pickletools.genops(file):
        if code.name in ("INST", "STACK_GLOBAL") or (code.name == "GLOBAL" and argument not in _NEEDED):
            raise ValueError(f"a state_dict needs no {argument or code.name}")
