"""Masks: where something acts, and which parts of a photo and a painting belong together."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from reverie.errors import PictureError
from reverie.pictures.formats import AnyPath
from reverie.pictures.read import MAX_PIXELS, read_picture
from reverie.pictures.resize import fit, resize, size_of

MOST_REGIONS = 16
"""Most colours of a map of regions."""

_LUMA = (0.2126, 0.7152, 0.0722)
_ONE_STEP = 1 / 255
_ASPECT = 0.01  # by how much the shapes of a mask and its picture may differ
_LEAST = 0.005  # share of the pixels from which a colour is a region
_ALIKE = 0.12  # distance in sRGB below which two colours of a map mean the same
_COVERED = 0.75  # share of the pixels that flat colours have in a map of regions
_LONGEST = 2048  # pixels of the longer side at which a map is taken apart; masks are soft
_EDGE = 5  # pixels across in which an edge pixel finds the regions it lies between
_PARTNERS = 0.35  # distance in sRGB up to which colours of two maps belong together


@dataclass(frozen=True, eq=False)
class Regions:
    """The parts of a picture, as its map has them.

    Args:
        masks: (K, 1, H, W) in [0, 1]; their sum is 1 everywhere.
        colours: (K, 3) sRGB [0, 1] of the map, in the order of the masks, largest region first.
        name: what messages call the map.
    """

    masks: Tensor
    colours: Tensor
    name: str


def read_mask(
    path: AnyPath,
    *,
    size: tuple[int, int] | None = None,
    everywhere: bool = False,
    max_pixels: int = MAX_PIXELS,
    memory: int | None = None,
) -> Tensor:
    """Read a soft mask: 1 where the file is white, 0 where it is black or transparent.

    Args:
        path: any picture file; colours count by their luma, times their alpha.
        size: (H, W) of the picture that it belongs to; the mask is resized to it.
        everywhere: whether a mask that is white all over means the whole picture; refused otherwise.
        max_pixels, memory: as for ``read_picture``.

    Returns:
        (1, 1, H, W) float32 in [0, 1].

    Raises:
        PictureError: not a picture, all of one value, or of another shape than the picture.
        OutOfMemory: reading it takes more than ``memory``.

    Example:
        >>> sky = read_mask("sky.png", size=(480, 640))
    """
    longer = None if size is None else max(size)
    picture = read_picture(path, max_pixels=max_pixels, memory=memory, longer=longer)
    return mask_of(picture.pixels, picture.alpha, size=size, everywhere=everywhere, name=picture.name)


def mask_of(
    pixels: Tensor,
    alpha: Tensor | None = None,
    *,
    of: tuple[int, int] | None = None,
    size: tuple[int, int] | None = None,
    everywhere: bool = False,
    name: str = "the mask",
) -> Tensor:
    """Take a picture as a soft mask, as ``read_mask`` does: its luma times its alpha.

    Args:
        pixels: (1, 3, H, W) sRGB in [0, 1], or a mask (1, 1, H, W), which stays as it is.
        alpha: (1, 1, H, W) in [0, 1], 1 where opaque; None where all of it is.
        of: (H, W) of the picture whose shape the mask must have; without it, that is ``size``.
        size: (H, W) to which the mask is resized; None keeps its own.
        everywhere: whether a mask that is white all over means the whole picture; refused otherwise.
        name: what messages call it.

    Returns:
        (1, 1, H, W) in [0, 1].

    Raises:
        PictureError: no picture, all of one value, or of another shape than ``of``.

    Example:
        >>> picture = read_picture("sky.png")
        >>> sky = mask_of(picture.pixels, picture.alpha, of=(3000, 4000), size=(480, 640))
    """
    mask = _luma(pixels, name)
    mask = mask if alpha is None else mask * alpha
    least, most = (float(bound) for bound in mask.aminmax())
    if most - least < _ONE_STEP and not (everywhere and least > 1 - _ONE_STEP):
        grey = (least + most) / 2
        raise PictureError(f"a mask has light and dark parts, and all of '{name}' is {grey:.2f}; paint it")
    if shape := of or size:
        check_mask_shape(size_of(mask), shape, name=name)
    return mask if size is None else resize(mask, size, filter="bilinear").clamp(0, 1)


def check_mask_shape(own: tuple[int, int], size: tuple[int, int], *, name: str = "the mask") -> None:
    """Refuse a mask of another shape than its picture's, to within a pixel or 1 %.

    Args:
        own: (H, W) of the mask.
        size: (H, W) of its picture.
        name: what the message calls the mask.

    Raises:
        PictureError: the shapes differ.
    """
    height, width = own
    if abs(height * size[1] / width - size[0]) > max(1.0, _ASPECT * size[0]):
        raise PictureError(
            f"a mask has the shape of its picture, and '{name}' is {width}x{height} for {size[1]}x{size[0]}; "
            "crop or resize it"
        )


def read_regions(
    path: AnyPath,
    *,
    size: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    memory: int | None = None,
) -> Regions:
    """Read a map of regions: every flat colour on more than 0.5 % of the pixels is one.

    Pixels between two regions (smoothed edges) belong to both in part.

    Args:
        path: a picture painted in flat colours, at most ``MOST_REGIONS``; PNG keeps them flat.
        size: (H, W) of the picture that it belongs to; the masks are resized to it.
        max_pixels, memory: as for ``read_picture``.

    Returns:
        The regions, largest first.

    Raises:
        PictureError: not a picture, one colour, too many, none flat, or of another shape than the picture.
        OutOfMemory: reading it takes more than ``memory``.

    Example:
        >>> read_regions("sky-and-town.png", size=(480, 640)).masks.shape
        torch.Size([2, 1, 480, 640])
    """
    longer = None if size is None else max(*size, _LONGEST // 2)  # no flat colour is lost that is taken apart
    picture = read_picture(path, max_pixels=max_pixels, memory=memory, longer=longer)
    return regions_of(picture.pixels, size=size, name=picture.name)


def regions_of(pixels: Tensor, *, size: tuple[int, int] | None = None, name: str = "the map") -> Regions:
    """Take a picture (1, 3, H, W) in flat colours as a map of regions, as ``read_regions`` does."""
    colours = _flat_colours(pixels, name)
    whole = (int(pixels.shape[2]), int(pixels.shape[3]))
    small = fit(whole, longer=min(_LONGEST, max(whole)))
    masks = _memberships(resize(pixels, small, filter="bilinear"), colours)
    check_mask_shape(whole, size or whole, name=name)
    masks = resize(masks, size or whole, filter="bilinear").clamp_(0, 1)
    return Regions(masks, colours, name)


def paired(photo: Regions, painting: Regions) -> Regions:
    """Pair the painting's regions with the photo's, each with the nearest of its colours.

    Args:
        photo, painting: as ``read_regions`` gives them; several parts of the photo may share one of the painting.

    Raises:
        PictureError: a colour of the photo's map is not in the painting's.

    Example:
        >>> partners = paired(read_regions("photo-map.png"), read_regions("painting-map.png"))
    """
    distances, nearest = torch.cdist(photo.colours, painting.colours).min(dim=1)
    for colour, distance in zip(photo.colours, distances, strict=True):
        if distance > _PARTNERS:
            known = ", ".join(map(_hex, painting.colours))
            raise PictureError(
                f"regions pair by colour, and {_hex(colour)} of '{photo.name}' is not in '{painting.name}' "
                f"({known}); paint both maps in the same colours"
            )
    return Regions(painting.masks[nearest], painting.colours[nearest], painting.name)


def _luma(pixels: Tensor, name: str) -> Tensor:
    """Return the luma (1, 1, H, W) of a picture or of a mask.

    Raises:
        PictureError: it is neither.
    """
    if pixels.ndim != 4 or pixels.shape[0] != 1 or pixels.shape[1] not in (1, 3) or not pixels.is_floating_point():
        raise PictureError(
            f"a mask is (1, 1, H, W), or a picture (1, 3, H, W), in [0, 1], and '{name}' is {tuple(pixels.shape)} of"
            f" {pixels.dtype}; read it with read_mask"
        )
    if pixels.shape[1] == 1:
        return pixels
    weights = torch.tensor(_LUMA)[None, :, None, None].to(pixels)
    return (pixels * weights).sum(dim=1, keepdim=True).clamp_(0, 1)


def _flat_colours(pixels: Tensor, name: str) -> Tensor:
    """Return the colours of a map, most frequent first; those that mean the same are merged."""
    steps = (pixels[0] * 255).round_().to(torch.int32)
    keys = ((steps[0] << 16) | (steps[1] << 8) | steps[2]).numpy()
    values, counts = np.unique(keys, return_counts=True)
    order = [i for i in np.argsort(-counts, kind="stable") if counts[i] > _LEAST * keys.size]
    kept: list[Tensor] = []
    for key in values[order].tolist():
        colour = torch.tensor([key >> 16, key >> 8 & 255, key & 255]) / 255
        if all(float((colour - other).norm()) > _ALIKE for other in kept):
            kept.append(colour)
    colours = torch.stack(kept) if kept else torch.empty(0, 3)
    _check_flat(pixels, colours, name)
    return colours


def _check_flat(pixels: Tensor, colours: Tensor, name: str) -> None:
    covered = 0.0
    if len(colours):
        nearest = functools.reduce(torch.minimum, (_distance(pixels, colour) for colour in colours))
        covered = float((nearest < _ALIKE).float().mean())
    if not len(colours) or len(colours) > MOST_REGIONS or covered < _COVERED:
        came = f"{len(colours)} colours" if len(colours) > MOST_REGIONS else "shades"
        raise PictureError(
            f"a map of regions has 2 to {MOST_REGIONS} flat colours, and '{name}' has {came}; "
            "paint it in flat colours and save it as PNG"
        )
    if len(colours) == 1:
        raise PictureError(
            f"a map of regions has 2 to {MOST_REGIONS} flat colours, and all of '{name}' is "
            f"{_hex(colours[0])}; paint a second one"
        )


def _memberships(pixels: Tensor, colours: Tensor) -> Tensor:
    """Return each pixel's degree of membership in each region, (K, 1, H, W).

    A pixel of a smoothed edge may look like a third region (red and blue mix to purple), so only
    regions that lie within a few pixels of it count.
    """
    distances = torch.stack([_distance(pixels, colour) for colour in colours])
    sure = distances < _ALIKE / 2
    around = functional.max_pool2d(sure.float()[:, None], _EDGE, stride=1, padding=_EDGE // 2)[:, 0] > 0
    around |= ~around.any(dim=0)
    first, second = distances.masked_fill_(~around, torch.inf).topk(2, dim=0, largest=False).indices
    start, end = (colours[index].movedim(-1, 0) for index in (first, second))
    along = ((pixels[0] - start) * (end - start)).sum(0) / ((end - start) ** 2).sum(0).clamp(min=1e-9)
    whole = sure.any(dim=0) | (around.sum(dim=0) < 2)
    share = along.clamp(0, 1).masked_fill(whole, 0)
    masks = pixels.new_zeros(len(colours), *pixels.shape[2:])
    masks.scatter_(0, first[None], (1 - share)[None])
    return masks.scatter_add_(0, second[None], share[None])[:, None]


def _distance(pixels: Tensor, colour: Tensor) -> Tensor:
    """Distance of each pixel's colour from one colour, (H, W)."""
    return (pixels[0] - colour[:, None, None]).square().sum(dim=0).sqrt()


def _hex(colour: Tensor) -> str:
    return "#" + "".join(f"{round(float(value) * 255):02x}" for value in colour)
