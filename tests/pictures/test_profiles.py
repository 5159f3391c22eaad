from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from reverie.pictures import read_picture
from reverie.pictures.profiles import converter, parse, srgb_profile
from tests.pictures import made_profiles as made

CURVES = {
    "gamma": made.gamma_curve(2.2),
    "table": made.table_curve([(i / 99) ** 1.8 for i in range(100)]),
    "linear": b"curv" + bytes(8),
    "power": made.parametric_curve(0, 1.9),
    "cie122": made.parametric_curve(1, 2.2, 0.9, 0.1),
    "iec61966-3": made.parametric_curve(2, 2.2, 0.9, 0.05, 0.02),
    "srgb": made.parametric_curve(3, 2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045),
    "full": made.parametric_curve(4, 2.2, 0.9, 0.05, 0.3, 0.1, 0.01, 0.005),
}


def random_rgb(high: int = 256) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    return np.random.default_rng(0).integers(0, high, (31, 17, 3)).astype(np.uint8)


def by_littlecms(image: Image.Image, profile: bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    converted = ImageCms.profileToProfile(
        image,
        ImageCms.ImageCmsProfile(io.BytesIO(profile)),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    assert converted is not None
    return np.asarray(converted)


@pytest.mark.parametrize("name", CURVES)
def test_rgb_profiles_agree_with_littlecms(name: str) -> None:
    profile, pixels = made.rgb_profile(made.ADOBE, CURVES[name]), random_rgb()
    ours = converter(profile, 3)(pixels) * 255
    theirs = by_littlecms(Image.fromarray(pixels), profile).astype(float)
    # LittleCMS rounds dark linear light to 8 or 16 bits on the way; we do not.
    assert np.abs(ours - theirs).mean() < 0.6
    assert np.abs(ours - theirs).max() < 4


@pytest.mark.parametrize("name", ["gamma", "table", "srgb"])
def test_grey_profiles_agree_with_littlecms(name: str) -> None:
    profile, grey = made.grey_profile(CURVES[name]), np.arange(256, dtype=np.uint8)[None]
    ours = converter(profile, 1)(grey[..., None]) * 255
    assert np.abs(ours - by_littlecms(Image.fromarray(grey), profile)).max() < 3


def test_wide_gamut_picture_changes_as_derived_by_hand(tmp_path: Path) -> None:
    pixels = random_rgb(200) + 20
    Image.fromarray(pixels).save(
        tmp_path / "adobe.png", icc_profile=made.rgb_profile(made.ADOBE, made.gamma_curve(2.2))
    )
    linear = (pixels / 255) ** (round(2.2 * 256) / 256)
    srgb = (linear @ (np.linalg.inv(made.SRGB) @ np.array(made.ADOBE)).T).clip(0, 1)
    wanted = np.where(srgb <= 0.0031308, srgb * 12.92, 1.055 * srgb ** (1 / 2.4) - 0.055)
    ours = read_picture(tmp_path / "adobe.png").pixels[0].permute(1, 2, 0).numpy()
    assert np.abs(ours - wanted).max() < 2e-3
    assert np.abs(ours - pixels / 255).max() > 0.05


def test_sixteen_bits_survive_a_profile(tmp_path: Path) -> None:
    ramp = np.linspace(20000, 22000, 600).astype(np.uint16).reshape(1, 200, 3).repeat(4, axis=0)
    profile = made.rgb_profile(made.SRGB, made.gamma_curve(2.2))
    tifffile.imwrite(tmp_path / "deep.tif", ramp, photometric="rgb", iccprofile=profile)
    picture = read_picture(tmp_path / "deep.tif")
    assert picture.depth == 16
    assert len(np.unique(picture.pixels.numpy())) > 590


@pytest.mark.parametrize("profile", [srgb_profile(), made.rgb_profile(made.SRGB, CURVES["srgb"])], ids=["ours", "made"])
def test_srgb_itself_changes_nothing(profile: bytes) -> None:
    pixels = random_rgb()
    assert np.array_equal(converter(profile, 3)(pixels), pixels / np.float32(255))


@pytest.mark.parametrize("damage", [b"", b"junk" * 60, srgb_profile()[:300], srgb_profile()[:128]])
def test_damaged_profile_is_passed_over(damage: bytes) -> None:
    pixels = random_rgb()
    assert np.array_equal(converter(damage, 3)(pixels), pixels / np.float32(255))


def test_every_damaged_byte_still_reads() -> None:
    good, pixels = made.rgb_profile(made.ADOBE, CURVES["full"]), random_rgb()[:4]
    for place in range(0, len(good), 3):
        bad = good[:place] + bytes([good[place] ^ 0xFF]) + good[place + 1 :]
        converted = converter(bad, 3)(pixels)
        assert converted.shape == pixels.shape and np.isfinite(converted).all()


def test_table_profiles_go_through_littlecms(tmp_path: Path) -> None:
    profile = made.inverted_rgb_profile()
    assert parse(profile) is None
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0] = 255
    Image.fromarray(pixels).save(tmp_path / "inverted.png", icc_profile=profile)
    read = read_picture(tmp_path / "inverted.png").pixels[0, 0]
    assert read[0].max() < 0.05 and read[1].min() > 0.95


def test_grey_picture_with_rgb_profile_and_the_other_way_round(tmp_path: Path) -> None:
    grey = Image.fromarray(np.arange(256, dtype=np.uint8)[None].repeat(2, axis=0))
    grey.save(tmp_path / "grey.jpg", icc_profile=srgb_profile(), quality=100)
    pixels = read_picture(tmp_path / "grey.jpg").pixels
    assert (pixels[:, 0] == pixels[:, 2]).all()
    coloured = random_rgb()
    Image.fromarray(coloured).save(tmp_path / "c.png", icc_profile=made.grey_profile(CURVES["gamma"]))
    read = read_picture(tmp_path / "c.png").pixels[0].permute(1, 2, 0).numpy()
    assert np.array_equal(read, coloured / np.float32(255))


@pytest.mark.parametrize("suffix", [".jpg", ".tif"])
def test_cmyk_by_profile_and_without(tmp_path: Path, suffix: str) -> None:
    inks = np.zeros((16, 32, 4), np.uint8)
    inks[:, :16, 0] = 255  # cyan, and bare paper on the right
    image = Image.frombytes("CMYK", (32, 16), inks.tobytes())
    image.save(tmp_path / f"plain{suffix}", quality=100)
    image.save(tmp_path / f"press{suffix}", quality=100, icc_profile=made.cmyk_profile())
    plain = read_picture(tmp_path / f"plain{suffix}").pixels[0]
    press = read_picture(tmp_path / f"press{suffix}").pixels[0]
    assert plain[:, 4, 4].numpy() == pytest.approx([0, 1, 1], abs=0.03)
    assert press[:, 4, 4].numpy() == pytest.approx([1, 0, 0], abs=0.06)
    for read in (plain, press):
        assert read[:, 4, 28].min() > 0.97


def test_cmyk_black_darkens_every_ink(tmp_path: Path) -> None:
    inks = bytes([51, 0, 255, 128])
    Image.frombytes("CMYK", (1, 1), inks).save(tmp_path / "ink.tif")
    read = read_picture(tmp_path / "ink.tif").pixels.flatten().numpy()
    assert read == pytest.approx([0.8 * 127 / 255, 127 / 255, 0], abs=0.003)


def test_lab_tiff(tmp_path: Path) -> None:
    lab = np.array([[[136, 80, 67]]], np.uint8)  # lightness of 255, then signed a and b
    tifffile.imwrite(tmp_path / "lab.tif", lab, photometric="cielab")
    read = read_picture(tmp_path / "lab.tif").pixels.flatten().numpy()
    assert read == pytest.approx([1, 0, 0], abs=0.06)
