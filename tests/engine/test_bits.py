"""Where numbers lie in memory changes no bit: pictures, references, vectors and weights from anywhere."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save
from torch import Tensor, nn

import reverie as rv
from reverie.engine.tiles import TiledExecutor
from reverie.feedforward import Instant
from reverie.feedforward.instant import KEPT, LAYERS
from reverie.feedforward.johnson import draw_johnson
from reverie.feedforward.painting import decode, encode, noises_for, targets_of
from reverie.feedforward.stylise import stylise
from reverie.networks import Network
from reverie.networks.aligned import ALIGNMENT, aligned
from reverie.networks.tensorfiles import read_safetensors
from reverie.objectives import PICTURE, Statistic, Window
from reverie.objectives.matching import BestMatches, NearestCosines, Projections
from reverie.objectives.statistics import Means, MeanSquares, Moments
from reverie.objectives.transport import Binning, Histograms, transport
from tests.engine.test_tiles import TERMS

pytestmark = pytest.mark.bits
Make = Callable[..., Tensor]
kinds = pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
offsets = pytest.mark.parametrize("offset", [4, 8, 16, 32])


def lying(x: Tensor, offset: int) -> Tensor:
    """The same numbers so many bytes beyond an address that PyTorch gives; in whole numbers, of wider ones."""
    step = -(-offset // x.element_size())
    place = torch.empty(x.numel() + step, dtype=x.dtype)[step:]
    assert place.data_ptr() % ALIGNMENT == step * x.element_size() % ALIGNMENT
    return torch.as_strided(place, x.shape, x.stride(), place.storage_offset()).copy_(x)


def network_of(module: nn.Sequential, like: Network, offset: int, dtype: torch.dtype) -> Network:
    """A network whose weights lie there, as those that are mapped from a file do."""
    parts = OrderedDict(module.named_children())
    for name, part in parts.items():
        if isinstance(part, nn.Conv2d):
            parts[name] = twin = nn.Conv2d(part.in_channels, part.out_channels, 3, padding=1, dtype=dtype)
            state = {key: lying(value.to(dtype), offset) for key, value in part.state_dict().items()}
            twin.load_state_dict(state, assign=True)
    return rv.networks.wrap(nn.Sequential(parts).to(dtype), mean=0.45, std=0.25, classes=like.classes)


@kinds
@offsets
def test_pictures_and_weights_from_anywhere(
    tiny_module: nn.Sequential, tiny: Network, make_picture: Make, dtype: torch.dtype, offset: int
) -> None:
    x, other = make_picture(0, 45, 62, dtype=dtype), make_picture(1, 45, 62, dtype=dtype)
    here, there = (network_of(tiny_module, tiny, n, dtype) for n in (0, offset))
    for name, term in TERMS.items():
        a = rv.evaluate(term(other), here, x)
        b = rv.evaluate(term(lying(other, offset)), there, lying(x, offset))
        assert torch.equal(a.total, b.total) and torch.equal(a.gradient, b.gradient), name


@kinds
def test_a_picture_laid_out_otherwise(tiny: Network, make_picture: Make, dtype: torch.dtype) -> None:
    """As one that comes from NumPy by `permute`, and as part of a larger one."""
    network, x, other = tiny.with_precision(dtype), make_picture(0, 45, 62, dtype=dtype), make_picture(1, 45, 62)
    large = torch.zeros(1, 3, 50, 70, dtype=dtype)
    large[..., 3:48, 5:67] = x
    for y in (x.contiguous(memory_format=torch.channels_last), large[..., 3:48, 5:67]):
        for executor in (None, TiledExecutor(16)):
            a, b = (rv.evaluate(TERMS["all"](other.to(dtype)), network, z, executor=executor) for z in (x, y))
            assert torch.equal(a.total, b.total) and torch.equal(a.gradient, b.gradient)


def statistics(samples: Tensor, offset: int) -> list[Statistic]:
    """Those that multiply features, with what they are given lying there."""
    turned = torch.linalg.qr(samples[: samples.shape[1]].double()).Q.to(samples)
    binning, given, mean = Binning.over(samples, turned), lying(samples, offset), lying(samples.mean(0), offset)
    binning = Binning(lying(turned, offset), lying(binning.low, offset), lying(binning.width, offset))
    return [
        Moments("a"), Means("a"), MeanSquares("a"), Histograms("a", binning), BestMatches("a", given),
        Projections("a", mean, 2.0), Projections("a", mean, 0.0), NearestCosines("a", given, mean),
    ]  # fmt: skip


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=["planes", "channels last"])
@offsets
def test_features_from_anywhere(offset: int, layout: torch.memory_format) -> None:
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1, 12, 31, 37, generator=generator).relu().contiguous(memory_format=layout)
    samples = torch.randn(60, 12, generator=generator)
    for a, b in zip(statistics(samples, 0), statistics(samples, offset), strict=True):
        found = []
        for s, features in ((a, x), (b, lying(x, offset))):
            features = features.requires_grad_(True)
            value = s.measure(features, Window.whole(features), None)
            found += [value, *torch.autograd.grad(value.pow(2).sum(), features)]
        assert torch.equal(found[0], found[2]) and torch.equal(found[1], found[3]), type(a).__name__


@kinds
@offsets
def test_statistics_from_anywhere_are_compared_alike(dtype: torch.dtype, offset: int) -> None:
    generator = torch.Generator().manual_seed(5)
    x, y = (torch.randn(1, 10, 23, 29, generator=generator, dtype=dtype) for _ in range(2))
    binning = Binning.over(y[0].flatten(1).T, None)
    for statistic, distance in ((Moments("a"), rv.wasserstein2), (Histograms("a", binning), transport(binning))):
        mine, its = (statistic.measure(z, Window.whole(z), None) for z in (x, y))
        assert torch.equal(distance(its)(mine), distance(lying(its, offset))(lying(mine, offset)))


@offsets
def test_photos_painted_at_once_from_anywhere(
    dreamnet: Network, tiny_instant: Instant, make_picture: Make, offset: int
) -> None:
    def painted(photo: Tensor, painting: Tensor) -> Tensor:
        targets = targets_of(encode(dreamnet, painting, (PICTURE, *LAYERS), 0, keep=()).seen)
        return decode(tiny_instant, encode(dreamnet, photo, KEPT, 0), targets, noises_for((4, 5), 0, 1.0), 0)

    photo, painting = make_picture(3, 64, 80), make_picture(4, 56, 48)
    assert torch.equal(painted(photo, painting), painted(lying(photo, offset), lying(painting, offset)))


@offsets
@pytest.mark.parametrize("tile", [0, 24])
def test_photos_painted_in_one_manner_from_anywhere(make_picture: Make, offset: int, tile: int) -> None:
    network, photo = draw_johnson(widths=(4, 6), blocks=1), make_picture(0, 40, 52)
    assert torch.equal(stylise(network, photo, tile), stylise(network, lying(photo, offset), tile))


def test_weights_are_laid_as_pytorch_lays_them(tmp_path: Path) -> None:
    kept = {"a": torch.arange(3.0), "b": torch.arange(5.0), "c": torch.ones(1, dtype=torch.float16)}
    (path := tmp_path / "some.safetensors").write_bytes(save(kept))
    found = read_safetensors(path).tensors
    assert all(torch.equal(found[key], kept[key]) and found[key].data_ptr() % ALIGNMENT == 0 for key in kept)
    inside = torch.arange(9.0)[1:]
    assert aligned(kept["a"]) is kept["a"]
    assert torch.equal(aligned(inside), inside) and aligned(inside).data_ptr() % ALIGNMENT == 0
