"""The plainest canvas: pixels, with or without a base whose detail is kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reverie.canvas.base import Canvas, Projection, Size, leaf
from reverie.canvas.colours import from_rgb, to_rgb
from reverie.pictures import resize, scaled


class PixelCanvas(Canvas):
    """Pixels, or what is added to a photo's pixels.

    Args:
        picture: (B, 3, H, W) sRGB in [0, 1], where the canvas begins.
        base: a photo under the canvas. Only the difference from it is carried from size to size, so the photo's
            own detail is never blurred by resampling ("detail re-injection").
        natural: parameters are colours decorrelated (softly) like those of natural pictures, so that equal steps
            change brightness more than hues; plain RGB otherwise.
    Source: Mordvintsev, Olah & Tyka (2015), cell 8 of the published notebook; the colours, Olah et al. (2017).
    """

    def __init__(self, picture: Tensor, *, base: Tensor | None = None, natural: bool = False) -> None:
        self.size = (int(picture.shape[-2]), int(picture.shape[-1]))
        self._base, self._natural = base, natural
        self._under = None if base is None else scaled(base, self.size)
        self.parameters = (leaf(self._from_picture(picture)),)

    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        (pixels,) = parameters
        pixels = self._to_colours(pixels)
        return pixels if self._under is None else pixels + self._under

    def resized(self, size: Size) -> PixelCanvas:
        if size == self.size:
            return PixelCanvas(self.picture().detach(), base=self._base, natural=self._natural)
        (pixels,) = self.parameters
        added = resize(self._to_colours(pixels.detach()), size)
        if self._base is not None:
            added += scaled(self._base, size)
        return PixelCanvas(added.clamp_(0, 1), base=self._base, natural=self._natural)

    @torch.no_grad()
    def project(self, projection: Projection | None = None) -> None:
        (pixels,) = self.parameters
        if self._under is None and not self._natural and projection is None:
            pixels.clamp_(0, 1)
            return
        picture = self.picture()
        picture = (projection(picture) if projection else picture).clamp_(0, 1)
        if self._under is not None:
            picture -= self._under
        pixels.copy_(from_rgb(picture, soft=True) if self._natural else picture)

    def _to_colours(self, pixels: Tensor) -> Tensor:
        return to_rgb(pixels, soft=True) if self._natural else pixels

    def _from_picture(self, picture: Tensor) -> Tensor:
        added = picture if self._under is None else picture - self._under
        return from_rgb(added, soft=True) if self._natural else added
