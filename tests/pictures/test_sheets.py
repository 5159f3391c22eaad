from __future__ import annotations

import pytest
import torch

from reverie.errors import PictureError
from reverie.pictures import contact_sheet, side_by_side, tile_preview
from reverie.pictures.sheets import Ground

RED = torch.tensor([1.0, 0.0, 0.0])[None, :, None, None].expand(1, 3, 40, 60)
BLUE = torch.tensor([0.0, 0.0, 1.0])[None, :, None, None].expand(1, 3, 50, 20)


def is_colour(page: torch.Tensor, colour: torch.Tensor) -> torch.Tensor:
    return (page - colour[:, :, :1, :1]).abs().amax(1) < 1e-3


@pytest.mark.parametrize("ground", ["dark", "light"])
def test_row_shows_every_picture_whole(ground: Ground) -> None:
    page = side_by_side([RED, BLUE], height=100, ground=ground)
    assert page.shape[0] == 1 and page.dtype == torch.float32
    assert is_colour(page, RED).sum() == 100 * 150
    assert is_colour(page, BLUE).sum() == 100 * 40
    corner = page[0, :, 0, 0]
    assert (page[0, :, -1, :] == corner[:, None]).all()  # a margin all round
    assert (corner.mean() > 0.5) == (ground == "light")


def test_captions_add_ink_below_and_nothing_else() -> None:
    bare = side_by_side([RED, BLUE], height=100)
    page = side_by_side([RED, BLUE], height=100, captions=["photo", ""])
    assert page.shape[2] > bare.shape[2] and page.shape[3] == bare.shape[3]
    assert torch.equal(page[:, :, :100], bare[:, :, :100])
    ground = page[:, :, :1, :1]
    below = ((page - ground).abs().amax(1) > 0.2)[0, 104:]
    assert below[:, :155].any() and not below[:, 155:].any()


def test_long_and_foreign_captions_stay_in_their_column() -> None:
    names = ["Größe, naïve — 日本語 " * 20, "x" * 500]
    page = side_by_side([BLUE, BLUE], height=100, captions=names)
    ground = page[:, :, :1, :1]
    below = ((page - ground).abs().amax(1) > 0.2)[0, 104:]
    assert below[:, 4:44].any() and below[:, 48:88].any()
    assert not below[:, :4].any() and not below[:, 44:48].any() and not below[:, 88:].any()


def test_sheet_has_its_width_and_all_pictures() -> None:
    for count, columns, width in ((5, 3, 401), (1, 4, 300), (8, 2, 333)):
        page = contact_sheet([RED] * count, columns=columns, width=width, captions=["a"] * count)
        assert page.shape[3] == width
        cell = int(is_colour(page, RED)[0].any(0).sum()) // min(count, columns)
        assert is_colour(page, RED).sum() == count * cell * round(cell * 40 / 60)


def test_a_batch_is_several_pictures_and_gradients_stay_outside() -> None:
    batch = torch.rand(4, 3, 8, 8, requires_grad=True)
    page = contact_sheet([batch], columns=2, width=200)
    assert torch.equal(page, contact_sheet([x[None] for x in batch], columns=2, width=200))
    assert not page.requires_grad


def test_refusals() -> None:
    with pytest.raises(PictureError, match="got none"):
        side_by_side([], height=10)
    with pytest.raises(PictureError, match="got 1 captions for 2"):
        side_by_side([RED, BLUE], height=10, captions=["a"])
    with pytest.raises(PictureError, match=r"got \(3, 40, 60\)|got \(1, 40, 60\)"):
        contact_sheet([RED[0]], columns=1)
    with pytest.raises(PictureError, match="fewer columns"):
        contact_sheet([RED], columns=0)
    with pytest.raises(PictureError, match="dark or light"):
        side_by_side([RED], height=10, ground="pink")  # type: ignore[arg-type]


def test_tile_preview_repeats_to_the_pixel() -> None:
    x = torch.rand(2, 3, 5, 7)
    preview = tile_preview(x)
    assert preview.shape == (2, 3, 10, 14)
    assert all(torch.equal(part, x) for half in preview.split(5, dim=2) for part in half.split(7, dim=3))
    with pytest.raises(PictureError, match="at least once each way; got 0"):
        tile_preview(x, repeats=0)
