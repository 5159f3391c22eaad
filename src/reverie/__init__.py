"""Reverie: dream on, restyle and invent pictures with the features of a convolutional network.

import reverie as rv

photo, painting = rv.read_image("cat.jpg"), rv.read_image("night.jpg")
for step in rv.recipes.style(photo, painting):
    print(step)
rv.write_image("out.png", step.image)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from reverie.version import __version__ as __version__

if TYPE_CHECKING:
    from reverie import canvas, engine, feedforward, networks, objectives, optimisers, pictures, recipes, views
    from reverie.canvas import FourierCanvas, PixelCanvas, PyramidCanvas
    from reverie.crafts.craft import Craft, craft
    from reverie.crafts.kinds import (
        Alpha,
        Clip,
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
    )
    from reverie.crafts.settings import Settings
    from reverie.engine import (
        Evaluation,
        Executor,
        Iterate,
        Plan,
        RayExecutor,
        Stage,
        Synthesis,
        TiledExecutor,
        WholeExecutor,
        evaluate,
        octaves,
        plan,
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
    from reverie.export import export_onnx, export_page
    from reverie.objectives import (
        Objective,
        channel,
        content,
        direction,
        energy,
        guide,
        histograms,
        likeness,
        logit,
        mse,
        nearest_neighbours,
        neuron,
        presence,
        relative,
        self_similarity,
        shared_features,
        sliced_wasserstein,
        style,
        total_variation,
        wasserstein2,
    )
    from reverie.optimisers import LBFGS, Adam, Normalised
    from reverie.pictures import read_image, write_image
    from reverie.recipes import (
        DreamSettings,
        InstantSettings,
        StyleSettings,
        TextureSettings,
        TrainStyleSettings,
        UpscaleSettings,
    )

__all__ = [
    "LBFGS",
    "Adam",
    "Alpha",
    "ChecksumMismatch",
    "Clip",
    "Craft",
    "Diverged",
    "DreamSettings",
    "Evaluation",
    "Executor",
    "Folder",
    "FourierCanvas",
    "InstantSettings",
    "Iterate",
    "LayerNotFound",
    "Many",
    "Map",
    "Mask",
    "Normalised",
    "Objective",
    "OutOfMemory",
    "Painting",
    "Photo",
    "PictureError",
    "PixelCanvas",
    "Plan",
    "PyramidCanvas",
    "RayExecutor",
    "RecipeError",
    "Result",
    "ReverieError",
    "Settings",
    "Stage",
    "Still",
    "StyleNetwork",
    "StyleSettings",
    "Synthesis",
    "TextureSettings",
    "TiledExecutor",
    "TrainStyleSettings",
    "UpscaleSettings",
    "Weights",
    "WeightsError",
    "WholeExecutor",
    "canvas",
    "channel",
    "content",
    "craft",
    "direction",
    "energy",
    "engine",
    "evaluate",
    "export_onnx",
    "export_page",
    "feedforward",
    "guide",
    "histograms",
    "likeness",
    "logit",
    "mse",
    "nearest_neighbours",
    "networks",
    "neuron",
    "objectives",
    "octaves",
    "optimisers",
    "pictures",
    "plan",
    "presence",
    "pyramid",
    "read_image",
    "recipes",
    "relative",
    "self_similarity",
    "shared_features",
    "sliced_wasserstein",
    "style",
    "synthesize",
    "total_variation",
    "views",
    "wasserstein2",
    "write_image",
]

_HOMES = {
    "reverie.canvas": (
        "FourierCanvas",
        "PixelCanvas",
        "PyramidCanvas",
    ),
    "reverie.crafts.craft": ("Craft", "craft"),
    "reverie.crafts.kinds": (
        "Alpha",
        "Clip",
        "Folder",
        "Many",
        "Map",
        "Mask",
        "Painting",
        "Photo",
        "Result",
        "Still",
        "StyleNetwork",
        "Weights",
    ),
    "reverie.crafts.settings": ("Settings",),
    "reverie.engine": (
        "Evaluation",
        "Executor",
        "Iterate",
        "Plan",
        "RayExecutor",
        "Stage",
        "Synthesis",
        "TiledExecutor",
        "WholeExecutor",
        "evaluate",
        "octaves",
        "plan",
        "pyramid",
        "synthesize",
    ),
    "reverie.errors": (
        "ChecksumMismatch",
        "Diverged",
        "LayerNotFound",
        "OutOfMemory",
        "PictureError",
        "RecipeError",
        "ReverieError",
        "WeightsError",
    ),
    "reverie.export": (
        "export_onnx",
        "export_page",
    ),
    "reverie.objectives": (
        "Objective",
        "channel",
        "content",
        "direction",
        "energy",
        "guide",
        "histograms",
        "likeness",
        "logit",
        "mse",
        "nearest_neighbours",
        "neuron",
        "presence",
        "relative",
        "self_similarity",
        "shared_features",
        "sliced_wasserstein",
        "style",
        "total_variation",
        "wasserstein2",
    ),
    "reverie.optimisers": (
        "LBFGS",
        "Adam",
        "Normalised",
    ),
    "reverie.pictures": (
        "read_image",
        "write_image",
    ),
    "reverie.recipes": (
        "DreamSettings",
        "InstantSettings",
        "StyleSettings",
        "TextureSettings",
        "TrainStyleSettings",
        "UpscaleSettings",
    ),
}


def __getattr__(name: str) -> object:
    """Load what is asked for when it is asked for: PyTorch takes a second, and help needs none."""
    home = next((home for home, names in _HOMES.items() if name in names), None)
    if home is None and name not in __all__:
        raise AttributeError(f"module 'reverie' has no attribute '{name}'")
    found = import_module(f"reverie.{name}") if home is None else getattr(import_module(home), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
