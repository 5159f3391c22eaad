"""Pigments: palettes, mixing in OKLab, and the small accidents of a mixed colour."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_TO_LMS = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LMS = np.linalg.inv(_TO_LMS)
_FROM_LAB = np.linalg.inv(_TO_LAB)


def pigments(*codes: str) -> Array:
    """(N, 3) sRGB colours in [0, 1] from hexadecimal codes like ``"1b2a6b"``."""
    values = [[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)] for code in codes]
    return np.array(values, dtype=np.float32)


def to_lab(srgb: Array) -> Array:
    """OKLab of sRGB colours (..., 3)."""
    s = np.clip(srgb, 0, 1)
    linear = np.where(s <= 0.04045, s / 12.92, ((s + 0.055) / 1.055) ** 2.4)
    return (np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T).astype(np.float32)


def from_lab(lab: Array) -> Array:
    """sRGB in [0, 1] of OKLab colours (..., 3)."""
    linear = np.clip(((lab @ _FROM_LAB.T) ** 3) @ _FROM_LMS.T, 0, 1)
    srgb = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.clip(srgb, 0, 1).astype(np.float32)


def ramp(palette: Array, place: Array) -> Array:
    """Colours met when walking from the first pigment (place 0) to the last (place 1)."""
    fine = np.linspace(0, len(palette) - 1, 512)
    lab = to_lab(palette)
    stops = np.arange(len(palette))
    walk = np.stack([np.interp(fine, stops, lab[:, c]) for c in range(3)], axis=-1)
    index = np.clip(np.asarray(place) * 511, 0, 511).astype(np.intp)
    return from_lab(walk.astype(np.float32))[index]


def vary(colours: Array, rng: np.random.Generator, *, light: float = 0.03, hue: float = 0.015) -> Array:
    """The same colours, no two mixed alike: OKLab lightness and hue drift by these deviations."""
    lab = to_lab(colours)
    drift = rng.normal(size=lab.shape) * np.array([light, hue, hue])
    return from_lab((lab + drift).astype(np.float32))


def mix(first: Array, second: Array, share: Array | float) -> Array:
    """``first`` where share is 0, ``second`` where it is 1, for all channels alike."""
    part = np.asarray(share, dtype=np.float32)
    part = part[..., None] if part.ndim else part
    return (first * (1 - part) + second * part).astype(np.float32)
