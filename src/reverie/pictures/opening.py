"""Opening pictures: the format is told from the content, and whatever fails is one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from PIL import UnidentifiedImageError

from reverie.errors import OutOfMemory, PictureError, ReverieError, reason_of
from reverie.pictures import arrays, png, tiff
from reverie.pictures.by_pillow import open_by_pillow
from reverie.pictures.files import open_picture
from reverie.pictures.formats import AnyPath
from reverie.pictures.png_rows import open_png
from reverie.pictures.raster import quiet_pillow
from reverie.pictures.source import Source
from reverie.pictures.tiff_rows import open_tiff

_READABLE = "PNG, JPEG, WebP, TIFF, GIF, BMP or .npy"


@contextmanager
def opened(path: AnyPath, *, max_pixels: int) -> Iterator[Source]:
    """Open a picture file to be decoded, its header read and checked.

    Raises:
        PictureError: missing, empty, not a plain file, not a picture, too large; and, from the block as well,
            whatever else a decoder makes of a damaged file.
        OutOfMemory: from the block, with the file's name added.
    """
    with open_picture(path) as file, quiet_pillow():
        try:
            yield source_in(file, Path(path), max_pixels=max_pixels)
        except OutOfMemory as error:
            raise OutOfMemory(f"cannot read '{path}': {error}") from error
        except MemoryError:
            raise
        except Exception as error:  # whatever a decoder makes of a damaged file
            raise PictureError(f"cannot read '{path}': {failure_reason(error)}") from error


def failure_reason(error: Exception) -> str:
    """State why a file cannot be read, and what to do, in one line without its name."""
    if isinstance(error, UnidentifiedImageError):
        return f"it is not a whole picture of a known kind; use {_READABLE}"
    if isinstance(error, ReverieError):
        return str(error)
    return f"it is damaged, cut short or of an unknown kind ({reason_of(error)}); copy or export it again"


def source_in(file: BinaryIO, path: Path, *, max_pixels: int) -> Source:
    """Make a source of an open file, its format told from its content; whatever a decoder raises is passed on."""
    start = file.read(8)
    file.seek(0)
    if start.startswith(arrays.SIGNATURE):
        return arrays.open_numpy(path, max_pixels=max_pixels)
    if start == png.SIGNATURE:
        return open_png(file, max_pixels=max_pixels)
    if start[:4] in tiff.SIGNATURES:
        return open_tiff(file, max_pixels=max_pixels)
    return open_by_pillow(file, max_pixels=max_pixels)
