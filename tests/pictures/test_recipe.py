from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from reverie.errors import PictureError
from reverie.pictures import read_picture, read_recipe, write_image

PIXELS = torch.rand(1, 3, 6, 5)
KEEPING = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=6,
)


@settings(deadline=None, max_examples=40)
@given(
    suffix=st.sampled_from(KEEPING),
    value=JSON,
    ascii_only=st.booleans(),
    depth=st.sampled_from([8, 16]),
)
def test_text_comes_back_exactly(
    tmp_path_factory: pytest.TempPathFactory,
    suffix: str,
    value: object,
    ascii_only: bool,
    depth: int,
) -> None:
    path = tmp_path_factory.getbasetemp() / f"recipe{suffix}"
    try:
        text = json.dumps(value, ensure_ascii=ascii_only)
        text.encode()
    except UnicodeEncodeError:
        return
    write_image(path, PIXELS, recipe=text, depth=depth if suffix in (".png", ".tif", ".tiff") else 8)
    assert read_recipe(path) == text
    read_picture(path)


@pytest.mark.parametrize("suffix", KEEPING)
def test_long_recipes(tmp_path: Path, suffix: str) -> None:
    text = json.dumps({"note": "ü日🜁" * 5000}, ensure_ascii=False)
    write_image(tmp_path / f"a{suffix}", PIXELS, recipe=text)
    assert read_recipe(tmp_path / f"a{suffix}") == text


def test_too_long_for_jpeg_but_not_for_png(tmp_path: Path) -> None:
    text = json.dumps("x" * 3_000_000)
    with pytest.raises(PictureError, match=r"at most 65,000 bytes; got 3,000,002; write \.png"):
        write_image(tmp_path / "a.jpg", PIXELS, recipe=text)
    write_image(tmp_path / "a.png", PIXELS, recipe=text)
    assert read_recipe(tmp_path / "a.png") == text
    assert read_picture(tmp_path / "a.png").size == (6, 5)


@pytest.mark.parametrize("suffix", [*KEEPING, ".npy"])
def test_none_where_none_was_given(tmp_path: Path, suffix: str) -> None:
    write_image(tmp_path / f"a{suffix}", PIXELS)
    assert read_recipe(tmp_path / f"a{suffix}") is None


def test_texts_of_other_programs_are_no_recipes(tmp_path: Path) -> None:
    image = Image.fromarray(np.zeros((4, 4, 3), np.uint8))
    exif = Image.Exif()
    exif[0x0131] = "Camera 1.0"
    exif.get_ifd(0x8769)[0x9286] = b'ASCII\0\0\0{"a": 1}'
    image.save(tmp_path / "a.jpg", exif=exif)
    info = PngInfo()
    info.add_itxt("other", "{}")
    info.add_text("reverie", "{}")
    image.save(tmp_path / "a.png", pnginfo=info)
    tifffile.imwrite(tmp_path / "a.tif", np.zeros((4, 4, 3), np.uint8), photometric="rgb")
    image.save(tmp_path / "a.gif")
    for name in ("a.jpg", "a.png", "a.tif", "a.gif"):
        assert read_recipe(tmp_path / name) is None


def test_refusals(tmp_path: Path) -> None:
    for text in ("not json", "", '"\ud800"', '"raw \0 zero"'):
        with pytest.raises(PictureError, match="a recipe is JSON text") as caught:
            write_image(tmp_path / "a.png", PIXELS, recipe=text)
        assert "\n" not in str(caught.value)
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0")
    for name, message in (("none.png", "there is no file"), ("b.png", "cut short")):
        with pytest.raises(PictureError, match=message):
            read_recipe(tmp_path / name)
