"""Folders with a journal of what was written into them: nothing else in them is ever replaced or removed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import IO, Literal, TypeGuard

from reverie.errors import FileError, InUse
from reverie.files.drafts import AnyPath, Draft, drafting, flush
from reverie.files.lock import locked
from reverie.files.reasons import FULL, is_plain, kind_of, unwritable

JOURNAL = ".reverie-journal"
"""What was written into a folder: a JSON line for each name, after one that says whose file this is."""
_PARTIAL = ".reverie.partial"
Others = Literal["never", "later", "always"]
_MARK = "files that Reverie wrote here"


class Owned:
    """A folder in use: locked by this process, and with a journal of what Reverie wrote into it.

    Names are relative to it, with ``/`` between folders.

    Attributes:
        path: of the folder.
    """

    def __init__(self, path: Path, journal: IO[bytes]) -> None:
        self.path, self._journal = path, journal
        self._made = any(line.get("made") is True for line in _lines(path / JOURNAL))
        self._names = dict.fromkeys(_written(path))
        self._beside = {str(line["beside"]): line.get("sha256") for line in _lines(path / JOURNAL) if "beside" in line}

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all that was ever written here, whether it is still there or not."""
        return tuple(self._names)

    def has(self, name: str) -> bool:
        """True if a file that Reverie wrote here is still there."""
        return name in self._names and _is_within(self.path, name)

    def foreign(self) -> tuple[str, ...]:
        """Return the entries at the top of the folder that Reverie did not write."""
        ours = {JOURNAL, _PARTIAL, *(PurePosixPath(name).parts[0] for name in self._names)}
        return tuple(sorted(path.name for path in self.path.iterdir() if path.name not in ours))

    def check(self, name: str) -> None:
        """Refuse a name at which something lies that Reverie did not write.

        Raises:
            FileError: it does.
        """
        if _lies(self.path, name) and not self.has(name):
            raise FileError(f"'{name}' in '{self.path}' was not written by this, and is not replaced; {_ELSEWHERE}")

    def begin(self, *, made: bool) -> None:
        """Note in an empty journal whose it is, and whether the folder was made for it."""
        self._note({"reverie": _MARK, "made": made})
        self._made = made

    def claim(self, *names: str) -> None:
        """Note names as this folder's own, before anything is written there.

        Raises:
            FileError: something lies there that Reverie did not write; then none is noted.
        """
        for name in names:
            self.check(name)
        new = [name for name in names if name not in self._names]
        self._note(*({"wrote": name} for name in new))
        self._names |= dict.fromkeys(new)

    @contextmanager
    def replacing(self, path: AnyPath) -> Iterator[Draft]:
        """Write a file of this folder; what Reverie wrote there before is replaced.

        Args:
            path: of the file, or its name in this folder.

        Raises:
            FileError: something lies there that Reverie did not write, or it cannot be written.
        """
        name = Path(path).relative_to(self.path) if Path(path).is_relative_to(self.path) else Path(path)
        self.claim(name.as_posix())
        target = self.path / name
        make_folder(target.parent)
        with drafting(target, partial=self.path / _PARTIAL) as draft:
            yield draft
            draft.replace()

    @contextmanager
    def beside(self, path: AnyPath, fill: Callable[[Draft], object] = Draft.add) -> Iterator[Draft]:
        """Write a file outside of this folder for the same run: what the run wrote there before is replaced.

        Args:
            path: of the file; what lies there and is not, byte for byte, what the run wrote there last, stays.
            fill: what is done with the draft then; by default it is added, with a number.

        Raises:
            FileError: it cannot be written.
        """
        with drafting(Path(path)) as draft:
            yield draft
            if is_plain(draft.target) and _hash(draft.target) == self._beside.get(str(draft.target.absolute())):
                draft.replace()
            else:
                fill(draft)
        if draft.placed is not None:
            place, digest = str(draft.placed.absolute()), _hash(draft.placed)
            self._beside[place] = digest
            self._note({"beside": place, "sha256": digest})

    def write(self, name: str, data: bytes) -> None:
        """Write a file of this folder, whole.

        Raises:
            FileError: as for `replacing`.
        """
        with self.replacing(name) as draft:
            draft.file.write(data)

    def move(self, name: str, to: str) -> None:
        """Give a file of this folder another name; what Reverie wrote there before is replaced.

        Raises:
            FileError: something lies there that Reverie did not write, or it cannot be moved.
        """
        self.claim(to)
        target = self.path / to
        make_folder(target.parent)
        try:
            flush(self.path / name)
            (self.path / name).replace(target)
        except OSError as error:
            raise unwritable(target, error) from error

    def remove(self, *names: str) -> None:
        """Remove files that Reverie wrote here, as far as they are there and plain files still."""
        for name in names:
            if name in self._names:
                with contextlib.suppress(OSError):
                    _remove(self.path, name)
        for folder in {parent for name in names for parent in PurePosixPath(name).parents if parent.parts}:
            _remove_empty_up(self.path, folder)

    def remove_all(self) -> tuple[str, ...]:
        """Remove all that Reverie wrote here, and the folder, if Reverie made it; other files stay.

        Returns:
            The names of what stays.
        """
        self.remove(*self._names)
        self._names.clear()
        if not _is_at(self._journal, self.path / JOURNAL):  # it vanished before
            return ()
        with contextlib.suppress(OSError):
            if sys.platform == "win32":  # an open file cannot be removed there
                self._journal.close()
            (self.path / JOURNAL).unlink(missing_ok=True)
            left = tuple(sorted(path.name for path in self.path.iterdir()))
            if self._made and not left:
                self.path.rmdir()
            return left
        return ()

    def _note(self, *lines: Mapping[str, object]) -> None:
        left = "".join(f"\n{json.dumps(line)}" for line in lines).encode()
        try:
            while left:
                left = left[self._journal.write(left) :]
        except OSError as error:
            raise unwritable(self.path, error) from error


