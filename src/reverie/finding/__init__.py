"""Pictures that are like another: by what is in them, by their style, by their colours."""

from reverie.finding.features import ASPECTS, Describer
from reverie.finding.index import READ, Found, Gallery, Progress, gallery, suitable

__all__ = ["ASPECTS", "READ", "Describer", "Found", "Gallery", "Progress", "gallery", "suitable"]
