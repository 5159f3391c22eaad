"""Paint a photo in the style of any painting at once: one pass through a network, no optimisation.

Source: Huang & Belongie 2017, "Arbitrary style transfer in real-time with adaptive instance normalization"; Li et al.
2017, "Universal style transfer via feature transforms". We differ: whole covariances instead of deviations, at four
depths of one decoder.

>>> picture = instant(photo, painting, InstantSettings(strength=0.8))
"""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Annotated

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.choices import Precision
from reverie.crafts.craft import craft
from reverie.crafts.kinds import Alpha, Many, Mask, Painting, Photo, Still, StyleNetwork
from reverie.engine.memory import Tiling
from reverie.engine.needs import SCRAPS
from reverie.engine.precision import with_precision
from reverie.engine.runs import OnePass, Part
from reverie.errors import PictureError, RecipeError
from reverie.feedforward.instant import KEPT, LAYERS, STRIDE, Instant, check_encoder, load_instant
from reverie.feedforward.matching import blended
from reverie.feedforward.painting import (
    ClipStatistics,
    Encoded,
    StyleStatistics,
    TargetStatistics,
    clip_statistics,
    decode,
    encode,
    noises_for,
    targets_of,
)
from reverie.networks import Network, NetworkUsed, load
from reverie.objectives import PICTURE
from reverie.pictures import (
    check_colour_mode,
    mask_of,
    opaque_colours,
    painting_size,
    resize,
    scaled,
    size_of,
)
from reverie.recipes.parts.at_once import (
    InstantSettings,
    alpha_of_each,
    alpha_weights,
    size_for,
    working_size,
)
from reverie.recipes.parts.custom_style import paint_custom
from reverie.recipes.parts.finish import Finish
from reverie.recipes.parts.networks import dtype_of, resolved

INSTANT = "instant"
"""Name of the decoder in records."""
LARGEST, SMALLEST = 1280, 64  # pixels; larger tiles are hardly faster, smaller ones read mostly halo
_MAPS, _PICTURES = 24, 28  # per pixel at once: features of the two maps kept whole, bytes of pictures and noise
_TILE = 150  # features per pixel of a tile, while it is worked on
_KERNELS = 16 * 2**20  # bytes of convolutions compiled on the way, however small the photo
_READ = (PICTURE, *LAYERS)
DEEP: Mapping[int, Mapping[str, float]] = MappingProxyType(
    {0: {KEPT[0]: 0.2, KEPT[1]: 0.5}, 1: {KEPT[0]: 0.9, KEPT[1]: 1.0}, 2: {}}
)
"""Shares of the paintings at the depths that see more than a stroke, by how welcome their motifs are."""
_MARGIN = 2 * STRIDE
"""Pixels of what is mirrored round a photo."""
_MOST_SEEN = 32
_SEEN: OrderedDict[tuple[object, ...], StyleStatistics] = OrderedDict()
"""Statistics of the paintings that were looked at last: a batch paints photo after photo in one manner."""


