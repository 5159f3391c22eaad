from __future__ import annotations

import io
import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image, ImageFile

from reverie.errors import PictureError
from reverie.pictures import read_image, read_picture, write_image

Array = np.ndarray[tuple[int, ...], np.dtype[Any]]
RNG = np.random.default_rng(0)
RGB = RNG.integers(0, 256, (23, 31, 3)).astype(np.uint8)
DEEP = RNG.integers(0, 65536, (23, 31, 4)).astype(np.uint16)


def read(path: Path) -> Array:
    """Pixels of a file as (H, W, 3)."""
    result: Array = read_image(path)[0].permute(1, 2, 0).numpy()
    return result


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(values: Array, colours: int, *, extra: bytes = b"", filters: int = 0) -> bytes:
    """A PNG of 16-bit samples made byte by byte, every row with a filter of its own."""
    height, width = values.shape[:2]
    rows = values.astype(">u2").reshape(height, -1).view(np.uint8).astype(np.int64)
    step, packed = 2 * values.shape[2], b""
    above = np.zeros_like(rows[0])
    for number, row in enumerate(rows):
        left, corner = (np.concatenate([np.zeros(step, np.int64), r[:-step]]) for r in (row, above))
        to = [abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)]
        paeth = np.where((to[0] <= to[1]) & (to[0] <= to[2]), left,
                         np.where(to[1] <= to[2], above, corner))  # fmt: skip
        kind = (number * filters) % 5
        guess = [0 * row, left, above, (left + above) // 2, paeth][kind]
        packed += bytes([kind]) + ((row - guess) % 256).astype(np.uint8).tobytes()
        above = row
    head = struct.pack(">IIBBBBB", width, height, 16, colours, 0, 0, 0)
    parts = chunk(b"IHDR", head) + extra + chunk(b"IDAT", zlib.compress(packed))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")


@pytest.mark.parametrize("filters", [0, 1, 2])
@pytest.mark.parametrize(("colours", "channels"), [(0, 1), (2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("size", [(23, 31), (1, 1), (1, 9), (7, 1)])
def test_sixteen_bit_png_is_exact(
    tmp_path: Path, colours: int, channels: int, filters: int, size: tuple[int, int]
) -> None:
    values = DEEP[: size[0], : size[1], :channels]
    (tmp_path / "a.png").write_bytes(png(values, colours, filters=filters))
    picture = read_picture(tmp_path / "a.png")
    count = 1 if channels < 3 else 3
    wanted = np.broadcast_to(values[..., :count], (*size, 3)) / np.float32(65535)
    assert picture.depth == 16
    assert np.array_equal(picture.pixels[0].permute(1, 2, 0).numpy(), wanted)
    assert (picture.alpha is None) == (channels in (1, 3))
    if picture.alpha is not None:
        assert np.array_equal(picture.alpha[0, 0].numpy(), values[..., -1] / np.float32(65535))


def test_sixteen_bit_png_with_a_transparent_colour(tmp_path: Path) -> None:
    key = b"".join(struct.pack(">H", int(v)) for v in DEEP[2, 3, :3])
    (tmp_path / "a.png").write_bytes(png(DEEP[..., :3], 2, extra=chunk(b"tRNS", key)))
    alpha = read_picture(tmp_path / "a.png").alpha
    assert alpha is not None and alpha[0, 0, 2, 3] == 0 and alpha.sum() == 23 * 31 - 1


KINDS = ["grey", "rgb", "rgba", "premultiplied", "planes", "tiles", "big"]


@pytest.mark.parametrize(
    ("kind", "compression"),
    [(k, c) for k in KINDS for c in (None, "zlib")] + [(k, "lzw") for k in KINDS[:4]],
)
def test_sixteen_bit_tiff_is_exact(tmp_path: Path, kind: str, compression: str | None) -> None:
    path, values, options = tmp_path / "a.tif", DEEP[..., :3], dict[str, Any](photometric="rgb")
    if kind == "grey":
        values, options = DEEP[..., 0], {"photometric": "minisblack"}
    elif kind in ("rgba", "premultiplied"):
        values = DEEP.copy()
        options["extrasamples"] = ["unassalpha" if kind == "rgba" else "assocalpha"]
        if kind == "premultiplied":
            values[..., 3] |= 0x8000
            values[..., :3] = (values[..., :3] * (values[..., 3:] / 65535)).round()
    elif kind == "planes":
        values, options["planarconfig"] = np.moveaxis(values, 2, 0), "separate"
    elif kind == "tiles":
        options["tile"] = (16, 16)
    elif kind == "big":
        options["byteorder"] = ">"
    if compression == "lzw":
        write_lzw(path, values, **options)
    else:
        tifffile.imwrite(path, values, compression=compression, **options)
    picture = read_picture(path)
    colours = DEEP[..., :1].repeat(3, 2) if kind == "grey" else DEEP[..., :3]
    close = 1e-4 if kind == "premultiplied" else 0
    assert picture.depth == 16
    difference = picture.pixels[0].permute(1, 2, 0).numpy() - colours / np.float32(65535)
    assert np.abs(difference).max() <= close
    assert (picture.alpha is not None) == (kind in ("rgba", "premultiplied"))


def write_lzw(path: Path, values: Array, **options: Any) -> None:
    """A 16-bit LZW TIFF. Its strip is packed as literal codes of 9 bits, cleared in time."""
    data = values.astype("<u2").tobytes()
    bits = ""
    for place, byte in enumerate(data):
        if place % 200 == 0:
            bits += f"{256:09b}"
        bits += f"{byte:09b}"
    bits += f"{257:09b}"
    bits += "0" * (-len(bits) % 8)
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    memory = io.BytesIO()
    tifffile.imwrite(memory, values, metadata=None, **options)
    whole = bytearray(memory.getvalue())
    with tifffile.TiffFile(io.BytesIO(bytes(whole))) as tiff:
        tags = tiff.pages.first.tags
        for code, value in ((259, 5), (273, len(whole)), (279, len(packed))):
            kind = "<H" if tags[code].dtype == 3 else "<I"
            struct.pack_into(kind, whole, tags[code].valueoffset, value)
    path.write_bytes(bytes(whole) + packed)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.uint32])
def test_deep_tiff(tmp_path: Path, dtype: type[Any]) -> None:
    values = RGB / 255 if dtype != np.uint32 else RGB.astype(np.uint64) * (2**32 - 1) // 255
    tifffile.imwrite(tmp_path / "a.tif", values.astype(dtype), photometric="rgb")
    assert np.abs(read(tmp_path / "a.tif") - RGB / 255).max() < 1e-3
    assert read_picture(tmp_path / "a.tif").depth == 16


def test_inverted_grey_tiff(tmp_path: Path) -> None:
    for values in (DEEP[..., 0], RGB[..., 0]):
        tifffile.imwrite(tmp_path / "a.tif", values, photometric="miniswhite")
        wanted = 1 - values / np.iinfo(values.dtype).max
        assert np.abs(read(tmp_path / "a.tif")[..., 0] - wanted).max() < 1e-6


@pytest.mark.parametrize("shape", [(5, 7, 3), (3, 5, 7), (1, 3, 5, 7), (1, 5, 7, 3), (3, 9, 3)])
def test_numpy_arrays(tmp_path: Path, shape: tuple[int, ...]) -> None:
    values = RNG.random(shape)
    np.save(tmp_path / "a.npy", values)
    flat = values.reshape(shape[-3:])
    wanted = flat if flat.shape[2] == 3 else flat.transpose(1, 2, 0)
    assert np.array_equal(read(tmp_path / "a.npy"), wanted.astype(np.float32))


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation(tmp_path: Path, suffix: str, orientation: int) -> None:
    """The stored picture is what a camera saw; upright, its red corner is at the top left."""
    upright = np.zeros((32, 48, 3), np.uint8)
    upright[:16, :16, 0], upright[:16, 16:, 1] = 255, 255
    undo: dict[int, Callable[[Array], Array]]
    undo = {1: lambda a: a, 2: np.fliplr, 3: lambda a: np.rot90(a, 2), 4: np.flipud,
            5: lambda a: a.swapaxes(0, 1), 6: np.rot90, 8: lambda a: np.rot90(a, -1),
            7: lambda a: np.rot90(a.swapaxes(0, 1), 2)}  # fmt: skip
    stored = np.ascontiguousarray(undo[orientation](upright))
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / f"a{suffix}"
    Image.fromarray(stored).save(path, exif=exif, quality=95)
    assert np.abs(read(path) - upright / 255).mean() < 0.02
    if suffix == ".tif":  # and at 16 bits
        deep = stored.astype(np.uint16) * 257
        tifffile.imwrite(path, deep, photometric="rgb", extratags=[(274, 3, 1, orientation, True)])
        assert np.array_equal(read(path), upright / np.float32(255))
        tag = (274, 3, 1, orientation, True)
        write_lzw(path, deep, photometric="rgb", extratags=[tag])
        assert np.array_equal(read(path), upright / np.float32(255))


def test_alpha_turns_with_its_picture(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    image = Image.fromarray(np.dstack([RGB, RGB[..., 0]]))
    image.save(tmp_path / "a.png", exif=exif)
    picture = read_picture(tmp_path / "a.png")
    assert picture.alpha is not None and picture.size == (31, 23)
    assert torch.equal(picture.alpha[:, 0], picture.pixels[:, 0])


def test_broken_orientation_is_passed_over(tmp_path: Path) -> None:
    for number, exif in enumerate((b"Exif\0\0II*\0garbage", b"Exif\0\0", b"Exif\0\0MM\0*\0\0\0\x08\xff")):
        path = tmp_path / f"{number}.png"
        Image.fromarray(RGB).save(path, exif=exif)
        assert np.array_equal(read(path), RGB / np.float32(255))


@pytest.mark.parametrize("suffix", [".png", ".gif", ".tif", ".bmp"])
@pytest.mark.parametrize("mode", ["1", "L", "P"])
def test_small_modes(tmp_path: Path, mode: str, suffix: str) -> None:
    image = Image.fromarray(RGB).convert(mode)
    image.save(tmp_path / f"a{suffix}")
    picture = read_picture(tmp_path / f"a{suffix}")
    wanted = np.asarray(image.convert("RGB")) / np.float32(255)
    assert np.array_equal(picture.pixels[0].permute(1, 2, 0).numpy(), wanted)
    assert picture.alpha is None and picture.depth == 8


def test_transparency_of_every_kind(tmp_path: Path) -> None:
    alpha = RNG.integers(0, 256, RGB.shape[:2]).astype(np.uint8)
    Image.fromarray(np.dstack([RGB, alpha])).save(tmp_path / "rgba.png")
    Image.fromarray(np.dstack([RGB[..., 0], alpha])).save(tmp_path / "la.png")
    for name in ("rgba.png", "la.png"):
        read_alpha = read_picture(tmp_path / name).alpha
        assert read_alpha is not None and read_alpha.dtype == torch.float32
        assert np.array_equal(read_alpha[0, 0].numpy(), alpha / np.float32(255))
    indexed = Image.fromarray(RGB).quantize(8)
    indexed.save(tmp_path / "table.png", transparency=bytes([0, 128, 255]))
    indexed.save(tmp_path / "one.png", transparency=2)
    indexed.save(tmp_path / "one.gif", transparency=2)
    Image.fromarray(RGB).save(tmp_path / "key.png", transparency=tuple(RGB[1, 2].tolist()))
    Image.fromarray(RGB[..., 0]).save(tmp_path / "grey.png", transparency=int(RGB[1, 2, 0]))
    numbers = np.asarray(indexed)
    for name, wanted in (
        ("table.png", np.array([0, 128, 255, 255, 255, 255, 255, 255])[numbers]),
        ("one.png", np.where(numbers == 2, 0, 255)),
        ("one.gif", np.where(numbers == 2, 0, 255)),
        ("key.png", np.where((RGB[1, 2] == RGB).all(2), 0, 255)),
        ("grey.png", np.where(RGB[..., 0] == RGB[1, 2, 0], 0, 255)),
    ):
        read_alpha = read_picture(tmp_path / name).alpha
        assert read_alpha is not None
        assert np.array_equal(read_alpha[0, 0].numpy(), wanted.astype(np.float32) / 255), name


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif", ".mpo"])
def test_first_of_many(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(tmp_path / f"a{suffix}", save_all=True, append_images=frames[1:])
    assert read(tmp_path / f"a{suffix}")[8, 8] == pytest.approx([1, 0, 0], abs=0.02)


def test_content_decides_not_the_suffix(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "a.jpg")
    assert np.array_equal(read(tmp_path / "a.jpg"), RGB / np.float32(255))


def refused(path: Path, message: str, **options: Any) -> None:
    with warnings.catch_warnings(record=True) as seen, pytest.raises(PictureError) as caught:
        warnings.simplefilter("always")
        read_picture(path, **options)
    text = str(caught.value)
    assert message in text and str(path) in text and "\n" not in text and ";" in text
    assert not seen


def test_what_is_no_picture(tmp_path: Path) -> None:
    refused(tmp_path / "none.png", "there is no file")
    refused(tmp_path, "is a folder")
    Path(tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "is empty")
    for name, data in (
        ("text.png", b"hello\n" * 50),
        ("a.svg", b'<svg xmlns="http://www.w3.org/2000/svg"/>'),
        ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        ("one", b"\x89"),
        ("a.ppm", b"P6 1 1 255 abc"),
    ):
        (tmp_path / name).write_bytes(data)
        refused(tmp_path / name, "not a whole picture of a known kind; use PNG, JPEG")


def test_arrays_that_are_no_pictures(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    for values, message in (
        (RNG.random((4, 5, 4)), "got (4, 5, 4) of float64"),
        (RNG.random((2, 3, 4, 5)), "(2, 3, 4, 5)"),
        (RNG.random((4, 5, 3)) * 255, "scale them"),
        (np.full((4, 5, 3), np.nan), "nan"),
        (np.zeros((4, 5, 3), np.int16), "int16"),
        (np.zeros((0, 5, 3)), "at least one pixel; got 5x0"),
        (np.array([{}], dtype=object), "damaged"),
    ):
        np.save(path, values, allow_pickle=True)
        refused(path, message)
    np.save(path, np.zeros((40, 50, 3)))
    path.write_bytes(path.read_bytes()[:-1])
    refused(path, "cut short")


def test_arrays_that_say_too_much_are_refused_in_one_short_line(tmp_path: Path) -> None:
    path = tmp_path / "a\x1b\n.npy"
    np.save(path, np.zeros(3, [(f"field {n}", "f4") for n in range(100)]))
    odd = [path.read_bytes(), path.read_bytes().replace(b"'descr'", b"'d\ns\x1br'")]
    for data in odd:
        path.write_bytes(data)
        with pytest.raises(PictureError) as caught:
            read_picture(path)
        line = str(caught.value)
        assert line.isprintable() and r"a\x1b\n.npy" in line and len(line) < 450


def test_float_tiff_out_of_range(tmp_path: Path) -> None:
    tifffile.imwrite(tmp_path / "a.tif", RGB.astype(np.float32), photometric="rgb")
    refused(tmp_path / "a.tif", "floating pixels lie in [0, 1]; got 0 to 255")


def whole_files(folder: Path) -> list[Path]:
    smooth = np.asarray(Image.fromarray(RGB).resize((60, 50)))
    image, paths = Image.fromarray(smooth), []
    for name, options in (
        ("a.png", {}), ("a.jpg", {"quality": 90}), ("progressive.jpg", {"progressive": True}),
        ("a.webp", {}), ("lossless.webp", {"lossless": True}), ("a.gif", {}), ("a.bmp", {}),
        ("raw.tif", {}), ("lzw.tif", {"compression": "tiff_lzw"}),
        ("jpeg.tif", {"compression": "jpeg"}),
    ):  # fmt: skip
        image.save(folder / name, **options)
        paths.append(folder / name)
    (folder / "deep.png").write_bytes(png(DEEP[..., :3], 2, filters=1))
    write_image(folder / "ours.png", torch.rand(1, 3, 20, 30), depth=16, recipe="{}")
    write_image(folder / "ours.tif", torch.rand(1, 3, 20, 30), depth=16, recipe="{}")
    write_image(folder / "a.npy", torch.rand(1, 3, 20, 30))
    return [*paths, *(folder / n for n in ("deep.png", "ours.png", "ours.tif", "a.npy"))]


def test_cut_short_anywhere_is_refused_or_complete(tmp_path: Path) -> None:
    for path in whole_files(tmp_path):
        data, whole = path.read_bytes(), read_image(path)
        cut = tmp_path / f"cut{path.suffix}"
        lengths = {*range(0, len(data), max(1, len(data) // 30)), *range(len(data) - 24, len(data))}
        complete = 0
        for length in sorted(lengths):
            cut.write_bytes(data[:length])
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                try:
                    part = read_image(cut)
                except PictureError as error:
                    assert "\n" not in str(error)
                    continue
            assert torch.equal(part, whole), f"{path.name} cut to {length} of {len(data)}"
            complete += 1
        # only trailers may be lacking: the end marker of a JPEG or GIF, tags behind the pixels
        assert complete == 0 or path.suffix not in (".png", ".npy", ".bmp", ".webp"), path.name
        assert complete <= 24, path.name


def test_flipped_bytes_never_escape_as_other_errors(tmp_path: Path) -> None:
    for path in whole_files(tmp_path):
        data = path.read_bytes()
        flipped = tmp_path / f"flipped{path.suffix}"
        for place in range(0, min(len(data), 1200), 29):
            flipped.write_bytes(data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :])
            try:
                x = read_image(flipped, max_pixels=10**6)
            except PictureError as error:
                assert "\n" not in str(error)
            else:
                assert torch.isfinite(x).all() and x.min() >= 0 and x.max() <= 1


def test_damaged_png_pixels_are_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(RGB).save(path, compress_level=0)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    refused(path, "IDAT chunk of this PNG is damaged")


def test_limit_is_checked_before_decoding(tmp_path: Path) -> None:
    bomb = png(np.zeros((1, 1, 3), np.uint16), 2)
    for width, height in ((60_000, 60_000), (2**31 - 1, 2**31 - 1)):
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        (tmp_path / "bomb.png").write_bytes(bomb[:8] + head + bomb[33:])
        refused(tmp_path / "bomb.png", f"at most 512,000,000 pixels; got {width}x{height}")
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 0, 5, 8, 2, 0, 0, 0))
    (tmp_path / "none.png").write_bytes(bomb[:8] + head + bomb[33:])
    refused(tmp_path / "none.png", "at least one pixel; got 0x5")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif", ".gif", ".bmp"])
def test_limit_of_one_call(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    Image.fromarray(RGB).save(path)
    refused(path, "at most 712 pixels; got 31x23", max_pixels=712)
    assert read_image(path, max_pixels=713).shape == (1, 3, 23, 31)


def test_pillows_own_limit_and_warnings_are_as_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.png")
    tifffile.imwrite(tmp_path / "a.tif", RGB, photometric="rgb")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)  # Pillow would refuse both
    filters = list(warnings.filters)
    readers = [
        threading.Thread(target=read_image, args=(tmp_path / name,)) for name in ("a.png", "a.tif", "a.png", "a.tif")
    ]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    assert read_image(tmp_path / "a.tif").shape == (1, 3, 23, 31)
    assert Image.MAX_IMAGE_PIXELS == 100 and list(warnings.filters) == filters


def test_log_of_the_tiff_decoder_stays_off_the_terminal() -> None:
    assert any(isinstance(h, logging.NullHandler) for h in logging.getLogger("tifffile").handlers)
    assert logging.getLogger("tifffile").level == logging.NOTSET


def test_no_guessing_even_where_the_user_lets_pillow_guess(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(RGB).save(tmp_path / "a.jpg")
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:-200])
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    refused(tmp_path / "a.jpg", "cut short")
    assert ImageFile.LOAD_TRUNCATED_IMAGES


def test_picture_cannot_be_changed(tmp_path: Path) -> None:
    Image.fromarray(RGB).save(tmp_path / "cat.png")
    picture = read_picture(tmp_path / "cat.png")
    assert picture.name == "cat.png" and picture.size == (23, 31)
    assert picture.pixels.is_contiguous() and picture.pixels.dtype == torch.float32
    with pytest.raises(AttributeError):
        picture.name = "dog"  # type: ignore[misc]
