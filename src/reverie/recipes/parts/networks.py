"""Choose the network whose features a craft reads: by name, or the caller's own."""

from __future__ import annotations

from typing import TypeVar

import torch

from reverie.choices import Precision
from reverie.crafts.settings import DeviceSettings, PrecisionSettings, RunSettings, longer_side
from reverie.engine import parse_memory
from reverie.engine.devices import limit_memory, named, steady
from reverie.engine.precision import chosen, with_precision
from reverie.engine.suited import suited
from reverie.errors import RecipeError
from reverie.networks import Network, Padding, Pooling, load

S = TypeVar("S", bound=PrecisionSettings)

OPTIMISED = 40.0
"""Values and gradients at full size that an optimisation takes, about."""
USUAL = 1024
"""Pixels of a side where the settings name no size."""


def network_for(
    settings: RunSettings,
    own: Network | None = None,
    *,
    seamless: bool,
    pooling: Pooling = "native",
    leak: float = 0.0,
) -> Network:
    """Load the network that a recipe's settings name, or take the caller's, in the settings' precision.

    Args:
        settings: which, and in what precision.
        own: the caller's, which goes before the settings' name and is used as it pools and pads.
        seamless: whether maps go on round the picture's edges.
        pooling, leak: of a network that is loaded.
    Raises:
        RecipeError: what is asked for is not to be had of the network.
    """
    if own is not None and leak:
        raise RecipeError("a leak is given to a network as it is loaded: load(name, leak=...); leave it out here.")
    padding: Padding = "circular" if seamless else "replicate"
    network = load(settings.network, pooling=pooling, padding=padding, leak=leak) if own is None else own
    if seamless and not network.periodic:
        way = "take another" if own is None else "load one with padding='circular'"
        raise RecipeError(
            f"a seamless picture needs a network that reads round its edges, and {network.name} does not; {way}."
        )
    here = network.device if own is not None and settings.device == "auto" else device_for(settings, network)
    return with_precision(network, settings.precision, memory=_allowed(settings), device=here)


def resolved(settings: S) -> S:
    """Return the settings with the automatic device and precision resolved, by the pace of the embedded network.

    Raises:
        RecipeError: a device that is not here, or a precision that it has not.
    """
    network = load()
    device = device_for(settings, network, evaluations=1.0)
    here = network if device == network.device else network.with_precision(network.dtype, device=device)
    precision = chosen(here, settings.precision, memory=_allowed(settings)).name
    return settings.model_copy(update={"device": str(device), "precision": precision})


def dtype_of(precision: Precision) -> torch.dtype:
    """Return the type of a precision's numbers."""
    found: torch.dtype = getattr(torch, "float32" if precision in ("auto", "tf32") else precision)
    return found


def _allowed(settings: PrecisionSettings) -> int | None:
    """Bytes that the settings allow, where they say so."""
    allowed: str | None = getattr(settings, "memory", None)
    return None if allowed is None else parse_memory(allowed)


def device_for(settings: DeviceSettings, network: Network, *, evaluations: float = OPTIMISED) -> torch.device:
    """Return the device that the settings name, or the one that suits the size.

    Args:
        settings: with the size, where they have one.
        network: that will be run.
        evaluations: how many times, at full size.
    Raises:
        RecipeError: the device is not here.
    """
    if settings.device == "auto":
        side = longer_side(settings, enlarged=False) or USUAL
        found = suited(network, side * side, evaluations)
    else:
        found = named(settings.device)
    if found.type != "cpu":
        steady(deterministic=settings.deterministic)
        limit_memory(found, None if settings.device_memory is None else parse_memory(settings.device_memory))
    return found
