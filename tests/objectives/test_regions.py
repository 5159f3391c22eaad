"""Terms in regions: soft masks on the picture and on the painting, against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import reverie as rv
from reverie.errors import PictureError, RecipeError
from reverie.networks import Network
from tests.conftest import MakePicture

DEEP, SIZE = "relu3", (32, 40)  # a map of 8 x 10: each position the mean of 4 x 4 pixels of a mask


@pytest.fixture(scope="module")
def pictures(make_picture: MakePicture) -> tuple[Tensor, ...]:
    return tuple(make_picture(i, *SIZE, dtype=torch.float64) for i in range(3))


@pytest.fixture(scope="module")
def mask() -> Tensor:
    generator = torch.Generator().manual_seed(3)
    return torch.rand(1, 1, *SIZE, generator=generator, dtype=torch.float64) ** 3


def value(objective: rv.Objective, network: Network, x: Tensor) -> float:
    return float(rv.evaluate(objective, network, x).total)


def rows(network: Network, x: Tensor, layer: str = DEEP) -> np.ndarray:
    """Features as (positions, channels)."""
    return network(x, (layer,))[layer][0].flatten(1).T.numpy()


def shares(mask: Tensor, stride: int = 4) -> np.ndarray:
    """A mask's mean over the pixels of each position, the whole summing to 1."""
    _, _, h, w = mask.shape
    means = mask.numpy().reshape(h // stride, stride, w // stride, stride).mean((1, 3)).ravel()
    return means / means.sum()


def gram(f: np.ndarray, weights: np.ndarray) -> np.ndarray:
    return (f * weights[:, None]).T @ f


def test_content(tiny64: Network, pictures: tuple[Tensor, ...], mask: Tensor) -> None:
    x, photo, _ = pictures
    f, g, w = rows(tiny64, x), rows(tiny64, photo), shares(mask)
    expected = (w @ (f - g) ** 2).mean() / (w @ g**2).mean()
    assert value(rv.content(DEEP, like=photo, where=mask), tiny64, x) == pytest.approx(expected, rel=1e-12)


def test_style_of_a_part_in_a_region(tiny64: Network, pictures: tuple[Tensor, ...], mask: Tensor) -> None:
    x, painting, _ = pictures
    of = 1 - mask
    a, b = gram(rows(tiny64, x), shares(mask)), gram(rows(tiny64, painting), shares(of))
    term = rv.style([DEEP], like=painting, statistic="gram", distance=rv.mse, where=mask, of=of)
    assert value(term, tiny64, x) == pytest.approx(((a - b) ** 2).mean(), rel=1e-10)


def test_energies_channels_directions_and_logits(tiny64: Network, pictures: tuple[Tensor, ...], mask: Tensor) -> None:
    x, w = pictures[0], shares(mask)
    f = rows(tiny64, x)
    scores = w @ rows(tiny64, x, "classes")
    vector = np.linspace(-1, 1, 16)
    expected = {
        rv.energy(DEEP, where=mask): (w @ f).mean(),
        rv.energy(DEEP, power=2, where=mask): (w @ f**2).mean(),
        rv.channel(DEEP, 5, where=mask): w @ f[:, 5],
        rv.direction(DEEP, torch.from_numpy(vector), power=0, where=mask): w @ (f @ vector),
        rv.logit("teapot", against=0.5, where=mask): scores[4] - 0.5 * np.log(np.exp(scores).sum()),
    }
    for term, number in expected.items():
        assert value(term, tiny64, x) == pytest.approx(float(number), rel=1e-10)


def test_guide(tiny64: Network, pictures: tuple[Tensor, ...], mask: Tensor) -> None:
    x, other, _ = pictures
    best = (rows(tiny64, x) @ rows(tiny64, other).T).max(1)
    expected = float(shares(mask) @ best)
    assert value(rv.guide(DEEP, like=other, where=mask), tiny64, x) == pytest.approx(expected, rel=1e-12)


ONES = torch.ones(1, 1, *SIZE)
MANY = {
    "content": lambda a, m: rv.content(DEEP, like=a, where=m),
    "style": lambda a, m: rv.style(["relu1", DEEP], like=a, where=m, of=m),
    "sliced_wasserstein": lambda a, m: rv.sliced_wasserstein(["relu1", DEEP], like=a, where=m, of=m),
    "histograms": lambda a, m: rv.histograms([rv.objectives.PICTURE, "relu2"], like=a, where=m, of=m),
    "nearest_neighbours": lambda a, m: rv.nearest_neighbours(DEEP, like=a, where=m, of=m),
    "self_similarity": lambda a, m: rv.self_similarity(DEEP, like=a, where=m),
    "energy": lambda a, m: rv.energy(["relu2", DEEP], where=m),
    "channel": lambda a, m: rv.channel(DEEP, 1, where=m),
    "direction": lambda a, m: rv.direction(DEEP, torch.ones(16), where=m),
    "guide": lambda a, m: rv.guide(DEEP, like=a, where=m),
    "likeness": lambda a, m: rv.likeness(DEEP, like=a, where=m),
    "logit": lambda a, m: rv.logit("cat", against=1, where=m),
}


@pytest.mark.parametrize("name", MANY)
def test_a_mask_of_ones_is_none(tiny64: Network, pictures: tuple[Tensor, ...], name: str) -> None:
    x, other, _ = pictures
    some, none = (rv.evaluate(MANY[name](other, m), tiny64, x) for m in (0.5 * ONES, None))
    assert float(some.total) == pytest.approx(float(none.total), rel=1e-12)
    assert float((some.gradient - none.gradient).norm()) <= 1e-11 * float(none.gradient.norm())


@pytest.mark.parametrize("name", ["energy", "channel", "direction", "guide", "likeness"])
def test_disjoint_regions_recombine(tiny64: Network, pictures: tuple[Tensor, ...], mask: Tensor, name: str) -> None:
    """Weighted by their areas, two parts are the whole: the regions of a picture are a sum of terms."""
    x, other, _ = pictures
    here, there = (float(m.mean()) * MANY[name](other, m) for m in (mask, 1 - mask))
    assert value(here + there, tiny64, x) == pytest.approx(value(MANY[name](other, None), tiny64, x), rel=1e-10)


@pytest.mark.parametrize("name", MANY)
def test_outside_a_region_nothing_pulls(tiny64: Network, pictures: tuple[Tensor, ...], name: str) -> None:
    """Beyond the receptive field of its edge, the gradient is 0."""
    hard = torch.zeros(1, 1, *SIZE)
    hard[..., :12] = 1
    gradient = rv.evaluate(MANY[name](pictures[1], hard), tiny64, pictures[0]).gradient
    assert float(gradient[..., 28:].abs().max()) == 0
    assert float(gradient[..., :12].norm()) > 0


def test_regions_of_a_painting_of_another_shape(
    tiny64: Network, pictures: tuple[Tensor, ...], make_picture: MakePicture
) -> None:
    """A part of a painting is cut as the painting is scaled, even where it is held at 32 px."""
    painting, of = make_picture(7, 400, 100, dtype=torch.float64), torch.ones(1, 1, 200, 50)
    of[..., 100:, :] = 0
    term = rv.style([DEEP], like=painting, of=of)
    assert 0 < value(term, tiny64, pictures[0]) < 3


class Winding(nn.Module):
    """Its forward pass depends on what it sees, so nobody can tell the sizes of its maps without running it."""

    def __init__(self, part: nn.Module) -> None:
        super().__init__()
        self.part = part

    def forward(self, x: Tensor) -> Tensor:
        return self.part(x if x.sum() > 0 else -x)


@pytest.mark.parametrize("name", ["energy", "guide", "sliced_wasserstein", "nearest_neighbours", "self_similarity"])
def test_networks_without_geometry(
    tiny64: Network, tiny_module: nn.Sequential, pictures: tuple[Tensor, ...], mask: Tensor, name: str
) -> None:
    winding = rv.networks.wrap(Winding(tiny_module[:8]), mean=0.45, std=0.25).with_precision(torch.float64)
    makes = {
        "energy": lambda layer: rv.energy(layer, where=mask),
        "guide": lambda layer: rv.guide(layer, like=pictures[1], vectors=20),
        "sliced_wasserstein": lambda layer: rv.sliced_wasserstein(layer, like=pictures[1], of=mask),
        "nearest_neighbours": lambda layer: rv.nearest_neighbours(layer, like=pictures[1], where=mask),
        "self_similarity": lambda layer: rv.self_similarity(layer, like=pictures[1]),
    }
    found = [value(makes[name](layer), network, pictures[0]) for layer, network in ((DEEP, tiny64), ("part", winding))]
    assert found[1] == pytest.approx(found[0], rel=1e-10)


def test_masks_are_resized_with_the_stage(tiny: Network) -> None:
    x, mask = torch.full((1, 3, 64, 80), 0.5), torch.zeros(1, 1, 640, 800)
    mask[..., :240] = 1
    run = rv.synthesize(
        -rv.energy(DEEP, where=mask), tiny, canvas=rv.PixelCanvas(x), stages=rv.octaves((64, 80), count=2, steps=2)
    )
    *_, last = run
    moved = (last.image - x).abs()
    assert float(moved[..., :24].mean()) > 20 * float(moved[..., 48:].mean())


@pytest.mark.parametrize("shape", [(1, 1, 3, 0), (1, 3, 8, 8), (8, 8), (2, 1, 8, 8)])
def test_what_is_no_mask_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(PictureError, match="mask"):
        rv.energy(DEEP, where=torch.ones(shape))


BAD = {
    "empty": torch.zeros(1, 1, 8, 8),
    "negative": torch.full((1, 1, 8, 8), -1.0),
    "not a number": torch.full((1, 1, 8, 8), torch.nan),
    "endless": torch.full((1, 1, 8, 8), torch.inf),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_weights_are_refused(name: str) -> None:
    for make in (rv.energy, lambda layer, where: rv.style(layer, like=torch.ones(1, 3, 8, 8), of=where)):
        with pytest.raises(RecipeError, match="mask") as caught:
            make(DEEP, where=BAD[name])
        assert "\n" not in str(caught.value)


def test_a_mask_of_another_shape_is_refused(tiny: Network, make_picture: MakePicture) -> None:
    with pytest.raises(PictureError, match="40x32 or alike; got 32x40"):
        rv.evaluate(-rv.energy(DEEP, where=torch.ones(1, 1, 40, 32)), tiny, make_picture(0, *SIZE))
    with pytest.raises(PictureError, match="40x32 or alike; got 32x32"):
        rv.style(DEEP, like=torch.ones(1, 3, *SIZE), of=torch.ones(1, 1, 32, 32))


def test_parts_of_several_paintings(tiny64: Network, pictures: tuple[Tensor, ...], mask: Tensor) -> None:
    """Each painting's statistics are those of its part; a painting of no weight needs none."""
    x, first, second = pictures
    each = [gram(rows(tiny64, p), w) for p, w in ((first, shares(mask)), (second, shares(torch.ones_like(mask))))]
    expected = ((gram(rows(tiny64, x), shares(torch.ones_like(mask))) - 0.25 * each[0] - 0.75 * each[1]) ** 2).mean()
    like = [(first, 1.0), (second, 3.0), (x, 0.0)]
    term = rv.style([DEEP], like=like, statistic="gram", distance=rv.mse, of=[mask, None, None])
    assert value(term, tiny64, x) == pytest.approx(expected, rel=1e-10)
    with pytest.raises(RecipeError, match=r"one for each painting.*got 2 for 3"):
        rv.style([DEEP], like=like, of=[mask, None])


def test_a_part_is_of_one_painting() -> None:
    painting = torch.ones(1, 3, 8, 8)
    with pytest.raises(RecipeError, match="one painting"):
        rv.style(DEEP, like=[(painting, 1.0), (painting, 1.0)], of=torch.ones(1, 1, 8, 8))
