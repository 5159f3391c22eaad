"""``reverie train``: networks of one's own, kept while they are trained, and gone on with where that was stopped."""

from __future__ import annotations

import contextlib
import hashlib
import inspect
import itertools
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import typer
from torch import Tensor

from reverie import jobs
from reverie.cli import guardian, samples
from reverie.cli.codes import DONE
from reverie.cli.guardian import Will
from reverie.cli.interrupt import listening
from reverie.cli.keeping import way_on
from reverie.cli.options import DIALS, FINER, MACHINE, WRITING, options_of, parameter, settings_given, with_parameters
from reverie.cli.outputs import beside, folder_beside
from reverie.cli.progress import Outcome, Reporter, reporter
from reverie.errors import FileError, RecipeError, ReverieError
from reverie.feedforward.johnson import write_johnson
from reverie.feedforward.own import SUFFIX, styles_folder
from reverie.files import check_writable, make_folder, replacing
from reverie.jobs import Folder, Pace, begin, holds_job, reopen
from reverie.jobs.items import gather
from reverie.networks import download, load
from reverie.pictures import filled, read_picture, write_image
from reverie.recipes.record import NetworkUsed, Record, Stop, record_as
from reverie.recipes.settings import checked
from reverie.recipes.train_style import Lesson, TrainStyleSettings, train_style

NAME = "train style"
HELP = "Train a network of your own: to paint like one painting, at once."
PREVIEW = "preview.png"
"""In the folder of a training: what the network paints by now."""
_LOOK = 60.0  # seconds between previews


@dataclass(frozen=True)
class Order:
    """What to train.

    Attributes:
        painting: its file.
        photos: a folder of them, folders inside included, or a list.
        settings: how.
        output: the network's file; None: in the folder of one's own styles, under the painting's name.
        json: whether progress is JSON on stdout.
        every: seconds between checkpoints.
    """

    painting: Path
    photos: Path
    settings: TrainStyleSettings
    output: Path | None = None
    json: bool = False
    every: float = 30.0


def group() -> typer.Typer:
    """``reverie train`` with what can be trained."""
    app = typer.Typer(add_completion=False, rich_markup_mode="rich", help=HELP)

    @app.callback(invoke_without_command=True)
    def train_what(ctx: typer.Context) -> int:
        if ctx.invoked_subcommand is None:
            print(ctx.get_help())
        return DONE

    app.command("style")(style_command())
    return app


def style_command() -> Any:
    """The command, with a signature that typer reads."""

    def command(**given: Any) -> int:
        """Train a network that paints any photo like one painting, at once.

        [dim]reverie train style night.jpg --photos ~/Pictures -o night.safetensors[/]

        Stopped or killed, the same command goes on. Then: reverie instant cat.jpg --network night.safetensors
        """
        settings = checked(TrainStyleSettings, settings_given(TrainStyleSettings, given))
        order = Order(samples.painting(given["painting"]), given["photos"], settings, given["output"])
        every = order.every if given["checkpoint_every"] is None else given["checkpoint_every"]
        return train(replace(order, json=given["json"], every=every))

    first, machine = ["minutes", "steps", "style_weight", "stroke", "size", "seed"], ["network", "precision"]
    finer = [name for name in TrainStyleSettings.model_fields if name not in (*first, *machine)]
    painting = typer.Argument(metavar="PAINTING", help="a picture, or a sample style's name", show_default=False)
    photos = typer.Option(
        "--photos", metavar="FOLDER", help="photos to learn from: some hundreds, of anything; sub-folders count",
        rich_help_panel=DIALS, show_default=False,
    )  # fmt: skip
    output = typer.Option(
        "--output", "-o", metavar="FILE", help="where to; default: among your own styles, under the painting's name",
        rich_help_panel=WRITING, show_default=False,
    )  # fmt: skip
    every = typer.Option(
        "--checkpoint-every", metavar="SECONDS", min=0, help="between checkpoints [dim](30; 0: every step)[/]",
        rich_help_panel=MACHINE, show_default=False,
    )  # fmt: skip
    json = typer.Option("--json", metavar="", help="progress as JSON lines on stdout", rich_help_panel=WRITING)
    words = [
        parameter("painting", str, inspect.Parameter.empty, painting),
        parameter("photos", Path, inspect.Parameter.empty, photos),
        *options_of(TrainStyleSettings, first, panel=DIALS),
        *options_of(TrainStyleSettings, finer, panel=FINER),
        *options_of(TrainStyleSettings, machine, panel=MACHINE),
        parameter("checkpoint_every", float | None, None, every),
        parameter("output", Path | None, None, output),
        parameter("json", bool, False, json),
    ]
    return with_parameters(command, words)


