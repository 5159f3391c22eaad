"""Transparent pictures: colours for the places that have none, so that no network sees black there."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from reverie.errors import PictureError

_SOLID = 0.25  # share of opaque pixels from which a cell of the pyramid is trusted wholly
_EMPTY = 1e-4  # share of opaque pixels below which a cell has no colour of its own
_GREY = 0.5
_HALF = 0.5  # of alpha, from which a place counts as opaque


def filled(pixels: Tensor, alpha: Tensor | None) -> Tensor:
    """Lay a picture over a smooth extension of its own opaque colours.

    Colours are averaged into a pyramid, and the holes of each level are filled from the coarser
    one. Half-transparent places are mixed. Write the result with the same ``alpha``.

    Args:
        pixels: (1, 3, H, W) sRGB [0, 1]; what lies under transparency does not matter.
        alpha: (1, 1, H, W) in [0, 1], 1 where opaque; None where all of it is.

    Returns:
        (1, 3, H, W) sRGB; ``pixels`` itself where nothing is transparent, grey where everything is.

    Raises:
        PictureError: the sizes differ.

    Source: Gortler et al., "The Lumigraph", 1996, section 3.3.2 (pull-push).

    Example:
        >>> picture = read_picture("cat.jpg")
        >>> photo = filled(picture.pixels, picture.alpha)
    """
    if alpha is None:
        return pixels
    if alpha.ndim != 4 or alpha.shape[2:] != pixels.shape[2:]:
        raise PictureError(
            f"alpha has the size of its picture; got {tuple(alpha.shape[2:])} for {tuple(pixels.shape[2:])}; resize it"
        )
    if bool((alpha == 1).all()):
        return pixels
    ground = _pulled(pixels.detach() * alpha, alpha)
    return ground.lerp_(pixels.detach(), alpha.expand_as(pixels))


def opaque_colours(pixels: Tensor, alpha: Tensor | None) -> Tensor:
    """Return the colours of a picture's opaque places, for statistics of colours: transparent ones have none.

    Args:
        pixels: (1, 3, H, W) sRGB [0, 1].
        alpha: (1, 1, H, W) in [0, 1], 1 where opaque; None where all of it is.

    Returns:
        (1, 3, 1, N), in reading order; ``pixels`` itself where all of it is opaque, or none.

    Example::

        recoloured = match_colours(photo, opaque_colours(sticker.pixels, sticker.alpha), method="palette")
    """
    if alpha is None:
        return pixels
    inside = alpha[0, 0] > _HALF
    if bool(inside.all()) or not bool(inside.any()):
        return pixels
    return pixels[:, :, inside][:, :, None]


def _pulled(weighted: Tensor, share: Tensor) -> Tensor:
    """Fill the holes of a level of the pyramid; ``weighted``, overwritten, is its colours times their share."""
    height, width = share.shape[2:]
    if height == width == 1:
        colours = weighted / share.clamp(min=_EMPTY)
        return torch.where(share > _EMPTY, colours, torch.full_like(colours, _GREY))
    coarse = _pulled(_halved(weighted), _halved(share))
    ground = functional.interpolate(coarse, size=(height, width), mode="bilinear", align_corners=False)
    trust = (share / _SOLID).clamp_(max=1)
    return ground.lerp_(weighted.div_(share.clamp(min=_EMPTY)), trust.expand_as(ground))


def _halved(x: Tensor) -> Tensor:
    kernel = (min(2, x.shape[2]), min(2, x.shape[3]))
    return functional.avg_pool2d(x, kernel, ceil_mode=True, count_include_pad=False)
