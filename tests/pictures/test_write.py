from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from torch import Tensor

from reverie.errors import PictureError
from reverie.pictures import FORMATS, check_output, format_of, read_picture, suffixes, write_image
from reverie.pictures import png as png_module
from reverie.pictures import tiff as tiff_module

LOSSLESS = [(".png", 8), (".png", 16), (".tif", 8), (".tif", 16), (".webp", 8)]


def steps(channels: int, size: tuple[int, int], *, depth: int, seed: int = 0) -> Tensor:
    """A random picture whose values are exact steps of a bit depth."""
    generator = torch.Generator().manual_seed(seed)
    most = 2**depth - 1
    picture: Tensor = torch.randint(0, most + 1, (1, channels, *size), generator=generator) / most
    return picture


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(LOSSLESS),
    size=st.tuples(st.integers(1, 70), st.integers(1, 23)),
    with_alpha=st.booleans(),
    flat=st.booleans(),
)
def test_there_and_back_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    kind: tuple[str, int],
    size: tuple[int, int],
    with_alpha: bool,
    flat: bool,
) -> None:
    suffix, depth = kind
    path = tmp_path_factory.getbasetemp() / f"there{suffix}"
    pixels = steps(3, size, depth=depth)
    if flat:
        pixels = pixels[..., :1, :1].expand_as(pixels)
    alpha = steps(1, size, depth=depth, seed=1) if with_alpha else None
    if suffix == ".webp" and alpha is not None:
        alpha[0, 0, 0, 0] = 0.2  # WebP drops an alpha that is opaque everywhere
    write_image(path, pixels, alpha=alpha, depth=depth, quality=100)
    read = read_picture(path)
    assert torch.equal(read.pixels, pixels)
    assert read.depth == depth and read.size == size and read.name == path.name
    assert (read.alpha is None) == (alpha is None)
    assert alpha is None or (read.alpha is not None and torch.equal(read.alpha, alpha))


def test_all_65536_values_survive(tmp_path: Path) -> None:
    ramp = torch.arange(65536).reshape(1, 1, 256, 256)
    pixels = torch.cat([ramp, ramp.flip(2), ramp.flip(3)], dim=1) / 65535
    for suffix in (".png", ".tif"):
        write_image(tmp_path / f"ramp{suffix}", pixels, depth=16)
        assert torch.equal(read_picture(tmp_path / f"ramp{suffix}").pixels, pixels)


def test_other_programs_read_the_same(tmp_path: Path) -> None:
    pixels = steps(3, (65, 33), depth=16)
    wanted = (pixels[0].permute(1, 2, 0) * 65535).round().numpy().astype(np.uint16)
    write_image(tmp_path / "a.tif", pixels, depth=16)
    assert np.array_equal(tifffile.imread(tmp_path / "a.tif"), wanted)
    write_image(tmp_path / "a.png", pixels, depth=16)
    with Image.open(tmp_path / "a.png") as image:  # Pillow keeps the high byte
        image.load()
        assert np.array_equal(np.asarray(image), wanted >> 8)
    write_image(tmp_path / "b.png", pixels)
    with Image.open(tmp_path / "b.png") as image:
        assert np.array_equal(np.asarray(image), np.rint(wanted / 257).astype(np.uint8))


@pytest.mark.parametrize("suffix", [".jpg", ".webp"])
def test_lossy_is_near_and_keeps_colour_edges(tmp_path: Path, suffix: str) -> None:
    pixels = torch.zeros(1, 3, 32, 33)
    pixels[:, 0, :, ::2], pixels[:, 2, :, 1::2] = 0.8, 0.8  # columns of red and blue
    write_image(tmp_path / f"a{suffix}", pixels, quality=95 if suffix == ".jpg" else 100)
    assert (read_picture(tmp_path / f"a{suffix}").pixels - pixels).abs().mean() < 0.02


def test_numpy_keeps_every_bit(tmp_path: Path) -> None:
    pixels = torch.rand(1, 3, 5, 7)
    write_image(tmp_path / "a.npy", pixels)
    stored = np.load(tmp_path / "a.npy")
    assert stored.shape == (5, 7, 3) and stored.dtype == np.float32
    assert torch.equal(read_picture(tmp_path / "a.npy").pixels, pixels)


def test_rounding_and_clamping(tmp_path: Path) -> None:
    values = torch.tensor([-3.0, 0.4 / 255, 0.6 / 255, 127.49 / 255, 127.51 / 255, 1.0, 7.0])
    write_image(tmp_path / "a.png", values.expand(1, 3, 1, 7))
    with Image.open(tmp_path / "a.png") as image:
        assert np.asarray(image)[0, :, 1].tolist() == [0, 0, 1, 127, 128, 255, 255]


