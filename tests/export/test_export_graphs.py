"""What an exporter follows computes what Python computes; in PyTorch, so that it is quick."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from reverie.errors import LayerNotFound, RecipeError, WeightsError
from reverie.export.graphs import Maps, PaintLike
from reverie.export.roots import moments, moved, roots, scales, target_of, transport_map
from reverie.export.specs import grain_for, instant_baked, instant_halves, instant_like, sample, spec_of
from reverie.feedforward import load_instant, matching
from reverie.feedforward.matching import Gaussian
from reverie.networks import Network, load
from reverie.recipes.instant import painter
from reverie.recipes.parts.at_once import InstantSettings
from reverie.recipes.upscale import UpscaleSettings, upscale

Make = Callable[..., Tensor]
PLAIN = InstantSettings(precision="float32", tile=0, likeness=0, motifs=2)


def covariance(seed: int, channels: int, least: float) -> Tensor:
    """(1, C, C), its eigenvalues from ``least`` to 1."""
    generator = np.random.default_rng(seed)
    vectors, _ = np.linalg.qr(generator.standard_normal((channels, channels)))
    return torch.from_numpy(vectors * np.geomspace(least, 1, channels) @ vectors.T)[None]


@pytest.mark.parametrize("least", [1e-2, 1e-4, 1e-6])
@pytest.mark.parametrize(("dtype", "allowed"), [(torch.float64, 1e-6), (torch.float32, 2e-3)])
def test_roots_are_those_of_the_eigenvalues(least: float, dtype: torch.dtype, allowed: float) -> None:
    m = covariance(0, 24, least)
    values, vectors = np.linalg.eigh(m[0].numpy())
    root, inverse = (part[0].double().numpy() for part in roots(m.to(dtype)))
    expected = vectors * np.sqrt(values) @ vectors.T
    assert np.abs(root - expected).max() < allowed
    assert np.abs(inverse @ expected - np.eye(24)).max() < allowed * max(1, 1e-5 / least) ** 1.5


def test_scaled_steps_are_half_as_many() -> None:
    low, plain = 1e-4, 0
    while low < 1 - 1e-6:
        low, plain = 0.5 * low * (3 - low * low), plain + 1
    assert len(scales(1e-4)) - 1 <= 0.55 * plain


def test_moments_and_maps_are_those_of_the_engine(make_picture: Make) -> None:
    x = make_picture(3, 9, 14)
    ours, theirs = moments(x), matching.moments(x.double())
    assert torch.allclose(ours.mean, theirs.mean.float(), atol=1e-6)
    assert torch.allclose(ours.covariance, theirs.covariance.float(), atol=1e-6)
    source, goal = (
        Gaussian(*(p.float() for p in theirs)),
        Gaussian(torch.rand(1, 3, generator=_g()), covariance(1, 3, 0.1).float()),
    )
    wide = matching.target_of(Gaussian(*(p.double() for p in goal)))
    want = matching.transport_map(Gaussian(*(p.double() for p in source)), wide)
    got = transport_map(source, target_of(goal))
    assert torch.allclose(moved(x, got), matching.moved(x, want), atol=2e-5)


def _g() -> torch.Generator:
    return torch.Generator().manual_seed(5)


@pytest.mark.parametrize("size", [(96, 112), (89, 131)])
def test_painting_is_rv_instant(make_picture: Make, size: tuple[int, int]) -> None:
    photo, painting = make_picture(0, *size), make_picture(1, size[0] - 6, size[1] - 3)
    network = load(pooling="average", padding="replicate")
    wanted = painter([painting], PLAIN).plain(photo)
    with torch.no_grad():
        made = PaintLike(network, load_instant())(photo, painting, grain_for(size))
    assert made.shape == photo.shape
    assert float((made - wanted).abs().max()) < 1 / 255
    assert float((wanted - photo).abs().mean()) > 0.02, "something was painted"


def test_other_noise_paints_another_picture(make_picture: Make) -> None:
    photo, painting = make_picture(0, 96, 96), make_picture(1, 90, 84)
    module = instant_like().module
    with torch.no_grad():
        one, other = (module(photo, painting, grain_for((96, 96), seed)) for seed in (0, 1))
    wanted = painter([painting], PLAIN.model_copy(update={"seed": 1})).plain(photo)
    assert float((other - wanted).abs().max()) < 1 / 255 < float((one - other).abs().max())


def test_a_painting_kept_inside_has_the_scale_of_its_square(make_picture: Make) -> None:
    painting = make_picture(1, 150, 130)
    baked = instant_baked(painting, 96)
    photo = make_picture(0, 96, 96)
    wanted = painter([painting], PLAIN).plain(photo)
    with torch.no_grad():
        made = baked.module(photo, grain_for((96, 96)))
    assert float((made - wanted).abs().max()) < 1 / 255
    assert float((baked.expected(photo, grain_for((96, 96)))[0] - wanted).abs().max()) < 1e-4


def test_the_two_halves_are_the_whole() -> None:
    look, paint = instant_halves()
    whole = instant_like()
    photo, painting, noise = whole.example((48, 56))
    with torch.no_grad():
        manner = look.module(painting)
        made = paint.module(photo, noise, list(manner))
        assert torch.equal(made, whole.module(photo, painting, noise))
    assert [tuple(x.shape) for x in manner] == [tuple(v) for v in list(paint.inputs.values())[2:]]
    assert list(paint.inputs)[2:] == list(look.outputs)


@pytest.mark.parametrize("name", ["dreamnet", "squeezenet1_1", "googlenet", "resnet50", "vgg19"])
@pytest.mark.parametrize("size", [(64, 64), (67, 81)])
def test_maps_are_the_network_s(name: str, size: tuple[int, int], make_picture: Make) -> None:
    network = load(name) if name == "dreamnet" else load(name, weights="random")
    layers = (network.layers[0], network.dream_layers[0])
    _same_maps(network, layers, make_picture(2, *size))


def test_maps_of_a_network_for_style(dreamnet: Network, make_picture: Make) -> None:
    _same_maps(dreamnet, dreamnet.style_layers, make_picture(2, 37, 50))


def _same_maps(network: Network, layers: tuple[str, ...], picture: Tensor) -> None:
    wanted = network(picture, layers)
    with torch.no_grad():
        made = dict(zip(layers, Maps(network, layers)(picture), strict=True))
    for layer in layers:
        assert torch.allclose(made[layer], wanted[layer], atol=1e-4 * float(wanted[layer].abs().max())), layer


@pytest.mark.parametrize("factor", [2, 3, 4])
def test_enlarging_is_upscale(factor: int, make_picture: Make) -> None:
    picture = make_picture(0, 13, 21, batch=2)
    with torch.no_grad():
        made = spec_of("superres-sharp", factor=factor).module(picture)
    exact = UpscaleSettings(factor=factor, variant="sharp", precision="float32")
    assert torch.allclose(made, upscale(picture, exact), atol=1e-5)


def test_made_up_pictures_are_pictures() -> None:
    x = sample((17, 30), batch=2)
    assert x.shape == (2, 3, 17, 30) and 0 <= float(x.min()) < 0.2 and 0.8 < float(x.max()) <= 1
    assert grain_for((17, 30)).shape == (85 * 2 * 2,)


@pytest.mark.parametrize(
    ("words", "kind", "says"),
    [
        ({"name": "supres"}, RecipeError, "did you mean 'superres'"),
        ({"name": "nothing-like-it"}, RecipeError, "instant"),
        ({"name": "gone.safetensors"}, WeightsError, "gone.safetensors"),
        ({"name": "superres", "factor": 5}, RecipeError, "2, 3, 4"),
        ({"name": "instant", "factor": 2}, RecipeError, "--factor belongs to superres"),
        ({"name": "superres", "layers": ["relu1_1"]}, RecipeError, "--layers belongs to"),
        ({"name": "dreamnet", "layers": ["relu9"]}, LayerNotFound, "relu9"),
        ({"name": "dreamnet", "painting": torch.zeros(1, 3, 40, 40)}, RecipeError, "--painting belongs to instant"),
        ({"name": "instant", "size": 64}, RecipeError, "--painting"),
        ({"name": "instant", "painting": torch.zeros(1, 3, 40, 40), "size": 4}, RecipeError, "--size"),
    ],
)  # fmt: skip
def test_what_cannot_be_exported(words: dict[str, object], kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says) as refused:
        spec_of(**words)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