@contextmanager
def own(path: Path, *, others: Others = "never", beside: str = "name another folder") -> Iterator[Owned]:
    """Own a folder of Reverie's, made if it is missing, for this process alone until the block ends.

    Where nothing was written into it, nothing of it is left then.

    Args:
        path: missing, empty, or one that Reverie wrote into.
        others: when something else may lie in it: never, later than Reverie's own first file, or always.
        beside: what a user may do who is refused.

    Raises:
        FileError: it holds something of others, another process works in it, or it cannot be written to.

    Example:
        >>> with own(Path("cat.reverie")) as folder:
        ...     folder.write("job.json", b"{}")
    """
    made = make_folder(path, beside=beside)
    try:
        if not is_owned(path):
            _check_new(path, beside, others=others)
        file = (path / JOURNAL).open("a+b", buffering=0)  # what a full disk refused is not tried again
    except OSError as error:
        if made:
            remove_empty(path)
        raise _cannot("write to", path, error, beside) from error
    with file:
        if not locked(file) or not _is_at(file, path / JOURNAL):
            raise InUse(f"another process works on '{path}'; wait for it, or {beside}.")
        folder = Owned(path, file)
        _remove(path, _PARTIAL)  # a killed process left it half written
        if not is_owned(path):
            folder.begin(made=made)
        if others == "never" and (foreign := folder.foreign()):
            raise _foreign_file(path, foreign[0], beside)
        try:
            yield folder
        finally:
            if not folder.names:
                folder.remove_all()


def written_in(path: Path) -> frozenset[str]:
    """Return the names that Reverie wrote in a folder, by its journal; none if there is no journal."""
    return frozenset(_written(path))


def is_owned(path: Path) -> bool:
    """True if a folder has a journal of Reverie's."""
    return any(line.get("reverie") == _MARK for line in _lines(path / JOURNAL))


