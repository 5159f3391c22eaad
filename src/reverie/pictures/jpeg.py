"""The header of a JPEG, read before anything is decoded.

Source: ITU-T T.81, "Digital compression and coding of continuous-tone still images", 1992, annexes B, F and G.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from reverie.errors import PictureError
from reverie.pictures.source import check_claim

_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_HUFFMAN = {0xC0, 0xC1, 0xC2}
_PROGRESSIVE = {0xC2, 0xC6, 0xCA, 0xCE}
_BARE = {0x01, *range(0xD0, 0xD8)}  # markers without a length
_MOST_SCANS = 256  # of a progressive file: each passes over all its coefficients, and a dozen is usual
_DENSEST = 512  # pixels that a byte can stand for: of 64 of them each codes one bit at the least
_PIECE = 1 << 20


@dataclass(frozen=True)
class Frame:
    """The frame header of a JPEG.

    Args:
        size: (H, W).
        samples: for each pixel, subsampling counted: 1.5 for 4:2:0, 3 for 4:4:4.
        progressive: whether a decoder holds the whole of its coefficients, 2 bytes each.
    """

    size: tuple[int, int]
    samples: float
    progressive: bool

    @property
    def coefficients(self) -> int:
        """Bytes that a decoder holds beside the pixels."""
        return round(2 * self.samples * self.size[0] * self.size[1]) if self.progressive else 0


def read_frame(file: BinaryIO) -> Frame | None:
    """Read the first frame header; return None if there is none, and leave the verdict to a decoder.

    Raises:
        PictureError: the file is too short for its size, or has scans to keep a decoder busy for hours.
    """
    found = _frame(file)
    if found is None:
        return None
    kind, data = found
    height, width, count = struct.unpack_from(">HHB", data, 1)
    factors = [(data[7 + 3 * i] >> 4, data[7 + 3 * i] & 15) for i in range(count) if 7 + 3 * i < len(data)]
    most = max((h * v for h, v in factors), default=0) or 1
    frame = Frame((height, width), sum(h * v for h, v in factors) / most, kind in _PROGRESSIVE)
    if kind in _HUFFMAN:
        check_claim(frame.size, length=file.seek(0, 2), most=_DENSEST)
    if frame.progressive and _scans(file) > _MOST_SCANS:
        raise PictureError(f"a progressive JPEG has at most {_MOST_SCANS} scans; got more; export it again")
    return frame


def _frame(file: BinaryIO) -> tuple[int, bytes] | None:
    """Return kind and data of the frame header, skipping the segments before it."""
    file.seek(2)
    while len(head := file.read(2)) == 2:
        if head[0] != 0xFF:
            file.seek(-1, 1)  # Pillow, too, looks for the next marker
            continue
        if head[1] == 0xFF:
            file.seek(-1, 1)
            continue
        if head[1] in _BARE or head[1] == 0:
            continue
        length = file.read(2)
        if len(length) < 2 or head[1] in (0xD9, 0xDA):
            return None
        if head[1] in _FRAMES:
            data = file.read(max(0, struct.unpack(">H", length)[0] - 2))
            return (head[1], data) if len(data) >= 6 else None
        file.seek(max(0, struct.unpack(">H", length)[0] - 2), 1)
    return None


def _scans(file: BinaryIO) -> int:
    """Count the scans in the whole file."""
    file.seek(0)
    count, last = 0, b""
    while piece := file.read(_PIECE):
        count += (last + piece).count(b"\xff\xda")
        last = piece[-1:]
    return count
