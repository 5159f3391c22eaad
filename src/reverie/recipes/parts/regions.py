"""Assign regions of a photo to paintings, by maps in flat colours or by clustering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.errors import PictureError, RecipeError
from reverie.networks import Network
from reverie.pictures import Regions, fit, paired, regions_of, resize, scaled, size_of

MOST = 8  # regions that are found by themselves
_LOOKED_AT = 384  # pixels of the longer side at which regions are found
_SOFTNESS = 0.15  # of the borders between found regions, in cosine distance


@dataclass(frozen=True, eq=False)
class PaintedRegion:
    """One region of the photo, and what it is painted like.

    Attributes:
        where: (1, 1, H, W) in [0, 1], of the photo; None is everywhere.
        painting: number of the painting; None mixes them all.
        of: (1, 1, h, w) in [0, 1], of that painting; None is all of it.
        strength: of its style, 1 as elsewhere.
        stroke: size of its strokes, 1 as elsewhere.
    """

    where: Tensor | None = None
    painting: int | None = None
    of: Tensor | None = None
    strength: float = 1.0
    stroke: float = 1.0

    @property
    def share(self) -> float:
        """Share of the photo's area."""
        return 1.0 if self.where is None else float(self.where.mean())


def read_regions(photo_map: Tensor, painting_maps: Sequence[Tensor], *, paintings: int) -> list[PaintedRegion]:
    """Read the regions of maps in flat colours.

    With a map of the one painting, parts of the same colour belong together. Without, the photo's regions are given
    to the paintings in turn, the lightest colour first.

    Raises:
        PictureError: maps that are not in flat colours, or whose colours do not pair.
        RecipeError: more regions than paintings, or a map of one painting among several.
    """
    photo = by_lightness(regions_of(photo_map))
    count = len(photo.masks)
    if painting_maps:
        if paintings != 1 or len(painting_maps) != 1:
            raise RecipeError(f"a map of the painting goes with one painting and one map; got {paintings} paintings.")
        partner = paired(photo, regions_of(painting_maps[0]))
        return [PaintedRegion(photo.masks[i : i + 1], 0, partner.masks[i : i + 1]) for i in range(count)]
    if paintings == 1:
        return [PaintedRegion(photo.masks[i : i + 1], 0) for i in range(count)]
    if count > paintings:
        raise RecipeError(f"the photo's map has {count} regions for {paintings} paintings; give a painting for each.")
    return [PaintedRegion(photo.masks[i : i + 1], i) for i in range(count)]


def by_lightness(regions: Regions) -> Regions:
    """Sort the regions by their colours, the lightest first."""
    order = regions.colours.sum(1).argsort(descending=True, stable=True)
    return replace(regions, masks=regions.masks[order], colours=regions.colours[order])


def find_regions(
    network: Network, photo: Tensor, painting: Tensor, count: int, *, opaque: Tensor | None = None
) -> list[PaintedRegion]:
    """Find corresponding regions of a photo and a painting by clustering the features of both.

    Args:
        network: whose content layer is clustered.
        photo, painting: (1, 3, H, W) in [0, 1].
        count: of clusters; those that only one of the two has are painted like all of the painting.
        opaque: (1, 1, H, W), the painting's alpha: what is transparent belongs to no region.
    Raises:
        RecipeError: fewer than 2 or too many; or the library is not installed.
    Source: k-means of deep features, as in Kolkin et al. (2019) without a user's hand.
    """
    if not 2 <= count <= MOST:
        raise RecipeError(f"regions found by themselves are 2 to {MOST}; got {count}.")
    pictures = [_small(picture) for picture in (photo, painting)]
    maps = [_features(network, picture).cpu() for picture in pictures]
    centres = _clusters(torch.cat([m.flatten(2)[0].T for m in maps]), count)
    here, there = (_memberships(m, centres, size_of(p)) for m, p in zip(maps, pictures, strict=True))
    there = there if opaque is None else there * scaled(opaque, size_of(pictures[1]))
    parts = []
    for index in range(count):
        where, of = here[index : index + 1], there[index : index + 1]
        if float(where.mean()) > 0.01:
            parts.append(PaintedRegion(where, 0, of if float(of.mean()) > 0.01 else None))
    return parts


def with_strengths(
    parts: Sequence[PaintedRegion], *, strengths: Sequence[float], strokes: Sequence[float]
) -> list[PaintedRegion]:
    """Set the strength and stroke of each region; those left out are 1.

    Raises:
        RecipeError: more of them than regions, or not above 0.
    """
    count = len(parts)
    for name, values in (("strengths", strengths), ("strokes", strokes)):
        if len(values) > count or any(not 0 < v < float("inf") for v in values):
            raise RecipeError(f"region {name} are above 0, one for each of {count} regions; got {list(values)}.")
    strong, long = ([*values, *[1.0] * (count - len(values))] for values in (strengths, strokes))
    return [
        replace(part, strength=strength, stroke=stroke)
        for part, strength, stroke in zip(parts, strong, long, strict=True)
    ]


def intersect(mask: Tensor | None, opaque: Tensor | None) -> Tensor | None:
    """Intersect a region of a painting with its opaque parts.

    Raises:
        PictureError: nowhere.
    """
    if mask is None or opaque is None:
        return opaque if mask is None else mask
    both = resize(mask, size_of(opaque), filter="bilinear").clamp(0, 1) * opaque
    if float(both.max()) <= 0:
        raise PictureError("a region of the painting is transparent all over; draw its map on what is opaque.")
    return both


def _small(picture: Tensor) -> Tensor:
    return scaled(picture, fit(size_of(picture), longer=min(_LOOKED_AT, max(size_of(picture)))))


@torch.no_grad()
def _features(network: Network, picture: Tensor) -> Tensor:
    """Describe each place by deep features of unit length and its height in the picture."""
    deep = network(picture, (network.content_layer,))[network.content_layer].float()
    unit = F.normalize(deep - deep.mean((2, 3), keepdim=True), dim=1)
    rows = torch.linspace(-0.5, 0.5, deep.shape[2], device=deep.device).view(1, 1, -1, 1).expand(1, 1, *deep.shape[2:])
    return torch.cat([F.avg_pool2d(unit, 5, 1, 2, count_include_pad=False), rows], 1)


def _clusters(rows: Tensor, count: int) -> Tensor:
    try:
        from sklearn.cluster import KMeans
    except ImportError:
        raise RecipeError(
            "finding regions needs scikit-learn: pip install 'reverie-dream[regions]'; or draw maps."
        ) from None
    centres = KMeans(count, n_init=4, random_state=0).fit(rows.numpy()).cluster_centers_
    return torch.from_numpy(centres).to(rows)


def _memberships(features: Tensor, centres: Tensor, size: tuple[int, int]) -> Tensor:
    """Soft memberships (K, 1, H, W) of each place in the clusters; they sum to 1."""
    h, w = features.shape[2:]
    distances = torch.cdist(features.flatten(2)[0].T, centres)
    shares = (-distances / _SOFTNESS).softmax(1).T.reshape(len(centres), 1, h, w)
    return resize(shares, size, filter="bilinear").clamp(0, 1)
