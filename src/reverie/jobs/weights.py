"""Look up the current weights of recorded networks, to tell whether they have changed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache, partial

from reverie.errors import ReverieError
from reverie.feedforward import load_instant, load_superres
from reverie.networks import NetworkUsed, load
from reverie.recipes.instant import INSTANT
from reverie.recipes.parts.custom_style import CUSTOM
from reverie.recipes.upscale import used

_EMBEDDED: Mapping[str, partial[str]] = {
    INSTANT: partial(lambda: load_instant().sha256),
    **{used(variant).name: partial(lambda v: load_superres(v).sha256, variant) for variant in ("faithful", "sharp")},
}


def weights_now(recorded: NetworkUsed) -> str | None:
    """Return the sha256 of the current weights of a recorded network; None if it does not exist here.

    A custom style network is a file that goes in, and compared as one.
    """
    if recorded.name == CUSTOM:
        return recorded.sha256
    return _sha256(recorded.name)


@lru_cache(maxsize=16)
def _sha256(name: str) -> str | None:
    try:
        return _EMBEDDED[name]() if name in _EMBEDDED else load(name).sha256
    except ReverieError:
        return None
