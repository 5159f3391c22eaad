"""Place a job's result, by the kind of output: chosen, checked and reserved before any work."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from reverie.clips import film_format
from reverie.crafts.craft import Craft
from reverie.crafts.kinds import RESULT, Clip, Document, Film, Output, Report, Sheet, Still, Weights
from reverie.errors import RecipeError
from reverie.feedforward.custom import styles_folder
from reverie.files import check_writable, cut_name, is_folder, make_folder, numbered, remove_empty
from reverie.jobs.film import FILMS, check_film
from reverie.jobs.folder import Folder, holds_job, reopen
from reverie.jobs.job import Job
from reverie.jobs.outputs import check_no_input, folder_beside, placed
from reverie.jobs.placements import (
    DocumentPlacement,
    Files,
    FilmPlacement,
    FramesPlacement,
    Placement,
    ReportPlacement,
    StillPlacement,
    WeightsPlacement,
)
from reverie.jobs.writers.film import film_writer
from reverie.jobs.writers.frames import FrameOutputs


def placement_for(
    craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None
) -> AbstractContextManager[Placement]:
    """Place a job's result; names at which nothing was written are freed when the context ends.

    Args:
        craft: of the job.
        job: what is to be made.
        files: by input.
        folder: of a run to go on with.
    Raises:
        RecipeError: an output that is not for what the craft makes.
        FileError: a file that could not be written, or that is an input.
    """
    place: AbstractContextManager[Placement] = _PLACES[craft.makes](craft, job, files, folder)
    return place


def default_name(craft: Craft[..., Any], job: Job, files: Files) -> str:
    """Build the default name from the main file and the preset, paintings or craft: ``cat-dream``, ``cat-night``."""
    main = craft.main
    first = "-".join(path.stem for path in files.get(main.name, ())[:3]) if main else ""
    named = [] if main is None or main.kind is RESULT else [each for each in craft.inputs[1:] if each.kind.names]
    into = [path.stem for each in named for path in files.get(each.name, ())]
    label = craft.label(craft.checked(job.settings)) if craft.label else craft.name
    words = first or ("noise" if craft.noise else ""), job.preset or "-".join(into[:3]) or label
    return "-".join(cut_name(word) for word in words if word)


@contextmanager
def _still(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    name = Path(job.name or f"{default_name(craft, job, files)}{_suffix(craft, files)}")
    output = None if job.output is None else Path(job.output)
    inputs = [path for paths in files.values() for path in paths]
    kept = folder.kept if folder else None
    with placed(output, job.options, name=name, inputs=inputs, kept=kept) as outputs:
        first = folder_beside(name)
        waiting = first if output is None and folder is None and holds_job(first) else None
        yield StillPlacement(job, files, folder, outputs.result, outputs.named, outputs, waiting=waiting)


def _suffix(craft: Craft[..., Any], files: Files) -> str:
    """Choose the suffix of a picture that the user did not name; a result made into another keeps its own."""
    main = craft.main
    return files[main.name][0].suffix if main is not None and main.kind is RESULT else craft.makes.suffix


class _Spot(NamedTuple):
    """The first fields of a placement."""

    job: Job
    files: Files
    folder: Folder | None
    output: Path
    named: bool


@contextmanager
def _spot(
    craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None, outputs: Iterable[Path]
) -> Iterator[_Spot]:
    """Choose the first path at which this very request is unfinished, or which nothing takes, or which was named."""
    with ExitStack() as stack:
        for output in outputs:
            found = folder or _unfinished(folder_beside(output), craft, job, files, stack)
            if found is not None:
                yield _Spot(found.request(), {**files, **found.inputs()}, found, output, found.kept.named)
                return
            if job.output is not None or not (_holds_something(output) or folder_beside(output).exists()):
                yield _Spot(job, files, None, output, job.output is not None)
                return


def _unfinished(path: Path, craft: Craft[..., Any], job: Job, files: Files, stack: ExitStack) -> Folder | None:
    """Open the folder in which an unfinished run of this very request is kept; None if there is none.

    Raises:
        RecipeError: another run is kept there, and the user named the output.
    """
    if not holds_job(path):
        return None
    with contextlib.suppress(RecipeError):
        folder = stack.enter_context(reopen(path))
        if not folder.kept.finished and folder.kept.is_for(craft, job, files):
            folder.inputs()  # refused where a copy is damaged
            return folder
    if job.output is None:
        return None
    raise RecipeError(f"'{path}' holds another unfinished run; go on with it by 'reverie resume {path}', or remove it.")


def _holds_something(path: Path) -> bool:
    """True if a file is there, or a folder that is not empty."""
    return any(path.iterdir()) if path.is_dir() else path.exists()


@contextmanager
def _own_folder(spot: _Spot) -> Iterator[None]:
    """Make the folder of a run's frames; it goes again if nothing is in it in the end.

    Raises:
        RecipeError: a new run's holds something.
    """
    if spot.folder is None and is_folder(spot.output) and _holds_something(spot.output):
        raise RecipeError(f"'{spot.output}' holds something already; name a new or empty folder, or a film.")
    made = make_folder(spot.output)
    try:
        yield
    finally:
        if made:
            remove_empty(spot.output)


def _outputs(craft: Craft[..., Any], job: Job, files: Files) -> Iterable[Path]:
    """Yield the path that the user named, or those after what it is made from, with numbers."""
    if job.output is None:
        return numbered(Path(job.name or f"{default_name(craft, job, files)}{craft.makes.suffix}"))
    named = Path(job.output)
    return [named if named.name not in ("", "..") else named.resolve()]  # "." has a name to name others after


@contextmanager
def _frames(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    film = _film_of_frames(job, files)
    outputs = _outputs(craft, job, files) if film is None else [film.with_suffix("")]
    with _spot(craft, job, files, folder, outputs) as spot, _own_folder(spot):
        yield FramesPlacement(*spot, FrameOutputs(spot.output, film))


def _film_of_frames(job: Job, files: Files) -> Path | None:
    """Return the film that the user wants of a sequence; None: the frames in a folder.

    Raises:
        RecipeError: a name that is neither a folder's nor a film's, or a film that cannot be made here.
    """
    output = Path(job.output or "")
    if output.suffix.lower() in FILMS:
        check_film(output)
        check_no_input(output, [path for paths in files.values() for path in paths])
        check_writable(output)
        return output
    if output.suffix and not is_folder(output):
        raise RecipeError(f"a zoom goes into a folder, or a film ending in {' or '.join(FILMS)}; got '{output}'.")
    return None


@contextmanager
def _film(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    with _spot(craft, job, files, folder, _outputs(craft, job, files)) as spot, ExitStack() as stack:
        if spot.output.suffix and not is_folder(spot.output):
            film_format(spot.output)
        film_writer(spot.output, job.options)
        if spot.output.suffix:
            check_no_input(spot.output, [path for paths in spot.files.values() for path in paths])
            check_writable(spot.output)
        else:
            stack.enter_context(_own_folder(spot))
        yield FilmPlacement(*spot)


@contextmanager
def _weights(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    outputs = _default_networks(craft, files) if job.output is None else _outputs(craft, job, files)
    with _spot(craft, job, files, folder, outputs) as spot:
        _check_suffix(craft, spot.output)
        check_writable(spot.output)
        yield WeightsPlacement(*spot)


@contextmanager
def _document(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    with _spot(craft, job, files, folder, _outputs(craft, job, files)) as spot:
        _check_suffix(craft, spot.output)
        check_writable(spot.output)
        yield DocumentPlacement(*spot)


def _check_suffix(craft: Craft[..., Any], output: Path) -> None:
    """Refuse a path that does not end as the craft's results do."""
    suffix = craft.makes.suffix
    if output.suffix.lower() != suffix:
        raise RecipeError(f"{craft.name} writes {suffix} files; got '{output}'. Name it {output.stem}{suffix}.")


def _default_networks(craft: Craft[..., Any], files: Files) -> Iterator[Path]:
    """Yield the paths for a network that nobody named: in the styles folder, after the painting, then with numbers."""
    folder = styles_folder()
    make_folder(folder, beside="name a file with -o")
    (main, *_) = files[craft.inputs[0].name]
    return numbered(folder / f"{main.stem}{craft.makes.suffix}")


@contextmanager
def _report(craft: Craft[..., Any], job: Job, files: Files, folder: Folder | None) -> Iterator[Placement]:
    if job.output is None:
        raise RecipeError(f"{craft.name} needs a file or a folder; name one with -o, as in '{craft.example}'.")
    yield ReportPlacement(job, files, None, Path(job.output), True)


_PLACES: Mapping[Output, Any] = {
    Still: _still, Sheet: _still, Clip: _frames, Film: _film, Weights: _weights, Document: _document, Report: _report
}  # fmt: skip
