"""A picture as a small network of its coordinates: the same picture at any size."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reverie.canvas.base import Canvas, Projection, Size, leaf
from reverie.errors import RecipeError

_STRIP = 2**17  # pixels that are drawn at once where no gradient is wanted
_REACH = 3**0.5  # of the coordinates, whose variance is then 1


class CPPNCanvas(Canvas):
    """A compositional pattern-producing network: from the coordinates of a point to its colour.

    What is optimised are its weights, and not one of them belongs to a pixel: lines and areas are smooth, and
    `resized` draws the very same picture with more or fewer points.

    Args:
        size: (H, W) pixels.
        seed: of the first weights.
        batch: number of pictures, each by weights of its own.
        width: units in a layer; each gives two numbers to the next.
        depth: layers before the one that makes colours.
    Source: Stanley (2007); as a parametrisation, Mordvintsev, Pezzotti, Schubert & Olah (2018), "Differentiable image
        parameterizations", whose units and activation these are.
    Example:
        rv.write_image("large.png", rv.CPPNCanvas((224, 224), seed=3).resized((4000, 4000)).drawn())
    """

    def __init__(self, size: Size, *, seed: int = 0, batch: int = 1, width: int = 24, depth: int = 8) -> None:
        if width < 1 or depth < 1:
            raise RecipeError(f"a CPPN has at least one layer of at least one unit; got {depth} of {width}.")
        self.size, self.batch = size, batch
        self._width, self._depth = width, depth
        generator = torch.Generator().manual_seed(seed)
        inputs = [2, *[2 * width] * depth]
        outputs = [*[width] * depth, 3]
        drawn = [
            torch.randn((batch, i, o), generator=generator, dtype=torch.float32) * i**-0.5
            for i, o in zip(inputs, outputs, strict=True)
        ]
        drawn[-1].zero_()  # it begins grey
        self.parameters = tuple(leaf(weights) for weights in drawn)

    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        return self._rows(parameters, 0, self.size[0])

    def project(self, projection: Projection | None = None) -> None:
        """Do nothing: the sigmoid keeps the picture in [0, 1]. A projection needs pixels to act on."""
        if projection is not None:
            raise RecipeError("a projection needs a PixelCanvas; a CPPNCanvas has no pixels of its own.")

    def resized(self, size: Size) -> CPPNCanvas:
        other = CPPNCanvas(size, batch=self.batch, width=self._width, depth=self._depth)
        other = other.to(self.parameters[0].device)
        other.load(self.parameters)
        return other

    @torch.no_grad()
    def drawn(self, parameters: Sequence[Tensor] | None = None) -> Tensor:
        values = self.parameters if parameters is None else parameters
        (height, width), picture = self.size, torch.empty(self.batch, 3, *self.size, device=values[0].device)
        rows = max(1, _STRIP // (width * self.batch))
        for top in range(0, height, rows):
            bottom = min(top + rows, height)
            picture[:, :, top:bottom] = self._rows(values, top, bottom)
        return picture

    def _rows(self, parameters: Sequence[Tensor], top: int, bottom: int) -> Tensor:
        """Draw some rows: (B, 3, bottom - top, W)."""
        (height, width), longer = self.size, max(self.size)
        at = parameters[0].device
        down = (2 * torch.arange(top, bottom, dtype=torch.float32, device=at) + 1 - height) * (_REACH / longer)
        across = (2 * torch.arange(width, dtype=torch.float32, device=at) + 1 - width) * (_REACH / longer)
        y, x = down[:, None].expand(-1, width), across.expand(len(down), width)
        points = torch.stack([x, y], dim=-1).reshape(1, -1, 2).expand(self.batch, -1, 2)
        for weights in parameters[:-1]:
            bent = torch.atan(points @ weights)
            points = torch.cat([bent / 0.67, (bent * bent - 0.45) / 0.396], dim=-1)  # mean 0, variance 1
        colours = torch.sigmoid(points @ parameters[-1])
        return colours.mT.reshape(self.batch, 3, bottom - top, width)
