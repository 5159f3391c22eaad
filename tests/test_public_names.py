"""The names of the library: listed once, nothing else beside them, and float32 whatever PyTorch's default is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

import reverie as rv

STUB = Path(rv.__file__).with_suffix(".pyi").read_text(encoding="utf8")


def test_dir_shows_public_names_only() -> None:
    assert {name for name in dir(rv) if not name.startswith("_")} == set(rv.__all__)


def test_every_name_is_listed_once() -> None:
    lines = [line for line in STUB.splitlines() if line.startswith("from ")]
    named = [line.split()[-1] for line in lines]
    assert sorted(named) == sorted({*rv.__all__, "__version__"})
    assert all(line.split()[3] == line.split()[5] for line in lines)


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(AttributeError, match="no attribute 'dreams'"):
        _ = rv.dreams


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_pictures_are_float32(double: None, tmp_path: Path, make_picture) -> None:
    rv.write_image(tmp_path / "a.png", make_picture(0, 8, 9))
    picture = rv.read_image(tmp_path / "a.png")
    assert picture.dtype == torch.float32
    assert rv.recipes.upscale(picture, rv.UpscaleSettings(factor=2)).dtype == torch.float32
    assert rv.FourierCanvas((8, 9)).picture().dtype == torch.float32
    seen: Tensor = rv.views.standard()(picture, torch.Generator())
    assert seen.dtype == torch.float32
