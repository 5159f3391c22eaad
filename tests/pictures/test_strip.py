"""Strips: pictures with a slider, and side by side without it."""

from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser

import pytest
import torch
from PIL import Image

from reverie.errors import PictureError
from reverie.pictures import Strip


class Seen(HTMLParser):
    """The elements of a page, and whether each was closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("img", "input"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def strip(*captions: str, start: int = 0) -> Strip:
    """A strip of grey pictures, each lighter than the one before."""
    greys = [torch.full((1, 3, 20, 30), i / 4) for i in range(len(captions))]
    return Strip(greys, captions=captions, slider="layer", start=start)


def test_each_picture_is_there_with_its_words() -> None:
    page = strip("relu1_2", "a < b", "c", start=2)._repr_html_()
    seen = Seen(page)
    assert seen.open == []
    images = [attributes for tag, attributes in seen.found if tag == "img"]
    assert [image["alt"] for image in images] == ["layer relu1_2", "layer a < b", "layer c"]
    greys = []
    for image in images:
        data = base64.b64decode(str(image["src"]).removeprefix("data:image/jpeg;base64,"))
        with Image.open(io.BytesIO(data)) as picture:
            assert picture.size == (30, 20) == (int(str(image["width"])), int(str(image["height"])))
            greys.append(picture.convert("L").getpixel((5, 5)))
    assert greys == pytest.approx([0, 64, 128], abs=2)
    (dial,) = [attributes for tag, attributes in seen.found if tag == "input"]
    assert (dial["min"], dial["max"], dial["value"]) == ("0", "2", "2")


def test_it_needs_nothing_from_elsewhere() -> None:
    assert not re.search(r"https?:|src=\"(?!data:)|href|@import|url\(", strip("a", "b")._repr_html_())


def test_what_a_terminal_shows() -> None:
    assert repr(strip("0.5", "1")) == "Strip of 2 pictures: 0.5, 1"
    assert repr(Strip([torch.rand(3, 3, 8, 8)])) == "Strip of 3 pictures"


def test_side_by_side_of_one_height_without_a_slider() -> None:
    page = Strip([torch.rand(1, 3, 20, 30), torch.rand(1, 3, 40, 20)], height=40, captions=["a", "b"])._repr_html_()
    seen = Seen(page)
    assert [(image["width"], image["height"]) for tag, image in seen.found if tag == "img"] == [
        ("60", "40"),
        ("20", "40"),
    ]
    assert "script" not in {tag for tag, _ in seen.found} and "slides" not in page.partition(">")[0]


def test_refusals() -> None:
    with pytest.raises(PictureError, match="one caption"):
        Strip([torch.rand(2, 3, 8, 8)], captions=["a"])
    with pytest.raises(PictureError, match="one caption"):
        Strip([torch.rand(2, 3, 8, 8)], slider="layer")
    with pytest.raises(PictureError, match="starts with one of its 1"):
        strip("a", start=1)
    with pytest.raises(PictureError, match="at least one"):
        strip()
