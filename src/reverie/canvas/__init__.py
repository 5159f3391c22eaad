"""Canvases: what is optimised."""

from reverie.canvas.base import Canvas, Projection
from reverie.canvas.fourier import FourierCanvas
from reverie.canvas.offset import OffsetCanvas
from reverie.canvas.pixels import PixelCanvas
from reverie.canvas.pyramid import PyramidCanvas, from_bands, laplacian_bands

__all__ = [
    "Canvas",
    "FourierCanvas",
    "OffsetCanvas",
    "PixelCanvas",
    "Projection",
    "PyramidCanvas",
    "from_bands",
    "laplacian_bands",
]
