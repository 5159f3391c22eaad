"""Files of tensors that others wrote: nothing in them runs, and they take no more memory than they are long."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from reverie.errors import WeightsError
from reverie.networks import tensorfiles
from reverie.networks.tensorfiles import dump_safetensors, read_pth, read_safetensors

STATE = {"a": torch.arange(6.0).view(2, 3), "b": torch.zeros(4, dtype=torch.int64)}


@pytest.mark.parametrize("new", [True, False])
def test_both_forms_of_a_state_dict_are_read(new: bool, tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    torch.save(OrderedDict(STATE), path, _use_new_zipfile_serialization=new)
    found = read_pth(path)
    assert found.keys() == STATE.keys() and all(torch.equal(found[name], STATE[name]) for name in STATE)


def test_equal_contents_give_equal_bytes(tmp_path: Path) -> None:
    about = {name: "ö\n" * length for length, name in enumerate(["format", "facts", "maker", "licence"])}
    data = dump_safetensors(STATE, about)
    for _ in range(5):
        assert dump_safetensors(dict(reversed(STATE.items())), dict(reversed(about.items()))) == data
    (tmp_path / "a.safetensors").write_bytes(data)
    found = read_safetensors(tmp_path / "a.safetensors")
    assert found.about == about and all(torch.equal(found.tensors[name], STATE[name]) for name in STATE)


def of_zip(change: Callable[[str, bytes], bytes], how: int) -> bytes:
    """A saved state_dict, its parts changed and written anew."""
    old, new = io.BytesIO(), io.BytesIO()
    torch.save(STATE, old)
    with zipfile.ZipFile(old) as parts, zipfile.ZipFile(new, "w") as out:
        for part in parts.infolist():
            out.writestr(part.filename, change(part.filename, parts.read(part)), how)
    return new.getvalue()


def bomb() -> bytes:
    """64 MB of zeros in a file of 70 KB."""
    zeros = bytes(64 << 20)
    return of_zip(lambda name, data: zeros if name.endswith("/0") else data, zipfile.ZIP_DEFLATED)


def broken(old: bytes, new: bytes) -> bytes:
    """A pickle that breaks off, or asks for something else."""
    return of_zip(lambda name, data: data.replace(old, new) if name.endswith(".pkl") else data, zipfile.ZIP_STORED)


def spread() -> bytes:
    """A tensor of 4 GB over one number."""
    memory = io.BytesIO()
    torch.save({"a": torch.zeros(1).expand(1 << 30)}, memory)
    return memory.getvalue()


class Hungry:
    """Takes 8 GB when it is unpickled; PyTorch lets it."""

    def __reduce__(self) -> tuple[object, ...]:
        return bytearray, (8 << 30,)


def hungry(new: bool) -> bytes:
    memory = io.BytesIO()
    torch.save({"a": Hungry()}, memory, _use_new_zipfile_serialization=new)
    return memory.getvalue()


BAD = {
    "bomb": bomb,
    "deflated": lambda: of_zip(lambda _, data: data, zipfile.ZIP_DEFLATED),
    "unmarked": lambda: broken(b"q\x01", b"h\x7f"),
    "other": lambda: broken(b"FloatStorage", b"WildlStorage"),
    "spread": spread,
    "hungry": lambda: hungry(True),
    "hungry-old": lambda: hungry(False),
    "plain-pickle": lambda: pickle.dumps({"a": [1]}),
    "empty": lambda: b"",
    "cut": lambda: of_zip(lambda _, data: data, zipfile.ZIP_STORED)[:300],
}


@pytest.mark.parametrize("name", BAD)
def test_a_pth_that_is_none_is_refused_in_little_memory(name: str, tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    (path := tmp_path / "a.pth").write_bytes(BAD[name]())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(WeightsError, match=r"'a.pth' is not a readable \.pth of plain tensors") as caught:
        read_pth(path)
    assert caught.value.__cause__ is not None, "--debug shows what broke"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 << 10  # of 1024 bytes


def test_a_list_of_tensors_is_no_state_dict(tmp_path: Path) -> None:
    torch.save([torch.zeros(2)], tmp_path / "a.pth")
    with pytest.raises(WeightsError, match="must hold a dictionary of tensors"):
        read_pth(tmp_path / "a.pth")


def with_header(header: object, data: bytes = b"\0" * 64) -> bytes:
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + data


HEADERS: dict[str, object] = {
    "list": [],
    "deep": None,
    "huge": {"a": {"dtype": "F32", "shape": [1 << 40], "data_offsets": [0, 1 << 42]}},
    "beyond": {"a": {"dtype": "F32", "shape": [1 << 62, 4], "data_offsets": [0, 64]}},
    "negative": {"a": {"dtype": "F32", "shape": [-16], "data_offsets": [0, 64]}},
    "unknown": {"a": {"dtype": "F33", "shape": [16], "data_offsets": [0, 64]}},
    "texts": {"__metadata__": {"facts": 3}, "a": {"dtype": "F32", "shape": [16], "data_offsets": [0, 64]}},
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_safetensors_that_claims_too_much_is_refused(name: str, tmp_path: Path) -> None:
    text = b"[" * 100_000
    deep = len(text).to_bytes(8, "little") + text
    (path := tmp_path / "a.safetensors").write_bytes(deep if name == "deep" else with_header(HEADERS[name]))
    with pytest.raises(WeightsError, match=r"'a.safetensors' is not a readable \.safetensors; copy it again"):
        read_safetensors(path)


def test_only_so_many_tensors_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (path := tmp_path / "a.safetensors").write_bytes(save(STATE))
    assert read_safetensors(path).tensors.keys() == STATE.keys()
    monkeypatch.setattr(tensorfiles, "MOST", 1)
    with pytest.raises(WeightsError, match="names 2 tensors where 1 are the most"):
        read_safetensors(path)


def test_what_is_no_plain_file_is_refused(tmp_path: Path) -> None:
    for path, message in ((tmp_path, "not a plain file"), (tmp_path / "no", "cannot read"), (Path("a\0b"), "cannot")):
        with pytest.raises(WeightsError, match=message):
            read_safetensors(path)
