"""What a picture is asked to be: an algebra of terms over additive statistics."""

from reverie.objectives.algebra import Bound, Objective, Term
from reverie.objectives.distances import mse, relative, wasserstein2
from reverie.objectives.presence import presence
from reverie.objectives.roughness import total_variation
from reverie.objectives.statistics import PICTURE, Region, Statistic, Window
from reverie.objectives.terms_content import content, self_similarity
from reverie.objectives.terms_dream import (
    channel,
    direction,
    energy,
    guide,
    likeness,
    logit,
    neuron,
    shared_features,
)
from reverie.objectives.terms_style import histograms, nearest_neighbours, sliced_wasserstein, style

__all__ = [
    "PICTURE",
    "Bound",
    "Objective",
    "Region",
    "Statistic",
    "Term",
    "Window",
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
]
