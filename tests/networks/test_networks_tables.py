"""The tables: shapes, strides, names, and the same numbers as an independent implementation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from reverie.errors import LayerNotFound, PictureError, RecipeError, WeightsError
from reverie.networks import describe, load, names
from reverie.networks.googlenet import googlenet
from reverie.networks.graph import Blueprint
from reverie.networks.network import Network
from reverie.networks.resnet import resnet50
from reverie.networks.squeezenet import squeezenet1_1
from reverie.networks.weights import fold
from reverie.networks.zoo import EMBEDDED, embedded
from tests.networks.narrow_networks import narrow
from tests.networks.network_references import GoogLeNet, ResNet50, SqueezeNet

PICTURE = torch.rand(1, 3, 49, 62, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def networks() -> dict[str, Network]:
    return {name: load(name, weights="random", seed=1) for name in names()}


class CountedConvolutions(TorchDispatchMode):
    """Counts the convolutions that are really computed."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        self.count += "convolution" in str(func) and "backward" not in str(func)
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", names())
def test_every_layer_has_the_declared_shape(networks: dict[str, Network], name: str) -> None:
    network = networks[name]
    with torch.no_grad():
        maps = network(PICTURE, network.layers)
    assert tuple(maps) == network.layers
    for layer, features in maps.items():
        h, w = network.extent(layer, (49, 62))
        assert features.shape == (1, network.channels(layer), h, w)
        assert abs(h - 49 / network.stride(layer)) <= 2


@pytest.mark.parametrize("name", names())
def test_what_crafts_use_first_exists(networks: dict[str, Network], name: str) -> None:
    network = networks[name]
    chosen = (*network.style_layers, network.content_layer, *network.dream_layers)
    assert set(chosen) <= set(network.layers)
    depths = [network.layers.index(layer) for layer in network.style_layers]
    assert depths == sorted(depths) and len(depths) >= 4
    if network.class_layer is None:
        assert network.classes is None
    else:
        assert network.classes is not None and network.class_layer == "classes"
        assert network.channels("classes") == len(network.classes) == 1000


@pytest.mark.parametrize("name", names())
def test_a_network_is_frozen_and_described(networks: dict[str, Network], name: str) -> None:
    network, description = networks[name], describe(name)
    assert not network.training and not any(p.requires_grad for p in network.parameters())
    assert len(network.sha256) == 64
    assert tuple(layer.name for layer in description.layers) == network.layers
    assert description.paper and description.licence
    assert description.classes == len(network.classes or ())


def test_paper_names_and_strides(networks: dict[str, Network]) -> None:
    vgg, inception = networks["vgg19"], networks["googlenet"]
    assert {"conv4_2", "relu4_2", "relu5_4", "pool1"} <= set(vgg.layers)
    assert (vgg.stride("relu4_1"), vgg.channels("relu4_1")) == (8, 512)
    assert "relu4_4" not in networks["vgg16"].layers
    mixed = [name for name in inception.layers if len(name) == 7 and name.startswith("mixed")]
    places = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
    assert mixed == [f"mixed{place}" for place in places]
    assert (inception.stride("mixed4c"), inception.channels("mixed4c")) == (16, 512)
    assert {f"fire{i}" for i in range(2, 10)} <= set(networks["squeezenet1_1"].layers)
    assert networks["resnet50"].channels("res5c") == 2048


@pytest.mark.parametrize(("layers", "expected"), [(("relu1_1",), 1), (("pool1",), 2), (("relu3_1", "conv1_2"), 5)])
def test_the_extractor_stops(networks: dict[str, Network], layers: tuple[str, ...], expected: int) -> None:
    with CountedConvolutions() as counted:
        networks["vgg19"](PICTURE, layers)
    assert counted.count == expected


def test_a_branch_runs_without_its_siblings(networks: dict[str, Network]) -> None:
    with CountedConvolutions() as counted:
        networks["googlenet"](PICTURE, ["mixed3a_1x1"])
    assert counted.count == 4


def test_pre_activations_survive_the_rectifier(networks: dict[str, Network]) -> None:
    maps = networks["vgg16"](PICTURE, ["conv1_1", "relu1_1", "relu1_2"])
    assert maps["conv1_1"].min() < 0
    assert torch.equal(maps["conv1_1"].relu(), maps["relu1_1"])
    alone = networks["vgg16"](PICTURE, ["relu1_2"])
    assert torch.equal(alone["relu1_2"], maps["relu1_2"])


def test_overwriting_leaves_gradients_right() -> None:
    network = narrow("resnet50")
    x = PICTURE.double().requires_grad_()
    every = (*network.layers[:20], "res3a")
    (kept,) = torch.autograd.grad(network(x, every)["res3a"].square().mean(), x)
    (overwritten,) = torch.autograd.grad(network(x, ["res3a"])["res3a"].square().mean(), x)
    assert torch.equal(kept, overwritten)


def test_gradients_are_those_of_finite_differences() -> None:
    network = load("dreamnet").with_precision(torch.float64)
    x = torch.rand(1, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda p: network(p, ["conv2_1"])["conv2_1"], (x,), fast_mode=True)


@pytest.mark.parametrize("name", names())
def test_channels_last_is_kept_all_along(name: str) -> None:
    exact = narrow(name)
    network = exact.with_precision(torch.bfloat16, channels_last=True)
    with torch.no_grad():
        maps, plain = network(PICTURE, network.layers), exact(PICTURE, exact.layers)
    for layer, features in maps.items():
        assert features.dtype == torch.bfloat16
        assert features.is_contiguous(memory_format=torch.channels_last), layer
        error = (features.double() - plain[layer]).square().mean()
        assert error < 0.01 * plain[layer].square().mean(), layer
    assert exact.dtype == torch.float64 and not exact.channels_last


