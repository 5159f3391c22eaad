"""Canvases: what is optimised."""

from reverie.canvas.base import Canvas, Projection
from reverie.canvas.cppn import CPPNCanvas
from reverie.canvas.fourier import FourierCanvas
from reverie.canvas.latent import LatentCanvas
from reverie.canvas.offset import OffsetCanvas
from reverie.canvas.phase import PhaseCanvas
from reverie.canvas.pixels import PixelCanvas
from reverie.canvas.prior import PriorCanvas
from reverie.canvas.pyramid import PyramidCanvas, from_bands, laplacian_bands

__all__ = [
    "CPPNCanvas",
    "Canvas",
    "FourierCanvas",
    "LatentCanvas",
    "OffsetCanvas",
    "PhaseCanvas",
    "PixelCanvas",
    "PriorCanvas",
    "Projection",
    "PyramidCanvas",
    "from_bands",
    "laplacian_bands",
]
