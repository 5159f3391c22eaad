"""Johnson's network in tiles: what the whole picture gives, to rounding."""

from __future__ import annotations

import pytest
import torch

from reverie.errors import PictureError
from reverie.feedforward.johnson import Johnson, Layer, draw_johnson
from reverie.feedforward.stylise import ReadRange, read_range, size_after, stylise


def network(widths: tuple[int, ...], blocks: int) -> Johnson:
    """Random weights, norms that are anything but neutral."""
    drawn, generator = draw_johnson(widths=widths, blocks=blocks, seed=4).tensors, torch.Generator().manual_seed(2)
    for key, x in drawn.items():
        if key.endswith((".gain", ".shift")):
            x.add_(0.5 * torch.randn(x.shape, generator=generator))
    return Johnson(drawn)


@pytest.mark.parametrize(("widths", "blocks"), [((6, 8, 10), 2), ((6,), 1), ((4, 6), 0), ((4, 5, 6, 7), 1)])
@pytest.mark.parametrize("size", [(67, 93), (64, 64), (33, 130)])
def test_tiles_give_what_the_whole_gives(widths: tuple[int, ...], blocks: int, size: tuple[int, int]) -> None:
    johnson = network(widths, blocks)
    x = torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        whole = johnson(x).clamp(0, 1)
    assert whole.std() > 0.01
    for tile in (16, 21, 40):
        assert torch.allclose(stylise(johnson, x, tile), whole, atol=1e-4)
    assert torch.equal(stylise(johnson, x, 0), whole) and torch.equal(stylise(johnson, x, 200), whole)


def test_tiles_in_low_precision_are_near() -> None:
    johnson, x = network((6, 8, 10), 2).with_precision(torch.bfloat16), torch.rand(1, 3, 50, 70)
    made, whole = stylise(johnson, x, 24), stylise(johnson, x, 0)
    assert made.dtype == torch.float32 and float((made - whole).abs().max()) < 0.03


def test_a_far_corner_matters_by_statistics_alone() -> None:
    """Tiles see no further than their halo; what lies beyond enters by the norms."""
    johnson, x = network((4, 6), 1), torch.rand(1, 3, 96, 96)
    y = x.clone()
    y[..., :8, :8] = 1 - y[..., :8, :8]
    near, far = stylise(johnson, x, 32), stylise(johnson, y, 32)
    change = (near - far).abs()
    assert 0 < float(change[..., 60:, 60:].mean()) < 0.3 * float(change[..., :8, :8].mean())


def test_what_a_layer_reads() -> None:
    up, down = Layer("up.0", 3, factor=2), Layer("down.1", 3, stride=2)
    assert read_range(up, (0, 6), 10) == ReadRange((0, 4), slice(0, 7), (1, 0))
    assert read_range(up, (5, 20), 10) == ReadRange((2, 10), slice(0, 16), (0, 1))
    assert read_range(down, (0, 5), 9) == ReadRange((0, 9), slice(0, 9), (1, 1))
    assert size_after(down, (9, 10)) == (5, 5) and size_after(up, (9, 10)) == (18, 20)


def test_small_pictures_are_refused() -> None:
    with pytest.raises(PictureError, match="16 pixels or more"):
        stylise(network((4, 6), 1), torch.rand(1, 3, 10, 90), 32)
    deep = network((4, 4, 4, 4, 4, 4), 1)
    assert deep.least == 64
    with pytest.raises(PictureError, match="64 pixels or more"):
        stylise(deep, torch.rand(1, 3, 60, 90), 32)


@pytest.mark.parametrize("size", [(67, 93), (33, 130)])
def test_weights_in_tiles_and_weights_of_one(size: tuple[int, int]) -> None:
    johnson, x = network((6, 8, 10), 2), torch.rand(1, 3, *size, generator=torch.Generator().manual_seed(5))
    alpha = torch.linspace(-1, 2, size[1]).clamp(0, 1).expand(1, 1, *size)
    whole = stylise(johnson, x, 0, opaque=alpha)
    assert torch.allclose(stylise(johnson, x, 21, opaque=alpha), whole, atol=1e-4)
    assert torch.allclose(stylise(johnson, x, 0, opaque=torch.ones_like(alpha)), stylise(johnson, x, 0), atol=1e-4)
    assert (whole - stylise(johnson, x, 0)).abs().max() > 0.01


def test_transparent_places_have_no_say_far_away() -> None:
    """What lies deep inside the transparent half changes nothing in the opaque one."""
    johnson, x = network((4, 6), 1), torch.rand(1, 3, 48, 160, generator=torch.Generator().manual_seed(6))
    y, alpha = x.clone(), torch.ones(1, 1, 48, 160)
    y[..., 120:] = 1 - y[..., 120:]
    alpha[..., 80:] = 0
    one, other = (stylise(johnson, picture, 0, opaque=alpha)[..., :80] for picture in (x, y))
    assert torch.allclose(one, other, atol=1e-5)
    one, other = (stylise(johnson, picture, 0)[..., :80] for picture in (x, y))
    assert (one - other).abs().max() > 1e-3
