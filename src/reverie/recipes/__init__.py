"""Recipes: each craft as a short file that reads like its paper."""

from reverie.recipes.dream import Beside, DreamSettings, dream
from reverie.recipes.instant import InstantSettings, instant
from reverie.recipes.settings import Settings, checked
from reverie.recipes.style import StyleSettings, style
from reverie.recipes.upscale import UpscaleSettings, upscale
from reverie.recipes.zoom import ZoomStep, zoom

__all__ = [
    "Beside",
    "DreamSettings",
    "InstantSettings",
    "Settings",
    "StyleSettings",
    "UpscaleSettings",
    "ZoomStep",
    "checked",
    "dream",
    "instant",
    "style",
    "upscale",
    "zoom",
]