@craft(
    example="reverie instant cat.jpg night-strokes --strength 0.8",
    makes=Still,
    either=("painting", "network"),
)
def instant(
    photo: Annotated[Photo, "the picture to paint, or a folder of them"],
    painting: Annotated[
        Painting | Many[Painting], "a picture to paint like, or a sample style's name; several are mixed"
    ] = (),
    settings: InstantSettings = InstantSettings(),
    *,
    mask: Annotated[Mask | None, "where to paint: white; where it is black the photo stays"] = None,
    network: Annotated[StyleNetwork | None, "instead of paintings: a custom style network, a file or its name"] = None,
    photo_alpha: Alpha | None = None,
    painting_alpha: Many[Alpha | None] = (),
) -> OnePass:
    """Paint a photo in the manner of any painting at once.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1].
        painting: one or several pictures, any sizes.
        settings: how; the defaults suit any photo.
        mask: (1, 1, H, W), white where to paint; where it is black the photo stays.
        network: a custom style network, in place of paintings.
        photo_alpha: (1, 1, H, W) in [0, 1]: transparent places have no say in the statistics.
        painting_alpha: likewise of each painting, None where it has none; empty: none has.
    Returns:
        (1, 3, H', W') sRGB in [0, 1], of the photo's size unless another was asked for.
    Raises:
        RecipeError: as many weights as paintings are needed.
        PictureError: the photo, its alpha or a painting is no such tensor.
        OutOfMemory: not even the smallest tiles fit.
        WeightsError: the decoder was trained with another dreamnet.
    Example:
        >>> instant(torch.rand(1, 3, 48, 64), torch.rand(1, 3, 80, 80)).shape
        torch.Size([1, 3, 48, 64])
    """
    many = [painting] if isinstance(painting, Tensor) else list(painting)
    if network is not None:
        return paint_custom(network, photo, settings, mask=mask, opaque=photo_alpha)
    manner = painter(many, settings, opaque=painting_alpha)

    def draw(tile: int) -> Iterator[Part]:
        fixed = replace(manner, settings=manner.settings.model_copy(update={"tile": tile, "memory": None}))
        yield Part(1, 1, fixed.paint(photo, mask=mask, opaque=photo_alpha))

    _check(photo, "photo")
    size = size_for(photo, settings)
    return OnePass(
        size,
        draw,
        tiling(working_size(size, settings.likeness), manner.settings.precision),
        networks=[NetworkUsed(INSTANT, manner.decoder.sha256)],
        precision=manner.settings.precision,
        device=manner.settings.device,
        least=SMALLEST,
    )


def painter(
    paintings: Sequence[Tensor],
    settings: InstantSettings | None = None,
    *,
    opaque: Sequence[Tensor | None] = (),
    decoder: Instant | None = None,
) -> Painter:
    """Prepare to paint many photos in one style: the paintings are encoded once for each scale.

    Args:
        paintings: (1, 3, h, w) each.
        settings: as for `instant`.
        opaque: each painting's alpha, (1, 1, h, w) in [0, 1], None where it has none; empty: none has.
        decoder: another than the package's.
    Raises:
        RecipeError, PictureError, WeightsError: as `instant`.
    """
    settings = resolved(settings or InstantSettings())
    check_colour_mode(settings.colour, photo=True, paintings=len(paintings))
    for picture in paintings:
        _check(picture, "painting")
    network = load(pooling="average", padding="replicate")
    decoder = decoder or load_instant()
    check_encoder(decoder, network.sha256)
    network = with_precision(network, settings.precision, device=torch.device(settings.device))
    shares = _shares(settings.weights, len(paintings))
    alphas = alpha_of_each(opaque, paintings)
    decoder = decoder.with_precision(network.dtype).to(network.device)
    return Painter(network, decoder, tuple(paintings), alphas, shares, settings)


