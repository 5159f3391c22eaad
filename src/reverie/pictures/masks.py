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
from reverie.pictures.resize import fit, resize

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
    max_pixels: int = MAX_PIXELS,
    memory: int | None = None,
) -> Tensor:
    """A soft mask: 1 where the file is white, 0 where it is black or transparent.

    Args:
        path: any picture file; colours count by their luma.
        size: (H, W) of the picture that it belongs to; the mask is resized to it.
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
    pixels = picture.pixels if picture.alpha is None else picture.pixels * picture.alpha
    return mask_of(pixels, size=size, name=picture.name)


def mask_of(pixels: Tensor, *, size: tuple[int, int] | None = None, name: str = "the mask") -> Tensor:
    """A picture (1, 3, H, W) or (1, 1, H, W) taken as a soft mask; as ``read_mask``."""
    weights = torch.tensor(_LUMA)[None, :, None, None].to(pixels)
    mask = pixels if pixels.shape[1] == 1 else (pixels * weights).sum(dim=1, keepdim=True)
    if float(mask.max() - mask.min()) < _ONE_STEP:
        raise PictureError(
            f"a mask has light and dark parts, and all of '{name}' is {float(mask.mean()):.2f}; paint it"
        )
    return mask if size is None else _at_size(mask, size, name)


def read_regions(
    path: AnyPath,
    *,
    size: tuple[int, int] | None = None,
    max_pixels: int = MAX_PIXELS,
    memory: int | None = None,
) -> Regions:
    """A map of regions: every flat colour on more than 0.5 % of the pixels is one.

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
    """A picture (1, 3, H, W) in flat colours taken as a map of regions; as ``read_regions``."""
    colours = _flat_colours(pixels, name)
    whole = (int(pixels.shape[2]), int(pixels.shape[3]))
    small = fit(whole, longer=min(_LONGEST, max(whole)))
    masks = _memberships(resize(pixels, small, filter="bilinear"), colours)
    masks = torch.cat([_at_size(mask[None], size or whole, name) for mask in masks])
    return Regions(masks, colours, name)


def paired(photo: Regions, painting: Regions) -> Regions:
    """The painting's regions in the order of the photo's, each with the nearest of its colours.

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


def _at_size(mask: Tensor, size: tuple[int, int], name: str) -> Tensor:
    """A mask at the size of its picture, if it has the picture's shape to within a pixel or 1 %."""
    height, width = mask.shape[2:]
    scale = size[1] / width
    if abs(height * scale - size[0]) > max(1.0, _ASPECT * size[0]):
        raise PictureError(
            f"a mask has the shape of its picture, and '{name}' is {width}x{height} for {size[1]}x{size[0]}; "
            "crop or resize it"
        )
    return resize(mask, size, filter="bilinear").clamp(0, 1)


def _flat_colours(pixels: Tensor, name: str) -> Tensor:
    """The colours of a map, the most frequent first, those that mean the same taken together."""
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
    """How much each pixel belongs to each region, (K, 1, H, W).

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
    masks = torch.zeros(len(colours), *pixels.shape[2:])
    masks.scatter_(0, first[None], (1 - share)[None])
    return masks.scatter_add_(0, second[None], share[None])[:, None]


def _distance(pixels: Tensor, colour: Tensor) -> Tensor:
    """Of each pixel's colour from one, (H, W)."""
    return (pixels[0] - colour[:, None, None]).square().sum(dim=0).sqrt()


def _hex(colour: Tensor) -> str:
    return "#" + "".join(f"{round(float(value) * 255):02x}" for value in colour)
