"""Pictures of every format, masks, maps of regions, photos to learn from, and the recipes that pictures keep."""

from __future__ import annotations

import functools
import io
import struct
import tempfile
import zlib
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import tifffile
import torch
from PIL import Image, ImageCms

from fuzz.mutate import changed
from fuzz.target import Target
from reverie.pictures import read_mask, read_picture, read_recipe, read_regions, write_image
from reverie.pictures.crops import Crops

_PNG = b"\x89PNG\r\n\x1a\n"
_RECIPE = '{"craft": "dream", "settings": {"steps": 3, "words": "ä"}}'


def _values() -> np.ndarray[Any, np.dtype[np.uint8]]:
    """A small picture of two halves and some noise, (52, 60, 4)."""
    values = np.random.default_rng(1).integers(0, 40, (52, 60, 4), dtype=np.uint8)
    values[:, 30:] += np.array([200, 150, 20, 215], np.uint8)
    return values


def _saved(values: Any, kind: str, mode: str | None = None, **options: Any) -> bytes:
    memory, image = io.BytesIO(), Image.fromarray(values)
    (image if mode is None else image.convert(mode)).save(memory, kind, **options)
    return memory.getvalue()


def _tagged() -> dict[str, Any]:
    """An orientation, and a profile that is not sRGB."""
    exif = Image.Exif()
    exif[0x0112] = 6
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    return {"exif": exif, "icc_profile": lab}


@functools.cache
def _jpegs() -> tuple[bytes, ...]:
    rgb = _values()[..., :3]
    kinds = [{}, {"progressive": True}, {"subsampling": 0, "quality": 95}, _tagged(), {"restart_marker_blocks": 2}]
    grey, cmyk = _saved(rgb, "JPEG", "L"), _saved(rgb, "JPEG", "CMYK")
    return (*(_saved(rgb, "JPEG", **kind) for kind in kinds), grey, cmyk)


@functools.cache
def _pngs() -> tuple[bytes, ...]:
    rgba = _values()
    flat = [_saved(rgba, "PNG", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA")]
    deep = Image.fromarray(rgba[..., 0].astype(np.uint16) * 257)
    memory = io.BytesIO()
    deep.save(memory, "PNG")
    turned = [_saved(rgba[..., :3], "PNG", **_tagged())]
    return (*flat, memory.getvalue(), *turned, *(_interlaced(depth) for depth in (8, 16)), *_ours("png", 8, 16))


def _interlaced(depth: int) -> bytes:
    """An RGB PNG in seven passes, all of one colour."""
    height, width, step = 21, 30, 3 * depth // 8
    passes = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    rows = b""
    for top, left, down, across in passes:
        rows += (b"\0" + b"\x80" * step * len(range(left, width, across))) * len(range(top, height, down))
    head = struct.pack(">IIBBBBB", width, height, depth, 2, 0, 0, 1)
    return _PNG + _chunk(b"IHDR", head) + _chunk(b"IDAT", zlib.compress(rows)) + _chunk(b"IEND", b"")


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@functools.cache
def _tiffs() -> tuple[bytes, ...]:
    rgb = _values()[..., :3]
    flat = [_saved(rgb, "TIFF", compression=c) for c in ("raw", "tiff_lzw", "jpeg", "tiff_adobe_deflate", "packbits")]
    made = []
    for dtype in (np.uint8, np.uint16, np.int16, np.float32):
        values = rgb / 255 if dtype is np.float32 else rgb
        for options in ({}, {"tile": (16, 16)}, {"planarconfig": "separate"}, {"compression": "zlib"}):
            planes = np.moveaxis(values, 2, 0) if "planarconfig" in options else values
            memory = io.BytesIO()
            tifffile.imwrite(memory, planes.astype(dtype), photometric="rgb", **options)
            made.append(memory.getvalue())
    return (*flat, *made, *_ours("tif", 8, 16))


@functools.cache
def _others() -> tuple[bytes, ...]:
    rgb = _values()[..., :3]
    more = [Image.fromarray(rgb[::-1]), Image.fromarray(rgb // 2)]
    moving = {"save_all": True, "append_images": more}
    gifs = [_saved(rgb, "GIF"), _saved(rgb, "GIF", **moving), _saved(_values(), "GIF")]
    webps = [_saved(rgb, "WEBP"), _saved(_values(), "WEBP", lossless=True), _saved(rgb, "WEBP", **moving, **_tagged())]
    bmps = [_saved(rgb, "BMP", mode) for mode in ("1", "L", "P", "RGB")]
    return (*gifs, *webps, *bmps, _saved(rgb, "MPO", **moving))


@functools.cache
def _arrays() -> tuple[bytes, ...]:
    made = []
    for values in (np.zeros((9, 7, 3)), np.ones((1, 3, 9, 7), np.float32), np.zeros((9, 7, 3), ">u2")):
        memory = io.BytesIO()
        np.save(memory, values)
        made.append(memory.getvalue())
    return tuple(made)


def _ours(suffix: str, *depths: int) -> list[bytes]:
    """Pictures as Reverie writes them, a recipe inside."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{suffix}"
        for depth in depths:
            write_image(path, torch.linspace(0, 1, 3 * 12 * 16).reshape(1, 3, 12, 16), depth=depth, recipe=_RECIPE)
            made.append(path.read_bytes())
    return made


def _every() -> tuple[bytes, ...]:
    return _jpegs() + _pngs() + _tiffs() + _others() + _arrays()


def _with_recipes() -> tuple[bytes, ...]:
    return tuple(data for suffix in ("png", "tif", "jpg", "webp") for data in _ours(suffix, 8))


def changed_picture(random: Random, seeds: Sequence[bytes]) -> bytes:
    """A changed picture; mostly, where it is a PNG still, its chunks get true check sums, or none would be read."""
    data = changed(random, seeds)
    return _checked(data) if data.startswith(_PNG) and random.random() < 0.8 else data


def _checked(data: bytes) -> bytes:
    """A PNG with the check sum of each chunk as it should be."""
    parts, place = [_PNG], len(_PNG)
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        body = data[place + 8 : place + 8 + length]
        parts.append(_chunk(data[place + 4 : place + 8], body))
        place += 12 + length
    return b"".join(parts)


def _learn(path: Path, _: Path) -> None:
    Crops([path], 32, (40, 60)).batch(1, torch.Generator().manual_seed(1))


TARGETS = (
    *(
        Target(f"pictures-{name}", seeds, lambda path, _: read_picture(path), changed_picture)
        for name, seeds in (("jpeg", _jpegs), ("png", _pngs), ("tiff", _tiffs), ("other", _others), ("npy", _arrays))
    ),
    Target("masks", _every, lambda path, _: read_mask(path), changed_picture),
    Target("region-maps", _every, lambda path, _: read_regions(path), changed_picture),
    Target("training-photos", _every, _learn, changed_picture),
    Target("recipes-in-pictures", _with_recipes, lambda path, _: read_recipe(path), changed_picture),
)
