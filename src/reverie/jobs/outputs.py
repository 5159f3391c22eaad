"""Where a run writes: the picture, and what lies beside it."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reverie.errors import PictureError
from reverie.jobs.items import KEPT
from reverie.pictures import Picture, atomic_path, check_output, format_of


@dataclass(frozen=True)
class Wishes:
    """What a user wants written.

    Attributes:
        output: the picture; None takes a fresh name in the current folder.
        save_every: steps between pictures on the way, or None.
        compare: whether to write the original and the result side by side.
        report: whether to write the losses as a plot.
        json: whether progress is JSON on stdout.
        dry_run: whether to print the plan and stop.
        checkpoint: a folder to keep the run in; None keeps long runs only, beside the picture.
        checkpoint_every: seconds between checkpoints, 0 for every step.
        cluster: "local" or HOST:PORT of a Ray cluster to compute on; None computes in this process.
        workers: of the cluster; None takes as many as suit it.
    """

    output: Path | None = None
    save_every: int | None = None
    compare: bool = False
    report: bool = False
    json: bool = False
    dry_run: bool = False
    checkpoint: Path | None = None
    checkpoint_every: float = 30.0
    cluster: str | None = None
    workers: int | None = None

    def again(self) -> tuple[str, ...]:
        """The words that wish the same of ``reverie resume``, but for what is kept in the run's folder."""
        pairs = {"--cluster": self.cluster, "--workers": self.workers}
        given = [word for flag, value in pairs.items() if value is not None for word in (flag, str(value))]
        return (*given, *(["--json"] if self.json else []))


@dataclass(frozen=True)
class Outputs:
    """The files of one run."""

    picture: Path
    compare: Path | None
    report: Path | None

    def step(self, number: int) -> Path:
        """Where the picture after a step goes, counted from 1 over the whole run."""
        return beside(self.picture, f"{number:04d}")

    @property
    def known(self) -> tuple[Path, ...]:
        """Every file that can be named beforehand, the picture first."""
        return tuple(path for path in (self.picture, self.compare, self.report) if path)


def beside(picture: Path, word: str, suffix: str | None = None) -> Path:
    """A companion of a picture: ``cat.png`` and ``compare`` make ``cat-compare.png``."""
    return picture.with_name(f"{picture.stem}-{word}{suffix or picture.suffix}")


def folder_beside(picture: Path) -> Path:
    """Where a long run is kept when no folder was named: ``cat.png`` has ``cat.reverie``."""
    return picture.with_name(picture.stem + KEPT)


def depth_for(picture: Path, photo: Picture | None) -> int:
    """Bits a channel of a picture made from a photo: 16 where the photo has them and the format keeps both."""
    format_ = format_of(picture)
    return 16 if photo and photo.depth == 16 and 16 in format_.depths and format_.recipe else 8


def plan(wishes: Wishes, *, name: str, inputs: Iterable[Path]) -> Outputs:
    """Choose and check where a run writes, before any work.

    Args:
        wishes: of the user.
        name: the file that is taken when none was named; it gets a number where it exists.
        inputs: files that must not be written over.

    Raises:
        PictureError: a file that could not be written, or that is an input.
    """
    outputs = _around(wishes, wishes.output or fresh(Path(name), wishes))
    sources = {path.resolve() for path in inputs}
    for path in outputs.known:
        if path.resolve() in sources:
            raise PictureError(f"'{path}' is a picture this is made from; name another --output.")
        check_output(path)
        check_writable(path)
    return outputs


def fresh(path: Path, wishes: Wishes) -> Path:
    """The path, or with -2, -3… the first of which nothing exists yet, companions included."""
    numbered = (beside(path, str(number)) for number in itertools.count(2))
    return next(p for p in itertools.chain([path], numbered) if _is_free(p, wishes))


def check_writable(path: Path) -> None:
    """Refuse a path that cannot be written; what lies there is left alone.

    Raises:
        PictureError: no folder, no permission, a folder of that name.
    """

    class _Enough(Exception):
        pass

    with contextlib.suppress(_Enough), atomic_path(path):
        raise _Enough


def _around(wishes: Wishes, picture: Path) -> Outputs:
    return Outputs(
        picture,
        beside(picture, "compare", ".png") if wishes.compare else None,
        beside(picture, "report", ".png") if wishes.report else None,
    )


def _is_free(picture: Path, wishes: Wishes) -> bool:
    taken = any(path.exists() for path in (*_around(wishes, picture).known, folder_beside(picture)))
    steps = wishes.save_every and any(
        p.stem[len(picture.stem) + 1 :].isdecimal() and len(p.stem) >= len(picture.stem) + 5
        for p in picture.parent.iterdir()
        if p.name.startswith(f"{picture.stem}-") and p.suffix == picture.suffix
    )
    return not taken and not steps
