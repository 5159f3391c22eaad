"""Drafts: files written beside their targets, which they replace as a whole, in one step."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from reverie.errors import FileError
from reverie.files.names import numbered
from reverie.files.reasons import FULL, check_target, is_plain, unwritable

AnyPath = str | os.PathLike[str]


class Draft:
    """A file on its way: written beside its target, until it is placed there whole.

    A killed process may leave a ``.*.partial.*`` file behind, never a broken target.

    Attributes:
        file: open for writing and reading.
        path: of the draft itself, for what writes by name.
        target: where it belongs.
        placed: where it lies at last; None while it is on its way.
    """

    def __init__(self, file: BinaryIO, path: Path, target: Path) -> None:
        self.file, self.path, self.target = file, path, target
        self.placed: Path | None = None

    def replace(self) -> Path:
        """Put it at its target, in the place of the plain file that lies there.

        Raises:
            FileError: what lies there is no plain file, or protected against writing.
        """
        check_target(self.target, self.target)
        with contextlib.suppress(OSError):
            self.path.chmod(stat.S_IMODE(self.target.stat().st_mode))
        self._finish()
        self.path.replace(self.target)
        return self._is_at(self.target)

    def create(self, path: Path | None = None) -> bool:
        """Put it at a free path; True if that succeeded, or if the very same bytes lie there already.

        Args:
            path: another name in the target's folder.
        """
        path = path or self.target
        self._finish()
        if not _linked(self.path, path) and not _same(self.path, path):
            return False
        self._is_at(path)
        return True

    def add(self) -> Path:
        """Put it at its target or, where something else lies, at the next free number: ``cat-2.png``."""
        return next(path for path in numbered(self.target) if self.create(path))

    def _finish(self) -> None:
        """Flush it to the disk; nothing more is written into it."""
        if not self.file.closed:
            self.file.close()
            flush(self.path)

    def _is_at(self, path: Path) -> Path:
        self.placed = path
        return path


Placing = Callable[[AnyPath], AbstractContextManager[Draft]]
"""How a file comes to its place: `replacing`, `adding`, `creating`, or a reservation's `filling`."""


@contextmanager
def drafting(target: Path, *, partial: Path | None = None) -> Iterator[Draft]:
    """Open a draft of a file; unless it is placed, or after any exception, it is removed when the block ends.

    Args:
        target: where the file belongs; its folder must exist.
        partial: of the draft itself, which nothing else uses; by default a name that is not taken.

    Raises:
        FileError: no such folder, no permission, a full disk.
    """
    _check_folder(target)
    with _opened(target, partial or _partial(target)) as draft:
        try:
            yield draft
        except OSError as error:
            if error.errno in FULL:
                raise unwritable(target, error) from error
            raise
    if draft.placed is not None:
        _flush_folder(target.parent)


@contextmanager
def replacing(path: AnyPath) -> Iterator[Draft]:
    """Write a file that the user named: once the block succeeds, it replaces what lay there.

    It has the permissions of the file it replaces; a link stays a link, to the new file.

    Raises:
        FileError: as for `drafting`; a folder, device, fifo, socket or write-protected file lies there.

    Example:
        >>> with replacing("losses.json") as draft:
        ...     _ = draft.file.write(b"[]")
    """
    with drafting(resolved(path)) as draft:
        yield draft
        draft.replace()
    draft.placed = Path(path)


@contextmanager
def adding(path: AnyPath) -> Iterator[Draft]:
    """Write a file that the user did not name: what lies there stays, and this one gets a number.

    Where the very same bytes lie there already, nothing is written. The draft says where it is placed.

    Raises:
        FileError: as for `drafting`.
    """
    with drafting(Path(path)) as draft:
        yield draft
        draft.add()


@contextmanager
def creating(path: AnyPath) -> Iterator[Draft]:
    """Write a file that the user did not name, and that can have no other name.

    Raises:
        FileError: as for `drafting`; something else lies there.
    """
    with drafting(Path(path)) as draft:
        yield draft
        if not draft.create():
            raise FileError(f"'{path}' is there already, and is not replaced; move it away or write elsewhere")


def write_bytes(path: AnyPath, data: bytes) -> None:
    """Replace a file that the user named, whole.

    Raises:
        FileError: as for `replacing`.
    """
    with replacing(path) as draft:
        draft.file.write(data)


def check_writable(path: AnyPath) -> None:
    """Refuse a path that cannot be replaced; what lies there is left alone.

    Raises:
        FileError: as for `replacing`.
    """
    with drafting(resolved(path)):
        return


def resolved(path: AnyPath) -> Path:
    """Return the real file behind links, if it may be written.

    Raises:
        FileError: as for `replacing`.
    """
    try:
        target = Path(path).resolve()
    except (OSError, RuntimeError, ValueError) as error:
        raise FileError(f"cannot write '{path}': {error}; choose another name") from error
    _check_folder(target)
    check_target(path, target)
    return target


def _check_folder(target: Path) -> None:
    try:
        has_folder = target.parent.is_dir()
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write '{target}': {error}; choose another name") from error
    if not has_folder:
        raise FileError(f"cannot write '{target}': there is no folder '{target.parent}'; make it")


def _partial(target: Path) -> Path:
    """Return a name that is not taken, with the same suffix."""
    return target.with_name(f".{target.stem[:40]}.{secrets.token_hex(6)}.partial{target.suffix}")


@contextmanager
def _opened(target: Path, partial: Path) -> Iterator[Draft]:
    try:
        file = partial.open("x+b")
    except (OSError, ValueError) as error:
        raise unwritable(target, error) from error
    with file:
        draft = Draft(file, partial, target)
        try:
            yield draft
        finally:
            with contextlib.suppress(OSError):  # what a full disk refused is tried once more, and is told already
                file.close()
            _discard(partial)


def _linked(draft: Path, path: Path) -> bool:
    """Put a draft at a free path in one atomic step; return False if the path is taken."""
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno in FULL or error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
            raise unwritable(path, error) from error
        return _claimed(draft, path)
    return True


def _same(draft: Path, path: Path) -> bool:
    """True if a plain file holds the same bytes."""
    return is_plain(path) and filecmp.cmp(draft, path, shallow=False)


def _claimed(draft: Path, path: Path) -> bool:
    """Do the same on a disk without links: take the name by an empty file first."""
    try:
        path.open("xb").close()
    except FileExistsError:
        return False
    except OSError as error:
        raise unwritable(path, error) from error
    draft.replace(path)
    return True


def flush(path: Path, access: int = os.O_RDWR) -> None:
    """Flush a file's bytes, or a folder's names, to the disk."""
    descriptor = os.open(path, access)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Flush a new name to the disk, where the system can."""
    with contextlib.suppress(OSError):  # some systems cannot open or flush a folder
        flush(folder, os.O_RDONLY)


def _discard(partial: Path) -> None:
    with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)
