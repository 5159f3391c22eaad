"""Networks by their papers' layer names: frozen, normalising their own input, stopping early.

>>> network = load("dreamnet")
>>> maps = network(picture, ["relu3_2", "relu4_2"])
"""

from __future__ import annotations

from reverie.networks.classes import find_class, find_classes
from reverie.networks.fetch import Progress
from reverie.networks.graph import AVERAGE_SCALE, Geometry
from reverie.networks.natural import PhotoActivations, photo_activations
from reverie.networks.network import Network
from reverie.networks.ops import Padding, Pooling
from reverie.networks.used import NetworkUsed
from reverie.networks.wrapped import wrap
from reverie.networks.zoo import Description, LayerSummary, describe, descriptions, download, load, names

__all__ = [
    "AVERAGE_SCALE",
    "Description",
    "Geometry",
    "LayerSummary",
    "Network",
    "NetworkUsed",
    "Padding",
    "PhotoActivations",
    "Pooling",
    "Progress",
    "describe",
    "descriptions",
    "download",
    "find_class",
    "find_classes",
    "load",
    "names",
    "photo_activations",
    "wrap",
]
