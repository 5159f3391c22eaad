"""Join the frames of a sequence into a film: those that PyAV writes if the extra ``video`` is installed, GIF always."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

from PIL import Image

from reverie.clips import FILMS as FORMATS
from reverie.clips import ChunkEncoder
from reverie.errors import PictureError, RecipeError
from reverie.files import Draft, Placing, replacing
from reverie.pictures import read_image, size_of

RATE = 25
"""Frames a second."""
QUALITY = 80
FILMS = (*(name for name, each in FORMATS.items() if each.chunk), ".gif")


def can_join(suffix: str) -> bool:
    """True if films with this suffix can be written here."""
    return suffix == ".gif" or (suffix in FILMS and find_spec("av") is not None)


def check_film(path: Path) -> None:
    """Refuse a film that could not be written, before its frames are made.

    Raises:
        RecipeError: what it needs is not installed.
    """
    suffix = path.suffix.lower()
    if not can_join(suffix):
        raise RecipeError(
            f"{'an' if suffix == '.mp4' else 'a'} {suffix} needs a codec; install it with"
            " pip install 'reverie-dream[video]', or write a .gif or a folder."
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
            (_gif if film.suffix.lower() == ".gif" else _encoded)(frames, draft)
    except OSError as error:
        raise PictureError(f"cannot write '{film}': {error.strerror or error}.") from error
    return draft.placed or film


def _gif(frames: Sequence[Path], draft: Draft) -> None:
    first, *rest = (Image.open(frame).convert("RGB").quantize(256) for frame in frames)
    first.save(draft.file, format="gif", save_all=True, append_images=rest, duration=1000 // RATE, loop=0)


def _encoded(frames: Sequence[Path], draft: Draft) -> None:
    height, width = (side - side % 2 for side in size_of(read_image(frames[0])))  # codecs halve colours
    format, rate = FORMATS[draft.target.suffix.lower()], Fraction(RATE)
    encoder = ChunkEncoder(draft.file, format, size=(height, width), base=1 / rate, rate=rate, quality=QUALITY)
    for number, frame in enumerate(frames):
        encoder.add(read_image(frame)[..., :height, :width], number / rate)
    encoder.close()
