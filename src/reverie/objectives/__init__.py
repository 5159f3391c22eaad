"""Objectives: an algebra of terms over additive statistics."""

from reverie.objectives.algebra import ZERO, Binding, Bound, Objective, Term
from reverie.objectives.distances import mse, relative, wasserstein2
from reverie.objectives.places import PICTURE, Region, Window
from reverie.objectives.presence import presence
from reverie.objectives.roughness import total_variation
from reverie.objectives.statistics import Means, MeanSquares, Measure, Moments, Samples, Statistic, share
from reverie.objectives.terms_batch import by_picture
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
from reverie.objectives.terms_features import caricature, diversity
from reverie.objectives.terms_own import term
from reverie.objectives.terms_style import histograms, nearest_neighbours, sliced_wasserstein, style
from reverie.objectives.terms_temporal import temporal
from reverie.objectives.view_draw import ViewDraw

__all__ = [
    "PICTURE",
    "ZERO",
    "Binding",
    "Bound",
    "MeanSquares",
    "Means",
    "Measure",
    "Moments",
    "Objective",
    "Region",
    "Samples",
    "Statistic",
    "Term",
    "ViewDraw",
    "Window",
    "by_picture",
    "caricature",
    "channel",
    "content",
    "direction",
    "diversity",
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
    "share",
    "shared_features",
    "sliced_wasserstein",
    "style",
    "temporal",
    "term",
    "total_variation",
    "wasserstein2",
]
