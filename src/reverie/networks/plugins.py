"""Networks that other packages add through entry points."""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import cache
from importlib import metadata

from reverie.errors import PluginWarning, RecipeError, ReverieError, reason_of
from reverie.networks.network import Network
from reverie.networks.ops import Padding, Pooling

PLUGINS = "reverie.networks"
"""The group of entry points by which a package adds networks: each names a function that returns a `Network`."""


@cache
def entries(taken: Collection[str] = ()) -> Mapping[str, metadata.EntryPoint]:
    """Return the networks of installed packages by name; none is loaded.

    Args:
        taken: names that a package cannot add; doing so costs a warning.
    """
    found: dict[str, metadata.EntryPoint] = {}
    for entry in metadata.entry_points(group=PLUGINS):
        if entry.name in taken or entry.name in found:
            warn(entry.name, "there is a network of that name already")
        else:
            found[entry.name] = entry
    return found


def load_plugin(
    entry: metadata.EntryPoint, *, pooling: Pooling = "native", padding: Padding = "zeros", leak: float = 0.0
) -> Network:
    """Load the network of an installed package, under its entry's name.

    Args:
        entry: names the function.
        pooling, padding, leak: as of `load`; handed to the function where it has such parameters.

    Raises:
        RecipeError: it cannot be loaded, or its function takes no leak.
    """
    wanted = {"pooling": pooling, "padding": padding, "leak": leak}
    try:
        make: Callable[..., object] = entry.load()
        known = {name: value for name, value in wanted.items() if name in inspect.signature(make).parameters}
        network = make(**known)
    except ReverieError:
        raise
    except (Exception, SystemExit) as error:  # third-party code
        words = f"{type(error).__name__}: {reason_of(error)}"
        raise RecipeError(f"the plugin of the network '{entry.name}' cannot be loaded: {words}.") from error
    if not isinstance(network, Network):
        raise RecipeError(
            f"the plugin of the network '{entry.name}' gives {type(network).__name__}; return rv.networks.wrap(...)."
        )
    if leak and "leak" not in known:
        raise RecipeError(f"the network '{entry.name}' takes no leak; leave it out, or name another network.")
    named = copy.copy(network)
    named.blueprint = replace(network.blueprint, name=entry.name, own=False)
    return named


def package_of(entry: metadata.EntryPoint) -> tuple[str, str]:
    """Return name and licence of the package that brings a network; the licence is empty if it states none."""
    about: Mapping[str, object] = {} if entry.dist is None else entry.dist.metadata.json
    licence = about.get("license_expression") or about.get("license") or ""
    return str(about.get("name") or entry.module), str(licence).partition("\n")[0]


def warn(name: str, reason: object) -> None:
    """Warn that a network is left out, and why."""
    warnings.warn(f"the network '{name}' is left out: {reason}", PluginWarning, stacklevel=3)
