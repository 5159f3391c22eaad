"""A picture as the sum of its Laplacian bands: coarse shapes and fine texture move at the same pace."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reverie.canvas.base import Canvas, Projection, Size, at_size, leaf
from reverie.pictures import check_picture, size_of


class PyramidCanvas(Canvas):
    """Laplacian bands of a picture.

    Args:
        picture: (B, 3, H, W) sRGB in [0, 1], where the canvas begins.
        levels: number of bands; each is half the size of the one before. Bands under 4 px are left out.
        periodic: the picture wraps round its edges.
    Source: Burt & Adelson (1983); as the variables of a style transfer, Kolkin et al. (2019).
    """

    def __init__(self, picture: Tensor, *, levels: int = 5, periodic: bool = False) -> None:
        check_picture(picture)
        self.size, self.batch = size_of(picture), len(picture)
        self._levels, self.periodic = levels, periodic
        self.parameters = tuple(leaf(b) for b in laplacian_bands(picture.detach(), levels, periodic=periodic))

    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        return from_bands(parameters, periodic=self.periodic)

    def resized(self, size: Size) -> PyramidCanvas:
        picture = at_size(self.picture().detach(), size, periodic=self.periodic).clamp(0, 1)
        return PyramidCanvas(picture, levels=self._levels, periodic=self.periodic)

    @torch.no_grad()
    def project(self, projection: Projection | None = None) -> None:
        """Take only what leaves [0, 1] out of the finest band, so that the bands keep their meaning."""
        picture = self.picture()
        inside = (projection(picture) if projection else picture).clamp(0, 1)
        self.parameters[0].add_(inside - picture)


def laplacian_bands(x: Tensor, levels: int, *, periodic: bool = False) -> list[Tensor]:
    """Split into bands from fine to coarse, the last one the remaining picture; `from_bands` adds them up, exactly."""
    bands = []
    for _ in range(levels - 1):
        h, w = x.shape[-2:]
        if min(h, w) < 8 or (periodic and (h % 2 or w % 2)):
            break
        low = at_size(x, ((h + 1) // 2, (w + 1) // 2), periodic=periodic)
        bands.append(x - at_size(low, (h, w), periodic=periodic))
        x = low
    return [*bands, x]


def from_bands(bands: Sequence[Tensor], *, periodic: bool = False) -> Tensor:
    """Return the picture whose Laplacian bands these are."""
    x = bands[-1]
    for band in reversed(bands[:-1]):
        x = at_size(x, (int(band.shape[-2]), int(band.shape[-1])), periodic=periodic) + band
    return x
