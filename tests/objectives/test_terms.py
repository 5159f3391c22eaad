"""Each term's value against NumPy in float64, through the tiny network."""

from __future__ import annotations

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import reverie as rv
from reverie.errors import LayerNotFound, PictureError, RecipeError
from reverie.networks import Network
from reverie.objectives.statistics import spread
from tests.conftest import MakePicture

DEEP = "relu3"


@pytest.fixture(scope="module")
def pictures(make_picture: MakePicture) -> tuple[Tensor, ...]:
    return tuple(make_picture(i, 33, 38, dtype=torch.float64) for i in range(3))


def value(objective: rv.Objective, network: Network, x: Tensor) -> float:
    return float(rv.evaluate(objective, network, x).total)


def read(network: Network, x: Tensor, layer: str = DEEP) -> np.ndarray:
    return network(x, (layer,))[layer].numpy()


def gram(f: np.ndarray) -> np.ndarray:
    rows = f[0].reshape(f.shape[1], -1)
    return rows @ rows.T / rows.shape[1]


def test_content(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    x, photo, _ = pictures
    f, f0 = read(tiny64, x), read(tiny64, photo)
    expected = ((f - f0) ** 2).mean() / (f0**2).mean()
    assert value(rv.content(DEEP, like=photo), tiny64, x) == pytest.approx(expected, rel=1e-12)
    assert value(rv.content(DEEP, like=x), tiny64, x) == 0


def test_content_of_another_size_is_resized(
    tiny64: Network, pictures: tuple[Tensor, ...], make_picture: MakePicture
) -> None:
    x, photo = pictures[0], make_picture(5, 50, 61, dtype=torch.float64)
    small = rv.pictures.resize(photo, (33, 38)).clamp(0, 1)
    expected = value(rv.content(DEEP, like=small), tiny64, x)
    assert value(rv.content(DEEP, like=photo), tiny64, x) == expected


def test_content_of_the_picture_itself(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    x, photo, _ = pictures
    expected = ((x - photo) ** 2).mean() / (photo**2).mean()
    term = rv.content(rv.objectives.PICTURE, like=photo)
    assert value(term, tiny64, x) == pytest.approx(float(expected), rel=1e-12)


def test_style_by_gram_matrices(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    x, painting, _ = pictures
    a, b = gram(read(tiny64, x)), gram(read(tiny64, painting))
    term = rv.style([DEEP], like=painting, statistic="gram", distance=rv.mse)
    assert value(term, tiny64, x) == pytest.approx(((a - b) ** 2).mean(), rel=1e-10)


def test_style_by_moments(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    x, painting, _ = pictures
    f, g = read(tiny64, x), read(tiny64, painting)
    a, b = (np.vstack([gram(m), m.mean((2, 3))]) for m in (f, g))
    term = rv.style([DEEP], like=painting, distance=rv.mse)
    assert value(term, tiny64, x) == pytest.approx(((a - b) ** 2).mean(), rel=1e-10)


def test_style_weighs_its_layers(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    x, painting, _ = pictures
    one, two = (value(rv.style([n], like=painting), tiny64, x) for n in ("relu1", "relu2"))
    both = value(rv.style({"relu1": 3, "relu2": 1}, like=painting), tiny64, x)
    assert both == pytest.approx((3 * one + two) / 4, rel=1e-12)
    equal = value(rv.style(["relu1", "relu2"], like=painting), tiny64, x)
    assert equal == pytest.approx((one + two) / 2, rel=1e-12)
    assert value(rv.style("relu1", like=painting), tiny64, x) == one


def test_style_of_several_paintings_mixes_their_moments(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    x, first, second = pictures
    a, b, c = (gram(read(tiny64, p)) for p in (x, first, second))
    expected = ((a - (3 * b + c) / 4) ** 2).mean()
    term = rv.style([DEEP], like=[(first, 6), (second, 2)], statistic="gram", distance=rv.mse)
    assert value(term, tiny64, x) == pytest.approx(expected, rel=1e-10)


def test_a_painting_of_weight_nothing_changes_nothing(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    x, first, second = pictures
    alone = value(rv.style([DEEP], like=first), tiny64, x)
    mixed = value(rv.style([DEEP], like=[(first, 2), (second, 0)]), tiny64, x)
    assert mixed == pytest.approx(alone, rel=1e-12)


@pytest.mark.parametrize(
    ("painting", "stroke", "expected"),
    [
        ((66, 76), 1.0, (33, 38)),  # covers as many pixels as the picture
        ((132, 38 * 4), 2.0, (66, 76)),  # strokes twice as large
        ((40, 40), 3.0, (40, 40)),  # never enlarged
        ((400, 100), 1.0, (71, 32)),  # no side under 32 px
    ],
)
def test_style_scales_its_painting(
    tiny64: Network,
    pictures: tuple[Tensor, ...],
    make_picture: MakePicture,
    painting: tuple[int, int],
    stroke: float,
    expected: tuple[int, int],
) -> None:
    large = make_picture(9, *painting, dtype=torch.float64)
    small = rv.pictures.resize(large, expected).clamp(0, 1)
    a, b = gram(read(tiny64, pictures[0])), gram(read(tiny64, small))
    term = rv.style([DEEP], like=large, statistic="gram", distance=rv.mse, stroke=stroke)
    assert value(term, tiny64, pictures[0]) == pytest.approx(((a - b) ** 2).mean(), rel=1e-10)


def test_style_of_one_colour_has_a_gradient(tiny: Network, make_picture: MakePicture) -> None:
    """It has no variance at all, where the network repeats the border."""
    network = rv.networks.load("dreamnet", padding="replicate")
    flat = torch.full((1, 3, 40, 40), 0.4)
    result = rv.evaluate(rv.style(network.style_layers, like=flat), network, make_picture(0, 40, 40))
    assert torch.isfinite(result.gradient).all()
    assert float(result.gradient.norm()) > 0


def test_energy(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    x = pictures[0]
    f, g = read(tiny64, x, "relu1"), read(tiny64, x, DEEP)
    assert value(rv.energy(DEEP), tiny64, x) == pytest.approx(g.mean())
    assert value(rv.energy(["relu1", DEEP]), tiny64, x) == pytest.approx((f.mean() + g.mean()) / 2)
    assert value(rv.energy(DEEP, power=2), tiny64, x) == pytest.approx((g**2).mean())


def test_channel(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    expected = read(tiny64, pictures[0])[:, 5].mean()
    assert value(rv.channel(DEEP, 5), tiny64, pictures[0]) == pytest.approx(expected)


def test_neuron(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    f = read(tiny64, pictures[0])
    h, w = f.shape[2:]
    assert value(rv.neuron(DEEP, 5), tiny64, pictures[0]) == f[0, 5, h // 2, w // 2]
    corner = rv.neuron(DEEP, 5, at=(h - 1, 0))
    assert value(corner, tiny64, pictures[0]) == f[0, 5, h - 1, 0]
    origin = rv.neuron(DEEP, 5, at=(0, 0))
    assert value(origin, tiny64, pictures[0]) == f[0, 5, 0, 0]


@pytest.mark.parametrize("against", [0.0, 0.2, 1.0])
def test_logit(tiny64: Network, tiny_module: nn.Sequential, pictures: tuple[Tensor, ...], against: float) -> None:
    scores = copy.deepcopy(tiny_module).double()((pictures[0] - 0.45) / 0.25)[0].numpy()
    expected = scores[4] - against * np.log(np.exp(scores).sum())
    for name in ("teapot", 4, "4"):
        term = rv.logit(name, against=against)
        assert value(term, tiny64, pictures[0]) == pytest.approx(expected, rel=1e-10)


def test_log_probabilities_are_probabilities(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    p = [np.exp(value(rv.logit(i, against=1), tiny64, pictures[0])) for i in range(6)]
    assert sum(p) == pytest.approx(1)


def test_direction_of_one_channel_is_the_channel(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    vector = torch.eye(16)[5]
    ours = value(rv.direction(DEEP, vector, power=0), tiny64, pictures[0])
    assert ours == pytest.approx(value(rv.channel(DEEP, 5), tiny64, pictures[0]))


def test_guide(tiny64: Network, pictures: tuple[Tensor, ...], make_picture: MakePicture) -> None:
    x, other = pictures[0], make_picture(8, 24, 20, dtype=torch.float64)
    f, g = read(tiny64, x), read(tiny64, other)
    products = np.einsum("bchw,bcn->bnhw", f, g.reshape(1, 16, -1))
    expected = products.max(1).mean()
    assert value(rv.guide(DEEP, like=other), tiny64, x) == pytest.approx(expected, rel=1e-12)
    rows, columns = spread((6, 5), 7)
    thin = np.einsum("bchw,bcn->bnhw", f, g[:, :, rows, columns]).max(1).mean()
    assert value(rv.guide(DEEP, like=other, vectors=7), tiny64, x) == pytest.approx(thin, rel=1e-12)


def cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Cosine of each row of one with each of the other."""
    a, b = (m / np.linalg.norm(m, axis=1, keepdims=True) for m in (a, b))
    return a @ b.T


def rows(network: Network, x: Tensor, layer: str = DEEP) -> np.ndarray:
    f = read(network, x, layer)
    return f[0].reshape(f.shape[1], -1).T


def test_nearest_neighbours(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    x, painting, _ = pictures
    f, g = rows(tiny64, x), rows(tiny64, painting)
    expected = (1 - cosines(f - g.mean(0), g - g.mean(0)).max(1)).mean()
    term = rv.nearest_neighbours(DEEP, like=painting)
    assert value(term, tiny64, x) == pytest.approx(expected, rel=1e-9)
    assert value(term, tiny64, painting) == pytest.approx(0, abs=1e-9)
    f, g = rows(tiny64, x), np.concatenate([g, rows(tiny64, pictures[2])])
    both = (1 - cosines(f - g.mean(0), g - g.mean(0)).max(1)).mean()
    term = rv.nearest_neighbours(DEEP, like=[(painting, 1), (pictures[2], 1)])
    assert value(term, tiny64, x) == pytest.approx(both, rel=1e-9)


def test_self_similarity(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    x, photo, _ = pictures
    rows_, columns = spread((8, 9), 20)
    parts = []
    for y in (x, photo):
        f = read(tiny64, y)[0][:, rows_, columns].T
        distances = 1 - cosines(f, f)
        parts.append(distances / distances.sum(1, keepdims=True))
    expected = np.abs(parts[0] - parts[1]).sum(1).mean() / 2
    term = rv.self_similarity(DEEP, like=photo, samples=20)
    assert value(term, tiny64, x) == pytest.approx(expected, rel=1e-9)
    assert value(term, tiny64, photo) == pytest.approx(0, abs=1e-12)


def test_self_similarity_is_blind_to_how_features_are_named(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    """Positive features times a number, or turned, resemble each other as before."""
    term = rv.self_similarity(rv.objectives.PICTURE, like=pictures[0])
    assert value(term, tiny64, 0.5 * pictures[0].flip(1)) == pytest.approx(0, abs=1e-9)


def sorted_apart(a: np.ndarray, b: np.ndarray) -> float:
    """Relative squared Wasserstein-2 of each column, summed; as many rows in both."""
    return ((np.sort(a, 0) - np.sort(b, 0)) ** 2).mean(0).sum() / (b**2).mean(0).sum()


def test_histograms(tiny64: Network, make_picture: MakePicture) -> None:
    x, painting = (make_picture(i, 48, 48, dtype=torch.float64) for i in (4, 5))
    colours = rv.histograms(rv.objectives.PICTURE, like=painting)
    expected = sorted_apart(*(y[0].flatten(1).T.numpy() for y in (x, painting)))
    assert value(colours, tiny64, x) == pytest.approx(expected, rel=0.01)
    deep = rv.histograms("relu2", like=painting)
    expected = sorted_apart(rows(tiny64, x, "relu2"), rows(tiny64, painting, "relu2"))
    assert value(deep, tiny64, x) == pytest.approx(expected, rel=0.02)
    assert value(deep, tiny64, painting) == pytest.approx(0, abs=1e-12)


def test_sliced_wasserstein(tiny64: Network, make_picture: MakePicture) -> None:
    """Along as many directions at right angles as there are channels, any of them: near the mean over seeds."""
    x, painting = (make_picture(i, 48, 48, dtype=torch.float64) for i in (4, 5))
    a, b = (rows(tiny64, y, "relu2") for y in (x, painting))
    directions, expected = [], []
    for seed in range(4):
        term = rv.sliced_wasserstein("relu2", like=painting, seed=seed)
        bound = rv.engine.bind(term, tiny64, (48, 48), rv.WholeExecutor())
        directions.append(bound.statistics[0].binning.directions.numpy())  # type: ignore[attr-defined]
        expected.append(sorted_apart(a @ directions[-1], b @ directions[-1]))
        assert value(term, tiny64, x) == pytest.approx(expected[-1], rel=0.02)
        np.testing.assert_allclose(directions[-1].T @ directions[-1], np.eye(12), atol=1e-9)
    assert np.abs(directions[0] - directions[1]).max() > 0.1
    assert value(rv.sliced_wasserstein("relu2", like=painting, seed=0), tiny64, painting) == pytest.approx(0, abs=1e-12)


def test_directions_lean_to_what_varies(tiny64: Network, make_picture: MakePicture) -> None:
    painting = make_picture(5, 48, 48, dtype=torch.float64)
    term = rv.sliced_wasserstein("relu2", like=painting, directions=4)
    bound = rv.engine.bind(term, tiny64, (48, 48), rv.WholeExecutor())
    directions = bound.statistics[0].binning.directions.numpy()  # type: ignore[attr-defined]
    variances = (rows(tiny64, painting, "relu2") @ directions).var(0)
    assert directions.shape == (12, 4)
    assert variances[0] > 3 * rows(tiny64, painting, "relu2").var(0).mean()


def test_shared_features(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    a, b, c = (rows(tiny64, y).mean(0) for y in pictures)
    plain = rv.shared_features(tiny64, DEEP, like=pictures[:2])
    np.testing.assert_allclose(plain.numpy(), (a + b) / 2, rtol=1e-12)
    apart = rv.shared_features(tiny64, DEEP, like=pictures[:2], unlike=pictures[2])
    mean = (a + b) / 2
    np.testing.assert_allclose(apart.numpy(), mean - c * (mean @ c) / (c @ c), rtol=1e-9)
    assert abs(float(apart.numpy() @ c)) < 1e-9


def test_likeness(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    """1 is as like as the pictures are themselves."""
    x, a, b = pictures
    assert value(rv.likeness(DEEP, like=a), tiny64, a) == pytest.approx(1, rel=1e-12)
    vector = rv.shared_features(tiny64, DEEP, like=[a, b])
    now, *own = (value(rv.direction(DEEP, vector), tiny64, y) for y in (x, a, b))
    assert value(rv.likeness(DEEP, like=[a, b]), tiny64, x) == pytest.approx(now / np.mean(own), rel=1e-12)
    layers = [value(rv.likeness(layer, like=a), tiny64, x) for layer in ("relu2", DEEP)]
    assert value(rv.likeness(["relu2", DEEP], like=a), tiny64, x) == pytest.approx(np.mean(layers), rel=1e-12)


def test_examples_are_shrunk(tiny64: Network, make_picture: MakePicture) -> None:
    large = make_picture(0, 20, 600, dtype=torch.float64)
    small = rv.pictures.resize(large, (17, 512)).clamp(0, 1)
    ours, theirs = (rv.shared_features(tiny64, DEEP, like=y) for y in (large, small))
    assert torch.equal(ours, theirs)


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (6, 1), (2, 2), (5, 7), (11, 6)])
def test_total_variation(tiny64: Network, make_picture: MakePicture, size: tuple[int, int]) -> None:
    x = make_picture(0, *size, dtype=torch.float64)
    p, (h, w), total = x[0].numpy(), size, 0.0
    for r in range(h):
        for c in range(w):
            for dr, dc, weight in ((0, 1, 1 / 3), (1, 0, 1 / 3), (1, 1, 1 / 12), (1, -1, 1 / 12)):
                if r + dr < h and 0 <= c + dc < w:
                    total += 2 * weight * ((p[:, r + dr, c + dc] - p[:, r, c]) ** 2).mean()
    assert value(rv.total_variation(), tiny64, x) == pytest.approx(total / (h * w), rel=1e-12)


def test_a_batch_is_averaged(tiny64: Network, make_picture: MakePicture) -> None:
    x = make_picture(0, 20, 24, batch=3, dtype=torch.float64)
    photo = make_picture(1, 20, 24, dtype=torch.float64)
    terms = (
        rv.content(DEEP, like=photo),
        rv.style([DEEP], like=photo),
        rv.total_variation(),
        rv.energy(DEEP),
        rv.neuron(DEEP, 1),
        rv.logit("dog", against=0.5),
    )
    for term in terms:
        each = [value(term, tiny64, one[None]) for one in x]
        assert value(term, tiny64, x) == pytest.approx(np.mean(each), rel=1e-10)


def test_references_are_kept_apart_from_the_caller(tiny64: Network, pictures: tuple[Tensor, ...]) -> None:
    term = rv.content(DEEP, like=pictures[1].clone().requires_grad_(True))
    assert not rv.evaluate(term, tiny64, pictures[0]).total.requires_grad


# --- what is refused -----------------------------------------------------------------------------

photo = torch.full((1, 3, 8, 8), 0.5)
REFUSED = {
    "no style layer": lambda: rv.style([], like=photo),
    "no painting": lambda: rv.style([DEEP], like=[]),
    "painting weights of nothing": lambda: rv.style([DEEP], like=[(photo, 0.0)]),
    "a negative painting": lambda: rv.style([DEEP], like=[(photo, 2.0), (photo, -1.0)]),
    "a painting of weight NaN": lambda: rv.style([DEEP], like=[(photo, float("nan"))]),
    "a layer of weight NaN": lambda: rv.style({DEEP: float("nan")}, like=photo),
    "a layer of weight infinity": lambda: rv.style({DEEP: float("inf")}, like=photo),
    "no stroke": lambda: rv.style([DEEP], like=photo, stroke=0),
    "stroke NaN": lambda: rv.style([DEEP], like=photo, stroke=float("nan")),
    "an unknown statistic": lambda: rv.style([DEEP], like=photo, statistic="grams"),  # type: ignore[arg-type]
    "no energy layer": lambda: rv.energy([]),
    "a cubic energy": lambda: rv.energy(DEEP, power=3),  # type: ignore[arg-type]
    "a direction that is a matrix": lambda: rv.direction(DEEP, torch.ones(2, 2)),
    "a direction to nowhere": lambda: rv.direction(DEEP, torch.zeros(16)),
    "a direction NaN": lambda: rv.direction(DEEP, torch.full((16,), torch.nan)),
    "no style to slice": lambda: rv.sliced_wasserstein([], like=photo),
    "no directions": lambda: rv.sliced_wasserstein([DEEP], like=photo, directions=0),
    "histograms of no painting": lambda: rv.histograms([DEEP], like=[]),
    "histograms of weight nothing": lambda: rv.histograms({DEEP: 0.0}, like=photo),
    "one neighbour": lambda: rv.nearest_neighbours([DEEP], like=photo, vectors=1),
    "one sample": lambda: rv.self_similarity(DEEP, like=photo, samples=1),
    "no likeness layer": lambda: rv.likeness([], like=photo),
    "no example": lambda: rv.likeness(DEEP, like=[]),
    "a guide without vectors": lambda: rv.guide(DEEP, like=photo, vectors=0),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED.keys())
def test_refused(make: Callable[[], object]) -> None:
    with pytest.raises(RecipeError) as caught:
        make()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 1, 8, 8), (1, 4, 8, 8), (1, 3, 0, 8)])
def test_what_is_no_picture_is_refused(shape: tuple[int, ...]) -> None:
    for term in (rv.content, rv.guide, rv.self_similarity, rv.likeness, rv.histograms, rv.nearest_neighbours):
        with pytest.raises(PictureError, match="read_image"):
            term(DEEP, like=torch.zeros(shape))
    with pytest.raises(PictureError, match="read_image"):
        rv.style([DEEP], like=torch.zeros(shape))


UNBOUND = {
    "an unknown layer": (rv.content("relu9", like=photo), LayerNotFound),
    "an unknown style layer": (rv.style(["relu1", "relu9"], like=photo), LayerNotFound),
    "an unknown energy layer": (rv.energy("relu9"), LayerNotFound),
    "a channel too many": (rv.channel(DEEP, 16), LayerNotFound),
    "a negative channel": (rv.channel(DEEP, -1), LayerNotFound),
    "a neuron too many": (rv.neuron(DEEP, 16), LayerNotFound),
    "a neuron outside": (rv.neuron(DEEP, 0, at=(99, 0)), RecipeError),
    "a neuron before the first": (rv.neuron(DEEP, 0, at=(0, -1)), RecipeError),
    "a direction of other width": (rv.direction(DEEP, torch.ones(5)), RecipeError),
    "an unknown layer to slice": (rv.sliced_wasserstein("relu9", like=photo), LayerNotFound),
    "an unknown layer of neighbours": (rv.nearest_neighbours("relu9", like=photo), LayerNotFound),
    "an unknown layer of likeness": (rv.likeness("relu9", like=photo), LayerNotFound),
    "an unknown layer of self-similarity": (rv.self_similarity("relu9", like=photo), LayerNotFound),
    "like and unlike the same": (rv.likeness(DEEP, like=photo, unlike=photo), RecipeError),
    "an unknown class": (rv.logit("unicorn"), LayerNotFound),
    "a class too many": (rv.logit(6), LayerNotFound),
    "a negative class": (rv.logit(-1), LayerNotFound),
}


@pytest.mark.parametrize(("term", "error"), UNBOUND.values(), ids=UNBOUND.keys())
def test_refused_by_the_network(
    tiny: Network, pictures: tuple[Tensor, ...], term: rv.Objective, error: type[Exception]
) -> None:
    with pytest.raises(error) as caught:
        rv.evaluate(term, tiny, pictures[0].float())
    assert "\n" not in str(caught.value)


def test_logit_wants_classes(tiny_module: nn.Sequential, pictures: tuple[Tensor, ...]) -> None:
    network = rv.networks.wrap(tiny_module, mean=0.45, std=0.25)
    with pytest.raises(LayerNotFound, match="classes"):
        rv.evaluate(rv.logit("cat"), network, pictures[0].float())
