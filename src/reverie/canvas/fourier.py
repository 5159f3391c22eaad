"""A picture by its spectrum, in decorrelated colours: the parametrisation of feature visualisation."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reverie.canvas.base import Canvas, Projection, Size, at_size, leaf
from reverie.canvas.colours import from_rgb, to_rgb
from reverie.canvas.natural import wave_frequencies
from reverie.errors import RecipeError
from reverie.pictures import check_picture, size_of


class FourierCanvas(Canvas):
    """A spectrum whose entries are scaled like those of natural pictures, seen through a sigmoid.

    Args:
        size: (H, W) pixels.
        seed: of the first spectrum.
        batch: number of pictures.
        deviation: of the first entries; .01 is nearly grey.
        decay: amplitudes fall with frequency to this power; 1 is natural.
        periodic: the picture wraps round its edges at every size; waves always do.
    Source: Olah, Mordvintsev & Schubert (2017), "Preconditioning and parameterization". We differ: nothing is
        divided by 4, so that a quarter of a rate known from lucid or lucent does the same.
    Example:
        rv.FourierCanvas((256, 256), seed=1)
        rv.FourierCanvas.of(photo)
    """

    def __init__(
        self,
        size: Size,
        *,
        seed: int = 0,
        batch: int = 1,
        deviation: float = 0.01,
        decay: float = 1.0,
        periodic: bool = False,
    ) -> None:
        self.size, self.batch, self._decay, self.periodic = size, batch, decay, periodic
        generator = torch.Generator().manual_seed(seed)
        shape = (batch, 3, size[0], size[1] // 2 + 1, 2)
        spectrum = deviation * torch.randn(shape, generator=generator, dtype=torch.float32)
        self.parameters = (leaf(spectrum),)
        self._scale = _natural_scale(size, decay)

    @staticmethod
    def of(picture: Tensor, *, decay: float = 1.0, periodic: bool = False) -> FourierCanvas:
        """Begin with the spectrum of a picture (B, 3, H, W) in [0, 1]; black and white are softened by .001."""
        check_picture(picture)
        canvas = FourierCanvas(size_of(picture), batch=len(picture), decay=decay, periodic=periodic)
        canvas = canvas.to(picture.device)
        canvas._draw(picture.detach())
        return canvas

    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        (spectrum,) = parameters
        waves = torch.view_as_complex(spectrum) * self._scale
        x = torch.fft.irfft2(waves, s=self.size, norm="ortho")
        return torch.sigmoid(to_rgb(x))

    def project(self, projection: Projection | None = None) -> None:
        """Do nothing: the sigmoid keeps the picture in [0, 1]. A projection needs pixels to act on."""
        if projection is not None:
            raise RecipeError("a projection needs a PixelCanvas; a FourierCanvas has no pixels of its own.")

    def resized(self, size: Size) -> FourierCanvas:
        decay, periodic = self._decay, self.periodic
        other = FourierCanvas(size, batch=self.batch, decay=decay, periodic=periodic).to(self.parameters[0].device)
        if size == self.size:
            other.load(self.parameters)
            return other
        other._draw(at_size(self.picture().detach(), size, periodic=periodic))
        return other

    def _draw(self, picture: Tensor) -> None:
        """Take the spectrum of a picture of this size."""
        waves = torch.fft.rfft2(from_rgb(torch.logit(picture.clamp(1e-3, 1 - 1e-3))), norm="ortho") / self._scale
        self.load((torch.view_as_real(waves),))


def _natural_scale(size: Size, decay: float) -> Tensor:
    fy, fx = wave_frequencies(size)
    frequency = (fy**2 + fx**2).sqrt().clamp_min(1 / max(size))
    scale: Tensor = frequency.pow(-decay)
    return scale
