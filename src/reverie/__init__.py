"""Reverie: dream on, restyle and invent pictures with the features of a convolutional network.

    import reverie as rv

    photo, painting = rv.read_image("cat.jpg"), rv.read_image("night.jpg")
    for step in rv.recipes.style(photo, painting):
        print(step)
    rv.write_image("out.png", step.image)
"""

from reverie import canvas, engine, networks, objectives, optimisers, pictures, recipes, views
from reverie.canvas import FourierCanvas, PixelCanvas, PyramidCanvas
from reverie.engine import (
    Evaluation,
    Executor,
    Iterate,
    Stage,
    TiledExecutor,
    WholeExecutor,
    evaluate,
    octaves,
    pyramid,
    synthesize,
)
from reverie.errors import (
    ChecksumMismatch,
    Diverged,
    LayerNotFound,
    OutOfMemory,
    PictureError,
    RecipeError,
    ReverieError,
    WeightsError,
)
from reverie.objectives import (
    Objective,
    channel,
    content,
    direction,
    energy,
    guide,
    logit,
    mse,
    neuron,
    relative,
    style,
    total_variation,
    wasserstein2,
)
from reverie.optimisers import LBFGS, Adam, Normalised
from reverie.pictures import read_image, write_image
from reverie.recipes import DreamSettings, StyleSettings

__version__ = "0.1.0"

__all__ = [
    "LBFGS",
    "Adam",
    "ChecksumMismatch",
    "Diverged",
    "DreamSettings",
    "Evaluation",
    "Executor",
    "FourierCanvas",
    "Iterate",
    "LayerNotFound",
    "Normalised",
    "Objective",
    "OutOfMemory",
    "PictureError",
    "PixelCanvas",
    "PyramidCanvas",
    "RecipeError",
    "ReverieError",
    "Stage",
    "StyleSettings",
    "TiledExecutor",
    "WeightsError",
    "WholeExecutor",
    "canvas",
    "channel",
    "content",
    "direction",
    "energy",
    "engine",
    "evaluate",
    "guide",
    "logit",
    "mse",
    "networks",
    "neuron",
    "objectives",
    "octaves",
    "optimisers",
    "pictures",
    "pyramid",
    "read_image",
    "recipes",
    "relative",
    "style",
    "synthesize",
    "total_variation",
    "views",
    "wasserstein2",
    "write_image",
]
