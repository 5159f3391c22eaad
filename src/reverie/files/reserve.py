"""Names reserved before any work, so that two runs at once get two names."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from reverie.files.drafts import AnyPath, Draft, drafting
from reverie.files.lock import locked
from reverie.files.reasons import is_plain, unwritable

MARK = b"This name is reserved by a run of Reverie that has not written it yet.\n"


class Reservation:
    """Names that this process has taken, each by a small file that says so and is locked.

    A killed process leaves such files; since their locks are gone, the next run takes them over.

    Attributes:
        base: the name they are named after.
    """

    def __init__(self, base: Path, files: Mapping[Path, IO[bytes]]) -> None:
        self.base, self._files = base, dict(files)

    @property
    def paths(self) -> tuple[Path, ...]:
        """Reserved names, in their order."""
        return tuple(self._files)

    @contextmanager
    def filling(self, path: AnyPath) -> Iterator[Draft]:
        """Write a file at a name that was reserved, by this process or one that was killed; others as in `adding`.

        Raises:
            FileError: as for `drafting`.
        """
        with drafting(Path(path)) as draft:
            yield draft
            self.fill(draft)

    def fill(self, draft: Draft) -> None:
        """Put a draft at its reserved name, or add it."""
        file = self._files.get(draft.target) or _left_behind(draft.target)
        if file is None or not is_reserved(draft.target):
            draft.add()
            return
        file.close()
        draft.replace()

    def release(self) -> None:
        """Give up the names at which nothing was put."""
        for path, file in self._files.items():
            with contextlib.suppress(OSError):
                if is_reserved(path):
                    path.unlink()
            file.close()


def _alone(base: Path) -> Sequence[Path]:
    return (base,)


@contextmanager
def reserve(bases: Iterable[Path], family: Callable[[Path], Sequence[Path]] = _alone) -> Iterator[Reservation]:
    """Reserve the first family of names none of which is taken, until the block ends.

    Args:
        bases: names that families are named after, endlessly many; their folder exists.
        family: the names to take, after a base; by default that alone.

    Raises:
        FileError: a name cannot be written at all.

    Example:
        >>> from reverie.files import numbered
        >>> with reserve(numbered(Path("cat.png"))) as taken, taken.filling(taken.base) as draft:
        ...     _ = draft.file.write(b"...")
    """
    taken = next(filter(None, (_taken(base, family(base)) for base in bases)))
    try:
        yield taken
    finally:
        taken.release()


def is_reserved(path: Path) -> bool:
    """True if a name is reserved and nothing has been put there yet."""
    if not is_plain(path) or path.stat().st_size != len(MARK):
        return False
    return path.read_bytes() == MARK


def _taken(base: Path, family: Sequence[Path]) -> Reservation | None:
    """Take all names of a family, or none."""
    files: dict[Path, IO[bytes]] = {}
    with contextlib.ExitStack() as undo:
        undo.callback(lambda: Reservation(base, files).release())
        for path in family:
            file = _new(path) or _left_behind(path)
            if file is None:
                return None
            files[path] = file
        undo.pop_all()
    return Reservation(base, files)


def _new(path: Path) -> IO[bytes] | None:
    try:
        file = path.open("x+b", buffering=0)
    except FileExistsError:
        return None
    except (OSError, ValueError) as error:
        raise unwritable(path, error) from error
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    try:
        locked(file)
        failed = None if file.write(MARK) == len(MARK) else full  # as much is written as there is room for
    except OSError as error:
        failed = error
    if failed:
        file.close()
        path.unlink(missing_ok=True)
        raise unwritable(path, failed) from failed
    return file


def _left_behind(path: Path) -> IO[bytes] | None:
    """Take over a name that a killed process had reserved: its lock is gone with it."""
    with contextlib.suppress(OSError):
        if is_reserved(path):
            file = path.open("r+b")
            if locked(file) and is_reserved(path):
                return file
            file.close()
    return None