@dataclass(frozen=True, eq=False)
class Painter:
    """A style, ready to paint any number of photos.

    Attributes:
        network: the encoder.
        decoder: in the same precision.
        paintings: (1, 3, h, w) each.
        opaque: the alpha of each, None where it has none.
        shares: of each painting; they sum to 1.
        settings: how, with no automatic precision.
    """

    network: Network
    decoder: Instant
    paintings: tuple[Tensor, ...]
    opaque: tuple[Tensor | None, ...]
    shares: tuple[float, ...]
    settings: InstantSettings
    _known: dict[tuple[tuple[int, int], ...], tuple[StyleStatistics, TargetStatistics]] = field(
        default_factory=dict, repr=False
    )

    def paint(
        self,
        photo: Tensor,
        *,
        mask: Tensor | None = None,
        opaque: Tensor | None = None,
        clip: ClipStatistics | None = None,
    ) -> Tensor:
        """Paint a photo in this style; see `instant`. As a frame of a clip it takes the clip's `statistics`."""
        _check(photo, "photo")
        settings, size = self.settings, size_for(photo, self.settings)
        own = scaled(photo, size)
        every = zip(self.paintings, self.opaque, self.shares, strict=True)
        many = [opaque_colours(p, alpha) for p, alpha, share in every if share]
        held = settings.strength if clip is None else 0.0  # which would be another in each frame
        finish = Finish(many, own, settings.colour, settings.colour_amount, held=held)
        if clip is None:
            image = scaled(self._within_margin(photo, opaque), size)
        else:
            image = self._painted(own, self.tile(size), alpha_weights(opaque, of=photo, size=size), clip)
        image = finish(image.to(own.device))
        if mask is None:
            return image
        return torch.lerp(own, image, mask_of(mask, of=size_of(photo), size=size))

    def plain(self, photo: Tensor, *, opaque: Tensor | None = None) -> Tensor:
        """Paint a photo in its working size, before its colours are cleaned: what an exported graph gives."""
        size = working_size(size_for(photo, self.settings), self.settings.likeness)
        return self._painted(scaled(photo, size), self.tile(size), alpha_weights(opaque, of=photo, size=size))

    def _within_margin(self, photo: Tensor, opaque: Tensor | None) -> Tensor:
        """Paint a photo in its working size, mirrored round its border, so that no band of strokes follows that."""
        size = working_size(size_for(photo, self.settings), self.settings.likeness)
        margin = [_MARGIN] * 4 if min(size) > _MARGIN else [0] * 4
        alpha = alpha_weights(opaque, of=photo, size=size)
        whole = F.pad(scaled(photo, size), margin, mode="reflect")
        weights = F.pad(torch.ones(1, 1, *size) if alpha is None else alpha, margin)
        image = self._painted(whole, self.tile(size_of(whole)), weights)
        return image[..., margin[0] : margin[0] + size[0], margin[0] : margin[0] + size[1]]

    def tile(self, size: tuple[int, int]) -> int:
        """Side of the tiles for a picture painted in this size; see `tile_for`."""
        return tile_for(size, self.settings)

    def statistics(self, frames: Callable[[], Iterable[Tensor]], size: tuple[int, int]) -> ClipStatistics:
        """Measure the frames of a clip as if they were one picture, so that none is painted by its own alone.

        Args:
            frames: from nothing to the frames, (1, 3, H, W); called several times.
            size: (H, W) of them all.
        """
        tile, area = self.tile(size), size[0] * size[1]

        def padded() -> Iterator[Tensor]:
            return map(_padded, frames())

        return clip_statistics(
            self.network, self.decoder, padded, _READ, lambda seen: self._targets(seen, area, tile), self._noises, tile
        )

    def _painted(self, photo: Tensor, tile: int, opaque: Tensor | None, clip: ClipStatistics | None = None) -> Tensor:
        """Paint the photo in the paintings' own colours."""
        photo = photo.to(self.network.device)
        opaque = None if opaque is None else opaque.to(photo.device)
        height, width = size_of(photo)
        whole, opaque = _padded(photo), None if opaque is None else _padded(opaque)
        read: tuple[str, ...] = _READ if self.settings.strength < 1 else KEPT
        found = encode(self.network, whole, read if clip is None else (), tile, opaque=opaque)
        targets = self._targets(found.seen if clip is None else clip.seen, height * width, tile)
        image = decode(self.decoder, found, targets, self._noises(found), tile, opaque=opaque, clip=clip)
        return image[..., :height, :width]

    def _noises(self, found: Encoded) -> list[Tensor]:
        return noises_for(size_of(found.maps[KEPT[0]]), self.settings.seed, self.settings.strength)

    def _targets(self, seen: StyleStatistics, area: int, tile: int) -> TargetStatistics:
        """The paintings' statistics, or some between the photo's own and those: most at the depths of motifs."""
        style, targets = self._style(area, tile)
        shares = {k: self.settings.strength * DEEP[self.settings.motifs].get(k, 1.0) for k in _READ}
        changed = [k for k, share in shares.items() if share < 1]
        return {
            **targets,
            **targets_of({k: blended([(seen[k], 1 - shares[k]), (style[k], shares[k])]) for k in changed}),
        }

    def _style(self, area: int, tile: int) -> tuple[StyleStatistics, TargetStatistics]:
        """The paintings' statistics, mixed, at the scale of a photo of so many pixels, and what they ask for."""
        sizes = tuple(painting_size(size_of(p), area, self.settings.stroke) for p in self.paintings)
        if sizes not in self._known:
            every = zip(self.paintings, self.opaque, sizes, strict=True)
            each = [self._seen(painting, alpha, size, tile) for painting, alpha, size in every]
            mixed = {k: blended([(m[k], w) for m, w in zip(each, self.shares, strict=True)]) for k in _READ}
            self._known[sizes] = mixed, targets_of(mixed)
        return self._known[sizes]

    def _seen(self, painting: Tensor, alpha: Tensor | None, size: tuple[int, int], tile: int) -> StyleStatistics:
        """A painting's statistics at a size; those of the very same pixels are measured once."""
        pixels = [_digest(picture) for picture in (painting, alpha) if picture is not None]
        network = self.network
        key = (*pixels, size, tile, network.sha256, network.precision, network.device, torch.get_num_threads())
        if key not in _SEEN:
            device = self.network.device
            picture, opaque = resize(painting, size).clamp(0, 1), alpha_weights(alpha, of=painting, size=size)
            picture, opaque = picture.to(device), None if opaque is None else opaque.to(device)
            _SEEN[key] = encode(self.network, picture, _READ, tile, keep=(), opaque=opaque).seen
            while len(_SEEN) > _MOST_SEEN:
                _SEEN.popitem(last=False)
        return _SEEN[key]


