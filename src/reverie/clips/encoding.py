"""Encode chunks of a film, each into a file of its own."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, BinaryIO

import numpy as np
import torch
from torch import Tensor

from reverie.clips.formats import LOSSLESS, FilmFormat, pyav, ticks
from reverie.errors import ClipError, reason_of

_COARSEST = Fraction(1, 1000)  # seconds; the unit of Matroska's times


class ChunkEncoder:
    """Encodes some frames into an open file.

    Args:
        file: open for writing and reading; it is left open.
        format: of the film.
        size: (H, W) of the frames; even, where the format halves its colours.
        base: seconds of the unit of times.
        rate: frames a second, on average.
        quality: 0 to 100.
        alpha: whether there is any.
    Raises:
        ClipError: the codec refuses.
    """

    def __init__(
        self,
        file: BinaryIO,
        format: FilmFormat,
        *,
        size: tuple[int, int],
        base: Fraction,
        rate: Fraction,
        quality: int,
        alpha: bool = False,
    ) -> None:
        how = format if format.chunk else LOSSLESS
        self._alpha, self._how = alpha and bool(how.with_alpha), how
        self._base = base
        self._begin: Fraction | None = None
        av = pyav()
        options = {"video_track_timescale": str(timescale(base))} if (how.chunk or how.container) == "mp4" else {}
        try:
            self._container = av.open(file, mode="w", format=how.chunk or how.container, container_options=options)
            self._stream = self._opened(size, rate, quality)
        except (OSError, ValueError) as error:
            raise _refused(error) from error
        self.frames = 0

    def add(self, image: Tensor, time: Fraction, alpha: Tensor | None = None) -> None:
        """Encode a frame.

        Args:
            image: (1, 3, H, W) sRGB in [0, 1].
            time: seconds; rises from frame to frame.
            alpha: (1, 1, H, W) in [0, 1].
        """
        self._begin = time if self._begin is None else self._begin
        frame = self._frame(image, alpha if self._alpha else None)
        frame.time_base, frame.pts = self._base, ticks(time - self._begin, self._base)
        self._mux(self._stream.encode(frame))
        self.frames += 1

    def close(self) -> None:
        """Encode what is held back, and finish the file."""
        self._mux(self._stream.encode(None))
        self._container.close()

    def _opened(self, size: tuple[int, int], rate: Fraction, quality: int) -> Any:
        stream = self._container.add_stream(self._how.codec, rate=rate, options=self._how.options(quality))
        stream.height, stream.width = size
        stream.pix_fmt = self._how.with_alpha if self._alpha else self._how.pixels
        stream.codec_context.time_base = self._base
        if self._how is not LOSSLESS:
            stream.codec_context.color_range, stream.codec_context.colorspace = 1, 1  # limited, BT.709
            stream.codec_context.color_primaries, stream.codec_context.color_trc = 1, 1
        if self._alpha and self._how.codec == "libvpx-vp9":
            stream.metadata["alpha_mode"] = "1"
        return stream

    def _frame(self, image: Tensor, alpha: Tensor | None) -> Any:
        av = pyav()
        frame = av.VideoFrame.from_ndarray(as_bytes(image, alpha), format="rgb24" if alpha is None else "rgba")
        if self._how is LOSSLESS:
            return frame.reformat(format=self._stream.pix_fmt, threads=1)
        how = av.video.reformatter
        flags = how.Interpolation.BICUBIC | how.Interpolation.ACCURATE_RND | how.Interpolation.BITEXACT
        return frame.reformat(
            format=self._stream.pix_fmt,
            dst_colorspace=how.Colorspace.ITU709,
            dst_color_range=how.ColorRange.MPEG,
            interpolation=flags,
            threads=1,
        )

    def _mux(self, packets: Any) -> None:
        for packet in packets:
            self._container.mux(packet)


def as_bytes(image: Tensor, alpha: Tensor | None = None) -> np.ndarray[Any, Any]:
    """Round a picture (1, 3, H, W) in [0, 1], and its alpha, to bytes (H, W, 3 or 4)."""
    parts = image if alpha is None else torch.cat((image, alpha.to(image)), 1)
    samples = parts[0].permute(1, 2, 0).mul(255).round().clamp(0, 255).byte()
    made: np.ndarray[Any, Any] = samples.contiguous().cpu().numpy()
    return made


def timescale(base: Fraction) -> int:
    """Return a unit's units in a second, as an .mp4 keeps it."""
    exact = base.limit_denominator(1_000_000)
    return exact.denominator if exact else 90_000


def _refused(error: Exception) -> ClipError:
    return ClipError(f"the codec refuses these frames ({reason_of(error)}); try another --size or format.")
