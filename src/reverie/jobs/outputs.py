"""Output files of a job: the result, and those beside it."""

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
from reverie.jobs.folder import KEPT, Folder
from reverie.jobs.job import RunOptions
from reverie.jobs.kept_run import KeptRun
from reverie.pictures import check_output, format_of


@dataclass(frozen=True)
class Outputs:
    """The files of one job.

    Attributes:
        result: what is made.
        compare, report: what was wished beside it.
        base: the name that these and the pictures on the way are named after: the result's, or with a number where
            files of that family were there already.
        named: whether the user named the result; then it replaces what is there.
        reserved: the names that were not there.
    """

    result: Path
    compare: Path | None
    report: Path | None
    base: Path
    named: bool
    reserved: Reservation

    def step(self, number: int) -> Path:
        """Return the path of the picture after a step, counted from 1 over the whole run."""
        return beside(self.base, f"{number:04d}")

    def into(self, folder: Folder | None = None) -> Placing:
        """Return the function that puts files in place.

        Args:
            folder: in which the run is kept; what the run wrote before it was stopped is replaced.
        """

        def placing(path: AnyPath) -> AbstractContextManager[Draft]:
            if self.named and Path(path) == self.result:
                return replacing(path)
            return folder.owned.beside(path, self.reserved.fill) if folder else self.reserved.filling(path)

        return placing


def beside(result: Path, word: str, suffix: str | None = None) -> Path:
    """Name a companion of a result: ``cat.png`` and ``compare`` make ``cat-compare.png``."""
    return result.with_name(f"{result.stem}-{word}{suffix or result.suffix}")


def folder_beside(result: Path) -> Path:
    """Name the folder of a long run if the user named none: ``cat.png`` gives ``cat.reverie``."""
    named = result if result.name not in ("", "..") else result.resolve()  # "." has a name to name others after
    return named.parent / f"{named.stem}{KEPT}"


def depth_for(result: Path, depth: int) -> int:
    """Choose the bits per channel of a result: 16 if its photo has them and the format keeps them and a recipe."""
    format_ = format_of(result)
    return 16 if depth == 16 and 16 in format_.depths and format_.recipe else 8


def check_no_input(output: Path, inputs: Iterable[Path]) -> None:
    """Refuse an output that is one of the inputs.

    Raises:
        PictureError: it is.
    """
    if output.resolve() in {path.resolve() for path in inputs}:
        raise PictureError(f"'{output}' is a picture this is made from; name another --output.")


@contextmanager
def placed(
    output: Path | None, options: RunOptions, *, name: Path, inputs: Iterable[Path], kept: KeptRun | None = None
) -> Iterator[Outputs]:
    """Choose, check and reserve where a picture goes, before any work.

    Names at which nothing was written are free again afterwards.

    Args:
        output: as the user named it, or None.
        options: what else is written.
        name: the file that is taken when none was named; it gets a number where it exists.
        inputs: files that must not be written over.
        kept: of a run that goes on, with names chosen before.

    Raises:
        PictureError: a file that could not be written, or that is an input.
    """
    named = output is not None
    wished = output or name
    check_output(wished)
    if named:
        check_no_input(wished, inputs)
        check_writable(wished)
    if kept is not None:
        base = Path(kept.base or wished)
        yield _around(options, wished, base, kept.named, Reservation(base, {}))
        return
    bases = (base for base in numbered(wished) if _is_free(base, options, named=named))
    with reserve(bases, lambda base: _family(base, options, named=named)) as taken:
        yield _around(options, wished if named else taken.base, taken.base, named, taken)


def _around(options: RunOptions, result: Path, base: Path, named: bool, taken: Reservation) -> Outputs:
    compare = beside(base, "compare", ".png") if options.compare else None
    report = beside(base, "report", ".png") if options.report else None
    return Outputs(result, compare, report, base, named, taken)


def _family(base: Path, options: RunOptions, *, named: bool) -> list[Path]:
    """List the names to reserve: those the user did not choose, including the first intermediate picture."""
    words = ["compare"] * options.compare + ["report"] * options.report
    first = [beside(base, f"{options.save_every:04d}")] if options.save_every else []
    return [*([] if named else [base]), *(beside(base, word, ".png") for word in words), *first]


def _is_free(base: Path, options: RunOptions, *, named: bool) -> bool:
    """True if no run is kept under a name, and no intermediate picture exists if some were requested."""
    if not named and folder_beside(base).exists():
        return False
    return not options.save_every or not any(
        p.stem[len(base.stem) + 1 :].isdecimal() and len(p.stem) >= len(base.stem) + 5
        for p in base.parent.iterdir()
        if p.name.startswith(f"{base.stem}-") and p.suffix == base.suffix and not is_reserved(p)
    )
