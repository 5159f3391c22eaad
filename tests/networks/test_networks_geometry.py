"""What a feature sees, checked against what it really depends on."""

from __future__ import annotations

import pytest
import torch

from reverie.networks import Geometry, Pooling, load, names
from tests.networks.narrow_networks import narrow

LAYERS = [
    *[("dreamnet", layer) for layer in ("relu1_2", "pool1", "relu4_2", "classes")],
    *[("vgg19", layer) for layer in ("relu2_1", "relu5_1")],
    *[("googlenet", layer) for layer in ("relu1", "mixed3a", "mixed4c")],
    *[("squeezenet1_1", layer) for layer in ("relu1", "fire2", "classes")],
    *[("resnet50", layer) for layer in ("res2a", "res4a")],
]


def test_known_fields_of_vgg19() -> None:
    network = load("vgg19", weights="random")
    fields = {layer: network.geometry(layer).field for layer in network.style_layers}
    assert fields == {"relu1_1": 3, "relu2_1": 10, "relu3_1": 24, "relu4_1": 68, "relu5_1": 156}
    assert network.geometry("relu5_1") == Geometry(stride=16, left=70, right=85)
    assert network.geometry("relu5_1").halo == 80
    assert network.geometry("relu5_1").offset == 7.5
    assert network.geometry("relu5_1").pixels(2, 5) == (-38, 150)


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_a_feature_depends_on_the_declared_pixels_and_no_others(name: str, layer: str) -> None:
    network = narrow(name, "average", positive=True)
    geometry = network.geometry(layer)
    index = -(-geometry.left // geometry.stride) + 1
    first, last = geometry.pixels(index, index + 1)
    x = torch.rand(1, 3, 17, last + 40, dtype=torch.float64)
    for picture, axis in ((x, 3), (x.transpose(2, 3), 2)):
        picture = picture.clone().contiguous().requires_grad_()
        features = network(picture, [layer])[layer]
        features.select(axis, index).sum().backward()
        assert picture.grad is not None
        seen = picture.grad.abs().sum((0, 1, 5 - axis)).nonzero().flatten()
        assert (int(seen[0]), int(seen[-1]) + 1) == (first, last)


@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_one_pixel_moves_only_the_features_that_see_it(name: str, layer: str) -> None:
    network = narrow(name)
    geometry = network.geometry(layer)
    pixel = geometry.field
    x = torch.rand(1, 3, 17, 2 * geometry.field + 40, dtype=torch.float64)
    moved = x.clone()
    moved[:, :, 8, pixel] += 5
    change = (network(moved, [layer])[layer] - network(x, [layer])[layer]).abs()
    indices = change.amax((0, 1, 2)).nonzero().flatten().tolist()
    assert indices
    for index in indices:
        start, stop = geometry.pixels(index, index + 1)
        assert start <= pixel < stop


@pytest.mark.parametrize("pooling", ["native", "average"])
@pytest.mark.parametrize(("name", "layer"), LAYERS)
def test_a_crop_with_its_halo_gives_the_same_features(name: str, layer: str, pooling: Pooling) -> None:
    network = narrow(name, pooling)
    geometry = network.geometry(layer)
    stride, halo = geometry.stride, geometry.halo
    start = halo + 2 * stride
    width = start + 3 * stride + halo + 2 * stride + 5
    x = torch.rand(1, 3, 17, width, dtype=torch.float64)
    whole = network(x, [layer])[layer]
    own = slice(start // stride, start // stride + 3)

    def owned(halo: int) -> torch.Tensor:
        crop = x[:, :, :, start - halo : start + 3 * stride + halo]
        features = network(crop, [layer])[layer][..., halo // stride : halo // stride + 3]
        return torch.nn.functional.pad(features, (0, 3 - features.shape[3]))

    scale = whole.abs().max()
    assert (owned(halo) - whole[..., own]).abs().max() <= 1e-12 * scale
    if pooling == "average" and halo:  # one stride less is not enough; a maximum may hide it
        assert (owned(halo - stride) - whole[..., own]).abs().max() > 1e-12 * scale


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("extra", [0, 1, 13])
def test_tiles_to_the_border_make_up_the_whole(name: str, extra: int) -> None:
    network = narrow(name)
    layer = network.style_layers[3]
    geometry = network.geometry(layer)
    x = torch.rand(1, 3, 17, 6 * 32 + extra, dtype=torch.float64)
    whole = network(x, [layer])[layer]
    tiles = []
    for start in range(0, 6 * 32, 64):
        left = max(start - geometry.halo, 0)
        stop = start + 64 if start + 128 <= 6 * 32 else x.shape[3]
        features = network(x[..., left : stop + geometry.halo], [layer])[layer]
        first = (start - left) // geometry.stride
        count = None if stop == x.shape[3] else first + 64 // geometry.stride
        tiles.append(features[..., first:count])
    joined = torch.cat(tiles, 3)
    assert joined.shape == whole.shape
    assert (joined - whole).abs().max() <= 1e-12 * whole.abs().max()
