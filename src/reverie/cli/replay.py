"""Replay: the picture that a file's record describes, made again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from reverie import styles
from reverie.cli import instant, remix, upscale
from reverie.cli.order import Order
from reverie.cli.zoom import make
from reverie.errors import RecipeError
from reverie.jobs.outputs import Wishes
from reverie.jobs.record import Record, locate, read_record


def replay(file: Path, wishes: Wishes, *, folders: Sequence[Path], anyway: bool) -> int:
    """Make a file's picture again.

    Args:
        file: a picture with a record.
        wishes: what to write.
        folders: where its inputs may lie, besides the file's folder and the current one.
        anyway: take the network that is here, though its weights have changed.

    Raises:
        RecipeError: no record, or its inputs or network are not here.
    """
    record = read_record(file)
    threads = torch.get_num_threads()
    torch.set_num_threads(record.threads)  # the order of sums depends on them
    try:
        return _made_again(record, file, wishes, places=[file.parent, Path(), *folders], anyway=anyway)
    finally:
        torch.set_num_threads(threads)


def _made_again(record: Record, file: Path, wishes: Wishes, *, places: Sequence[Path], anyway: bool) -> int:
    """By the craft that made it."""
    if record.remixed:
        return remix.again(record, wishes, file=file, folders=places)
    if record.recipe == upscale.NAME:
        photo = locate(record.inputs[0], places)
        return upscale.again(record, photo, wishes, file=file, anyway=anyway, notes=differences(record))
    if record.recipe == instant.NAME:
        return instant.again(record, places, wishes, file=file, anyway=anyway, notes=differences(record))
    recipe, settings = record.resolve()
    order = Order(
        recipe,
        settings,
        inputs_of(record, places),
        name=f"{file.stem}-replay{file.suffix}",
        until=record.stopped,
        same_as=file,
        network=None if anyway else record.network,
        enlarger=None if anyway else record.enlarger,
        notes=differences(record),
    )
    return make(order, wishes)


def differences(record: Record) -> tuple[str, ...]:
    """What may make the pixels differ, in words."""
    if record.torch == torch.__version__:
        return ()
    now = torch.__version__
    return (f"made with PyTorch {record.torch:.40}, this is {now}: pixels may differ a little.",)


def inputs_of(record: Record, folders: Sequence[Path]) -> dict[str, tuple[Path, ...]]:
    """The files that went in, by role, in their order."""
    recipe, _ = record.resolve()
    samples = [styles.path(name) for name in styles.names()]
    files: dict[str, tuple[Path, ...]] = {role.name: () for role in recipe.roles}
    for wanted in record.inputs:
        if wanted.role not in files:
            raise RecipeError(f"the recipe is damaged: {recipe.name} takes no '{wanted.role}'.")
        also = [path for path in samples if path.name == Path(wanted.path).name]
        files[wanted.role] += (locate(wanted, folders, also=also),)
    return files
