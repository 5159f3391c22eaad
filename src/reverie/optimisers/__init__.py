"""Optimisers and projections."""

from reverie.optimisers.adam import LBFGS, Adam
from reverie.optimisers.base import Closure, Optimiser, Run
from reverie.optimisers.from_torch import FromTorch
from reverie.optimisers.normalised import Normalised, balanced
from reverie.optimisers.projections import Projection, box, l2, linf

__all__ = [
    "LBFGS",
    "Adam",
    "Closure",
    "FromTorch",
    "Normalised",
    "Optimiser",
    "Projection",
    "Run",
    "balanced",
    "box",
    "l2",
    "linf",
]
