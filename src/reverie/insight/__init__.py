"""What a network sees in a picture, where, and why."""

from reverie.insight.attribution import METHODS, Question, ask
from reverie.insight.classes import Sighting, box_around, class_maps, evidence_for, see
from reverie.insight.honesty import Curves, curves, likeness, randomised

__all__ = [
    "METHODS",
    "Curves",
    "Question",
    "Sighting",
    "ask",
    "box_around",
    "class_maps",
    "curves",
    "evidence_for",
    "likeness",
    "randomised",
    "see",
]
