"""Motion in a clip: flow, what it hides, cuts, frames between keyframes, measures. Needs the extra ``video``."""

from reverie.motion.between import FramePainter, Guide, Key, Rendered, rendered
from reverie.motion.flow import Flow, Look, both_ways, composed, is_cut, look_at, still, trust
from reverie.motion.measures import Flicker, measured, sharpness, warping_error
from reverie.motion.mixing import detail_energy, mixed
from reverie.motion.parting import Interval, Parting, intervals, moments
from reverie.motion.warp import warped

__all__ = [
    "Flicker",
    "Flow",
    "FramePainter",
    "Guide",
    "Interval",
    "Key",
    "Look",
    "Parting",
    "Rendered",
    "both_ways",
    "composed",
    "detail_energy",
    "intervals",
    "is_cut",
    "look_at",
    "measured",
    "mixed",
    "moments",
    "rendered",
    "sharpness",
    "still",
    "trust",
    "warped",
    "warping_error",
]
