"""What a head claims is held against the file, the memory allowed and the size wanted, before anything is decoded."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import time
import zlib
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from reverie.errors import OutOfMemory, PictureError
from reverie.pictures import fit, read_mask, read_picture, read_regions, resize
from reverie.pictures import read as reading

RNG = np.random.default_rng(5)
SMOOTH = np.asarray(Image.fromarray(RNG.integers(0, 256, (9, 12, 3)).astype(np.uint8)).resize((301, 203), 3))
PASSES = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(size: tuple[int, int], depth: int, colours: int, rows: bytes, *, passes: bool = False) -> bytes:
    head = struct.pack(">IIBBBBB", size[1], size[0], depth, colours, 0, 0, passes)
    parts = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


def interlaced(values: np.ndarray, depth: int, colours: int) -> bytes:
    """A PNG in seven passes of (H, W, C) values."""
    rows = b""
    for top, left, down, across in PASSES:
        for row in values[top::down, left::across] if values[:, left::across].size else ():
            big = row.astype(">u2" if depth == 16 else np.uint8)
            rows += b"\0" + (np.packbits(big).tobytes() if depth == 1 else big.tobytes())
    return png(values.shape[:2], depth, colours, rows, passes=True)


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (7, 9), (33, 50)])
@pytest.mark.parametrize(("depth", "colours", "channels"), [(1, 0, 1), (8, 2, 3), (16, 0, 1), (16, 2, 3), (16, 6, 4)])
def test_pngs_in_seven_passes_are_exact(
    tmp_path: Path, size: tuple[int, int], depth: int, colours: int, channels: int
) -> None:
    most = (1 << depth) - 1
    values = RNG.integers(0, most + 1, (*size, channels))
    (tmp_path / "a.png").write_bytes(interlaced(values, depth, colours))
    picture = read_picture(tmp_path / "a.png")
    wanted = np.broadcast_to(values[..., : 1 if channels == 1 else 3] / np.float32(most), (*size, 3))
    assert np.array_equal(picture.pixels[0].permute(1, 2, 0).numpy(), wanted.astype(np.float32))
    assert (picture.alpha is not None) == (colours == 6)


@pytest.mark.parametrize("depth", [1, 2, 4])
def test_pngs_of_few_bits_are_as_pillow_has_them(tmp_path: Path, depth: int) -> None:
    width = 21
    packed = RNG.integers(0, 256, (13, (width * depth + 7) // 8)).astype(np.uint8)
    rows = b"".join(b"\0" + row.tobytes() for row in packed)
    (tmp_path / "a.png").write_bytes(png((13, width), depth, 0, rows))
    with Image.open(tmp_path / "a.png") as image:
        wanted = np.asarray(image.convert("L"), np.float32) / np.float32(255)
    assert np.array_equal(read_picture(tmp_path / "a.png").pixels[0, 0].numpy(), wanted)


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
@pytest.mark.parametrize("grey", [True, False])
def test_signed_tiffs_are_shares_of_their_largest(tmp_path: Path, dtype: type, grey: bool) -> None:
    most = np.iinfo(dtype).max
    values = (SMOOTH[..., 0] if grey else SMOOTH) / 255
    kind = "minisblack" if grey else "rgb"
    tifffile.imwrite(tmp_path / "a.tif", (values * most).astype(dtype), photometric=kind)
    pixels = read_picture(tmp_path / "a.tif").pixels[0].permute(1, 2, 0).numpy()
    assert np.abs(pixels - (values[..., None] if grey else values)).max() < 0.01
    tifffile.imwrite(tmp_path / "a.tif", (values * most - 9).astype(dtype), photometric=kind)
    with pytest.raises(PictureError, match=r"pixels lie in \[0, \d+\]; got -\d"):
        read_picture(tmp_path / "a.tif")


def saved(kind: str, **options: object) -> bytes:
    memory = io.BytesIO()
    Image.fromarray(SMOOTH).save(memory, kind, **options)
    return memory.getvalue()


def with_head(kind: str) -> bytes:
    """A small file whose head claims 20,000 x 20,000 pixels."""
    claim = 20_000
    if kind == "png":
        return png((claim, claim), 16, 2, bytes(1000), passes=True)
    if kind == "gif":
        data = saved("GIF")
        return data[:6] + struct.pack("<HH", claim, claim) + data[10:]
    if kind == "bmp":
        data = saved("BMP")
        return data[:18] + struct.pack("<ii", claim, claim) + data[26:]
    if kind == "tif":
        memory = io.BytesIO()
        tifffile.imwrite(memory, np.zeros((claim // 100, claim, 3), np.uint8), photometric="rgb", compression="zlib")
        tiff = bytearray(memory.getvalue())
        for number in range(struct.unpack_from("<H", tiff, 8)[0]):
            tag = struct.unpack_from("<H", tiff, 10 + 12 * number)[0]
            if tag in (257, 278):
                struct.pack_into("<I", tiff, 10 + 12 * number + 8, claim)
        return bytes(tiff)
    data = saved("JPEG", progressive=kind == "progressive")
    place = data.index(b"\xff\xc2" if kind == "progressive" else b"\xff\xc0") + 5
    return data[:place] + struct.pack(">HH", claim, claim) + data[place + 4 :]


@pytest.mark.parametrize("kind", ["png", "gif", "bmp", "tif", "jpeg", "progressive"])
def test_a_head_that_claims_what_the_file_cannot_hold_is_refused_at_once(tmp_path: Path, kind: str) -> None:
    (tmp_path / "a").write_bytes(with_head(kind))
    began = time.monotonic()
    with pytest.raises(PictureError, match=r"cannot hold them|cut short"):
        read_picture(tmp_path / "a")
    assert time.monotonic() - began < 1


def test_a_progressive_jpeg_has_a_few_scans(tmp_path: Path) -> None:
    data = saved("JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    (tmp_path / "a.jpg").write_bytes(data[:-2] + scan * 300 + data[-2:])
    with pytest.raises(PictureError, match="at most 256 scans"):
        read_picture(tmp_path / "a.jpg")


@pytest.fixture
def any_size(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of any size are read reduced, not only the huge."""
    monkeypatch.setattr(reading, "LARGE", 1)