def is_folder(path: AnyPath) -> bool:
    """True if a folder is there; a name that no system takes is none."""
    return os.path.isdir(path)  # noqa: PTH112 (unlike Path.is_dir, for any name)


def make_folder(path: Path, *, beside: str = "name another") -> bool:
    """Make a folder, and its parents; return whether it was missing.

    Raises:
        FileError: it cannot be made.
    """
    try:
        there = path.is_dir()
        path.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise _cannot("make", path, error, beside) from error
    return not there


def new_folder(path: Path) -> bool:
    """Make a new folder, atomically; return False if it exists already.

    Raises:
        FileError: it cannot be made, for another reason.
    """
    try:
        path.mkdir()
    except FileExistsError:
        return False
    except (OSError, ValueError) as error:
        raise _cannot("make", path, error, "name another") from error
    return True


def remove_empty(path: Path) -> None:
    """Remove a folder of ours if nothing is in it."""
    with contextlib.suppress(OSError):
        path.rmdir()


_ELSEWHERE = "move it away, or name another folder"


def _lines(path: Path) -> Iterator[dict[str, object]]:
    """Yield the journal's lines; damaged ones are skipped."""
    if not is_plain(path):
        return
    for text in path.read_bytes().split(b"\n"):
        with contextlib.suppress(ValueError, RecursionError):
            line = json.loads(text)
            if isinstance(line, dict):
                yield line


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _written(path: Path) -> Iterator[str]:
    return filter(_is_name, (line.get("wrote") for line in _lines(path / JOURNAL)))


def _is_name(name: object) -> TypeGuard[str]:
    """True if a journal's word is a name inside its folder."""
    if not isinstance(name, str) or not name or "\0" in name or (os.name == "nt" and {"\\", ":"} & set(name)):
        return False
    return not name.startswith("/") and not {"", ".", ".."} & set(name.split("/"))


def _lies(folder: Path, name: str) -> bool:
    """True if anything lies there, or a link or a file where a folder belongs."""
    between = [folder / part for part in PurePosixPath(name).parents if part.parts]
    return os.path.lexists(folder / name) or any(os.path.lexists(p) and not _is_folder(p) for p in between)


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()


def _is_within(folder: Path, name: str) -> bool:
    """True if a plain file lies there, with no link on the way."""
    path = folder / name
    between = [folder / part for part in PurePosixPath(name).parents if part.parts]
    return is_plain(path) and all(map(_is_folder, between))


def _remove(folder: Path, name: str) -> None:
    if _is_within(folder, name):
        (folder / name).unlink(missing_ok=True)


def _remove_empty_up(folder: Path, inner: PurePosixPath) -> None:
    for each in (inner, *inner.parents):
        if each.parts and not (folder / each).is_symlink():
            remove_empty(folder / each)


def _check_new(path: Path, beside: str, *, others: Others) -> None:
    """Refuse a folder that has no journal of ours and is not empty, or has something else in its journal's place."""
    names = sorted(each.name for each in path.iterdir())
    if JOURNAL in names and not (is_plain(path / JOURNAL) and not (path / JOURNAL).stat().st_size):
        raise _foreign_file(path, JOURNAL, beside)
    foreign = [name for name in names if name != JOURNAL]
    if foreign and others != "always":
        raise _foreign_file(path, foreign[0], beside)


def _is_at(file: IO[bytes], path: Path) -> bool:
    """True if an open file is still the one at a path."""
    return is_plain(path) and os.path.samestat(os.fstat(file.fileno()), path.lstat())


def _foreign_file(path: Path, name: str, beside: str) -> FileError:
    return FileError(f"this needs a folder that is new or empty; '{path}' holds '{name}'; {beside}.")


def _cannot(verb: str, path: Path, error: OSError | ValueError, beside: str) -> FileError:
    reason = FULL.get(getattr(error, "errno", None) or 0, "").split(";")[0]
    reason = reason or getattr(error, "strerror", None) or str(error)
    return kind_of(error)(f"cannot {verb} '{path}': {reason}; {beside}.")
