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

__all__ = ["View", "carried", "compose", "crop", "crops", "framed", "jitter", "noise", "rotate", "scale", "standard"]


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


def crops(low: float, high: float, *, count: int, side: int) -> View:
    """Show `count` square windows of each picture instead of it, all resized to `side` pixels.

    Their sides are drawn from [low, high] of the picture's shorter side, their places about its middle. The windows of
    one picture follow each other in the batch. Source: Fel et al. (2023), MACO.
    """
    if not 0 < low <= high <= 1 or count < 1 or side < 1:
        raise RecipeError(f"crops need 0 < low <= high <= 1, a count and a side; got {low}, {high}, {count}, {side}.")
    return _Crops(low, high, count, side)


def framed(view: View) -> View:
    """Show what a view makes at the picture's own size: its middle, with its border repeated where it is smaller.

    For networks that take pictures of one size only, such as vision transformers.
    """
    return _Framed(view)


def noise(deviation: float) -> View:
    """Add normal noise of this deviation, in sRGB values: what survives it does not lie in single pixels."""
    if not 0 <= deviation < math.inf:
        raise RecipeError(f"noise has a deviation of 0 or more; got {deviation}.")
    return _Noise(deviation)


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


@dataclass(frozen=True)
class _Crops:
    low: float
    high: float
    count: int
    side: int

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        windows = [self._window(x, generator) for _ in range(self.count)]
        return torch.stack(windows, dim=1).flatten(0, 1)

    def _window(self, x: Tensor, generator: torch.Generator) -> Tensor:
        (h, w), share = x.shape[-2:], self.low + (self.high - self.low) * _draw(generator)
        side = max(1, round(share * min(h, w)))
        top, left = (self._start(n - side, generator) for n in (h, w))
        window = x[..., top : top + side, left : left + side]
        return F.interpolate(window, (self.side, self.side), mode="bilinear", antialias=side > self.side)

    def _start(self, room: int, generator: torch.Generator) -> int:
        """Draw the window's place: the middle is likelier than the edges."""
        return round(room * (_draw(generator) + _draw(generator)) / 2)

    def __repr__(self) -> str:
        return f"crops({self.low:g}, {self.high:g}, count={self.count}, side={self.side})"


@dataclass(frozen=True)
class _Framed:
    view: View

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self._fitted(self.view(x, generator), x)

    def carry(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return self._fitted(carried(self.view, x, generator), x)

    def _fitted(self, seen: Tensor, x: Tensor) -> Tensor:
        (h, w), (height, width) = seen.shape[-2:], x.shape[-2:]
        top, left = max(0, h - height) // 2, max(0, w - width) // 2
        seen = seen[..., top : top + height, left : left + width]
        down, across = height - seen.shape[-2], width - seen.shape[-1]
        if not down and not across:
            return seen
        return F.pad(seen, (across // 2, across - across // 2, down // 2, down - down // 2), mode="replicate")

    def __repr__(self) -> str:
        return f"framed({self.view})"


@dataclass(frozen=True)
class _Noise:
    deviation: float

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        return x + self._drawn(x, generator)

    def carry(self, x: Tensor, generator: torch.Generator) -> Tensor:
        self._drawn(x, generator)
        return x

    def _drawn(self, x: Tensor, generator: torch.Generator) -> Tensor:
        drawn = torch.randn(x.shape, generator=generator, dtype=torch.float32)
        return drawn.to(x) * self.deviation

    def __repr__(self) -> str:
        return f"noise({self.deviation:g})"


def _draw(generator: torch.Generator) -> float:
    return float(torch.rand((), generator=generator, dtype=torch.float32))
