"""The plainest canvas: pixels, with or without a base whose detail is kept."""

from __future__ import annotations

import torch
from torch import Tensor

from reverie.canvas.base import Canvas, Projection, Size, leaf
from reverie.pictures import resize


class PixelCanvas(Canvas):
    """Pixels, or what is added to a photo's pixels.

    Args:
        picture: (B, 3, H, W) sRGB in [0, 1], where the canvas begins.
        base: a photo under the canvas. Only the difference from it is carried from size to size, so the photo's
            own detail is never blurred by resampling ("detail re-injection").
    Source: Mordvintsev, Olah & Tyka (2015), cell 8 of the published notebook.
    """

    def __init__(self, picture: Tensor, *, base: Tensor | None = None) -> None:
        self.size = (int(picture.shape[-2]), int(picture.shape[-1]))
        self._base = base
        self._under = None if base is None else resize(base, self.size).clamp(0, 1)
        start = picture if self._under is None else picture - self._under
        self.parameters = (leaf(start),)

    def picture(self) -> Tensor:
        (pixels,) = self.parameters
        return pixels if self._under is None else pixels + self._under

    def resized(self, size: Size) -> PixelCanvas:
        pixels = self.parameters[0].detach()
        pixels = pixels if size == self.size else resize(pixels, size)
        if self._base is None:
            return PixelCanvas(pixels.clamp(0, 1))
        return PixelCanvas(pixels + resize(self._base, size).clamp(0, 1), base=self._base)

    @torch.no_grad()
    def project(self, projection: Projection | None = None) -> None:
        (pixels,) = self.parameters
        if self._under is None and projection is None:
            pixels.clamp_(0, 1)
            return
        picture = self.picture()
        picture = (projection(picture) if projection else picture).clamp(0, 1)
        pixels.copy_(picture if self._under is None else picture - self._under)