def test_float64_is_exact() -> None:
    network = load("dreamnet").with_precision(torch.float64)
    x = PICTURE[:1].double()
    mean, filters = torch.tensor([0.48, 0.46, 0.41], dtype=torch.float64), network.filters["conv1_1"].state_dict()
    normalised = (x - mean.view(1, 3, 1, 1)) * 4
    expected = nn.functional.conv2d(normalised, filters["weight"], filters["bias"], padding=1)
    torch.testing.assert_close(network(x, ["conv1_1"])["conv1_1"], expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(
    ("table", "reference"),
    [(squeezenet1_1, SqueezeNet), (googlenet, GoogLeNet), (resnet50, ResNet50)],
)
def test_same_numbers_as_an_independent_implementation(table: type[Blueprint], reference: type[nn.Module]) -> None:
    torch.manual_seed(3)
    module = reference().double().eval()
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            assert part.running_mean is not None and part.running_var is not None
            nn.init.uniform_(part.running_mean, -0.5, 0.5)
            nn.init.uniform_(part.running_var, 0.5, 2)
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.uniform_(part.bias, -0.2, 0.2)
    blueprint = table()  # type: ignore[call-arg]
    network = Network(blueprint, fold(blueprint, module.state_dict()))
    x = PICTURE.double()
    mean, std = torch.tensor([[485, 456, 406], [229, 224, 225]]).double().view(2, 3, 1, 1) / 1000
    with torch.no_grad():
        expected = module((x - mean) / std)
        logits = network(x, ["classes"])["classes"].mean((2, 3))
    torch.testing.assert_close(logits, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))


def test_dreamnet_is_as_wide_as_its_file_says() -> None:
    network = load()
    assert network.name == EMBEDDED
    for layer in network.layers:
        if layer.startswith("conv"):
            assert network.channels(layer) == embedded().tensors[f"{layer}.weight"].shape[0]
    assert network.content_layer in network.layers
    assert load().sha256 == network.sha256


def test_average_pooling_keeps_the_activations_size() -> None:
    x = PICTURE[:, :, :64, :64]
    peak = load("vgg19", weights="random")
    smooth = load("vgg19", weights="random", pooling="average")
    before = smooth(x, ["relu1_2", "pool1"])
    torch.testing.assert_close(
        before["pool1"], 2 * nn.functional.avg_pool2d(before["relu1_2"], 2), rtol=1e-6, atol=1e-6
    )
    ratio = peak(x, ["pool1"])["pool1"].std() / before["pool1"].std()
    assert 0.5 < ratio < 2
    assert peak.geometry("relu5_1") == smooth.geometry("relu5_1")


def test_average_pooling_counts_real_positions_only() -> None:
    network = load("squeezenet1_1", weights="random", pooling="average")
    maps = network(PICTURE, ["relu1", "pool1"])
    ragged = maps["relu1"]
    expected = 2 * nn.functional.avg_pool2d(ragged, 3, 2, ceil_mode=True, count_include_pad=False)
    torch.testing.assert_close(maps["pool1"], expected)


def test_replicated_borders_see_a_flat_picture_as_flat() -> None:
    flat = torch.full((1, 3, 32, 32), 0.9)
    maps = load("dreamnet", padding="replicate")(flat, ["conv1_1"])["conv1_1"]
    assert (maps - maps[:, :, :1, :1]).abs().max() < 1e-5
    zeros = load("dreamnet")(flat, ["conv1_1"])["conv1_1"]
    assert (zeros - zeros[:, :, 16:17, 16:17]).abs().max() > 1e-2
    torch.testing.assert_close(zeros[:, :, 1:-1, 1:-1], maps[:, :, 1:-1, 1:-1])


def test_random_weights_are_seeded() -> None:
    first, again, other = (load("squeezenet1_1", weights="random", seed=s) for s in (4, 4, 5))
    assert first.sha256 == again.sha256 != other.sha256
    assert torch.equal(first(PICTURE, ["fire4"])["fire4"], again(PICTURE, ["fire4"])["fire4"])


def test_an_unknown_layer_says_what_was_meant(networks: dict[str, Network]) -> None:
    message = "layer 'relu4-2' is not in vgg19; did you mean 'relu4_2'? 'reverie networks vgg19' lists them."
    for ask in (
        lambda: networks["vgg19"](PICTURE, ["relu4-2"]),
        lambda: networks["vgg19"].geometry("relu4-2"),
        lambda: networks["vgg19"].channels("relu4-2"),
    ):
        with pytest.raises(LayerNotFound) as caught:
            ask()
        assert str(caught.value) == message


def test_pictures_that_do_not_fit_are_refused(networks: dict[str, Network]) -> None:
    with pytest.raises(PictureError, match="at least 16 px"):
        networks["vgg19"](torch.rand(1, 3, 15, 20), ["relu5_1"])
    assert networks["vgg19"](torch.rand(1, 3, 16, 20), ["relu5_1"])
    bad: list[Tensor] = [torch.rand(3, 8, 8), torch.rand(1, 1, 8, 8), torch.ones(1, 3, 8, 8).int()]
    for picture in bad:
        with pytest.raises(PictureError, match="wants float pictures"):
            networks["vgg19"](picture, ["relu1_1"])


def test_unknown_choices_are_refused() -> None:
    with pytest.raises(RecipeError, match="did you mean 'vgg19'"):
        load("vgg-19")
    with pytest.raises(RecipeError, match="pooling must be one of native, average; got 'mean'"):
        load("dreamnet", pooling="mean")  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match="padding must be"):
        load("dreamnet", padding="same")  # type: ignore[arg-type]
    with pytest.raises(WeightsError, match="cannot read"):
        load("dreamnet", weights="other.pth")
