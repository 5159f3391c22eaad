"""The plainest canvas: pixels, with or without a base whose detail is kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from reverie.canvas.base import Canvas, Projection, Size, at_size, leaf
from reverie.canvas.colours import from_rgb, to_rgb
from reverie.errors import PictureError, RecipeError
from reverie.pictures import check_picture, resize, resize_seamless, size_of

_FINE = 4096


class PixelCanvas(Canvas):
    """Pixels, or what is added to a photo's pixels.

    Args:
        picture: (B, 3, H, W) sRGB in [0, 1], where the canvas begins.
        base: a photo under the canvas. Only the difference from it is carried from size to size, so the photo's
            own detail is never blurred by resampling ("detail re-injection").
        natural: parameters are colours decorrelated (softly) like those of natural pictures, so that equal steps
            change brightness more than hues; plain RGB otherwise.
        mask: (1, 1, h, w) in [0, 1], of any size: how much of what is added shows on the base. Where it is 0 the base
            stays to the bit.
        straight: gradients pass the mask whole, so that steps are as long as without one. A line search needs the true
            slope: False.
        finish: what is done to a picture when it is `drawn`, as far as the mask lets it show; the canvas itself goes
            on without it.
        keeps_base: the finish leaves the base as it is. Then it is done whole wherever anything shows, or a soft mask
            would let through some of what it takes away.
        periodic: the picture wraps round its edges.
    Raises:
        RecipeError: a mask without a base.
        PictureError: a picture or a mask that is none.
    Source: Mordvintsev, Olah & Tyka (2015), cell 8 of the published notebook; the colours, Olah et al. (2017).
    """

    def __init__(
        self,
        picture: Tensor,
        *,
        base: Tensor | None = None,
        natural: bool = False,
        mask: Tensor | None = None,
        straight: bool = True,
        finish: Projection | None = None,
        keeps_base: bool = False,
        periodic: bool = False,
    ) -> None:
        check_picture(picture)
        self.size, self.batch, self.periodic = size_of(picture), len(picture), periodic
        mask = _checked(mask, base)
        self._base, self._natural, self._mask, self._finish = base, natural, mask, finish
        self._straight, self._keeps_base = straight, keeps_base
        self._under = None if base is None else self._fitted(base, self.size)
        self._share = None if mask is None else _shares(mask, self.size, periodic=periodic)
        start = self._from_picture(picture)
        self.parameters = (leaf(start, copy=start is picture),)
        self.buffers = (base is not None) + (3 if mask is not None else 0)
        self.finished = finish is not None

    def paint(self, parameters: Sequence[Tensor]) -> Tensor:
        (pixels,) = parameters
        pixels = self._to_colours(pixels)
        if self._share is not None:
            pixels = _shown(pixels, self._share) if self._straight else pixels * self._share
        return self._on_base(pixels)

    @torch.no_grad()
    def drawn(self, parameters: Sequence[Tensor] | None = None) -> Tensor:
        picture = super().drawn(parameters)
        if self._finish is None:
            return picture
        finished = self._finish(picture).clamp_(0, 1)
        if self._share is None:
            return finished
        share = (self._share > 0).to(picture) if self._keeps_base else self._share
        return picture.lerp(finished, share.expand_as(picture))

    def resized(self, size: Size) -> PixelCanvas:
        return PixelCanvas(
            self._whole() if size == self.size else self._whole_at(size),
            base=self._base,
            natural=self._natural,
            mask=self._mask,
            straight=self._straight,
            finish=self._finish,
            keeps_base=self._keeps_base,
            periodic=self.periodic,
        )

    @torch.no_grad()
    def project(self, projection: Projection | None = None) -> None:
        """Project as every canvas does; what a mask hides is kept in range too."""
        (pixels,) = self.parameters
        if self._under is None and not self._natural and projection is None:
            pixels.clamp_(0, 1)
            return
        picture = self._whole()
        picture = (projection(picture) if projection else picture).clamp_(0, 1)
        if self._under is not None:
            picture -= self._under
        pixels.copy_(from_rgb(picture, soft=True) if self._natural else picture)

    @torch.no_grad()
    def _whole(self) -> Tensor:
        """Draw the picture without its mask."""
        return self._on_base(self._to_colours(self.parameters[0].detach()))

    def _on_base(self, added: Tensor) -> Tensor:
        """Add the base, in the memory of what is added unless that is a parameter."""
        if self._under is None:
            return added
        return added.add_(self._under) if self._natural else added + self._under

    def _whole_at(self, size: Size) -> Tensor:
        added = at_size(self._to_colours(self.parameters[0].detach()), size, periodic=self.periodic)
        if self._base is not None:
            added += self._fitted(self._base, size)
        return added.clamp_(0, 1)

    def _fitted(self, x: Tensor, size: Size) -> Tensor:
        """Resize a picture or a mask; itself if it has that size, so that large ones are in memory once."""
        return x if size_of(x) == size else at_size(x, size, periodic=self.periodic).clamp_(0, 1)

    def _to_colours(self, pixels: Tensor) -> Tensor:
        return to_rgb(pixels, soft=True) if self._natural else pixels

    def _from_picture(self, picture: Tensor) -> Tensor:
        added = picture if self._under is None else picture - self._under
        return from_rgb(added, soft=True) if self._natural else added


def _shown(added: Tensor, share: Tensor) -> Tensor:
    """Multiply the added detail by the mask; the gradient is passed back unmasked."""
    return added + (added * share - added).detach()


def _shares(mask: Tensor, size: Size, *, periodic: bool) -> Tensor:
    """Resize the mask, rounded so finely that black stays 0 and white 1 in spite of resampling."""
    at = resize_seamless if periodic else resize
    return at(mask, size, filter="bilinear").mul(_FINE).round().clamp(0, _FINE).div(_FINE)


def _checked(mask: Tensor | None, base: Tensor | None) -> Tensor | None:
    if mask is None:
        return None
    if base is None:
        raise RecipeError("a mask says how much shows on a base; give the canvas the base too.")
    if (
        mask.dim() != 4
        or mask.shape[:2] != (1, 1)
        or not mask.is_floating_point()
        or bool((mask - 0.5).abs().max() > 0.5)
    ):
        raise PictureError(f"a mask is (1, 1, h, w) in [0, 1]; got {tuple(mask.shape)} {mask.dtype}.")
    return None if bool((mask == 1).all()) else mask.detach()  # white all over is none, to the bit
