"""A picture by the phases of its waves alone: how strong each is stays as in natural photos."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reverie.canvas.base import Canvas, Projection, Size, at_size, leaf
from reverie.canvas.colours import from_rgb, to_rgb
from reverie.canvas.natural import natural_amplitudes
from reverie.errors import RecipeError
from reverie.pictures import check_picture, size_of


class PhaseCanvas(Canvas):
    """The phases of a spectrum whose amplitudes are the mean of natural photos, seen through a sigmoid.

    Nothing can become stronger than it is in photos, so there is neither glare nor grain; what can change is where
    things are. The parameters are angles: rates are larger than other canvases', about .3.

    Args:
        size: (H, W) pixels.
        seed: of the first phases.
        batch: number of pictures.
        contrast: multiplies all amplitudes.
    Source: Fel et al. (2023), "Unlocking feature visualization for deeper networks with magnitude constrained
        optimization" (MACO). We differ: the amplitudes are our own, measured on other photos; nothing is standardised.
    Example:
        rv.PhaseCanvas((512, 512), seed=1)
    """

    def __init__(self, size: Size, *, seed: int = 0, batch: int = 1, contrast: float = 1.0) -> None:
        self.size, self.batch, self._contrast = size, batch, contrast
        generator = torch.Generator().manual_seed(seed)
        phases = torch.randn((batch, 3, size[0], size[1] // 2 + 1), generator=generator, dtype=torch.float32)
        self.parameters = (leaf(torch.pi * phases),)
        self._amplitudes = contrast * natural_amplitudes(size)

    @staticmethod
    def of(picture: Tensor, *, contrast: float = 1.0) -> PhaseCanvas:
        """Begin with the phases of a picture (B, 3, H, W) in [0, 1], whose own amplitudes are left behind."""
        check_picture(picture)
        canvas = PhaseCanvas(size_of(picture), batch=len(picture), contrast=contrast).to(picture.device)
        waves = torch.fft.rfft2(from_rgb(torch.logit(picture.detach().clamp(1e-3, 1 - 1e-3))), norm="ortho")
        canvas.load((waves.angle(),))
        return canvas

    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        (phases,) = parameters
        waves = torch.polar(self._amplitudes.expand_as(phases), phases)
        return torch.sigmoid(to_rgb(torch.fft.irfft2(waves, s=self.size, norm="ortho")))

    def project(self, projection: Projection | None = None) -> None:
        """Do nothing: the sigmoid keeps the picture in [0, 1]. A projection needs pixels to act on."""
        if projection is not None:
            raise RecipeError("a projection needs a PixelCanvas; a PhaseCanvas has no pixels of its own.")

    def resized(self, size: Size) -> PhaseCanvas:
        if size == self.size:
            other = PhaseCanvas(size, batch=self.batch, contrast=self._contrast).to(self.parameters[0].device)
            other.load(self.parameters)
            return other
        picture = at_size(self.picture().detach(), size, periodic=False)
        return PhaseCanvas.of(picture.clamp(0, 1), contrast=self._contrast)
