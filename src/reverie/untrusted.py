"""Untrusted files: the one boundary where whatever is wrong with them becomes a refusal of one line."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from reverie.errors import ReverieError, reason_of

TEXT = 16 * 2**20
"""Bytes of a text that is parsed whole, at most: a job, a manifest, a network's header."""


@contextmanager
def refusing(kind: type[ReverieError], message: str) -> Iterator[None]:
    """Parse an untrusted file within the block: whatever fails there is the file's fault.

    A damaged file can make a parser fail in any way: recursion, overflow, a missing key, memory it claims. So only
    parsing belongs in the block; a fault of ours inside it would be called the file's.

    Args:
        kind: what to refuse with.
        message: one line, that names the file and says what to do.

    Raises:
        ReverieError: of that kind, with the parser's error as its cause; one raised inside passes unchanged.

    Example:
        >>> with refusing(RecipeError, "the recipe is damaged: it is not whole JSON."):
        ...     data = json.loads("{}")
    """
    try:
        yield
    except ReverieError:
        raise
    except Exception as error:
        raise kind(message) from error


def contents(path: Path, kind: type[ReverieError], *, most: int | None = None) -> bytes:
    """Return the bytes of a plain file.

    Args:
        path: of a file; a pipe, which might never end, is refused.
        kind: what to refuse with.
        most: bytes it may have.

    Raises:
        ReverieError: of that kind; it is missing, not a plain file, too large, or cannot be read.
    """
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            raise kind(f"'{path}' is not a plain file; name the file itself.")
        if most is not None and about.st_size > most:
            raise kind(f"'{path}' has {about.st_size} bytes where such a file has {most} at most; use another.")
        return path.read_bytes()
    except ReverieError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a path with a zero byte
        raise kind(f"cannot read '{path}': {reason_of(error)}; check its name and folder.") from error


def json_object(text: str | bytes) -> dict[str, Any]:
    """Return the object in a JSON text in UTF-8.

    Raises:
        ValueError: it is another value, or no JSON. A text that is nested deeply fails in other ways.
    """
    found = json.loads(text)
    if not isinstance(found, dict):
        raise ValueError(f"a JSON object was expected; got {type(found).__name__}")
    return found
