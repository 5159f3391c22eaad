"""Random crops of many photos: the training data of networks."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from reverie.errors import OutOfMemory, PictureError
from reverie.pictures.files import open_picture
from reverie.pictures.opening import failure_reason, source_in
from reverie.pictures.profiles import converter
from reverie.pictures.raster import check_range, quiet_pillow, turned
from reverie.pictures.source import Source

SMALLEST = 48
"""Pixels of a photo's shorter side, at least: of less there is nothing to learn."""
_MOST = 200_000_000  # pixels of a photo
_TRIES = 64  # photos that are tried for one crop


class Crops:
    """Square pieces of photos at random places, scales and sides.

    A photo that cannot be read is left out, and noted; another one takes its place.

    Args:
        paths: of the photos, in any format that ``read_picture`` reads.
        side: of the pieces, in pixels.
        scale: how many pixels a photo's longer side has before a piece is cut out: from and to.
        memory: bytes that reading a photo may take; one that takes more is left out.

    Raises:
        PictureError: there is none.

    Example:
        >>> Crops(sorted(Path("photos").iterdir()), 224, (300, 700)).batch(4, torch.Generator().manual_seed(1)).shape
        torch.Size([4, 3, 224, 224])
    """

    def __init__(
        self, paths: Sequence[Path], side: int, scale: tuple[float, float], *, memory: int | None = None
    ) -> None:
        if not paths:
            raise PictureError("a network learns from photos; got none; name a folder with --photos.")
        self.paths, self.side, self.scale, self.memory = tuple(paths), side, scale, memory
        self.left_out: dict[Path, str] = {}

    def batch(self, count: int, generator: torch.Generator) -> Tensor:
        """Draw a batch of crops, (count, 3, side, side) in [0, 1], which depends on the generator alone.

        Raises:
            PictureError: one photo after another cannot be read.
        """
        return torch.cat([self._piece(generator) for _ in range(count)])

    def whole(self, number: int, longer: int) -> Tensor:
        """Read the photo of a number, or the next that can be read, scaled to a longer side in pixels: (1, 3, H, W)."""
        photo = self._readable(number)
        scale = longer / max(photo.size)
        size = max(16, round(photo.width * scale)), max(16, round(photo.height * scale))
        return _tensor(photo.resize(size, Image.Resampling.LANCZOS))

    def _piece(self, generator: torch.Generator) -> Tensor:
        """Cut out one crop; all that is random is drawn before a file is opened."""
        number = int(torch.randint(len(self.paths), (), generator=generator))
        size, left, top, turned = torch.rand(4, generator=generator).tolist()
        photo = self._readable(number)
        low, high = (math.log(bound) for bound in self.scale)
        scale = max(math.exp(low + (high - low) * size) / max(photo.size), self.side / min(photo.size))
        reach = self.side / scale  # pixels of the photo
        x, y = max(0.0, left * (photo.width - reach)), max(0.0, top * (photo.height - reach))
        box = (x, y, min(x + reach, photo.width), min(y + reach, photo.height))
        way = Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC
        piece = _tensor(photo.resize((self.side, self.side), way, box))
        return piece.flip(-1) if turned < 0.5 else piece

    def _readable(self, number: int) -> Image.Image:
        """Read the photo of a number, or the next one that can be read."""
        for tried in range(min(_TRIES, len(self.paths))):
            path = self.paths[(number + tried) % len(self.paths)]
            if path in self.left_out:
                continue
            try:
                return _photo(path, int(self.scale[1]), self.memory)
            except Exception as error:  # whatever a decoder makes of a damaged file
                if isinstance(error, MemoryError) and not isinstance(error, OutOfMemory):
                    raise
                self.left_out[path] = failure_reason(error)
        path, reason = next(iter(self.left_out.items()))
        raise PictureError(f"none of the photos can be read: '{path}': {reason:.150}; name another folder.")


def generator_of(seed: int, step: int) -> torch.Generator:
    """Return the generator of a training step: the same however often the training was stopped before."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)


def _photo(path: Path, longer: int, memory: int | None) -> Image.Image:
    """Read a photo, upright, in RGB of 8 bits; a JPEG no larger than needed, which is several times as fast."""
    with open_picture(path) as file, quiet_pillow():
        source = source_in(file, path, max_pixels=_MOST)
        if source.smaller is not None:
            source = source.smaller((longer, longer))
        if min(source.size) < SMALLEST:
            height, width = source.size
            raise PictureError(f"it is {width}x{height}, and {SMALLEST} pixels each way are needed; leave it out")
        source.check_memory(source.size, memory=memory)
        return Image.fromarray(np.ascontiguousarray(turned(_eight_bits(source), source.orientation)))


def _eight_bits(source: Source) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """Return the pixels of a photo as stored, (H, W, 3)."""
    values = np.empty((*source.size, 3), np.uint8)
    convert = converter(source.profile, source.channels)
    for strip in source.strips():
        check_range(strip.values)
        unit = convert(np.ascontiguousarray(strip.values, dtype=strip.values.dtype.newbyteorder("=")))
        values[strip.rows, strip.columns] = (unit * 255).round()
    return values


def _tensor(photo: Image.Image) -> Tensor:
    values = torch.from_numpy(np.array(photo, dtype=np.uint8))
    return values.permute(2, 0, 1)[None].float().div_(255).contiguous()
