from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from reverie.pictures.page import INK, Page, fitted


def test_a_picture_lies_on_the_page_pixel_for_pixel() -> None:
    page = Page((40, 60))
    picture = torch.randint(256, (1, 3, 11, 17), generator=torch.Generator().manual_seed(0)) / 255
    page.paste(picture, (7, 5))
    drawn = page.picture()
    assert drawn.shape == (1, 3, 40, 60)
    assert torch.equal((drawn[..., 5:16, 7:24] * 255).round(), (picture * 255).round())
    drawn[..., 5:16, 7:24] = 1
    assert (drawn == 1).all()


def test_bars_and_frames_cover_their_boxes() -> None:
    page = Page((20, 20))
    page.bar((2, 3, 8, 9), "#000000")
    page.bar((15, 3, 15, 9), "#000000")
    assert float((page.picture() == 0).all(1).sum()) == 36
    page.frame((10, 10, 18, 18), INK)
    assert (page.picture()[..., 13:16, 13:16] == 1).all()
    written = torch.from_numpy(np.asarray(Image.open(io.BytesIO(page.png()))).copy())
    assert torch.equal(written, (page.picture()[0].permute(1, 2, 0) * 255).round().to(torch.uint8))


@pytest.mark.parametrize("words", ["a suspension bridge", "Brücke", "i" * 200, "", "W" * 30])
def test_words_are_cut_to_a_width(words: str) -> None:
    cut = fitted(words, 80, size=12)
    assert ImageFont.load_default(24).getlength(cut) <= 160
    assert cut.isascii() and (cut.endswith("...") or len(cut) == len(words))
