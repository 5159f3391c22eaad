"""Join frames into a film: MP4 if the extra ``video`` is installed, GIF always."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image

from reverie.errors import PictureError, RecipeError
from reverie.files import Draft, Placing, replacing

RATE = 25
"""Frames a second."""
FILMS = (".mp4", ".gif")


def can_join(suffix: str) -> bool:
    """True if films with this suffix can be written here."""
    return suffix == ".gif" or (suffix == ".mp4" and find_spec("imageio_ffmpeg") is not None)


def check_film(path: Path) -> None:
    """Refuse a film that could not be written, before its frames are made.

    Raises:
        RecipeError: what it needs is not installed.
    """
    if not can_join(path.suffix.lower()):
        raise RecipeError(
            "an .mp4 needs a codec; install it with pip install 'reverie-dream[video]', or write a .gif or a folder."
        )


def join(frames: Sequence[Path], film: Path, *, into: Placing = replacing) -> Path:
    """Write the frames as a film, 25 a second; return where it lies.

    Args:
        frames: pictures of one size.
        film: where to.
        into: how the file comes to its place.

    Raises:
        PictureError: it cannot be written.
    """
    try:
        with into(film) as draft:
            (_gif if film.suffix.lower() == ".gif" else _mp4)(frames, draft)
    except OSError as error:
        raise PictureError(f"cannot write '{film}': {error.strerror or error}.") from error
    return draft.placed or film


def _gif(frames: Sequence[Path], draft: Draft) -> None:
    first, *rest = (Image.open(frame).convert("RGB").quantize(256) for frame in frames)
    first.save(draft.file, format="gif", save_all=True, append_images=rest, duration=1000 // RATE, loop=0)


def _mp4(frames: Sequence[Path], draft: Draft) -> None:
    with Image.open(frames[0]) as first:
        width, height = (side - side % 2 for side in first.size)  # the codec halves colours
    writer = import_module("imageio_ffmpeg").write_frames(
        str(draft.path),
        (width, height),
        fps=RATE,
        codec="libx264",
        quality=8,
        macro_block_size=1,
        output_params=["-f", "mp4"],
    )
    writer.send(None)
    for frame in frames:
        with Image.open(frame) as image:
            writer.send(np.ascontiguousarray(np.asarray(image.convert("RGB"))[:height, :width]))
    writer.close()
