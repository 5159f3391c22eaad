"""Reasons why something cannot be written, in words."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from reverie.errors import DiskFull, FileError

FULL = {
    errno.ENOSPC: "the disk is full; free some space or write elsewhere",
    errno.EDQUOT: "the disk quota is used up; free some space or write elsewhere",
    errno.EFBIG: "the file grew past the allowed size; raise 'ulimit -f' or write a smaller one",
    errno.EROFS: "the disk is read-only; write elsewhere",
    errno.EIO: "the disk reports an error; write elsewhere",
}
NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""Of these, those that pass once there is room."""
_UNREACHABLE = FULL | {
    errno.EACCES: "the folder may not be written to; change its permissions or write elsewhere",
    errno.EPERM: "the folder may not be written to; change its permissions or write elsewhere",
    errno.ENAMETOOLONG: "the name is too long; choose a shorter one",
}
_KINDS = {
    stat.S_IFDIR: "a folder; name a file in it",
    stat.S_IFIFO: "a fifo; name a plain file",
    stat.S_IFSOCK: "a socket; name a plain file",
    stat.S_IFCHR: "a device; name a plain file",
    stat.S_IFBLK: "a device; name a plain file",
}
_WRITABLE = stat.S_IWUSR | stat.S_IWGRP | stat.S_IWOTH


def unwritable(path: object, error: OSError | ValueError) -> FileError:
    """Return the error for a file that the system does not let us write, or whose name it refuses."""
    reason = f"{getattr(error, 'strerror', None) or error}; write elsewhere"
    reason = _UNREACHABLE.get(getattr(error, "errno", None) or 0, reason)
    return kind_of(error)(f"cannot write '{path}': {reason}")


def kind_of(error: OSError | ValueError) -> type[FileError]:
    """Return the class of error for a file that cannot be written: a full disk has its own."""
    return DiskFull if getattr(error, "errno", None) in NO_ROOM else FileError


def check_target(path: object, target: Path) -> None:
    """Refuse what lies where a file is to be replaced, unless it is a regular file that may be written.

    Args:
        path: as the user knows it.
        target: the same, its links followed.

    Raises:
        FileError: a folder, a device, a fifo, a socket, or a file that is protected against writing.
    """
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise unwritable(path, error) from error
    if not stat.S_ISREG(mode):
        raise FileError(f"cannot write '{path}': it is {_KINDS.get(stat.S_IFMT(mode), 'not a plain file')}")
    if not mode & _WRITABLE or not os.access(target, os.W_OK):
        raise FileError(f"cannot write '{path}': it is protected against writing; allow it or name another file")


def is_plain(path: Path) -> bool:
    """True if a regular file lies there, and not a link to one."""
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except (OSError, ValueError):
        return False