def write_kind(path: Path, kind: str, values: np.ndarray) -> None:
    if kind == "interlaced":
        path.write_bytes(interlaced(values, 8, 2))
    elif kind == "deep":
        path.write_bytes(interlaced(values.astype(np.uint16) * 257, 16, 2))
    elif kind == "npy":
        np.save(path.with_suffix(".npy"), values)
        path.with_suffix(".npy").rename(path)
    elif kind in ("strips", "tiles", "planes"):
        write = partial(tifffile.imwrite, path, photometric="rgb", compression="zlib")
        if kind == "strips":
            write(values, rowsperstrip=7)
        elif kind == "tiles":
            write(values, tile=(16, 32))
        else:
            write(np.moveaxis(values, 2, 0), planarconfig="separate")
    else:
        Image.fromarray(values).save(path, kind, **({"quality": 95} if kind == "JPEG" else {"lossless": True}))


KINDS = ["PNG", "interlaced", "deep", "JPEG", "strips", "tiles", "planes", "WEBP", "BMP", "npy"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_reduced_picture_is_the_mean_over_areas(tmp_path: Path, any_size: None, kind: str) -> None:
    write_kind(tmp_path / "a", kind, SMOOTH)
    whole, small = read_picture(tmp_path / "a"), read_picture(tmp_path / "a", longer=37)
    height, width = fit(whole.size, longer=37)
    assert small.size == (2 * height, 2 * width) and small.reduced and not whole.reduced
    assert fit(small.size, longer=37) == (height, width)
    wanted = _areas(whole.pixels[0].double().numpy(), small.size)
    assert np.abs(small.pixels[0].numpy() - wanted).max() < (0.06 if kind == "JPEG" else 2e-6)
    both = [resize(x.pixels, (height, width)) for x in (whole, small)]
    assert float((both[0] - both[1]).abs().mean()) < (0.006 if kind == "JPEG" else 0.003)


def _areas(values: np.ndarray, size: tuple[int, ...]) -> np.ndarray:
    """(C, H, W) averaged over exact areas, by products with the shares that each pixel has in each box."""
    for axis, n in ((1, size[0]), (2, size[1])):
        length = values.shape[axis]
        y, t = np.arange(length), np.arange(n)[:, None]
        overlap = np.minimum(y + 1, (t + 1) * length / n) - np.maximum(y, t * length / n)
        values = np.moveaxis(np.tensordot(overlap.clip(0) * n / length, values, (1, axis)), 0, axis)
    return values


@pytest.mark.parametrize("orientation", range(1, 9))
def test_reduced_pictures_are_upright(tmp_path: Path, any_size: None, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    for suffix in ("png", "jpg"):
        Image.fromarray(SMOOTH).save(tmp_path / f"a.{suffix}", exif=exif, quality=95)
        whole, small = (read_picture(tmp_path / f"a.{suffix}", longer=longer) for longer in (None, 40))
        assert small.size == tuple(2 * side for side in fit(whole.size, longer=40))
        difference = resize(whole.pixels, small.size, filter="area") - small.pixels
        assert float(difference.abs().mean()) < 0.02


def test_alpha_is_reduced_with_its_picture(tmp_path: Path, any_size: None) -> None:
    Image.fromarray(np.dstack([SMOOTH, SMOOTH[..., 0]])).save(tmp_path / "a.png")
    alpha = read_picture(tmp_path / "a.png", longer=40).alpha
    assert (
        alpha is not None
        and np.abs(alpha[0, 0].numpy() - _areas(SMOOTH[None, ..., 0] / 255, alpha.shape[2:])).max() < 1e-5
    )


def test_a_size_near_its_own_and_a_small_picture_are_read_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.fromarray(SMOOTH).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", longer=20).size == (203, 301)
    monkeypatch.setattr(reading, "LARGE", 1)
    assert read_picture(tmp_path / "a.png", longer=151).size == (203, 301)
    assert read_picture(tmp_path / "a.png", longer=150).size == (202, 300)


def test_masks_and_maps_are_reduced_to_the_size_they_are_for(tmp_path: Path, any_size: None) -> None:
    values = np.zeros((400, 600, 3), np.uint8)
    values[:, 300:] = 255
    Image.fromarray(values).save(tmp_path / "a.png")
    mask = read_mask(tmp_path / "a.png", size=(40, 60), memory=10**8)
    assert mask.shape == (1, 1, 40, 60) and mask[..., :29].max() < 0.01 and mask[..., 31:].min() > 0.99
    assert read_regions(tmp_path / "a.png", size=(40, 60), memory=10**8).masks.shape == (2, 1, 40, 60)
    for reads in (read_mask, read_regions):
        with pytest.raises(OutOfMemory, match="2 MB are allowed"):
            reads(tmp_path / "a.png", size=(40, 60), memory=2 * 10**6)


def test_more_memory_than_allowed_is_refused_with_ways_that_help(tmp_path: Path) -> None:
    for name, kind in (("a.png", "PNG"), ("a.webp", "WEBP")):
        Image.new("RGB", (4000, 4000), "red").save(tmp_path / name, kind, lossless=True)
        with pytest.raises(
            OutOfMemory, match=r"reading 4000x4000 pixels .* 150 MB are allowed; allow (\d+) MB"
        ) as caught:
            read_picture(tmp_path / name, memory=150_000_000)
        needed = int(str(caught.value).split("; allow ")[1].split(" MB")[0])
        assert read_picture(tmp_path / name, memory=needed * 10**6).size == (4000, 4000)
        assert ("plain PNG" in str(caught.value)) == (kind == "WEBP")
        assert "--size" in str(caught.value)


MEASURE = """
import json, sys, torch
from pathlib import Path
from reverie.pictures import read_picture, write_image
from reverie.pictures.opening import opened
from reverie.pictures.read import _wanted

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024

folder, longer = Path(sys.argv[1]), int(sys.argv[2])
for suffix in ("png", "tif", "jpg", "webp"):  # what is loaded once
    write_image(folder / f"small.{suffix}", torch.rand(1, 3, 20, 20))
    read_picture(folder / f"small.{suffix}")
found = {}
for path in sorted(folder.glob("big.*")):
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    kept = read_picture(path, longer=longer)
    with opened(path, max_pixels=10**9) as source:
        size = kept.size
        source = source.smaller(size) if source.smaller else source
        found[path.name] = (status("VmHWM") - before, source.peak(size))
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are read as Linux has them")
def test_a_huge_picture_is_read_small_in_little_memory(tmp_path: Path) -> None:
    """Twenty-five million pixels, of which the whole would be 300 MB."""
    values = np.asarray(Image.fromarray(SMOOTH).resize((5000, 5000), 2))
    write_kind(tmp_path / "big.png", "PNG", values)
    write_kind(tmp_path / "big.interlaced", "interlaced", values)
    write_kind(tmp_path / "big.tif", "strips", values)
    write_kind(tmp_path / "big.jpg", "JPEG", values)
    write_kind(tmp_path / "big.npy", "npy", values)
    write_kind(tmp_path / "big.webp", "WEBP", values)
    command = [sys.executable, "-c", MEASURE, str(tmp_path), "256"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for name, (peak, expected) in found.items():
        assert peak < expected, f"{name}: {peak / 2**20:.0f} MB, {expected / 2**20:.0f} expected"
        assert name == "big.webp" or peak < 64 * 2**20, f"{name}: {peak / 2**20:.0f} MB"


def test_pixels_are_finite_and_in_range(tmp_path: Path, any_size: None) -> None:
    Image.new("RGB", (999, 777), "white").save(tmp_path / "a.png")
    pixels = read_picture(tmp_path / "a.png", longer=50).pixels
    assert float((pixels - 1).abs().max()) < 1e-6 and float(pixels.max()) <= 1 and torch.isfinite(pixels).all()
