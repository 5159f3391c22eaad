"""Pieces of photos: the same from the same generator, and none from what is no photo."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from reverie.errors import PictureError
from reverie.pictures.crops import Crops, generator_of


@pytest.fixture
def photos(tmp_path: Path) -> list[Path]:
    """A wide, a tall and a small photo, each of one colour with a bright left half."""
    sizes = {"wide.jpg": (200, 100), "tall.png": (60, 150), "small.png": (50, 50)}
    for name, (width, height) in sizes.items():
        values = np.full((height, width, 3), (40, 80, 120), dtype=np.uint8)
        values[:, : width // 2] += 100
        Image.fromarray(values).save(tmp_path / name)
    return [tmp_path / name for name in sizes]


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_pieces_depend_on_the_generator_alone(photos: list[Path]) -> None:
    one, two = Crops(photos, 64, (64, 160)), Crops(photos, 64, (64, 160))
    batch = one.batch(5, generator(1))
    assert batch.shape == (5, 3, 64, 64) and batch.dtype == torch.float32
    two.batch(3, generator(9))
    assert torch.equal(two.batch(5, generator(1)), batch)
    assert not torch.equal(one.batch(5, generator(2)), batch)
    assert float(batch.min()) > 0.1 and float(batch.max()) < 0.9


def test_both_sides_are_seen(photos: list[Path]) -> None:
    batch = Crops(photos[:1], 32, (60, 70)).batch(40, generator(0))
    falls = batch[..., :8].mean((1, 2, 3)) - batch[..., -8:].mean((1, 2, 3))
    assert (falls > 0.1).any() and (falls < -0.1).any(), "some pieces are mirrored"


def test_turned_photos_are_upright(tmp_path: Path) -> None:
    values = np.zeros((100, 200, 3), dtype=np.uint8)
    values[:, 100:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(values).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    whole = Crops([tmp_path / "turned.jpg"], 64, (64, 200)).whole(0, 200)
    assert whole.shape == (1, 3, 200, 100)
    assert whole[..., :80, :].mean() < 0.1 and whole[..., 120:, :].mean() > 0.9


def test_what_cannot_be_read_is_left_out(tmp_path: Path, photos: list[Path]) -> None:
    (tmp_path / "damaged.jpg").write_bytes(photos[0].read_bytes()[:300])
    (tmp_path / "text.png").write_text("no picture")
    Image.new("RGB", (20, 400)).save(tmp_path / "thin.png")
    bad = [tmp_path / "damaged.jpg", tmp_path / "text.png", tmp_path / "thin.png"]
    crops = Crops([*bad, *photos], 48, (64, 128))
    assert crops.batch(12, generator(4)).shape == (12, 3, 48, 48)
    assert set(crops.left_out) == set(bad) and "48 pixels each way" in crops.left_out[bad[2]]
    with pytest.raises(PictureError, match="none of the photos can be read"):
        Crops(bad, 48, (64, 128)).batch(1, generator(0))
    with pytest.raises(PictureError, match="got none"):
        Crops([], 48, (64, 128))


def test_a_batch_depends_on_its_step_alone(photos: list[Path]) -> None:
    crops = Crops(photos, 32, (40, 80))
    first, second, again = (crops.batch(3, generator_of(5, step)) for step in (0, 1, 0))
    assert torch.equal(first, again) and not torch.equal(first, second)


def test_sixteen_bits_and_profiles_are_read_as_pictures_are(tmp_path: Path) -> None:
    grey = np.full((60, 80), 78 * 257, dtype=np.uint16)
    Image.fromarray(grey).save(tmp_path / "deep.png")
    whole = Crops([tmp_path / "deep.png"], 48, (48, 80)).whole(0, 80)
    assert torch.allclose(whole * 255, torch.tensor(78.0), atol=0.6)


def test_postscript_and_pipes_are_left_out_at_once(
    tmp_path: Path, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(*arguments: object, **options: object) -> None:
        raise AssertionError("a program was run")

    monkeypatch.setattr("subprocess.Popen", run)
    eps, pipe = tmp_path / "eps.jpg", tmp_path / "pipe.jpg"
    eps.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n%%EndComments\nshowpage\n%%EOF\n")
    os.mkfifo(pipe)
    crops = Crops([eps, pipe, *photos], 48, (64, 128))
    assert crops.batch(12, generator(4)).shape == (12, 3, 48, 48)
    assert "not a whole picture" in crops.left_out[eps] and "not a plain file" in crops.left_out[pipe]


def test_photos_beyond_the_memory_are_left_out(tmp_path: Path, photos: list[Path]) -> None:
    Image.new("RGB", (3000, 3000)).save(tmp_path / "huge.png")
    crops = Crops([tmp_path / "huge.png", photos[0]], 48, (64, 128), memory=90_000_000)
    assert crops.batch(8, generator(1)).shape == (8, 3, 48, 48)
    assert "90 MB are allowed" in crops.left_out[tmp_path / "huge.png"]
