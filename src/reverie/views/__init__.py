"""Random views of a picture, each a function (picture, generator) -> picture: what survives them is not noise.

A view moves pixels. In a run the masks, reference pictures and neurons of the objective go with them: the engine takes
each through the same draw (`carried`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.errors import RecipeError

View = Callable[[Tensor, torch.Generator], Tensor]

__all__ = ["View", "carried", "compose", "crop", "jitter", "rotate", "scale", "standard"]


def compose(*views: View) -> View:
    """Chain views; `compose()` shows the picture as it is."""
    return _Composed(views)


def jitter(pixels: int) -> View:
    """Roll the picture by up to `pixels` each way, round the edges: every place meets every phase of the strides.

    Source: Mordvintsev, Olah & Tyka (2015).
    """
    if pixels < 0:
        raise RecipeError(f"jitter is 0 or more pixels; got {pixels}.")
    return _Jitter(pixels)


def scale(low: float, high: float) -> View:
    """Resize by a factor drawn from [low, high], evenly in its logarithm."""
    if not 0 < low <= high < math.inf:
        raise RecipeError(f"scale needs 0 < low <= high; got {low}, {high}.")
    return _Scale(low, high)


def rotate(degrees: float) -> View:
    """Turn by up to `degrees` either way about the centre; the corners repeat the border."""
    return _Rotate(degrees)


def crop(fraction: float) -> View:
    """Crop a window of `fraction` of each side, anywhere."""
    if not 0 < fraction <= 1:
        raise RecipeError(f"a crop is a fraction in (0, 1]; got {fraction}.")
    return _Crop(fraction)


def standard() -> View:
    """Jitter, scale, rotate, jitter: the views of feature visualisation. Source: Olah et al. (2017)."""
    return compose(jitter(8), scale(0.9, 1.1), rotate(10), jitter(4))


def carried(view: View, x: Tensor, generator: torch.Generator) -> Tensor:
    """Show a mask or another picture through a view, drawn as it was for the picture.

    A view that changes values instead of moving pixels (noise, say) has a method `carry(x, generator)` of its own,
    which draws as many numbers and leaves the places as they are.

    Args:
        view: which one.
        x: (B, 3, H, W), as large as the picture.
        generator: in the state in which the picture's was.
    """
    carry: View = getattr(view, "carry", view)
    return carry(x, generator)


# --- the views -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Composed:
    views: tuple[View, ...]

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        for view in self.views:
            x = view(x, generator)
        return x

    def carry(self, x: Tensor, generator: torch.Generator) -> Tensor:
        for view in self.views:
            x = carried(view, x, generator)
        return x

    def __repr__(self) -> str:
        return f"compose({', '.join(map(repr, self.views))})"


@dataclass(frozen=True)
class _Jitter:
    pixels: int

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        dy, dx = torch.randint(-self.pixels, self.pixels + 1, (2,), generator=generator).tolist()
        return torch.roll(x, (dy, dx), (2, 3)) if dy or dx else x

    def __repr__(self) -> str:
        return f"jitter({self.pixels})"


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        factor = self.low * (self.high / self.low) ** _draw(generator)
        size = [max(1, round(n * factor)) for n in x.shape[-2:]]
        return F.interpolate(x, size, mode="bilinear", antialias=factor < 1)

    def __repr__(self) -> str:
        return f"scale({self.low:g}, {self.high:g})"


@dataclass(frozen=True)
class _Rotate:
    degrees: float

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        angle = math.radians(self.degrees * (2 * _draw(generator) - 1))
        cos, sin, (h, w) = math.cos(angle), math.sin(angle), x.shape[-2:]
        matrix = torch.tensor([[cos, -sin * h / w, 0], [sin * w / h, cos, 0]], dtype=x.dtype, device=x.device)
        with torch.autocast(x.device.type, enabled=False):  # places want all their digits
            grid = F.affine_grid(matrix.expand(len(x), 2, 3), list(x.shape), align_corners=False)
            return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)

    def __repr__(self) -> str:
        return f"rotate({self.degrees:g})"


@dataclass(frozen=True)
class _Crop:
    fraction: float

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        (h, w), (ch, cw) = x.shape[-2:], (max(1, round(n * self.fraction)) for n in x.shape[-2:])
        top, left = int(_draw(generator) * (h - ch + 1)), int(_draw(generator) * (w - cw + 1))
        return x[..., top : top + ch, left : left + cw]

    def __repr__(self) -> str:
        return f"crop({self.fraction:g})"


def _draw(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator, dtype=torch.float32))
