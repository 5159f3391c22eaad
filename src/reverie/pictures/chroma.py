"""Colour without grain: what optimised pictures get last, since networks hardly see fine colour and let it run wild."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
import torch
from torch import Tensor

from reverie.pictures.bands import banded
from reverie.pictures.colour import into_gamut, oklab_to_srgb, srgb_to_oklab
from reverie.pictures.colour_maps import Colours, sample
from reverie.pictures.resize import scaled, size_of

_REACH = 2  # pixels of each of a window's two boxes to a side
_HALO = 4 * _REACH  # rows and columns that a pixel's colour is made from: two windows, each of two boxes
_BLOCK = 256  # rows and columns that are smoothed at once
_EDGE = 1e-2  # variance of lightness (a contrast of 0.1) from which an edge of lightness keeps an edge of colour
_LEAST = 1e-6  # variance of colour, below which there is none
_NARROW = 1e-4  # variance of lightness that tells nothing of colours
_SAMPLED = 1 << 16  # colours that a spread is measured on
_SAME = 1e-3  # less is not narrowed


def without_grain(picture: Tensor, *, base: Tensor | None = None, periodic: bool = False) -> Tensor:
    """Smooth the colours of a picture between its edges of lightness; the lightness stays.

    Args:
        picture: (1, 3, H, W) sRGB [0, 1].
        base: (1, 3, h, w) a photo under it, whose own colours stay as they are: only what differs is smoothed.
        periodic: the picture wraps round its edges.

    Returns:
        (1, 3, H, W) sRGB [0, 1].

    Source: He, Sun & Tang (2013), "Guided image filtering", with lightness as the guide. We differ: windows are two
        boxes on each other, which leave no corners.
    """
    under = None if base is None else scaled(base.to(picture.device), size_of(picture))
    height, width = size_of(picture)
    result = torch.empty_like(picture)
    with torch.no_grad():
        for rows, columns in product(_spans(height), _spans(width)):
            down = _places(rows, height, periodic=periodic, device=picture.device)
            across = _places(columns, width, periodic=periodic, device=picture.device)
            window = (..., down[:, None], across)
            result[..., rows, columns] = _smoothed(picture[window], None if under is None else under[window])
    return result


def within_colours(picture: Tensor, like: Sequence[Tensor], *, amount: float = 1.0) -> Tensor:
    """Narrow the colours of a picture to those of paintings, where they spread wider; a grey painting leaves greys.

    Hue and chroma move towards what the paintings have at the same lightness, until they spread no further about it.

    Args:
        picture: (1, 3, H, W) sRGB [0, 1].
        like: paintings (1, 3, h, w), of any sizes.
        amount: 0 leaves the picture as it is.
    """
    if not amount:
        return picture
    theirs, own = sample(like, _SAMPLED), sample([picture], _SAMPLED)
    usual = _usual(theirs)
    narrowed = _narrowing(_beside(own, usual), _beside(theirs, usual))
    kept = np.eye(2) + amount * (narrowed - np.eye(2))
    if np.allclose(kept, np.eye(2), atol=_SAME):
        return picture

    matrix, mean, slope = (torch.from_numpy(np.asarray(x)).float().to(picture.device) for x in (kept, *usual))

    def change(band: Tensor) -> Tensor:
        lab = srgb_to_oklab(band).movedim(1, 3)
        light, chroma = lab[..., :1], lab[..., 1:]
        middle = mean[1:] + slope * (light - mean[0])
        narrowed = middle + (chroma - middle) @ matrix.T
        return _shown(torch.cat([light, narrowed], 3).movedim(3, 1))

    return banded(change, picture)


def _spans(length: int) -> list[slice]:
    """Cut rows or columns into those of blocks that are small in memory and large beside their halos."""
    return [slice(start, min(start + _BLOCK, length)) for start in range(0, length, _BLOCK)]


def _places(span: slice, length: int, *, periodic: bool, device: torch.device) -> Tensor:
    """Return the rows or columns of a block with its halo, which may reach beyond the picture."""
    places = torch.arange(span.start - _HALO, span.stop + _HALO, device=device)
    return places % length if periodic else places.clamp(0, length - 1)


def _smoothed(window: Tensor, under: Tensor | None) -> Tensor:
    """Smooth a window's colours, or what they differ by from those under it; it comes back without its halo."""
    lab = srgb_to_oklab(window)
    kept = torch.zeros_like(lab[:, 1:]) if under is None else srgb_to_oklab(under)[:, 1:]
    light, chroma = lab[:, :1], lab[:, 1:] - kept
    mean, level = _blurred(chroma), _blurred(light)
    slope = (_blurred(light * chroma) - level * mean) / (_blurred(light * light) - level * level).add_(_EDGE)
    inner = (..., slice(_HALO, -_HALO), slice(_HALO, -_HALO))
    smooth = _blurred(slope) * light[inner] + _blurred(mean - slope * level)
    return _shown(torch.cat([light[inner], smooth + kept[inner]], 1))


def _blurred(x: Tensor) -> Tensor:
    """Average over a window, two boxes on each other, without padding."""
    return _along(_along(x, 3), 2)


def _along(x: Tensor, dim: int) -> Tensor:
    """Average along one dimension with the weights of two boxes, which are a triangle's; ten times a pooling's pace."""
    side, reach = 2 * _REACH + 1, 2 * _REACH
    length = x.shape[dim] - 2 * reach
    total = x.narrow(dim, reach, length) * side
    for near in range(reach):
        total.add_(x.narrow(dim, near, length), alpha=near + 1)
        total.add_(x.narrow(dim, 2 * reach - near, length), alpha=near + 1)
    return total.div_(side**2)


def _shown(lab: Tensor) -> Tensor:
    return oklab_to_srgb(into_gamut(lab)).clamp_(0, 1)


def _usual(colours: Colours) -> tuple[Colours, Colours]:
    """Return the mean colour, (3,), and by how much hue and chroma change with lightness on the average, (2,)."""
    mean = colours.mean(0)
    away = colours - mean
    return mean, (away[:, :1] * away[:, 1:]).mean(0) / max(float((away[:, 0] ** 2).mean()), _NARROW)


def _beside(colours: Colours, usual: tuple[Colours, Colours]) -> Colours:
    """Return by how much hue and chroma differ from what is usual at their lightness, (N, 2)."""
    mean, slope = usual
    return np.asarray(colours[:, 1:] - mean[1:] - slope * (colours[:, :1] - mean[0]))


def _narrowing(own: Colours, theirs: Colours) -> Colours:
    """Return the symmetric (2, 2) map that shrinks a spread to another, along no direction stretching it."""
    mine, wanted = (x.T @ x / len(x) for x in (own, theirs))
    values, vectors = np.linalg.eigh(mine)
    spread = np.sqrt(np.maximum(values, _LEAST))
    root, inverse = (vectors * spread) @ vectors.T, (vectors / spread) @ vectors.T
    values, vectors = np.linalg.eigh(root @ wanted @ root)
    stretch = inverse @ ((vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T) @ inverse
    values, vectors = np.linalg.eigh((stretch + stretch.T) / 2)
    return np.asarray((vectors * values.clip(0, 1)) @ vectors.T)
