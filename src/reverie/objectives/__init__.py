"""What a picture is asked to be: an algebra of terms over additive statistics."""

from reverie.objectives.algebra import Bound, Objective, Term
from reverie.objectives.distances import mse, relative, wasserstein2
from reverie.objectives.statistics import PICTURE, Statistic, Window
from reverie.objectives.terms import (
    channel,
    content,
    direction,
    energy,
    guide,
    logit,
    neuron,
    style,
    total_variation,
)

__all__ = [
    "PICTURE",
    "Bound",
    "Objective",
    "Statistic",
    "Term",
    "Window",
    "channel",
    "content",
    "direction",
    "energy",
    "guide",
    "logit",
    "mse",
    "neuron",
    "relative",
    "style",
    "total_variation",
    "wasserstein2",
]
