"""Networks that make a picture in one pass: instant painting, custom style networks, enlargement.

>>> large = load_superres("faithful").enlarge(picture, 2)
"""

from __future__ import annotations

from reverie.feedforward.instant import Instant, load_instant
from reverie.feedforward.johnson import Johnson, read_johnson
from reverie.feedforward.superres import Superres, load_superres

__all__ = [
    "Instant",
    "Johnson",
    "Superres",
    "load_instant",
    "load_superres",
    "read_johnson",
]
