"""The exceptions, as one small tree. A message states the rule, what was given, and what to do."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable

LONGEST = 1000
"""Characters of a message; the middle of a longer one is left out, as its end says what to do."""

_UNSEEN = {"Cc", "Cf", "Cs", "Zl", "Zp"}  # Unicode's controls, formats, lone surrogates and separators of lines
_JOINERS = "\u200c\u200d"  # formats that emoji and Persian words are written with


class ReverieError(Exception):
    """Anything Reverie refuses or cannot do. The command line prints the message and exits 2.

    Whatever an untrusted file or file name put into it, ``str`` of it is one printable line.
    """

    def __str__(self) -> str:
        return shortened(printable(super().__str__()), LONGEST)


class PictureError(ReverieError, ValueError):
    """A file or tensor is not a picture we can work on."""


class FileError(PictureError):
    """A file or folder cannot be written, or is not ours to write; caught together with a picture's."""


class ClipError(PictureError):
    """A clip that cannot be read, or of which nothing is left; caught together with a picture's error."""


class DiskFull(FileError):
    """There is no room for a file; what is on its way can go on once there is."""


class InUse(FileError):
    """Another process works on it."""


class LayerNotFound(ReverieError, LookupError):
    """A network has no layer, channel or class of that name."""


class WeightsError(ReverieError, OSError):
    """Weights are missing or cannot be fetched or read."""


class ChecksumMismatch(WeightsError):
    """Downloaded or cached bytes are not the published ones."""


class RecipeError(ReverieError, ValueError):
    """Settings, weights or sizes that make no sense."""


class UnknownId(RecipeError, LookupError):
    """There is no job, picture or result of that id."""


class StateConflict(RecipeError):
    """A job is in a state in which that cannot be done."""


class OutOfMemory(ReverieError, MemoryError):
    """A run needs more memory than it may use."""


class Diverged(ReverieError, ArithmeticError):
    """A term became NaN or infinite."""


class ReverieWarning(UserWarning):
    """Something that is allowed but is probably not what was meant."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'relu4_2'?"``, or nothing when no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def printable(text: str) -> str:
    r"""Put text on one line, with what a terminal would obey instead of showing written as escapes.

    Example:
        >>> print(printable("\x1b[31mred\n.png"))
        \x1b[31mred\n.png
    """
    if text.isprintable():
        return text
    return "".join(_escaped(c) if unicodedata.category(c) in _UNSEEN and c not in _JOINERS else c for c in text)


def shortened(text: str, most: int) -> str:
    """Shorten text to at most this many characters: of a longer one the beginning and the end.

    Example:
        >>> shortened("abcdefghijklmnop", 9)
        'abcd … op'
    """
    if len(text) <= most:
        return text
    tail = (most - 3) // 3 or 1
    return f"{text[: most - 3 - tail]} … {text[-tail:]}"


def reason_of(error: BaseException) -> str:
    """Return another library's error message on one line of at most 150 characters."""
    words = getattr(error, "strerror", None) or str(error)
    return shortened(printable(" ".join(words.split())), 150) or type(error).__name__


def _escaped(character: str) -> str:
    return character.encode("unicode_escape").decode("ascii")


class PluginWarning(ReverieWarning):
    """Something that another package adds to Reverie cannot be used."""
