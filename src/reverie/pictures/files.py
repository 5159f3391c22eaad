"""Picture files opened for reading, or one clear line where they cannot be."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from reverie.errors import PictureError
from reverie.pictures.formats import AnyPath


@contextmanager
def open_picture(path: AnyPath) -> Iterator[BinaryIO]:
    """Open a picture file for reading, or say in one line why that fails.

    Raises:
        PictureError: missing, empty, a folder, not a plain file, or not readable.
    """
    try:
        mode = Path(path).stat().st_mode
        if not stat.S_ISREG(mode):
            kind = "a folder" if stat.S_ISDIR(mode) else "not a plain file"
            raise PictureError(f"a picture is a file, and '{path}' is {kind}; name the file itself")
        file = Path(path).open("rb")  # noqa: SIM115 (closed below; only opening is guarded here)
    except PictureError:  # which is an OSError, too
        raise
    except FileNotFoundError as error:
        raise PictureError(f"there is no file '{path}'; check the spelling and folder") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PictureError(f"cannot open '{path}': {reason}; check its name and permissions") from error
    with file:
        if not file.read(1):
            raise PictureError(f"a picture holds data, and '{path}' is empty; copy it again")
        file.seek(0)
        yield file
