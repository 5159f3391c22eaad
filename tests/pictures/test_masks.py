from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw

from reverie.errors import PictureError
from reverie.pictures import mask_of, paired, read_mask, read_regions, write_image

BLUE, RED, PURPLE, WHITE = (48, 96, 255), (255, 32, 32), (128, 48, 192), (255, 255, 255)


def drawn(path: Path, *, size: tuple[int, int] = (96, 128), smooth: int = 4, swap: bool = False) -> Path:
    """Blue over red, a purple ground, a white dot; smoothed by drawing it larger."""
    height, width = size[0] * smooth, size[1] * smooth
    sky, town = (RED, BLUE) if swap else (BLUE, RED)
    image = Image.new("RGB", (width, height), sky)
    draw = ImageDraw.Draw(image)
    draw.polygon([(0, height // 2), (width, height // 4), (width, height), (0, height)], fill=town)
    draw.rectangle([0, height * 3 // 4, width, height], fill=PURPLE)
    draw.ellipse([width // 2, height // 16, width // 2 + height // 5, height // 16 + height // 5], fill=WHITE)
    image.resize((size[1], size[0]), Image.Resampling.BOX).save(path)
    return path


def test_mask_there_and_back(tmp_path: Path) -> None:
    mask = torch.rand(1, 1, 30, 40, generator=torch.Generator().manual_seed(0))
    write_image(tmp_path / "a.png", mask.expand(1, 3, -1, -1), depth=16)
    assert (read_mask(tmp_path / "a.png") - mask).abs().max() < 1e-4
    half = read_mask(tmp_path / "a.png", size=(15, 20))
    assert half.shape == (1, 1, 15, 20) and half.min() >= 0 and half.max() <= 1


def test_transparent_is_black(tmp_path: Path) -> None:
    alpha = torch.zeros(1, 1, 8, 8)
    alpha[..., 4:] = 1
    write_image(tmp_path / "a.png", torch.ones(1, 3, 8, 8), alpha=alpha)
    assert torch.allclose(read_mask(tmp_path / "a.png"), alpha, atol=1e-6)


def test_a_mask_is_luma_times_alpha() -> None:
    pixels, alpha = torch.zeros(1, 3, 4, 6), torch.ones(1, 1, 4, 6)
    pixels[:, 0, :, 2:] = 1
    alpha[..., 4:] = 0.5
    mask = mask_of(pixels, alpha)
    assert mask.shape == (1, 1, 4, 6)
    assert mask[0, 0, 0].tolist() == pytest.approx([0, 0, 0.2126, 0.2126, 0.1063, 0.1063])
    assert torch.equal(mask_of(mask), mask)
    assert mask_of(pixels, of=(40, 60)).shape == (1, 1, 4, 6)
    assert mask_of(pixels, of=(40, 60), size=(8, 15)).shape == (1, 1, 8, 15)


def test_only_white_means_everywhere() -> None:
    white = torch.ones(1, 3, 4, 6)
    assert mask_of(white, everywhere=True).min() > 0.999
    for pixels, alpha in ((0 * white, None), (white / 2, None), (white, torch.zeros(1, 1, 4, 6))):
        with pytest.raises(PictureError, match="light and dark parts"):
            mask_of(pixels, alpha, everywhere=True)
    with pytest.raises(PictureError, match=r"all of 'the mask' is 1\.00"):
        mask_of(white)
    with pytest.raises(PictureError, match="read_mask"):
        mask_of(torch.ones(1, 4, 4, 6))


def test_regions_are_the_flat_colours_largest_first(tmp_path: Path) -> None:
    regions = read_regions(drawn(tmp_path / "map.png"))
    assert (regions.colours * 255).round().int().tolist() == [list(c) for c in (RED, BLUE, PURPLE, WHITE)]
    assert regions.masks.shape == (4, 1, 96, 128) and regions.name == "map.png"
    assert (regions.masks.sum(dim=0) - 1).abs().max() < 1e-6
    assert regions.masks.min() >= 0 and regions.masks[0].mean() > regions.masks[3].mean()


def test_smoothed_edges_belong_to_both_sides_and_to_no_third(tmp_path: Path) -> None:
    """Red over blue mixes to purple, which is a region elsewhere."""
    path = drawn(tmp_path / "map.png")
    regions = read_regions(path)
    mixed = torch.einsum("kc,khw->chw", regions.colours, regions.masks[:, 0])
    with Image.open(path) as image:
        stored = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 255
    assert (mixed - stored).abs().max() < 0.08
    assert ((regions.masks[0] > 0.05) & (regions.masks[0] < 0.95)).sum() > 30
    assert regions.masks[2, 0, :64].max() == 0


def test_regions_at_another_size(tmp_path: Path) -> None:
    regions = read_regions(drawn(tmp_path / "map.png"), size=(48, 64))
    assert regions.masks.shape == (4, 1, 48, 64)
    assert (regions.masks.sum(dim=0) - 1).abs().max() < 1e-5


def test_large_maps_are_taken_apart_smaller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = read_regions(drawn(tmp_path / "map.png"))
    monkeypatch.setattr("reverie.pictures.masks._LONGEST", 64)
    small = read_regions(tmp_path / "map.png")
    assert small.masks.shape == whole.masks.shape and torch.equal(small.colours, whole.colours)
    assert (small.masks - whole.masks).abs().mean() < 0.02


def test_pairs_by_colour(tmp_path: Path) -> None:
    photo, painting = read_regions(drawn(tmp_path / "a.png")), read_regions(drawn(tmp_path / "b.png", swap=True))
    assert not torch.equal(photo.colours, painting.colours)
    pairs = paired(photo, painting)
    assert torch.equal(pairs.colours, photo.colours) and pairs.name == "b.png"
    assert torch.equal(pairs.masks[0], painting.masks[1])
    assert torch.equal(paired(photo, photo).masks, photo.masks)


def test_a_colour_without_partner_is_refused(tmp_path: Path) -> None:
    Image.fromarray(np.repeat(np.array([[BLUE, WHITE]], np.uint8), 20, 1).repeat(20, 0)).save(tmp_path / "b.png")
    photo, painting = read_regions(drawn(tmp_path / "a.png")), read_regions(tmp_path / "b.png")
    assert len(paired(painting, photo).masks) == 2
    with pytest.raises(PictureError, match=r"#ff2020 of 'a.png' is not in 'b.png'"):
        paired(photo, painting)


def test_refusals_are_one_line(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    Image.new("RGB", (40, 30), "white").save(tmp_path / "white.png")
    many = np.array([[60 * (i % 5), 60 * (i // 5 % 5), 250 * (i // 25)] for i in range(17)], np.uint8)
    Image.fromarray(many[None].repeat(4, 1).repeat(20, 0)).save(tmp_path / "many.png")
    Image.fromarray(rng.integers(0, 256, (60, 60, 3)).astype(np.uint8)).save(tmp_path / "noise.png")
    drawn(tmp_path / "map.png")
    for message, call in (
        ("all of 'white.png' is 1.00", lambda: read_mask(tmp_path / "white.png")),
        ("all of 'white.png' is #ffffff", lambda: read_regions(tmp_path / "white.png")),
        ("'many.png' has 17 colours", lambda: read_regions(tmp_path / "many.png")),
        ("'noise.png' has shades", lambda: read_regions(tmp_path / "noise.png")),
        ("128x96 for 128x128", lambda: read_mask(tmp_path / "map.png", size=(128, 128))),
        ("128x96 for 640x470", lambda: read_regions(tmp_path / "map.png", size=(470, 640))),
        ("there is no file", lambda: read_mask(tmp_path / "none.png")),
    ):
        with pytest.raises(PictureError, match=message) as caught:
            call()
        assert "\n" not in str(caught.value) and ";" in str(caught.value)
    assert read_mask(tmp_path / "map.png", size=(477, 640)).shape == (1, 1, 477, 640)
