"""The sample paintings: they are there, they open, and they are rich enough to teach a style."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from reverie import styles
from reverie.errors import RecipeError

EXPECTED = {
    "engraving",
    "facets",
    "ink-wash",
    "marbled-paper",
    "mosaic",
    "night-strokes",
    "palette-knife",
    "pointillist",
    "stained-glass",
    "watercolour",
    "woodcut-wave",
}
BLOCK = 32


def variety(pixels: NDArray[np.uint8]) -> int:
    """How many of 4096 colour boxes hold at least one pixel in five thousand."""
    boxes = (pixels.astype(np.int64) // 16) @ np.array([256, 16, 1])
    counts = np.bincount(boxes.ravel(), minlength=4096)
    return int((counts > boxes.size / 5000).sum())


def block_contrasts(pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Deviation of the lightness, in [0, 1], in each block of 32 x 32 pixels."""
    light = pixels.mean(axis=-1) / 255
    high, wide = light.shape[0] // BLOCK, light.shape[1] // BLOCK
    cut = light[: high * BLOCK, : wide * BLOCK].reshape(high, BLOCK, wide, BLOCK)
    return np.asarray(cut.std(axis=(1, 3))).ravel()


def is_rich(pixels: NDArray[np.uint8]) -> bool:
    """Many colours, strong contrast in most blocks, and hardly a block left empty."""
    contrasts = block_contrasts(pixels)
    busy = float(np.median(contrasts)) > 0.06
    return variety(pixels) >= 60 and busy and float(np.quantile(contrasts, 0.05)) > 0.02


def opened(name: str) -> NDArray[np.uint8]:
    with Image.open(styles.path(name)) as picture:
        return np.asarray(picture.convert("RGB"))


def test_names_are_the_files() -> None:
    assert set(styles.names()) == EXPECTED
    assert list(styles.names()) == sorted(styles.names())


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_each_style_is_a_rich_picture_of_the_right_size(name: str) -> None:
    pixels = opened(name)
    assert 600 <= max(pixels.shape) <= 768
    assert min(pixels.shape[:2]) >= 400
    assert is_rich(pixels), (variety(pixels), np.quantile(block_contrasts(pixels), [0.05, 0.5]))


def test_flat_smooth_and_grey_pictures_are_not_rich() -> None:
    ramp = np.linspace(0, 255, 512).astype(np.uint8)
    flat = np.full((480, 640, 3), 90, np.uint8)
    smooth = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None, :], ramp[::-1, None]), axis=-1)
    noise = np.random.default_rng(0).integers(0, 256, (480, 640, 1)).astype(np.uint8)
    assert not is_rich(flat)
    assert not is_rich(smooth)
    assert not is_rich(np.repeat(noise, 3, axis=-1))


def test_the_files_stay_small() -> None:
    assert sum(styles.path(name).stat().st_size for name in styles.names()) <= 1_500_000


def test_styles_differ_from_each_other() -> None:
    def palette(name: str) -> NDArray[np.float64]:
        boxes = (opened(name).astype(np.int64) // 43) @ np.array([36, 6, 1])
        counts = np.bincount(boxes.ravel(), minlength=216)
        return np.asarray(counts / counts.sum())

    palettes = [palette(name) for name in styles.names()]
    for i, first in enumerate(palettes):
        for second in palettes[:i]:
            assert np.abs(first - second).sum() / 2 > 0.2


def test_unknown_name_is_refused_with_a_suggestion() -> None:
    with pytest.raises(RecipeError, match="Did you mean 'stained-glass'"):
        styles.path("staned-glas")
    with pytest.raises(RecipeError, match="Choose one of: engraving, facets"):
        styles.path("zzz")


@pytest.mark.parametrize("name", ["../errors", "", "mosaic.jpg"])
def test_only_names_are_names(name: str) -> None:
    with pytest.raises(RecipeError, match="is not a sample style"):
        styles.path(name)


def test_path_is_a_file() -> None:
    file = styles.path("mosaic")
    assert isinstance(file, Path)
    assert file.is_file()
