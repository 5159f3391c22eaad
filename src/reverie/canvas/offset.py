"""A canvas that many pictures share: what is added to each of them."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reverie.canvas.base import Canvas, Projection, Size, at_size, leaf
from reverie.pictures import check_picture, size_of


class OffsetCanvas(Canvas):
    """One change of many pictures; it draws all of them with it, clipped to [0, 1].

    A projection is applied to the change itself: `linf(torch.zeros_like(change), radius)`.

    Args:
        pictures: (B, 3, H, W) sRGB in [0, 1].
        change: (1, 3, H, W), where it begins; None: nothing.
    """

    def __init__(self, pictures: Tensor, change: Tensor | None = None) -> None:
        check_picture(pictures)
        self.size, self._pictures = size_of(pictures), pictures
        self.parameters = (leaf(torch.zeros_like(pictures[:1]) if change is None else change),)
        self.buffers = 1

    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        return (self._pictures + parameters[0]).clamp(0, 1)

    def resized(self, size: Size) -> OffsetCanvas:
        if size == self.size:
            return OffsetCanvas(self._pictures, self.parameters[0].detach())
        pictures, change = (at_size(x, size, periodic=False) for x in (self._pictures, self.parameters[0].detach()))
        return OffsetCanvas(pictures.clamp(0, 1), change)

    @torch.no_grad()
    def project(self, projection: Projection | None = None) -> None:
        if projection is not None:
            self.parameters[0].copy_(projection(self.parameters[0]))
