"""Look through many photos for the places that excite each channel most, and for what a layer holds in general."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.errors import PictureError, RecipeError
from reverie.networks import Network
from reverie.pictures import fit, read_image, scaled, size_of

SIDE = 256  # pixels of the longer side at which photos are looked at
_SAMPLES = 24  # positions of a photo that go into a map of activations
_SMALLEST, _LARGEST = 32, 128  # pixels of a patch


@dataclass(frozen=True, eq=False)
class Best:
    """The strongest places for each channel of a layer, each in a photo of its own.

    Attributes:
        values: activations, (K, C), falling.
        photos: numbers of the photos, (K, C); -1 where there were fewer.
        places: positions in the layer's map as shares of height and width, (K, C, 2).
    """

    values: Tensor
    photos: Tensor
    places: Tensor


@dataclass(frozen=True, eq=False)
class Scan:
    """What photos showed.

    Attributes:
        paths: the photos that could be read.
        best: by layer.
        vectors: activations of one layer at random positions of all photos, (N, C).
        sides: pixels of a patch, by layer.
    """

    paths: Sequence[Path]
    best: Mapping[str, Best]
    vectors: Tensor
    sides: Mapping[str, int]

    def patches(self, layer: str, cell: int) -> Tensor:
        """Cut out the strongest places of each channel: (C, K, 3, cell, cell) in [0, 1]; grey where there is none."""
        best = self.best[layer]
        count, channels = best.values.shape
        out = torch.full((channels, count, 3, cell, cell), 0.9)
        for number in torch.unique(best.photos).tolist():
            if number >= 0:
                photo = _small(self.paths[number])
                for k, c in (best.photos == number).nonzero().tolist():
                    out[c, k] = _patch(photo, best.places[k, c], self.sides[layer], cell)
        return out


def scan(network: Network, paths: Sequence[Path], layers: Sequence[str], *, of: str, count: int, seed: int) -> Scan:
    """Look through photos.

    Args:
        network: that looks.
        paths: photos; those that cannot be read are left out.
        layers: whose channels are asked for their strongest places.
        of: the layer whose activations are sampled.
        count: places for each channel.
        seed: of the positions sampled.
    Raises:
        RecipeError: not one can be read.
    """
    generator = torch.Generator().manual_seed(seed)
    best: dict[str, Best] = {}
    read: list[Path] = []
    vectors = []
    for path in paths:
        try:
            photo = _small(path)
        except PictureError:
            continue
        with torch.no_grad():
            maps = network(photo.to(network.device), dict.fromkeys([*layers, of]))
        for layer in layers:
            best[layer] = _better(best.get(layer), maps[layer][0].float().cpu(), len(read), count)
        features = maps[of][0].float().cpu().flatten(1)
        chosen = torch.randint(0, features.shape[1], (_SAMPLES,), generator=generator)
        vectors.append(features[:, chosen].T)
        read.append(path)
    if not read:
        raise RecipeError(f"not one of the {len(paths)} photos can be read.")
    sides = {layer: _side(network, layer) for layer in layers}
    return Scan(read, best, torch.cat(vectors), sides)


def _small(path: Path) -> Tensor:
    photo = read_image(path)
    return scaled(photo, fit(size_of(photo), longer=min(SIDE, max(size_of(photo)))))


def _better(known: Best | None, features: Tensor, number: int, count: int) -> Best:
    """Add a photo's strongest place of each channel, and keep the best."""
    h, w = features.shape[1:]
    values, where = features.flatten(1).max(1)
    places = torch.stack([(where // w + 0.5) / h, (where % w + 0.5) / w], dim=-1)
    photos = torch.full_like(where, number)
    if known is None:
        return Best(values[None], photos[None], places[None])
    every = Best(
        torch.cat([known.values, values[None]]),
        torch.cat([known.photos, photos[None]]),
        torch.cat([known.places, places[None]]),
    )
    order = every.values.argsort(dim=0, descending=True, stable=True)[:count]
    return Best(
        every.values.gather(0, order),
        every.photos.gather(0, order),
        every.places.gather(0, order[..., None].expand(-1, -1, 2)),
    )


def _side(network: Network, layer: str) -> int:
    """Side of the patches of a layer, pixels: what its features see, within reason."""
    field = network.geometry(layer).field if network.blueprint.is_local(layer) else _LARGEST
    return min(max(field, _SMALLEST), _LARGEST)


def _patch(photo: Tensor, place: Tensor, side: int, cell: int) -> Tensor:
    """Cut a square about a place, moved inside the photo, at the size of a cell."""
    side = min(side, *size_of(photo))
    top, left = (
        round(min(max(share * n - side / 2, 0), n - side))
        for share, n in zip(place.tolist(), size_of(photo), strict=True)
    )
    window = photo[..., top : top + side, left : left + side]
    return F.interpolate(window, (cell, cell), mode="bilinear", antialias=True)[0].clamp(0, 1)
