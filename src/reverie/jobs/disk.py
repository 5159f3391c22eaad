"""Disk space that a run needs: the result, checkpoints, and references mapped from files."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from reverie.engine import Synthesis
from reverie.engine.stages import Size
from reverie.errors import DiskFull
from reverie.files import is_folder, scratch_place
from reverie.pictures import fit

AT_ONCE = 3  # checkpoints: two are kept while the next is written
_PIXEL = 3 * 4  # bytes of a pixel as it is computed

Needs = Sequence[tuple[str, Path, int]]
"""Purpose, a path on the disk in question, and bytes."""


def result_bytes(picture: Path, size: Size, *, depth: int = 8) -> int:
    """Bytes of a result, at most: a compressed picture is no larger than its pixels."""
    return size[0] * size[1] * (_PIXEL if picture.suffix.lower() == ".npy" else 3 * depth // 8)


def checkpoint_bytes(what: Synthesis) -> int:
    """Bytes of a checkpoint at the largest scale: the picture, the optimiser's moments, the average."""
    pixels = max(s.size[0] * s.size[1] for s in what.stages)
    return pixels * _PIXEL * (1 + what.optimiser.stored + (what.average is not None))


def kept_bytes(what: Synthesis, files: Iterable[Path], *, folder: Path) -> int:
    """Bytes for keeping a run: checkpoints and copies of its pictures, less what is in the folder already."""
    there = sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) if is_folder(folder) else 0
    return max(0, AT_ONCE * checkpoint_bytes(what) + sum(f.stat().st_size for f in files) - there)


def check_result(picture: Path, photo: Size | None, longer: int | None) -> None:
    """Refuse a result too large for the disk, as soon as its size is known.

    Args:
        picture: where it goes.
        photo: (H, W) of the picture it is made from; None makes a square.
        longer: its longer side, pixels; None where it is not known.
    Raises:
        DiskFull: it is too large.
    """
    if longer is not None:
        size = (longer, longer) if photo is None else fit(photo, longer=longer)
        check([("the picture", picture, result_bytes(picture, size))], size)


def check(needs: Needs, size: Size) -> None:
    """Refuse a run for which there is no room on one of its disks.

    Raises:
        DiskFull: there is not.
    """
    for disk, (free, place) in _disks(path for _, path, _ in needs).items():
        here = [(what, amount) for what, path, amount in needs if _disk(path) == disk]
        if sum(amount for _, amount in here) > free:
            parts = ", ".join(f"{what} {_spoken(amount)}" for what, amount in here if amount)
            raise DiskFull(
                f"{size[1]}x{size[0]} px needs {_spoken(sum(amount for _, amount in here))} of disk ({parts});"
                f" {_spoken(free)} are free at '{place}'. Free some, name another place or lower --size."
            )


def references_in() -> Path:
    """Return the folder of temporary files, from which references are mapped."""
    return scratch_place()


def _disks(paths: Iterable[Path]) -> Mapping[int, tuple[int, Path]]:
    """Return each disk's free bytes and a folder on it."""
    folders = {_disk(path): _existing(path) for path in paths}
    return {disk: (shutil.disk_usage(folder).free, folder) for disk, folder in folders.items()}


def _disk(path: Path) -> int:
    return _existing(path).stat().st_dev


def _existing(path: Path) -> Path:
    """Return the nearest folder that exists."""
    absolute = path.absolute()
    return next(p for p in (absolute, *absolute.parents) if is_folder(p))


def _spoken(amount: float) -> str:
    return f"{amount / 2**30:.1f} GB" if amount >= 2**30 else f"{amount / 2**20:.0f} MB"
