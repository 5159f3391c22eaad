"""Frames of a camera, and of a clip as if it were one."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np

from reverie.clips import ClipFrame
from reverie.errors import ClipError
from reverie.motion.between import picture_of
from reverie.motion.opencv import cv2


def camera_frames(number: int) -> Iterator[ClipFrame]:
    """Yield what a camera sees, for ever.

    Args:
        number: of the camera, from 0.
    Raises:
        ClipError: there is none, or it gives no more.
    """
    capture = cv2().VideoCapture(number)
    try:
        began = time.monotonic()
        while True:
            there, pixels = capture.read()
            if not there:
                raise ClipError(f"camera {number} gives no picture; check that it is there and free, or give --file.")
            seen = Fraction(time.monotonic() - began).limit_denominator(1000)
            colours = cv2().cvtColor(pixels, cv2().COLOR_BGR2RGB).astype(np.float32) / 255
            yield ClipFrame(picture_of(colours), seen, Fraction(1, 30))
    finally:
        capture.release()


def as_it_comes(frames: Iterable[ClipFrame]) -> Iterator[ClipFrame]:
    """Yield the frames of a clip at their times; those that would come late are left out."""
    began = time.monotonic()
    for frame in frames:
        ahead = float(frame.time) - (time.monotonic() - began)
        if ahead > 0:
            time.sleep(ahead)
        if ahead > -float(frame.duration):
            yield frame
