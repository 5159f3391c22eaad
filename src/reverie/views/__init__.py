"""Random views of a picture, each a function (picture, generator) -> picture: what survives them is not noise."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.errors import RecipeError

View = Callable[[Tensor, torch.Generator], Tensor]

__all__ = ["View", "compose", "crop", "jitter", "rotate", "scale", "standard"]


def compose(*views: View) -> View:
    """One view after the other; `compose()` shows the picture as it is."""

    def view(x: Tensor, generator: torch.Generator) -> Tensor:
        for each in views:
            x = each(x, generator)
        return x

    return view


def jitter(pixels: int) -> View:
    """Roll the picture by up to `pixels` each way, round the edges: every place meets every phase of the strides.

    Source: Mordvintsev, Olah & Tyka (2015).
    """
    if pixels < 0:
        raise RecipeError(f"jitter is 0 or more pixels; got {pixels}.")

    def view(x: Tensor, generator: torch.Generator) -> Tensor:
        dy, dx = torch.randint(-pixels, pixels + 1, (2,), generator=generator).tolist()
        return torch.roll(x, (dy, dx), (2, 3)) if dy or dx else x

    return view


def scale(low: float, high: float) -> View:
    """Resize by a factor drawn from [low, high], evenly in its logarithm."""
    if not 0 < low <= high:
        raise RecipeError(f"scale needs 0 < low <= high; got {low}, {high}.")

    def view(x: Tensor, generator: torch.Generator) -> Tensor:
        factor = low * (high / low) ** _draw(generator)
        size = [max(1, round(n * factor)) for n in x.shape[-2:]]
        return F.interpolate(x, size, mode="bilinear", antialias=factor < 1)

    return view


def rotate(degrees: float) -> View:
    """Turn by up to `degrees` either way about the centre; the corners repeat the border."""

    def view(x: Tensor, generator: torch.Generator) -> Tensor:
        angle = math.radians(degrees * (2 * _draw(generator) - 1))
        cos, sin, (h, w) = math.cos(angle), math.sin(angle), x.shape[-2:]
        matrix = torch.tensor([[cos, -sin * h / w, 0], [sin * w / h, cos, 0]], dtype=x.dtype, device=x.device)
        grid = F.affine_grid(matrix.expand(len(x), 2, 3), list(x.shape), align_corners=False)
        return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)

    return view


def crop(fraction: float) -> View:
    """A window of `fraction` of each side, anywhere."""
    if not 0 < fraction <= 1:
        raise RecipeError(f"a crop is a fraction in (0, 1]; got {fraction}.")

    def view(x: Tensor, generator: torch.Generator) -> Tensor:
        (h, w), (ch, cw) = x.shape[-2:], (max(1, round(n * fraction)) for n in x.shape[-2:])
        top, left = int(_draw(generator) * (h - ch + 1)), int(_draw(generator) * (w - cw + 1))
        return x[..., top : top + ch, left : left + cw]

    return view


def standard() -> View:
    """Jitter, scale, rotate, jitter: the set of feature visualisation. Source: Olah et al. (2017)."""
    return compose(jitter(8), scale(0.9, 1.1), rotate(10), jitter(4))


def _draw(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator))
