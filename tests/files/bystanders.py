"""A folder full of other people's things, and whether all of it is still there."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import numpy as np
from PIL import Image

NAMES = (
    "holiday.jpg",
    "with space.png",
    "new\nline.png",
    "\x1b[31mred.png",
    "-leading.png",
    "ünïcödé-猫-🐈.png",
    "n" * 251 + ".png",
    "checkpoint-001-000001.safetensors",
    "checkpoint-1-100.safetensors",
    ".draft.partial.png",
    "job.json",
    "lock",
    "preview.png",
    "photo-dream.png",
    "photo-dream-2-compare.png",
    "photo-zoom.mp4",
    "photo-zoom/frame-0000.png",
    "made-remix.png",
    "photo.safetensors",
    "photo-preview.png",
    "out-preview.png",
    "out-0001.png",
    "out-compare.png",
    "out-report.png",
    "manifest.csv",
    "manifest.jsonl",
    "contact-sheet.jpg",
    "inputs/0/photo.png",
    "inputs/holiday/notes.txt",
)


def put_bystanders(folder: Path) -> None:
    """Fill a folder with what is not Reverie's."""
    for name in NAMES:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(f"my own {name!r}".encode())
    (folder / "empty.png").touch()
    (folder / "read-only.png").write_bytes(b"read only")
    (folder / "read-only.png").chmod(0o444)
    (folder / "to-file.png").symlink_to("holiday.jpg")
    (folder / "to-folder").symlink_to("inputs", target_is_directory=True)
    (folder / "to-nothing.png").symlink_to("nothing.png")
    (folder / "device.png").symlink_to(os.devnull)
    (folder / "device.safetensors").symlink_to(os.devnull)
    (folder / "own.txt").write_text("photo.png")
    os.mkfifo(folder / "fifo.png")


def put_photo(folder: Path) -> None:
    """A small photo to work on, one's own as well."""
    y, x = np.mgrid[:48, :64] / 64
    photo = np.stack([x, y, 0.5 + 0.5 * np.sin(20 * x * y)], axis=2)
    Image.fromarray((photo * 255).astype(np.uint8)).save(folder / "photo.png")


def seen(folder: Path) -> dict[str, str]:
    """What lies in a folder: for each name what it is, and the sha256 of its bytes."""
    found = {}
    for path in sorted(folder.rglob("*")):
        mode = path.lstat().st_mode
        said = stat.filemode(mode)
        if stat.S_ISREG(mode):
            said += hashlib.sha256(path.read_bytes()).hexdigest()
        elif stat.S_ISLNK(mode):
            said += str(path.readlink())
        found[path.relative_to(folder).as_posix()] = said
    return found


def lost(before: dict[str, str], folder: Path, *, named: tuple[str, ...] = ()) -> list[str]:
    """The names at which something is gone or another than before, those aside that a user named."""
    now = seen(folder)
    return [name for name, what in before.items() if name not in named and now.get(name) != what]
