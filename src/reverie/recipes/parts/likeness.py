"""How much of a painting is the painting's, and how much the photo's: its motifs, and the likeness of what it shows."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

from reverie.networks import Network
from reverie.objectives import Objective, content

MOTIFS: Mapping[int, tuple[float, float]] = MappingProxyType({0: (0.1, 0.0), 1: (0.5, 0.0), 2: (1.0, 1.0)})
"""Weights of the two deepest layers of style, which see more than a stroke, by how welcome a painting's motifs are."""
_FIRM = 2.0  # weight of the forms at the greatest likeness


def style_layers(network: Network, motifs: int) -> dict[str, float]:
    """Weigh the layers of style so that the painting's motifs come through as far as they are welcome."""
    layers = network.style_layers
    fading = dict(zip(layers[-2:], MOTIFS[motifs], strict=False)) if len(layers) > len(MOTIFS[motifs]) else {}
    return {layer: weight for layer in layers if (weight := fading.get(layer, 1.0))}


def forms(network: Network, photo: Tensor, likeness: float) -> Objective:
    """Build the term that keeps a photo's forms, finer than its content: eyes and mouths stay where they are."""
    layers = network.style_layers
    return _FIRM * likeness**2 * content(layers[len(layers) // 2], like=photo)
