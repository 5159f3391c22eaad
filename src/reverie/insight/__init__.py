"""What a network sees in a picture, and where."""

from reverie.insight.classes import Sighting, box_around, class_maps, evidence_for, see

__all__ = ["Sighting", "box_around", "class_maps", "evidence_for", "see"]
