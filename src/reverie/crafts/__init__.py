"""What a craft is: its declaration, the fragments of its settings, and the list of all there are. Nothing heavy."""

from reverie.crafts.craft import (
    Alpha,
    Clip,
    Craft,
    Folder,
    Many,
    Map,
    Mask,
    Painting,
    Photo,
    Result,
    Still,
    StyleNetwork,
    Weights,
    craft,
)
from reverie.crafts.registry import crafts, find, listings
from reverie.crafts.settings import Settings, checked

__all__ = [
    "Alpha",
    "Clip",
    "Craft",
    "Folder",
    "Many",
    "Map",
    "Mask",
    "Painting",
    "Photo",
    "Result",
    "Settings",
    "Still",
    "StyleNetwork",
    "Weights",
    "checked",
    "craft",
    "crafts",
    "find",
    "listings",
]
