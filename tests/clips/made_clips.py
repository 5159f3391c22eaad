"""Clips made for the tests: of known frames, times, turns, depths and sounds."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

Frame = np.ndarray[Any, np.dtype[np.uint8]]


def texture(height: int, width: int, seed: int = 0) -> Frame:
    """Smooth blobs of colour with detail of several sizes, in which flow is found well."""
    import cv2

    generator, made = np.random.default_rng(seed), np.zeros((height, width, 3), np.float32)
    for cells in (4, 9, 21, 45):
        coarse = generator.random((cells, cells, 3), dtype=np.float32) - 0.5
        made += cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(np.clip(made * 0.5 + 0.5, 0, 1) * 255, np.uint8)


def panned(count: int = 10, size: tuple[int, int] = (48, 64), step: float = 2.0, seed: int = 0) -> list[Frame]:
    """A texture that moves to the left by so many pixels a frame."""
    import cv2

    height, width = size
    whole = texture(height, width + int(step * count) + 8, seed)
    moved = [np.array([[1, 0, -step * n], [0, 1, 0]], np.float32) for n in range(count)]
    return [np.asarray(cv2.warpAffine(whole, m, (width, height), flags=cv2.INTER_LINEAR)) for m in moved]


def quarters(count: int = 6, size: tuple[int, int] = (48, 64)) -> list[Frame]:
    """Red, green, blue and black quarters, and a white square that moves."""
    height, width = size
    frames = []
    for number in range(count):
        frame = np.zeros((height, width, 3), np.uint8)
        frame[: height // 2, : width // 2, 0] = frame[: height // 2, width // 2 :, 1] = 255
        frame[height // 2 :, : width // 2, 2] = 255
        frame[20:28, 4 * number : 4 * number + 8] = 255
        frames.append(frame)
    return frames


def see_through(count: int = 6, size: tuple[int, int] = (48, 64)) -> list[Frame]:
    """A texture of which a window shows that moves, and half of it below."""
    height, width = size
    colours = texture(height, width)
    frames = [np.dstack([colours, np.zeros(size, np.uint8)]) for _ in range(count)]
    for number, frame in enumerate(frames):
        frame[8:32, 4 * number : 4 * number + 28, 3] = 255
        frame[40:, :, 3] = 128
    return frames


def write_clip(
    path: Path,
    frames: Sequence[Frame],
    *,
    rate: int = 24,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    times: Sequence[int] | None = None,
    base: Fraction | None = None,
    turned: int = 0,
    sound: str | None = None,
    sounding: float | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a clip.

    Args:
        times: of the frames, in units of `base`; evenly spaced without them.
        turned: degrees it is to be turned by when shown.
        sound: codec of a tone, `sounding` seconds long.
    """
    base = base or Fraction(1, rate)
    with av.open(str(path), "w") as film:
        video: Any = film.add_stream(codec, rate=rate, options=options or {})
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt, video.codec_context.time_base = pixels, base
        if turned:
            video.set_display_rotation(turned)
        track: Any = film.add_stream(sound, rate=48000) if sound else None
        for number, pixels_ in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels_, format="rgb24" if pixels_.shape[2] == 3 else "rgba")
            frame.pts, frame.time_base = number if times is None else times[number], base
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
        if track is not None:
            _write_tone(film, track, sounding or len(frames) / rate)
    return path


def _write_tone(film: Any, track: Any, seconds: float) -> None:
    time = np.arange(int(seconds * 48000), dtype=np.float32) / 48000
    tone = np.repeat(0.2 * np.sin(2 * np.pi * 440 * time)[None], 2, axis=0).astype(np.float32)
    for start in range(0, tone.shape[1], 960):
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(tone[:, start : start + 960]), "fltp", "stereo")
        frame.rate, frame.pts, frame.time_base = 48000, start, Fraction(1, 48000)
        film.mux(track.encode(frame))
    film.mux(track.encode(None))
