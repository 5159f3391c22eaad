"""Files that are never half written, and files opened with one clear line when they cannot be."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reverie.errors import PictureError
from reverie.pictures.formats import AnyPath

_FULL = {
    errno.ENOSPC: "the disk is full; free some space or write elsewhere",
    errno.EDQUOT: "the disk quota is used up; free some space or write elsewhere",
    errno.EFBIG: "the file grew past the allowed size; raise 'ulimit -f' or write a smaller one",
    errno.EROFS: "the disk is read-only; write elsewhere",
    errno.EIO: "the disk reports an error; write elsewhere",
}
_UNREACHABLE = _FULL | {
    errno.EACCES: "the folder may not be written to; change its permissions or write elsewhere",
    errno.EPERM: "the folder may not be written to; change its permissions or write elsewhere",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}


@contextmanager
def atomic_path(path: AnyPath) -> Iterator[Path]:
    """A temporary path beside ``path`` that takes its place once the block ends well.

    The temporary file has the same suffix, is flushed to the disk, and replaces the target in
    one step. After any exception it is removed and an older target is as it was. A killed
    process may leave a ``.*.partial.*`` file behind, never a broken target.

    Args:
        path: where the finished file belongs; its folder must exist.

    Yields:
        The path to write to: an empty file in the same folder.

    Raises:
        PictureError: missing folder, a folder as target, no permission, disk full.

    Example:
        >>> with atomic_path("losses.json") as partial:
        ...     _ = partial.write_text("[]")
    """
    target = _target(path)
    partial = _reserve(target)
    try:
        yield partial
        _flush(partial)
        partial.replace(target)
    except OSError as error:
        _discard(partial)
        if error.errno in _FULL:
            raise PictureError(f"cannot write '{target}': {_FULL[error.errno]}") from error
        raise
    except BaseException:
        _discard(partial)
        raise
    _flush_folder(target.parent)


def write_bytes(path: AnyPath, data: bytes) -> None:
    """Write a whole file at once, never half of it.

    Raises:
        PictureError: as for ``atomic_path``.
    """
    with atomic_path(path) as partial:
        partial.write_bytes(data)


@contextmanager
def open_picture(path: AnyPath) -> Iterator[BinaryIO]:
    """A picture file open for reading, or one line saying why not.

    Raises:
        PictureError: missing, empty, a folder, not a plain file, or not readable.
    """
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a plain file"
            raise PictureError(f"a picture is a file, and '{path}' is {kind}; name the file itself")
        file = Path(path).open("rb")  # noqa: SIM115 (closed below; only opening is guarded here)
    except PictureError:  # which is an OSError, too
        raise
    except FileNotFoundError as error:
        raise PictureError(f"there is no file '{path}'; check the spelling and folder") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"cannot open '{path}': {reason}; check its name and permissions") from error
    with file:
        if not file.read(1):
            raise PictureError(f"a picture holds data, and '{path}' is empty; copy it again")
        file.seek(0)
        yield file


def _target(path: AnyPath) -> Path:
    """The real file behind links, in a folder that exists."""
    try:
        target = Path(path).resolve()
        is_folder, has_folder = target.is_dir(), target.parent.is_dir()
    except (OSError, RuntimeError, ValueError) as error:
        raise PictureError(f"cannot write '{path}': {error}; choose another name") from error
    if is_folder:
        raise PictureError(f"cannot write '{path}': it is a folder; name a file in it")
    if not has_folder:
        raise PictureError(f"cannot write '{path}': there is no folder '{target.parent}'; make it")
    return target


def _reserve(target: Path) -> Path:
    """An empty file beside the target, with the target's permissions where it exists."""
    name = f".{target.stem[:40]}.{secrets.token_hex(6)}.partial{target.suffix}"
    partial = target.with_name(name)
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    except OSError as error:
        reason = _UNREACHABLE.get(error.errno or 0, f"{error.strerror}; write elsewhere")
        raise PictureError(f"cannot write '{target}': {reason}") from error
    with contextlib.suppress(OSError):
        partial.chmod(stat.S_IMODE(target.stat().st_mode))
    return partial


def _flush(partial: Path) -> None:
    """Push a file's bytes down to the disk."""
    descriptor = os.open(partial, os.O_RDWR)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flush_folder(folder: Path) -> None:
    """Push a rename down to the disk, where the system can."""
    with contextlib.suppress(OSError):  # some systems cannot open or flush a folder
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _discard(partial: Path) -> None:
    with contextlib.suppress(OSError):
        partial.unlink(missing_ok=True)
