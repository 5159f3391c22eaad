"""Where a run writes: the picture, and what lies beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from reverie.errors import PictureError
from reverie.files import (
    AnyPath,
    Draft,
    Placing,
    Reservation,
    check_writable,
    is_reserved,
    numbered,
    replacing,
    reserve,
)
from reverie.jobs import Folder, Job
from reverie.jobs.items import KEPT
from reverie.pictures import Picture, check_output, format_of


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
    """The files of one run.

    Attributes:
        picture: the result.
        compare, report: what was wished beside it.
        base: the name that these and the pictures on the way are named after: the picture's, or with a number where
            files of that family were there already.
        named: whether the user named the picture; then it replaces what is there.
        reserved: the names that were not there.
    """

    picture: Path
    compare: Path | None
    report: Path | None
    base: Path
    named: bool
    reserved: Reservation

    def step(self, number: int) -> Path:
        """Where the picture after a step goes, counted from 1 over the whole run."""
        return beside(self.base, f"{number:04d}")

    def into(self, folder: Folder | None = None) -> Placing:
        """How files come to their places.

        Args:
            folder: in which the run is kept; what the run wrote before it was stopped is replaced.
        """

        def placing(path: AnyPath) -> AbstractContextManager[Draft]:
            if self.named and Path(path) == self.picture:
                return replacing(path)
            return folder.owned.beside(path, self.reserved.fill) if folder else self.reserved.filling(path)

        return placing

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


def check_no_input(output: Path, inputs: Iterable[Path]) -> None:
    """Refuse an output that is one of the inputs.

    Raises:
        PictureError: it is.
    """
    if output.resolve() in {path.resolve() for path in inputs}:
        raise PictureError(f"'{output}' is a picture this is made from; name another --output.")


@contextmanager
def placed(wishes: Wishes, *, name: str, inputs: Iterable[Path], kept: Job | None = None) -> Iterator[Outputs]:
    """Choose, check and reserve where a run writes, before any work; names at which nothing was written are free again.

    Args:
        wishes: of the user.
        name: the file that is taken when none was named; it gets a number where it exists.
        inputs: files that must not be written over.
        kept: the job that goes on, with names chosen before.

    Raises:
        PictureError: a file that could not be written, or that is an input.
    """
    wished = wishes.output or Path(name)
    check_output(wished)
    if wishes.output is not None:
        check_no_input(wished, inputs)
        check_writable(wished)
    if kept is not None:
        base = Path(kept.beside or wished)
        yield _around(wishes, wished, base, kept.named, Reservation(base, {}))
        return
    named = wishes.output is not None
    bases = (base for base in numbered(wished) if _is_free(base, wishes, named=named))
    with reserve(bases, lambda base: _family(base, wishes, named=named)) as taken:
        yield _around(wishes, wished if named else taken.base, taken.base, named, taken)


def _around(wishes: Wishes, picture: Path, base: Path, named: bool, taken: Reservation) -> Outputs:
    compare = beside(base, "compare", ".png") if wishes.compare else None
    report = beside(base, "report", ".png") if wishes.report else None
    return Outputs(picture, compare, report, base, named, taken)


def _family(base: Path, wishes: Wishes, *, named: bool) -> list[Path]:
    """The names to reserve: of what the user did not name, the first picture on the way included."""
    words = ["compare"] * wishes.compare + ["report"] * wishes.report
    first = [beside(base, f"{wishes.save_every:04d}")] if wishes.save_every else []
    return [*([] if named else [base]), *(beside(base, word, ".png") for word in words), *first]


def _is_free(base: Path, wishes: Wishes, *, named: bool) -> bool:
    """Whether no run is kept under a name, and no picture on the way is there, if some are wished for."""
    if not named and folder_beside(base).exists():
        return False
    return not wishes.save_every or not any(
        p.stem[len(base.stem) + 1 :].isdecimal() and len(p.stem) >= len(base.stem) + 5
        for p in base.parent.iterdir()
        if p.name.startswith(f"{base.stem}-") and p.suffix == base.suffix and not is_reserved(p)
    )
