"""Recipes: each craft as a short file that reads like its paper."""

from reverie.recipes.dream import Beside, DreamSettings, dream
from reverie.recipes.instant import InstantSettings, instant
from reverie.recipes.own_style import own_style
from reverie.recipes.settings import Settings, checked
from reverie.recipes.style import StyleSettings, style
from reverie.recipes.texture import TextureSettings, texture
from reverie.recipes.train_style import TrainStyleSettings, train_style
from reverie.recipes.upscale import UpscaleSettings, upscale
from reverie.recipes.visualise import visualise
from reverie.recipes.zoom import ZoomStep, zoom

__all__ = [
    "Beside",
    "DreamSettings",
    "InstantSettings",
    "Settings",
    "StyleSettings",
    "TextureSettings",
    "TrainStyleSettings",
    "UpscaleSettings",
    "ZoomStep",
    "checked",
    "dream",
    "instant",
    "own_style",
    "style",
    "texture",
    "train_style",
    "upscale",
    "visualise",
    "zoom",
]
