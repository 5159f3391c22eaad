"""Converting pixels of embedded ICC profiles to sRGB.

RGB and grey profiles made of curves and a matrix (Display P3, Adobe RGB, ProPhoto, sRGB itself)
are computed here in floating point, so that 16-bit pictures keep their depth. All others (CMYK,
tables) go through LittleCMS, in 8 bits.
"""

from __future__ import annotations

import functools
import io
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import numpy as np
import torch
from PIL import Image, ImageCms

from reverie.pictures.colour import linear_to_srgb
from reverie.pictures.raster import Array, unit

Curve = Callable[[Array], Array]


@dataclass(frozen=True, eq=False)
class MatrixProfile:
    """An ICC profile of curves and a matrix.

    Args:
        curves: file values to linear light, one for grey or three for RGB.
        matrix: (3, 3) linear RGB to XYZ (D50); None for grey.
    """

    curves: tuple[Curve, ...]
    matrix: Array | None


@functools.cache
def srgb_profile() -> bytes:
    """Return the sRGB profile embedded in everything written; the same bytes every day."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    date = struct.pack(">6H", 2020, 1, 1, 0, 0, 0)
    return profile[:24] + date + profile[36:]


def converter(profile: bytes | None, channels: int) -> Callable[[Array], Array]:
    """Return the function that converts pixels from an embedded profile to sRGB; an unusable profile is ignored.

    Args:
        profile: ICC bytes, or None for sRGB.
        channels: 1 for grey pixels, 3 for RGB.

    Returns:
        A function of (rows, W, channels) as decoded that gives (rows, W, 3) float32 in [0, 1].
    """
    of_grey = profile is not None and profile[16:20] == b"GRAY"
    convert: Callable[[Array], Array]
    if profile is None or _is_srgb(profile) or (of_grey and channels == 3):
        convert = unit
    elif (parsed := parse(profile)) is not None:
        convert = functools.partial(_through_matrix, parsed)
    else:
        convert = functools.partial(_through_tables, profile)
    if channels == 3:
        return convert
    if of_grey:
        return lambda values: _in_three(convert(values))
    return lambda values: convert(_in_three(values))


def _in_three(values: Array) -> Array:
    return np.repeat(values, 3, axis=2) if values.shape[2] == 1 else values


def cmyk_to_rgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert a CMYK picture to sRGB: by its profile, or else as (1 - ink)(1 - black)."""
    if profile:
        try:
            return _convert(image, profile)
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    ink = 255.0 - np.asarray(image, dtype=np.float32)
    return Image.fromarray((ink[..., :3] * ink[..., 3:] / 255 + 0.5).astype(np.uint8))


def lab_to_rgb(image: Image.Image) -> Image.Image:
    """Convert a CIE Lab picture (TIFF) to sRGB."""
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return _convert(image, lab)


def parse(profile: bytes) -> MatrixProfile | None:
    """Parse the curves and matrix of an RGB or grey profile; return None if it has none, or has tables."""
    try:
        tags = _tags(profile)
        if profile[20:24] != b"XYZ " or any(tag.startswith(b"A2B") for tag in tags):
            return None
        if profile[16:20] == b"GRAY":
            return MatrixProfile((_curve(tags[b"kTRC"]),), None)
        if profile[16:20] != b"RGB ":
            return None
        columns = [_fixed(tags[name + b"XYZ"][8:20]) for name in (b"r", b"g", b"b")]
        curves = tuple(_curve(tags[name + b"TRC"]) for name in (b"r", b"g", b"b"))
        return MatrixProfile(curves, np.stack(columns, axis=1))
    except (ArithmeticError, LookupError, struct.error, ValueError):
        return None


def _tags(profile: bytes) -> dict[bytes, bytes]:
    if profile[36:40] != b"acsp":
        raise ValueError("no ICC profile")
    count = min(struct.unpack_from(">I", profile, 128)[0], 100)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(count))
    return {name: profile[offset : offset + size] for name, offset, size in entries}


def _fixed(data: bytes) -> Array:
    """Parse ICC s15Fixed16 numbers."""
    return np.frombuffer(data, ">i4").astype(np.float64) / 65536