def tile_for(size: tuple[int, int], settings: InstantSettings) -> int:
    """Choose the side of the tiles, 0 for the whole: as set, or the largest that fits beside the maps kept whole.

    Raises:
        OutOfMemory: not even the smallest does.
    """
    return tiling(size, settings.precision).fit(settings.memory, settings.tile).tile


def tiling(size: tuple[int, int], precision: Precision) -> Tiling:
    """Describe the tiles in which a photo of this (H, W) can be painted, and their memory."""
    return Tiling(
        lambda side: painting_bytes(size, side, precision),
        largest=LARGEST,
        smallest=SMALLEST,
        doing=f"painting {size[1]}x{size[0]} px",
        dial="--size",
        step=STRIDE,
    )


def painting_bytes(size: tuple[int, int], tile: int, precision: Precision) -> int:
    """Estimate the bytes that painting a photo of this (H, W) takes in tiles of a given side; 0 means whole."""
    width, side = dtype_of(precision).itemsize, tile or max(size)
    maps = 4 * _TILE * min(side, size[0]) * min(side, size[1]) + (SCRAPS if side < max(size) else _KERNELS)
    return (width * _MAPS + _PICTURES) * size[0] * size[1] + maps


def _shares(weights: Sequence[float], count: int) -> tuple[float, ...]:
    """Normalise the weights to sum to 1, one for each painting."""
    if not count:
        raise RecipeError("instant paints like a painting, and none came; give one.")
    given = tuple(weights) or (1.0,) * count
    if len(given) != count:
        raise RecipeError(f"weights are one for each painting; got {len(given)} for {count}.")
    total = sum(given)
    if not 0 < total < float("inf") or min(given) < 0:
        raise RecipeError(f"weights are 0 or more and sum to more than 0; got {list(given)}.")
    return tuple(w / total for w in given)


def _padded(x: Tensor) -> Tensor:
    """Continue a picture's edges to whole strides."""
    missing = (0, -x.shape[3] % STRIDE, 0, -x.shape[2] % STRIDE)
    return F.pad(x, missing, mode="replicate") if any(missing) else x


def _digest(picture: Tensor) -> bytes:
    return hashlib.sha256(picture.detach().cpu().contiguous().numpy().data).digest()


def _check(picture: Tensor, what: str) -> None:
    if picture.ndim != 4 or picture.shape[:2] != (1, 3) or picture.dtype != torch.float32 or 0 in picture.shape:
        raise PictureError(
            f"a {what} is a float32 (1, 3, H, W) tensor, and {tuple(picture.shape)} of {picture.dtype} came;"
            " read it with read_image."
        )
