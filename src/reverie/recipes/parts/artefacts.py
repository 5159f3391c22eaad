"""Detect the artefacts of networks that paint in one pass, dots and grids, before a user sees them.

Such a network has learned to write bright or dark specks, or the pattern of its own strides, into calm places: its
judge sees them as texture. Some smooth pictures are painted, and the result compared with the painting itself, which
may well be made of dots or have a grid.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from reverie.pictures import resize, size_of

SIDE = 256  # pixels of the pictures that are painted
_COUNT = 4
_FAR = 0.22  # of the range of lightness, from the median about it: an extreme pixel
_DOTS = 1.5e-3  # share of pixels, above the painting's own
_PEAK = 25.0  # times the power of the frequencies about it, and three times the painting's own
_SEEN = 0.004  # of the range of lightness: a wave so high that it can just be seen
_STEPS = 8  # pixels: the periods that are looked for divide it


@dataclass(frozen=True)
class Artefacts:
    """Measured artefacts, beside those of the painting itself.

    Attributes:
        dots, own_dots: share of pixels that are far brighter or darker than all about them.
        peak, own_peak: the strongest power at the network's own frequencies, as multiples of that about it.
    """

    dots: float
    own_dots: float
    peak: float
    own_peak: float

    @property
    def message(self) -> str:
        """One line for the user; empty where all is well."""
        if self.dots > 3 * self.own_dots + _DOTS:
            return f"the network writes dots into calm places ({100 * self.dots:.1f}% of their pixels)"
        if self.peak > max(_PEAK, 3 * self.own_peak):
            return f"the network writes a grid into calm places ({self.peak:.0f} times as strong as what lies about it)"
        return ""


@torch.no_grad()
def artefacts(paint: Callable[[Tensor], Tensor], painting: Tensor) -> Artefacts:
    """Paint smooth pictures and look for dots and for a grid.

    Args:
        paint: (B, 3, H, W) in [0, 1] to the same.
        painting: (1, 3, h, w), as the network was shown it.

    Example::

        said = artefacts(network, painting).message
    """
    made = paint(smooth_pictures()).clamp(0, 1).cpu()
    own = _pieces(painting)
    return Artefacts(dots_in(made), dots_in(own), grid_in(made), grid_in(own))


def smooth_pictures() -> Tensor:
    """Draw smooth pictures (4, 3, 256, 256), broad waves of colour under the finest grain; always the same ones."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(_COUNT, 3, 4, 4, generator=generator)
    waves = F.interpolate(coarse, (SIDE, SIDE), mode="bicubic", align_corners=True)
    return (0.15 + 0.7 * waves + 0.01 * torch.randn(_COUNT, 3, SIDE, SIDE, generator=generator)).clamp(0, 1)


def dots_in(x: Tensor) -> float:
    """Share of pixels (B, 3, H, W) whose lightness is far from the median of the 7x7 about them, alone or nearly so."""
    light = x.mean(1, keepdim=True)
    padded = F.pad(light, (3, 3, 3, 3), mode="reflect")
    range_about = F.max_pool2d(padded, 7, 1) + F.max_pool2d(-padded, 7, 1)
    lively = range_about[:, 0] > _FAR  # elsewhere no pixel is far from any other
    windows = padded[:, 0].unfold(1, 7, 1).unfold(2, 7, 1)[lively].flatten(1)
    middle, centre = windows.median(1).values, light[:, 0][lively]
    far = (centre - middle).abs() > _FAR
    crowd = ((windows - middle[:, None]).abs() > _FAR).float().mean(1)  # strokes and edges are many
    return float((far & (crowd < 0.2)).sum()) / lively.numel()


def grid_in(x: Tensor) -> float:
    """Find the strongest power (B, 3, H, W) at periods of 2, 4 and 8 pixels, over that of the frequencies about it."""
    light = x.mean(1)
    h, w = (side - side % _STEPS for side in light.shape[-2:])
    shade = torch.hann_window(h, periodic=True)[:, None] * torch.hann_window(w, periodic=True)
    power = torch.fft.fft2((light[:, :h, :w] - light.mean((1, 2), keepdim=True)) * shade).abs().pow(2).mean(0)
    rows, columns = torch.cartesian_prod(torch.arange(_STEPS), torch.arange(_STEPS))[1:].T  # all but the mean
    rows, columns = rows * h // _STEPS, columns * w // _STEPS
    windows = [_around(power, *size)[rows, columns].flatten(1) for size in ((13, 13), (1, 13), (13, 1))]
    about = torch.stack([window.median(1).values for window in windows]).amax(0)  # another on the axes than beside
    return float((power[rows, columns] / about.clamp_min((_SEEN * h * w / 8) ** 2 / _PEAK)).max())


def grid_power(x: Tensor, stride: int, *, cells: int = 8) -> Tensor:
    """Measure the power of patterns that repeat with a network's own grid, as a loss that training reduces.

    What is left of a picture without its means over a cell is averaged over some cells: textures average out.

    Args:
        x: (B, C, H, W), both sides two cells more than are averaged.
        stride: pixels of a cell.
        cells: so many by so many are averaged.

    Example:
        >>> grid_power(torch.eye(4).repeat(1, 3, 16, 16), 4) > 100 * grid_power(torch.rand(1, 3, 64, 64), 4)
        tensor(True)
    """
    low = F.avg_pool2d(x, stride, 1)
    rows, columns = (side // stride * stride for side in low.shape[2:])
    begin = stride // 2
    fine = x[..., begin : begin + rows, begin : begin + columns] - low[..., :rows, :columns]
    return F.avg_pool2d(F.pixel_unshuffle(fine, stride), cells, max(1, cells // 4)).pow(2).mean()


def _around(power: Tensor, high: int, wide: int) -> Tensor:
    """Extract the window around each frequency of a spectrum (h, w), as (h, w, high, wide)."""
    padded = F.pad(power[None, None], (wide // 2, wide // 2, high // 2, high // 2), mode="circular")[0, 0]
    return padded.unfold(0, high, 1).unfold(1, wide, 1)


def _pieces(painting: Tensor) -> Tensor:
    """Crop four squares of a painting, at its own scale where it is large enough."""
    least = min(size_of(painting))
    if least < SIDE:
        factor = SIDE / least
        size = tuple(max(SIDE, math.ceil(side * factor)) for side in size_of(painting))
        painting = resize(painting, (size[0], size[1])).clamp(0, 1)
    down, right = (side - SIDE for side in size_of(painting))
    places = [(0, 0), (down, 0), (0, right), (down, right)]
    return torch.cat([painting[..., y : y + SIDE, x : x + SIDE] for y, x in places])
