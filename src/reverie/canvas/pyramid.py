"""A picture as the sum of its Laplacian bands: coarse shapes and fine texture move at the same pace."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reverie.canvas.base import Canvas, Projection, Size, leaf
from reverie.pictures import resize


class PyramidCanvas(Canvas):
    """Laplacian bands of a picture.

    Args:
        picture: (B, 3, H, W) sRGB in [0, 1], where the canvas begins.
        levels: number of bands; each is half the size of the one before. Bands under 4 px are left out.
    Source: Burt & Adelson (1983); as the variables of a style transfer, Kolkin et al. (2019).
    """

    def __init__(self, picture: Tensor, *, levels: int = 5) -> None:
        self.size = (int(picture.shape[-2]), int(picture.shape[-1]))
        self._levels = levels
        self.parameters = tuple(leaf(band) for band in laplacian_bands(picture.detach(), levels))

    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        return from_bands(parameters)

    def resized(self, size: Size) -> PyramidCanvas:
        return PyramidCanvas(resize(self.picture().detach(), size).clamp(0, 1), levels=self._levels)

    @torch.no_grad()
    def project(self, projection: Projection | None = None) -> None:
        """Only what leaves [0, 1] is taken back, out of the finest band, so that the bands keep their meaning."""
        picture = self.picture()
        inside = (projection(picture) if projection else picture).clamp(0, 1)
        self.parameters[0].add_(inside - picture)


def laplacian_bands(x: Tensor, levels: int) -> list[Tensor]:
    """Bands from fine to coarse, the last one the remaining picture; `from_bands` adds them up again, exactly."""
    bands = []
    for _ in range(levels - 1):
        h, w = x.shape[-2:]
        if min(h, w) < 8:
            break
        low = resize(x, ((h + 1) // 2, (w + 1) // 2))
        bands.append(x - resize(low, (h, w)))
        x = low
    return [*bands, x]


def from_bands(bands: Sequence[Tensor]) -> Tensor:
    """The picture whose Laplacian bands these are."""
    x = bands[-1]
    for band in reversed(bands[:-1]):
        x = resize(x, (int(band.shape[-2]), int(band.shape[-1]))) + band
    return x
