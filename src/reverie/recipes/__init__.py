"""Recipes: each craft as a short file that reads like its paper."""

from reverie.recipes.dream import DreamSettings, dream
from reverie.recipes.settings import Settings, checked
from reverie.recipes.style import StyleSettings, style

__all__ = ["DreamSettings", "Settings", "StyleSettings", "checked", "dream", "style"]
