"""An index of a folder's pictures, kept in the cache or where the user wants it, brought up to date before each search.

It lies in shards of some hundred pictures, each written whole, so that whatever is interrupted goes on where it was,
and a search of any number of pictures takes the memory of one.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reverie.errors import FileError, PictureError, ReverieError, reason_of
from reverie.files import is_folder, make_folder, one_at_a_time, remove, write_bytes
from reverie.finding.features import ASPECTS, VERSION, Describer, Description
from reverie.networks.tensorfiles import dump_safetensors, read_safetensors
from reverie.networks.weights import cache_folder
from reverie.pictures import readable
from reverie.pictures.read import read_picture

_SHARD = 512  # pictures
READ = 320
"""Longer side in which pictures are read, pixels: their formats may read them reduced."""
_SAME = 0.9995  # likeness in every aspect from which two files are the same picture

Stamp = tuple[int, int]
"""Bytes of a file, and when it was changed, in nanoseconds."""


@dataclass(frozen=True)
class Progress:
    """How far an index has been brought up to date: pictures described, of how many."""

    done: int
    total: int


@dataclass(frozen=True)
class Found:
    """A picture that is like another.

    Attributes:
        name: of its file, relative to the folder.
        likeness: 1 is the same, 0 nothing in common.
    """

    name: str
    likeness: float


@dataclass(frozen=True)
class _Shard:
    """A file of the index: names with their stamps, and where their descriptions lie."""

    path: Path
    entries: tuple[tuple[str, Stamp], ...]


class Gallery:
    """A folder of pictures with its index.

    Attributes:
        root: the folder.
        home: of the index.
        left_out: files that cannot be read, with the reason.
    """

    def __init__(self, root: Path, describer: Describer, home: Path) -> None:
        self.root, self.describer, self.home = root, describer, home
        self.left_out: dict[str, str] = {}
        self._shards = [shard for path in sorted(home.glob("*.safetensors")) if (shard := _opened(path))]
        self._there = dict(_pictures(root))
        if not self._there:
            raise PictureError(f"the folder '{root}' holds no picture ({', '.join(readable())}).")

    def __len__(self) -> int:
        """Count the pictures in the folder."""
        return len(self._there)

    def refresh(self) -> Iterator[Progress]:
        """Describe pictures that are new or changed, some hundred at a time, and forget those that are gone.

        Raises:
            FileError: the index cannot be written.
        """
        known = {entry for shard in self._shards for entry in shard.entries}
        new = [entry for entry in self._there.items() if entry not in known]
        for first in range(0, len(new), _SHARD):
            described: dict[tuple[str, Stamp], Description] = {}
            for name, stamp in new[first : first + _SHARD]:
                described[name, stamp] = self._described(name)
                yield Progress(first + len(described), len(new))
            self._write(described)
        if sum(len(shard.entries) for shard in self._shards) > 2 * len(self._there) + _SHARD:
            self._compact()

    def search(self, wanted: Description, aspects: Sequence[str], count: int) -> dict[str, list[Found]]:
        """Find the pictures most like a description in each aspect, the same picture left out.

        Exact: every description is compared, shard by shard.

        Args:
            wanted: a description.
            aspects: by which to compare, each for itself.
            count: of each.
        """
        best: dict[str, list[Found]] = {aspect: [] for aspect in aspects}
        for shard, rows in self._live():
            tensors = _tensors(shard)
            likeness = {aspect: tensors[aspect][rows].float() @ wanted[aspect] for aspect in ASPECTS}
            described = torch.stack([tensors[aspect][rows].float().norm(dim=1) for aspect in ASPECTS]).amin(0) > 0.5
            others = described & (torch.stack([*likeness.values()]).amin(0) < _SAME)
            names = [shard.entries[row][0] for row in rows.tolist()]
            for aspect in aspects:
                values = likeness[aspect].masked_fill(~others, -torch.inf)
                near = values.topk(min(count, len(values)))
                found = zip(near.values.tolist(), near.indices.tolist(), strict=True)
                best[aspect] += [Found(names[i], value) for value, i in found if value > -torch.inf]
                best[aspect] = sorted(best[aspect], key=lambda each: (-each.likeness, each.name))[:count]
        return best

    def likeness(self, wanted: Description) -> Iterator[tuple[str, Mapping[str, float]]]:
        """Yield each picture with its likeness in every aspect."""
        for shard, rows in self._live():
            tensors = _tensors(shard)
            found = {aspect: (tensors[aspect][rows].float() @ wanted[aspect]).tolist() for aspect in ASPECTS}
            for number, row in enumerate(rows.tolist()):
                yield shard.entries[row][0], {aspect: found[aspect][number] for aspect in ASPECTS}

    def _live(self) -> Iterator[tuple[_Shard, Tensor]]:
        """Yield the shards, each with the rows of pictures that are still there, unchanged."""
        for shard in self._shards:
            rows = [i for i, (name, stamp) in enumerate(shard.entries) if self._there.get(name) == stamp]
            if rows:
                yield shard, torch.tensor(rows)

    def _described(self, name: str) -> Description:
        """Describe a picture; zeros stand for one that cannot be read, so that it is not tried again."""
        try:
            return self.describer(read_picture(self.root / name, longer=READ).pixels)
        except ReverieError as error:
            self.left_out[name] = str(error)
            nothing = self.describer(torch.full((1, 3, 64, 64), 0.5))
            return {aspect: torch.zeros_like(vector) for aspect, vector in nothing.items()}

    def _write(self, described: Mapping[tuple[str, Stamp], Description]) -> None:
        """Add a shard."""
        rows = [*described.values()]
        tensors = {aspect: torch.stack([row[aspect] for row in rows]).half() for aspect in ASPECTS}
        entries = [[name, *stamp] for name, stamp in described]
        number = max((int(shard.path.stem) for shard in self._shards), default=0) + 1
        path = self.home / f"{number:06d}.safetensors"
        write_bytes(path, dump_safetensors(tensors, {"entries": json.dumps(entries)}))
        self._shards.append(_Shard(path, tuple(described)))

    def _compact(self) -> None:
        """Write the descriptions of pictures that are there anew, and remove the old shards."""
        old, kept = [*self._live()], [*self._shards]
        for shard, rows in old:
            tensors = _tensors(shard)
            self._write(
                {
                    shard.entries[row]: {aspect: tensors[aspect][row].float() for aspect in ASPECTS}
                    for row in rows.tolist()
                }
            )
        for shard in kept:
            remove(shard.path)
            self._shards.remove(shard)


@contextmanager
def gallery(root: Path, describer: Describer, kept: Path | None = None) -> Iterator[Gallery]:
    """Open a folder of pictures with its index; other processes that want it wait until the block ends.

    Args:
        root: the folder; folders inside count.
        describer: its network is part of the index's name.
        kept: folder of the index, which is then found wherever both are moved; by default in the cache, by the path of
            the pictures.
    Raises:
        PictureError: there is no such folder, or no picture in it.
        FileError: the index cannot be written.
    """
    if not is_folder(root):
        raise PictureError(f"'{root}' is no folder; name one with pictures in it.")
    described = f"{describer.network.sha256}\n{VERSION}"
    if kept is None:
        home = cache_folder().parent / "find" / _name(f"{root.resolve()}\n{described}")
        make_folder(home, beside="set REVERIE_HOME to a folder of yours")
    else:
        home = kept / _name(described)
        make_folder(home, beside="name another with --index")
    try:
        with one_at_a_time(home / "lock") as waiting:
            for _ in waiting:
                pass
            yield Gallery(root, describer, home)
    except OSError as error:
        raise FileError(f"cannot use the index in '{home}': {reason_of(error)}") from error


def _name(key: str) -> str:
    return hashlib.sha256(key.encode("utf8", "surrogateescape")).hexdigest()[:24]


def suitable(photo: Tensor, root: Path, describer: Describer) -> Path:
    """Find the painting in a folder that suits a photo: alike in content and colour, in equal parts.

    Raises:
        PictureError: no painting can be read.
    """
    wanted = describer(photo)
    with gallery(root, describer) as there:
        for _ in there.refresh():
            pass
        marks = {name: each["content"] + each["colour"] for name, each in there.likeness(wanted)}
    name = max(marks, key=lambda each: (marks[each], each))
    if marks[name] <= 0:
        raise PictureError(f"no picture in '{root}' can be read; name another folder.")
    return root / name


def _pictures(root: Path) -> Iterator[tuple[str, Stamp]]:
    """Yield the pictures of a folder and of those inside, hidden ones and kept runs left out, each with its stamp."""
    suffixes = frozenset(readable())
    waiting = [root]
    while waiting:
        folder = waiting.pop()
        with contextlib.suppress(PermissionError), os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda each: each.name):
                path = Path(entry.path)
                if entry.name.startswith(".") or entry.name.endswith(".reverie"):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(path)
                elif path.suffix.lower() in suffixes and entry.is_file():
                    about = entry.stat()
                    yield path.relative_to(root).as_posix(), (about.st_size, about.st_mtime_ns)


def _opened(path: Path) -> _Shard | None:
    """Read which pictures a shard describes; None where it is damaged, so that they are described again."""
    try:
        found = read_safetensors(path)
        entries = tuple((str(name), (int(size), int(time))) for name, size, time in json.loads(found.about["entries"]))
    except (ReverieError, KeyError, ValueError, TypeError):
        remove(path)
        return None
    sound = all(aspect in found.tensors and len(found.tensors[aspect]) == len(entries) for aspect in ASPECTS)
    return _Shard(path, entries) if sound else None


def _tensors(shard: _Shard) -> Mapping[str, Tensor]:
    return read_safetensors(shard.path).tensors
