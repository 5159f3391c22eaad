"""Turn a decoded frame into a picture: turned, square pixels, its colours as its film says they are meant."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import torch
from torch import Tensor

from reverie.clips.formats import pyav
from reverie.errors import ClipError, reason_of
from reverie.pictures import filled

Picture = tuple[Tensor, Tensor | None]
_HD = 576  # rows; films with more have the colours of high definition where they do not say
_UNSAID = (0, 2)  # FFmpeg's numbers of colour spaces that are not told


def picture_of(frame: Any, aspect: Fraction | None, size: tuple[int, int] | None) -> Callable[[], Picture]:
    """Return what converts a frame into (1, 3, H, W) sRGB in [0, 1] and its alpha, once it is wanted.

    Args:
        frame: PyAV's. Its stream is gone once the film is closed, and is not asked any more.
        aspect: width of a pixel over its height; None: square.
        size: (H, W) of the clip's first frame; others are made like it. None: as it is.
    """

    def convert() -> Picture:
        try:
            pixels = _rgb(frame, aspect, size)
        except (OSError, ValueError) as error:
            raise ClipError(f"a frame cannot be converted to colours: {reason_of(error)}.") from error
        image = torch.from_numpy(pixels[..., :3]).permute(2, 0, 1)[None]
        if pixels.shape[2] == 3:
            return image, None
        alpha = torch.from_numpy(np.ascontiguousarray(pixels[..., 3])).clone()[None, None]
        return filled(image.contiguous(), alpha), alpha

    return convert


def _rgb(frame: Any, aspect: Fraction | None, size: tuple[int, int] | None) -> np.ndarray[Any, Any]:
    """Convert to (H, W, 3 or 4) float32 in [0, 1], turned as it is to be shown."""
    av = pyav()
    how = av.video.reformatter.Interpolation
    parts = frame.format.components
    deep, alpha = max(part.bits for part in parts) > 8, any(part.is_alpha for part in parts)
    height, width = _stretched(frame, aspect)
    quarters = round(-frame.rotation / 90) % 4
    if size is not None:
        height, width = size if quarters % 2 == 0 else size[::-1]
    name = ("rgba64le" if alpha else "rgb48le") if deep else ("rgba" if alpha else "rgb24")
    made = frame.reformat(
        width=width,
        height=height,
        format=name,
        src_colorspace=_matrix(frame),
        interpolation=how.BICUBIC | how.ACCURATE_RND | how.FULL_CHR_H_INT | how.BITEXACT,
        threads=1,
    )
    pixels = made.to_ndarray().astype(np.float32) / (65535 if deep else 255)
    return np.ascontiguousarray(np.rot90(pixels, -quarters))


def _matrix(frame: Any) -> Any:
    """Return the colour matrix; where it is not told, the one of films of this size."""
    space = av_space = pyav().video.reformatter.Colorspace
    if int(frame.colorspace) in _UNSAID:
        return space.ITU709 if frame.height > _HD else space.ITU601
    known = {int(each.value) for each in av_space}
    return None if int(frame.colorspace) in known else (space.ITU709 if frame.height > _HD else space.ITU601)


def _stretched(frame: Any, aspect: Fraction | None) -> tuple[int, int]:
    """Return the (height, width) in square pixels, before turning."""
    if not aspect or aspect == 1 or not 0.1 < aspect < 10:
        return frame.height, frame.width
    return frame.height, max(1, round(frame.width * float(aspect)))
