"""Expand command-line words to pictures: files, folders, lists, sample styles."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from reverie import styles
from reverie.errors import PictureError, suggestion
from reverie.files import written_in
from reverie.jobs.folder import KEPT
from reverie.pictures import readable

LISTS = (".txt", ".lst", ".list")
SHEETS = re.compile(r"contact-sheet(-\d+)?", re.IGNORECASE)
"""Names of a batch's contact sheets, which none of its pictures has."""
NOISE = "noise"
"""Word that stands for no picture."""


def gather(
    words: Iterable[str], *, samples: bool = False, noise: bool = False, deep: bool = False
) -> tuple[Path | None, ...]:
    """Expand words to pictures: files, all of a folder, the lines of a list; each file once, folders sorted.

    Args:
        words: paths; a list is a ``.txt`` file of paths, from its own folder, and ``#`` begins a comment.
        samples: whether a word may also name a sample style.
        noise: whether the word ``noise`` stands for no picture, None.
        deep: whether a folder's folders count, too; hidden ones and those of kept runs never do.
    Raises:
        PictureError: a word means nothing, a folder holds no picture, or a list cannot be read.
    """
    found: dict[Path | None, Path | None] = {}
    for word in words:
        for path in _meant(word, samples=samples, noise=noise, deep=deep):
            found.setdefault(path and path.resolve(), path)
    return tuple(found.values())


def _pictures(folder: Path, *, deep: bool) -> Iterator[Path]:
    """Yield the pictures in a folder, by suffix, except the contact sheets of a batch."""
    written = written_in(folder)
    for path in folder.iterdir():
        if path.name.startswith(".") or (path.name in written and SHEETS.fullmatch(path.stem)):
            continue
        if path.suffix.lower() in readable():
            yield path
        elif deep and path.is_dir() and not path.is_symlink() and path.suffix != KEPT:
            with contextlib.suppress(PermissionError):  # one folder of many
                yield from _pictures(path, deep=True)


def _meant(word: str, *, samples: bool, noise: bool, deep: bool) -> list[Path | None]:
    path = Path(word)
    try:
        if path.is_dir():
            inside = sorted(_pictures(path, deep=deep))
            if not inside:
                raise PictureError(f"the folder '{word}' holds no picture ({', '.join(readable())}).")
            return list(inside)
        if path.is_file():
            return _listed(path) if path.suffix.lower() in LISTS else [path]
    except OSError as error:
        raise PictureError(f"cannot read '{word}': {error.strerror or error}.") from error
    if noise and word == NOISE:
        return [None]
    if samples and word in styles.names():
        return [styles.path(word)]
    raise PictureError(
        f"there is no file or folder{' or sample style' if samples else ''} '{word}'; check its spelling."
        f"{suggestion(word, styles.names()) if samples else ''}"
    )


def _listed(path: Path) -> list[Path | None]:
    """Read the paths in a list; a missing file fails by itself, later."""
    try:
        lines = path.read_text(encoding="utf8").splitlines()
    except UnicodeDecodeError:
        raise PictureError(f"'{path}' is no list of paths: it is not UTF-8 text.") from None
    named = [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if not named:
        raise PictureError(f"the list '{path}' names no picture; write a path on each line.")
    if "\0" in "".join(named):
        raise PictureError(f"'{path}' is no list of paths: a zero byte stands in one; write a path on each line.")
    return [path.parent / name for name in named]
