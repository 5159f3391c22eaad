"""ICC profiles put together by hand, so that tests need none from the system."""

from __future__ import annotations

import struct

import numpy as np

# Primaries as XYZ columns, adapted to D50 (Lindbloom's tables).
SRGB = ((0.4360747, 0.3850649, 0.1430804), (0.2225045, 0.7168786, 0.0606169),
        (0.0139322, 0.0971045, 0.7141733))  # fmt: skip
ADOBE = ((0.6097559, 0.2052401, 0.1492240), (0.3111242, 0.6256560, 0.0632197),
         (0.0194811, 0.0608902, 0.7448387))  # fmt: skip


def _fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(n * 65536) for n in numbers))


def _text(text: str) -> bytes:
    data = text.encode() + b"\0"
    return b"desc\0\0\0\0" + struct.pack(">I", len(data)) + data + bytes(78)


def _profile(kind: bytes, space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = {b"desc": _text("made for a test"), b"cprt": b"text\0\0\0\0none\0",
            b"wtpt": b"XYZ \0\0\0\0" + _fixed(0.9642, 1.0, 0.8249), **tags}  # fmt: skip
    offset, table, body = 132 + 12 * len(tags), b"", b""
    for name, data in tags.items():
        data += bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", offset + len(body), b"lcms", 0x02400000, kind, space, pcs)
    head += struct.pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28)
    head += _fixed(0.9642, 1.0, 0.8249) + bytes(128 - len(head) - 12)
    return head + struct.pack(">I", len(tags)) + table + body


def gamma_curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def table_curve(values: list[float]) -> bytes:
    numbers = [round(65535 * v) for v in values]
    return b"curv\0\0\0\0" + struct.pack(f">I{len(numbers)}H", len(numbers), *numbers)


def parametric_curve(kind: int, *numbers: float) -> bytes:
    return b"para\0\0\0\0" + struct.pack(">HH", kind, 0) + _fixed(*numbers)


def rgb_profile(matrix: tuple[tuple[float, ...], ...], curve: bytes) -> bytes:
    columns = np.array(matrix).T
    tags = {n + b"XYZ": b"XYZ \0\0\0\0" + _fixed(*c) for n, c in zip((b"r", b"g", b"b"), columns,
                                                                   strict=True)}  # fmt: skip
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags | {n + b"TRC": curve for n in (b"r", b"g", b"b")})


def grey_profile(curve: bytes) -> bytes:
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": curve})


def _table_profile(space: bytes, corners: list[tuple[float, float, float]]) -> bytes:
    """An 8-bit table of two points a channel; corners are Lab, the last channel fastest."""
    channels = len(space.strip())
    ramp = bytes(range(256))
    points = b"".join(bytes([round(v * 2.55), round(a + 128), round(b + 128)]) for v, a, b in corners)
    lut = b"mft1\0\0\0\0" + bytes([channels, 3, 2, 0]) + _fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return _profile(b"prtr", space, b"Lab ", {b"A2B0": lut + ramp * channels + points + ramp * 3})


def cmyk_profile() -> bytes:
    """An odd press: cyan ink prints as red, all other inks as neutral greys."""
    corners = []
    for ink in range(16):
        cyan, rest = ink >> 3, bin(ink & 7).count("1")
        corners.append((53.0, 80.0, 67.0) if cyan and not rest else (100.0 - 33 * rest, 0.0, 0.0))
    return _table_profile(b"CMYK", corners)


def inverted_rgb_profile() -> bytes:
    """RGB by a table in which white is black and black is white, all else neutral."""
    return _table_profile(b"RGB ", [(100 - 100 / 3 * bin(i).count("1"), 0, 0) for i in range(8)])
