"""Scratch files: gone when the block ends, and a disk that takes no more is told as it is."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from reverie.errors import DiskFull, FileError
from reverie.files import scratch_folder


@pytest.mark.parametrize(("code", "told"), [(errno.ENOSPC, DiskFull), (errno.EFBIG, FileError)])
def test_a_disk_that_takes_no_more(code: int, told: type[FileError]) -> None:
    left: list[Path] = []
    with pytest.raises(told, match="cannot write"), scratch_folder() as folder:
        left.append(folder)
        (folder / "half").write_bytes(b"half")
        raise OSError(code, "no more")
    assert not left[0].exists()


def test_other_errors_stay_what_they_are() -> None:
    with pytest.raises(FileNotFoundError), scratch_folder() as folder:
        (folder / "missing").read_bytes()