def train(order: Order) -> int:
    """Train a network and write it; go on where the same training was stopped; return the exit code.

    Raises:
        ReverieError: anything refused.
    """
    with contextlib.closing(reporter(machine=order.json)) as follower:
        photos = _photos(order.photos)
        picture = _painting(order.painting)
        for progress in download(order.settings.network):
            follower.downloaded(order.settings.network, progress)
        follower.close()
        order = replace(order, settings=order.settings.resolved())
        network = NetworkUsed(name=order.settings.network, sha256=load(order.settings.network).sha256)
        output, job = _placed(order, network)
        check_writable(output)
        with _opened(output, job, order.painting) as folder:
            return _perform(folder, picture, photos, follower)


def go_on(folder: Folder, files: dict[str, tuple[Path, ...]], *, json: bool, output: Path | None = None) -> int:
    """Go on with the training kept in a folder.

    Args:
        folder: locked by this process.
        files: the copies of what went in, by role.
        json: whether progress is JSON on stdout.
        output: where to, if not where it was to go.

    Raises:
        ReverieError: the photos are gone, or anything else is refused.
    """
    if output is not None:
        folder = folder.wished(output=str(_suffixed(output).absolute()), named=True)
    check_writable(Path(folder.job.output))
    with contextlib.closing(reporter(machine=json)) as follower:
        photos = _photos(Path(folder.job.photos or ""))
        return _perform(folder, _painting(files["painting"][0]), photos, follower)


def _perform(folder: Folder, painting: Tensor, photos: Sequence[Path], follower: Reporter) -> int:
    """Train to the end or until the user stops it."""
    record, output = folder.job.record, Path(folder.job.output)
    torch.set_num_threads(record.threads)
    settings = checked(TrainStyleSettings, dict(record.settings))
    found, notes = folder.checkpoints.newest()
    names = _fingerprint(photos)
    folder.settle()
    for line in (*notes, *_news(found, names)):
        follower.note(line)
    guardian.leave(Will(f"the system ended this training by SIGKILL; '{way_on(folder.path)}' goes on with it."))
    follower.began(record, output)
    with listening() as wish:
        pace, looked = Pace(folder.job.every), time.monotonic()
        for lesson in train_style(painting, photos, settings, state=found and found["run"]):
            found = None  # the training lets go of it once it is used
            follower.learned(lesson)
            for line in lesson.notes:
                follower.note(line)
            if lesson.last:
                break
            if wish.stop or pace.due():
                with pace.taking():
                    folder.checkpoints.write({"run": lesson.state(), "photos": names}, stage=1, step=lesson.step)
            if wish.stop:
                follower.close()
                follower.ended(_outcome((output,), lesson, way=way_on(folder.path)))
                return wish.code
            if time.monotonic() - looked > _LOOK:
                write_image(folder.path / PREVIEW, lesson.preview(), into=folder.owned.replacing)
                looked = time.monotonic()
        written, lines = _finish(folder, lesson, len(photos))
    for line in lines:
        follower.note(line)
    guardian.leave(None)
    follower.close()
    follower.ended(_outcome(written, lesson))
    return DONE


