"""A picture by its spectrum, in decorrelated colours: the parametrisation of feature visualisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reverie.canvas.base import Canvas, Projection, Size, at_size, leaf
from reverie.canvas.colours import from_rgb, to_rgb
from reverie.errors import RecipeError


class FourierCanvas(Canvas):
    """A spectrum whose entries are scaled like those of natural pictures, seen through a sigmoid.

    Args:
        size: (H, W) pixels.
        generator: draws the first spectrum.
        batch: number of pictures.
        deviation: of the first entries; .01 is nearly grey.
        decay: amplitudes fall with frequency to this power; 1 is natural.
        periodic: the picture goes on round its edges at every size; waves always do.
    Source: Olah, Mordvintsev & Schubert (2017), "Preconditioning and parameterization". We differ: no constant of 4.
    """

    def __init__(
        self,
        size: Size,
        *,
        generator: torch.Generator,
        batch: int = 1,
        deviation: float = 0.01,
        decay: float = 1.0,
        periodic: bool = False,
    ) -> None:
        self.size, self._decay, self.periodic = size, decay, periodic
        spectrum = deviation * torch.randn(batch, 3, size[0], size[1] // 2 + 1, 2, generator=generator)
        self.parameters = (leaf(spectrum),)
        self._scale = _natural_scale(size, decay)

    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        (spectrum,) = parameters
        waves = torch.view_as_complex(spectrum) * self._scale
        x = torch.fft.irfft2(waves, s=self.size, norm="ortho")
        return torch.sigmoid(to_rgb(x))

    def project(self, projection: Projection | None = None) -> None:
        """Nothing: the sigmoid keeps the picture in [0, 1]. A projection needs pixels to act on."""
        if projection is not None:
            raise RecipeError("a projection needs a PixelCanvas; a FourierCanvas has no pixels of its own.")

    def resized(self, size: Size) -> FourierCanvas:
        batch = len(self.parameters[0])
        decay, periodic = self._decay, self.periodic
        other = FourierCanvas(size, generator=torch.Generator(), batch=batch, decay=decay, periodic=periodic)
        if size == self.size:
            other.load(self.parameters)
            return other
        picture = at_size(self.picture().detach(), size, periodic=periodic).clamp(1e-3, 1 - 1e-3)
        waves = torch.fft.rfft2(from_rgb(torch.logit(picture)), norm="ortho") / other._scale
        other.load((torch.view_as_real(waves),))
        return other


def _natural_scale(size: Size, decay: float) -> Tensor:
    h, w = size
    fy, fx = torch.fft.fftfreq(h)[:, None], torch.fft.rfftfreq(w)[None, :]
    frequency = (fy**2 + fx**2).sqrt().clamp_min(1 / max(h, w))
    scale: Tensor = frequency.pow(-decay)
    return scale
