"""A picture as a code that somebody's generator decodes."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from reverie.canvas.base import Canvas, Projection, Size, at_size, leaf
from reverie.errors import PictureError, RecipeError


@dataclass(frozen=True)
class Decoder:
    """A generator with the range of its pictures.

    Attributes:
        module: from a code (B, ...) to pictures (B, 3, h, w).
        low, high: what it gives for black and for white.
    """

    module: Callable[[Tensor], Tensor]
    low: float
    high: float

    def __call__(self, code: Tensor) -> Tensor:
        """Decode pictures (B, 3, h, w), sRGB in about [0, 1].

        Raises:
            PictureError: the generator gives something else.
        """
        made = self.module(code)
        if made.dim() != 4 or made.shape[1] != 3 or len(made) != len(code):
            raise PictureError(f"a generator makes a picture (3, h, w) a code; got {tuple(made.shape)} of {len(code)}.")
        return (made - self.low) / (self.high - self.low)


class LatentCanvas(Canvas):
    """The code of a generator: every picture on it is one that the generator can make.

    Takes any decoder: a GAN's generator, a VAE's, a diffusion model's. It is copied and frozen; gradients reach the
    code only.

    Args:
        generator: from a code (B, ...) to pictures (B, 3, h, w); a module is copied and set to evaluation.
        code: where to begin, e.g. (1, 128) drawn from the prior.
        size: (H, W) of the canvas, to which pictures are resized; the generator's own by default.
        values: what the generator gives for black and for white, such as (-1, 1).
        spherical: whether the code keeps the length it began with, as codes of a Gaussian prior do.
    Raises:
        PictureError: the generator makes no pictures.
    Source: Nguyen et al. (2016), "Synthesizing the preferred inputs for neurons via deep generator networks".
    Example:
        rv.LatentCanvas(generator, torch.randn(1, 128), values=(-1, 1))
    """

    def __init__(
        self,
        generator: nn.Module | Callable[[Tensor], Tensor],
        code: Tensor,
        *,
        size: Size | None = None,
        values: tuple[float, float] = (0.0, 1.0),
        spherical: bool = False,
    ) -> None:
        if values[0] == values[1]:
            raise RecipeError(f"black and white differ in a generator's pictures; got {values}.")
        if isinstance(generator, nn.Module):
            generator = copy.deepcopy(generator).eval().requires_grad_(False)
        self._begin(Decoder(generator, *values), code, size, spherical=spherical)

    def _begin(self, decoder: Decoder, code: Tensor, size: Size | None, *, spherical: bool) -> None:
        self._decoder, self._spherical = decoder, spherical
        self.parameters, self.batch = (leaf(code.float()),), len(code)
        self._length = self._lengths().clone()
        if size is None:
            with torch.no_grad():
                made = decoder(self.parameters[0])
            size = (int(made.shape[2]), int(made.shape[3]))
        self.size = size

    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        made = self._decoder(parameters[0])
        return made if made.shape[2:] == self.size else at_size(made, self.size, periodic=False)

    @torch.no_grad()
    def project(self, projection: Projection | None = None) -> None:
        """Bring a spherical code back to its length. A projection of pictures needs pixels to act on."""
        if projection is not None:
            raise RecipeError("a projection needs a PixelCanvas; a LatentCanvas has no pixels of its own.")
        if self._spherical:
            self.parameters[0].mul_(self._length / self._lengths().clamp_min(1e-12))

    def to(self, device: torch.device | str) -> LatentCanvas:
        """Return the canvas on a device, with a generator of its own there if that is a module."""
        twin = super().to(device)
        module = self._decoder.module
        if twin is not self and isinstance(module, nn.Module):
            twin._decoder = replace(self._decoder, module=copy.deepcopy(module).to(device))
        return twin

    def resized(self, size: Size) -> LatentCanvas:
        other = LatentCanvas.__new__(LatentCanvas)
        other._begin(self._decoder, self.parameters[0], size, spherical=self._spherical)
        other._length = self._length
        return other

    def _lengths(self) -> Tensor:
        code = self.parameters[0].detach()
        lengths: Tensor = code.flatten(1).norm(dim=1)
        return lengths.view(-1, *[1] * (code.dim() - 1))
