"""Crafts, one file each that reads like its paper: a declaration from which everything else is derived."""

from reverie.recipes.atlas import AtlasSettings, atlas
from reverie.recipes.dream import DreamSettings, dream
from reverie.recipes.explain import ExplainSettings, explain
from reverie.recipes.find import FindSettings, find
from reverie.recipes.instant import instant
from reverie.recipes.parts.at_once import InstantSettings
from reverie.recipes.perturb import PerturbSettings, perturb
from reverie.recipes.remix import RemixSettings, remix
from reverie.recipes.see import SeeSettings, see
from reverie.recipes.style import StyleSettings, style
from reverie.recipes.texture import TextureSettings, texture
from reverie.recipes.train_style import TrainStyleSettings, train_style
from reverie.recipes.upscale import UpscaleSettings, upscale
from reverie.recipes.video_dream import VideoDreamSettings, video_dream
from reverie.recipes.video_instant import VideoInstantSettings, video_instant
from reverie.recipes.video_own import video_own
from reverie.recipes.video_style import VideoStyleSettings, video_style
from reverie.recipes.visualize import VisualizeSettings, visualize
from reverie.recipes.zoom import ZoomSettings, zoom

__all__ = [
    "AtlasSettings",
    "DreamSettings",
    "ExplainSettings",
    "FindSettings",
    "InstantSettings",
    "PerturbSettings",
    "RemixSettings",
    "SeeSettings",
    "StyleSettings",
    "TextureSettings",
    "TrainStyleSettings",
    "UpscaleSettings",
    "VideoDreamSettings",
    "VideoInstantSettings",
    "VideoStyleSettings",
    "VisualizeSettings",
    "ZoomSettings",
    "atlas",
    "dream",
    "explain",
    "find",
    "instant",
    "perturb",
    "remix",
    "see",
    "style",
    "texture",
    "train_style",
    "upscale",
    "video_dream",
    "video_instant",
    "video_own",
    "video_style",
    "visualize",
    "zoom",
]