def _finish(folder: Folder, lesson: Lesson, photos: int) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Write the network with its facts, and a preview beside it; where they lie, and what to tell the user."""
    output, record = Path(folder.job.output), folder.job.record
    facts = {
        "painting": folder.job.sources[0].name,
        "painting_sha256": record.inputs[0].sha256,
        "judge": record.network.name,
        "judge_sha256": record.network.sha256,
        "settings": dict(record.settings),
        "style_weight": lesson.weight,
        "steps": lesson.step,
        "seconds": round(lesson.seconds, 1),
        "photos": photos,
        "losses": {name: round(value, 5) for name, value in lesson.losses.items()},
        "reverie": record.reverie,
        "torch": record.torch,
    }
    into = replacing if folder.job.named else folder.owned.beside
    output = write_johnson(output, replace(lesson.network, facts=facts), into=into)
    preview = write_image(beside(output, "preview", ".png"), lesson.preview(), into=folder.owned.beside)
    return (output, preview), folder.retire()


def _outcome(written: tuple[Path, ...], lesson: Lesson, *, way: str | None = None) -> Outcome:
    stopped = None if way is None else Stop(stage=1, step=lesson.step)
    shown = tuple(_near(path) for path in written)
    return Outcome(shown, None, seconds=lesson.seconds, stopped=stopped, way=way, steps=lesson.step)


def _near(path: Path) -> Path:
    """A path as seen from here, where it lies below."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


def _placed(order: Order, network: NetworkUsed) -> tuple[Path, jobs.Job]:
    """Where the network goes, and the job: without a named file the first name that is free, or is this training's."""
    if order.output is not None:
        output = _suffixed(order.output)
        return output, _job(order, network, output)
    folder = _own_folder()
    for number in itertools.count(1):
        stem = order.painting.stem + (f"-{number}" if number > 1 else "")
        output = folder / f"{stem}{SUFFIX}"
        job = _job(order, network, output)
        kept = folder_beside(output)
        if _is_same(kept, job) or not (output.exists() or kept.exists()):
            return output, job
    raise RecipeError("there is no free name")  # not reached: numbers do not end


def _job(order: Order, network: NetworkUsed, output: Path) -> jobs.Job:
    path = order.painting
    record: Record = record_as(NAME, order.settings, network=network, inputs=[("painting", path)], output=output)
    return jobs.Job(
        record=record,
        output=str(output.absolute()),
        sources=(jobs.Source(role="painting", name=path.name, origin=str(path.absolute())),),
        photos=str(order.photos.absolute()),
        every=order.every,
        named=order.output is not None,
        passing=True,
    )


@contextmanager
def _opened(output: Path, job: jobs.Job, painting: Path) -> Iterator[Folder]:
    """The training's folder, new or with what an earlier process left."""
    path = folder_beside(output)
    with ExitStack() as stack:
        if _is_same(path, job):
            folder = stack.enter_context(reopen(path))
            folder.inputs()
        else:
            folder = stack.enter_context(begin(path, job, [painting]))
        try:
            yield folder
        except ReverieError:
            if folder.checkpoints.newest()[0] is None:  # refused before there was anything to go on from
                folder.retire()
            raise


def _is_same(path: Path, job: jobs.Job) -> bool:
    """Whether a folder holds this very training, unfinished."""
    if not holds_job(path):
        return False
    with contextlib.suppress(FileError, RecipeError), reopen(path) as folder:
        return folder.job.run == job.run and not folder.job.finished
    return False


def _suffixed(output: Path) -> Path:
    if output.suffix.lower() != SUFFIX:
        raise RecipeError(f"a network is written as {SUFFIX}; got '{output}'. Name it {output.stem}{SUFFIX}.")
    return output


def _own_folder() -> Path:
    folder = styles_folder()
    make_folder(folder, beside="name a file with -o")
    return folder


def _photos(place: Path) -> tuple[Path, ...]:
    return tuple(path for path in gather([str(place)], deep=True) if path)


def _painting(path: Path) -> Tensor:
    picture = read_picture(path)
    return filled(picture.pixels, picture.alpha)


def _fingerprint(photos: Sequence[Path]) -> str:
    """The photos' names, as a sha256: a folder that has changed is noticed."""
    return hashlib.sha256("\n".join(path.name for path in photos).encode("utf8", "surrogateescape")).hexdigest()


def _news(found: Any, names: str) -> tuple[str, ...]:
    """What to say of a training that goes on."""
    if not found:
        return ()
    changed = ("the photos are not the same as before; going on with those that are there.",)
    return (f"going on after step {found['run']['step']}.", *(changed if found["photos"] != names else ()))