def _curve(tag: bytes) -> Curve:
    """Parse one tone curve tag into a function of values in [0, 1]. Source: ICC.1:2022, 10.6 and 10.18."""
    if tag[:4] == b"para":
        return _parametric(struct.unpack_from(">H", tag, 8)[0], _fixed(tag[12 : 12 + 28]))
    if tag[:4] != b"curv":
        raise ValueError("no tone curve")
    count = struct.unpack_from(">I", tag, 8)[0]
    if count == 0:
        return lambda x: x
    table = np.frombuffer(tag, ">u2", count, offset=12).astype(np.float64)
    if count == 1:
        gamma = float(table[0]) / 256
        return lambda x: x**gamma
    return lambda x: np.interp(x, np.linspace(0, 1, count), table / 65535)


def _parametric(kind: int, numbers: Array) -> Curve:
    counts = (1, 3, 4, 5, 7)
    if kind >= len(counts) or len(numbers) < counts[kind]:
        raise ValueError("unknown parametric curve")
    g, a, b, c, d, e, f = [float(n) for n in numbers[: counts[kind]]] + [0.0] * (7 - counts[kind])
    if kind == 0:
        a, d = 1.0, -1.0
    elif kind in (1, 2):  # below -b/a the curve is the constant c
        e, f, c, d = (c, c, 0.0, -b / a) if kind == 2 else (0.0, 0.0, 0.0, -b / a)
    return lambda x: np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


@functools.lru_cache(maxsize=32)
def _is_srgb(profile: bytes) -> bool:
    """True if a profile describes sRGB itself, so that its values can be kept exactly."""
    parsed = parse(profile)
    if parsed is None:
        return False
    grid = np.linspace(0, 1, 257)
    for curve in parsed.curves:
        encoded = linear_to_srgb(torch.from_numpy(_drawn(curve, grid))).numpy()
        if float(np.abs(encoded - grid).max()) > 2e-3:  # half a step of 8 bits
            return False
    if parsed.matrix is None:
        return True
    return float(np.abs(_to_srgb_matrix(parsed.matrix) - np.eye(3)).max()) < 3e-3


def _to_srgb_matrix(matrix: Array) -> Array:
    srgb = cast(MatrixProfile, parse(srgb_profile()))  # our own profile, which has one
    result: Array = np.linalg.solve(cast(Array, srgb.matrix), matrix)
    return result


def _through_matrix(profile: MatrixProfile, values: Array) -> Array:
    linear = np.stack([_apply(curve, values[..., i]) for i, curve in enumerate(profile.curves)], axis=2)
    if profile.matrix is not None:
        linear = linear @ _to_srgb_matrix(profile.matrix).T.astype(np.float32)
    return linear_to_srgb(torch.from_numpy(linear)).clamp_(0, 1).numpy()


def _apply(curve: Curve, channel: Array) -> Array:
    """Apply a curve to one channel; through a table if the values are 8- or 16-bit integers."""
    if channel.dtype in (np.uint8, np.uint16):
        return _table(curve, np.iinfo(channel.dtype).max)[channel]
    return _drawn(curve, unit(channel).astype(np.float64)).astype(np.float32)


@functools.lru_cache(maxsize=16)
def _table(curve: Curve, most: int) -> Array:
    """Tabulate a curve at every integer up to ``most``; cached, as pictures come in bands."""
    return _drawn(curve, np.linspace(0, 1, most + 1)).astype(np.float32)


def _drawn(curve: Curve, x: Array) -> Array:
    """Return a curve's values in [0, 1], whatever a damaged profile makes of them."""
    with np.errstate(all="ignore"):
        return np.nan_to_num(curve(x), posinf=1.0).clip(0, 1)


def _through_tables(profile: bytes, values: Array) -> Array:
    coarse = values if values.dtype == np.uint8 else (unit(values) * 255).round().astype(np.uint8)
    try:
        return unit(np.asarray(_convert(Image.fromarray(coarse), profile)))
    except (ImageCms.PyCMSError, OSError, ValueError):
        return unit(values)


def _convert(image: Image.Image, profile: bytes) -> Image.Image:
    converted = ImageCms.applyTransform(image, _transform(profile, image.mode))
    if converted is None:
        raise ValueError("no conversion")
    return converted


@functools.lru_cache(maxsize=4)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    """Build LittleCMS's transform to sRGB; cached, as pictures come in bands."""
    return ImageCms.buildTransform(
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.ImageCmsProfile(io.BytesIO(srgb_profile())),
        mode,
        "RGB",
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        flags=ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )
