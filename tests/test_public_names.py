"""The names of the library: listed once, nothing else beside them, and float32 whatever PyTorch's default is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

import reverie as rv
from tests.conftest import MakePicture

NAMES: list[str] = vars(rv)["__all__"]  # made of the stub, which therefore cannot list it
STUB = Path(rv.__file__).with_suffix(".pyi").read_text(encoding="utf8")


def test_dir_shows_public_names_only() -> None:
    assert {name for name in dir(rv) if not name.startswith("_")} == set(NAMES)


def test_every_name_is_listed_once() -> None:
    lines = [line for line in STUB.splitlines() if line.startswith("from ")]
    named = [line.split()[-1] for line in lines]
    assert sorted(named) == sorted({*NAMES, "__version__"})
    assert all(line.split()[3] == line.split()[5] for line in lines)


@pytest.mark.parametrize("name", ["dreams", "_dream"])
def test_an_unknown_name_is_refused(name: str) -> None:
    with pytest.raises(AttributeError, match=f"no attribute '{name}'"):
        getattr(rv, name)


@pytest.fixture
def double() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def test_pictures_are_float32(double: None, tmp_path: Path, make_picture: MakePicture) -> None:
    rv.write_image(tmp_path / "a.png", make_picture(0, 8, 9))
    picture = rv.read_image(tmp_path / "a.png")
    assert picture.dtype == torch.float32
    assert rv.recipes.upscale(picture, rv.UpscaleSettings(factor=2)).dtype == torch.float32
    assert rv.FourierCanvas((8, 9)).picture().dtype == torch.float32
    seen: Tensor = rv.views.standard()(picture, torch.Generator())
    assert seen.dtype == torch.float32
