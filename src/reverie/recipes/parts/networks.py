"""Choose the network whose features a craft reads: by name, or the caller's own."""

from __future__ import annotations

import torch

from reverie.crafts.settings import DeviceSettings, RunSettings, longer_side
from reverie.engine import parse_memory
from reverie.engine.devices import limit_memory, named, steady
from reverie.engine.precision import with_precision
from reverie.engine.suited import suited
from reverie.errors import RecipeError
from reverie.networks import Network, Padding, Pooling, load

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
    allowed: str | None = getattr(settings, "memory", None)
    memory = None if allowed is None else parse_memory(allowed)
    here = network.device if own is not None and settings.device == "auto" else device_for(settings, network)
    return with_precision(network, settings.precision, memory=memory, device=here)


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