def test_alpha_on_white_where_there_is_none(tmp_path: Path) -> None:
    pixels, alpha = torch.zeros(1, 3, 16, 16), torch.full((1, 1, 16, 16), 0.25)
    for name in ("a.jpg", "a.npy"):
        write_image(tmp_path / name, pixels, alpha=alpha)
        read = read_picture(tmp_path / name)
        assert read.alpha is None
        assert (read.pixels - 0.75).abs().max() < 0.005


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_profile_is_srgb_and_the_bytes_are_the_same_each_time(tmp_path: Path, suffix: str) -> None:
    pixels = torch.rand(1, 3, 9, 9)
    paths = [tmp_path / f"{n}{suffix}" for n in "ab"]
    for path in paths:
        write_image(path, pixels, recipe='{"seed": 1}')
    assert paths[0].read_bytes() == paths[1].read_bytes()
    with Image.open(paths[0]) as image:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(image.info["icc_profile"]))
    assert "sRGB" in ImageCms.getProfileDescription(profile)


def test_any_floating_type_and_a_graph(tmp_path: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        x = torch.full((1, 3, 2, 2), 0.5, dtype=dtype, requires_grad=True) * 1
        write_image(tmp_path / "a.png", x)
        assert (read_picture(tmp_path / "a.png").pixels - 0.5).abs().max() < 0.003


NAN = torch.full((1, 3, 4, 4), float("nan"))
GOOD = torch.rand(1, 3, 4, 4)


@pytest.mark.parametrize(
    ("name", "pixels", "message"),
    [
        ("a.png", NAN, "48 of 48 values are NaN"),
        ("a.png", GOOD / 0, "values are NaN or infinite"),
        ("a.png", GOOD[0], r"\(3, 4, 4\)"),
        ("a.png", GOOD.repeat(2, 1, 1, 1), "one by one"),
        ("a.png", GOOD[..., :0], r"\(1, 3, 4, 0\)"),
        ("a.png", (GOOD * 255).to(torch.uint8), "uint8"),
        ("a.pnng", GOOD, r"'\.pnng'; use one of \.png, \.jpg.*Did you mean '\.png'"),
        ("a", GOOD, "has none; use one of"),
        ("no/a.png", GOOD, "there is no folder"),
        ("a.webp", GOOD[..., :1, :1].expand(1, 3, 1, 17000), "at most 16,383 pixels a side"),
    ],
)
def test_refusals_are_one_line_and_leave_the_old_file(tmp_path: Path, name: str, pixels: Tensor, message: str) -> None:
    path = tmp_path / name
    if path.parent.exists():
        path.write_bytes(b"old")
    with pytest.raises(PictureError, match=message) as caught:
        write_image(path, pixels)
    assert "\n" not in str(caught.value) and ";" in str(caught.value)
    assert [p.read_bytes() for p in tmp_path.iterdir()] in ([b"old"], [])


def test_wrong_settings(tmp_path: Path) -> None:
    for message, name, settings_ in (
        ("JPEG has 8 bits", "a.jpg", dict[str, Any](depth=16)),
        ("got depth 12", "a.png", {"depth": 12}),
        ("quality lies in 1", "a.jpg", {"quality": 0}),
        ("alpha has the size", "a.png", {"alpha": GOOD[:, :1, 1:]}),
        ("alpha to write are one", "a.png", {"alpha": GOOD}),
        ("alpha to write are finite", "a.png", {"alpha": NAN[:, :1]}),
    ):
        with pytest.raises(PictureError, match=message):
            write_image(tmp_path / name, GOOD, **settings_)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("suffix", "encoder"), [(".png", "write_png"), (".tif", "write_tiff")])
def test_a_failing_encoder_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, encoder: str
) -> None:
    path = tmp_path / f"a{suffix}"
    write_image(path, GOOD)
    before = path.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(png_module if suffix == ".png" else tiff_module, encoder, fail)
    with pytest.raises(PictureError, match="no luck"):
        write_image(path, 1 - GOOD)
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_check_output_before_the_work(tmp_path: Path) -> None:
    assert check_output(tmp_path / "a.TIFF", depth=16).name == "TIFF"
    with pytest.raises(PictureError, match="JPEG"):
        check_output(tmp_path / "a.jpg", depth=16)
    assert format_of("x.JPEG") in FORMATS and ".webp" in suffixes()
