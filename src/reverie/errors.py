"""What can go wrong, as one small tree. A message says the rule, what came, and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class ReverieError(Exception):
    """Anything Reverie refuses or cannot do. The command line prints the message and exits 2."""


class PictureError(ReverieError, ValueError):
    """A file or tensor is not a picture we can work on."""


class LayerNotFound(ReverieError, LookupError):
    """A network has no layer, channel or class of that name."""


class WeightsError(ReverieError, OSError):
    """Weights are missing or cannot be fetched or read."""


class ChecksumMismatch(WeightsError):
    """Downloaded or cached bytes are not the published ones."""


class RecipeError(ReverieError, ValueError):
    """Settings, weights or sizes that make no sense."""


class OutOfMemory(ReverieError, MemoryError):
    """A run needs more memory than it may use."""


class Diverged(ReverieError, ArithmeticError):
    """A term became NaN or infinite."""


class ReverieWarning(UserWarning):
    """What is allowed and will hardly be what was meant."""


def suggestion(name: str, known: Iterable[str]) -> str:
    """``" Did you mean 'relu4_2'?"``, or nothing when no known name is near."""
    near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""
