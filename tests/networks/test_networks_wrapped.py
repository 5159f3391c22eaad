"""Custom networks."""

from __future__ import annotations

import copy
import pickle
import threading
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from reverie.canvas import PixelCanvas
from reverie.engine import Stage, Synthesis, plan
from reverie.errors import LayerNotFound, RecipeError
from reverie.networks import Geometry, find_class, wrap
from reverie.networks.network import Network
from reverie.networks.wrapped import Hooked
from reverie.objectives import channel, direction, energy, neuron

PICTURE = torch.rand(2, 3, 32, 40, generator=torch.Generator().manual_seed(0))
HALF: dict[str, Any] = {"mean": 0.5, "std": 0.25}


class Block(nn.Module):
    """Residual, with batch norm, an in-place rectifier and an in-place sum."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.scale = nn.Parameter(torch.tensor(0.7))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.norm(self.conv(x)), inplace=True)
        y += x
        return y * self.scale


class Branched(nn.Module):
    """A stem, a block, two branches side by side, a global average and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1), nn.ReLU(inplace=True), nn.MaxPool2d(2))
        self.block = Block(8)
        self.wide, self.tall = nn.Conv2d(8, 4, (1, 5), padding=(0, 2)), nn.Conv2d(8, 4, 1)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classes = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.block(self.stem(x))
        x = torch.cat([self.wide(x), F.avg_pool2d(self.tall(x), 3, 1, padding=1)], dim=1)
        return self.classes(self.pool(x).flatten(1))


class Undecided(nn.Module):
    """Looks at the numbers before it decides: nobody can follow it without running it."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 6, 3, 2, 1)
        self.unused = nn.Conv2d(3, 3, 1)
        self.head = nn.Linear(6, 2)
        self.reached_head = 0

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        x = self.second(x.relu_() if x.mean() > -100 else x)
        self.reached_head += 1
        return self.head(x.mean((2, 3)))


def state_of(module: nn.Module) -> tuple[object, ...]:
    """Everything about a module that a guest should leave alone."""
    parts = list(module.modules())
    hooks = [len(p._forward_hooks) + len(p._forward_pre_hooks) for p in parts]
    flags = [p.training for p in parts], [p.requires_grad for p in module.parameters()]
    weights = [value.clone().tolist() for value in module.state_dict().values()]
    return hooks, flags, weights, [getattr(p, "inplace", None) for p in parts]


@pytest.fixture
def module() -> Branched:
    torch.manual_seed(0)
    module = Branched()
    norm = module.block.norm
    assert norm.running_mean is not None and norm.running_var is not None
    nn.init.uniform_(norm.running_mean, -0.2, 0.2)
    nn.init.uniform_(norm.running_var, 0.5, 2)
    return module


def test_layers_are_the_submodules_paths(module: Branched) -> None:
    network = wrap(module, **HALF)
    assert {"stem", "stem.0", "stem.1", "stem.2", "block", "block.conv", "tall"} <= set(network.layers)
    assert network.name == "Branched" and network.class_layer is None and network.classes is None
    assert [network.stride(layer) for layer in network.style_layers] == [2, 4]


def test_the_maps_are_the_module_s_own(module: Branched) -> None:
    expected: dict[str, Tensor] = {}
    plain = copy.deepcopy(module).eval()
    for path, part in plain.named_modules():

        def keep(_m: nn.Module, _i: object, output: Tensor, path: str = path) -> None:
            expected[path] = output.clone() if output.ndim == 4 else output[:, :, None, None]

        part.register_forward_hook(keep)
    with torch.no_grad():
        plain((PICTURE - 0.5) / 0.25)
        network = wrap(module, **HALF)
        paths = [path for path in expected if path]
        maps = network(PICTURE, paths)
    for path in paths:
        torch.testing.assert_close(maps[path], expected[path], msg=path)


def test_the_module_is_left_alone(module: Branched) -> None:
    for stranger in (module, Undecided()):
        before = state_of(stranger.train())
        network = wrap(stranger, **HALF)
        layer = network.layers[0]
        x = PICTURE.clone().requires_grad_()
        network(x, [layer])[layer].sum().backward()
        assert state_of(stranger) == before
        assert all(p.grad is None for p in stranger.parameters())
        assert not network.training and not any(p.requires_grad for p in network.parameters())


def test_geometry_through_branches(module: Branched) -> None:
    network = wrap(module, **HALF)
    assert network.geometry("stem.0") == Geometry(stride=2, left=1, right=1)
    assert network.geometry("stem") == Geometry(stride=4, left=1, right=3)
    assert network.geometry("block") == Geometry(stride=4, left=5, right=7)
    assert network.geometry("wide") == Geometry(stride=4, left=13, right=15)
    cat = next(layer for layer in network.layers if layer.startswith("cat"))
    assert network.geometry(cat) == network.geometry("wide")
    assert network.channels(cat) == 8 and network.channels("block") == 8
    with pytest.raises(RecipeError, match="'pool' may see the whole picture"):
        network.geometry("classes")


def test_a_crop_gives_the_same_features(module: Branched) -> None:
    network = wrap(module, **HALF).with_precision(torch.float64)
    x = torch.rand(1, 3, 16, 96, dtype=torch.float64)
    halo = network.geometry("wide").halo
    whole = network(x, ["wide"])["wide"][..., 8:12]
    crop = x[..., 32 - halo : 48 + halo]
    inner = network(crop, ["wide"])["wide"][..., halo // 4 : halo // 4 + 4]
    torch.testing.assert_close(inner, whole, rtol=0, atol=1e-12)


def test_class_scores_average_to_the_logits(module: Branched) -> None:
    names = ("ant", "bee", "cat", "dog", "eel")
    network = wrap(module, classes=names, **HALF)
    scores = network(PICTURE, ["classes"])["classes"]
    assert scores.shape == (2, 5, 8, 10) and network.classes == names
    with torch.no_grad():
        logits = module.eval()((PICTURE - 0.5) / 0.25)
    torch.testing.assert_close(scores.mean((2, 3)), logits)
    assert find_class(network, "bee") == 1
    assert network.geometry("classes").stride == 4
    with pytest.raises(RecipeError, match="has 5 outputs; got 2 classes"):
        wrap(module, classes=("yes", "no"), **HALF)


def test_only_the_asked_layers_are_offered(module: Branched) -> None:
    network = wrap(module, layers=["stem", "block"], **HALF)
    assert network.layers == ("stem", "block")
    assert network.style_layers == network.dream_layers == ("stem", "block")
    with pytest.raises(LayerNotFound):
        network(PICTURE, ["wide"])
    with pytest.raises(LayerNotFound, match="did you mean 'block'"):
        wrap(module, layers=["blok"], **HALF)


def test_precision_and_memory_format_follow(module: Branched) -> None:
    network = wrap(module, classes="abcde", **HALF).with_precision(torch.bfloat16, True)
    maps = network(PICTURE, network.layers)
    assert all(features.dtype == torch.bfloat16 for features in maps.values())
    assert maps["block"].is_contiguous(memory_format=torch.channels_last)


def test_a_wrapped_network_can_be_sent_to_a_worker(module: Branched) -> None:
    network = wrap(module, **HALF)
    twin: Network = pickle.loads(pickle.dumps(network))
    assert torch.equal(twin(PICTURE, ["wide"])["wide"], network(PICTURE, ["wide"])["wide"])
    assert twin.sha256 == network.sha256


def test_who_cannot_be_followed_is_listened_to() -> None:
    stranger = Undecided()
    network = wrap(stranger, classes=("no", "yes"), **HALF)
    assert isinstance(network, Hooked)
    with torch.no_grad():
        maps = network(PICTURE, ["second", "first"])
        expected = stranger.first((PICTURE - 0.5) / 0.25)
    torch.testing.assert_close(maps["first"], expected)
    assert tuple(maps) == ("second", "first") and maps["first"].min() < 0
    assert network.module.reached_head == 0, "it should have stopped at the deepest asked layer"
    assert not any(part._forward_hooks for part in network.modules())
    assert network(PICTURE, ["classes"])["classes"].shape == (2, 2, 1, 1)
    with pytest.raises(RecipeError, match="has no geometry"):
        network.geometry("first")
    with pytest.raises(RecipeError, match="'unused' of Undecided is not used"):
        network(PICTURE, ["unused"])
    assert not any(part._forward_hooks for part in network.modules())
    with pytest.raises(LayerNotFound, match="did you mean 'second'"):
        network(PICTURE, ["secnd"])
    exact: Network = pickle.loads(pickle.dumps(network.with_precision(torch.float64)))
    assert exact(PICTURE, ["first"])["first"].dtype == torch.float64
    assert torch.equal(network(PICTURE, ["first"])["first"], maps["first"])


def test_mean_and_std_must_fit(module: Branched) -> None:
    for mean, std in (((0.5,), (0.5,)), ((0.1, 0.2), 0.5), (0.5, 0.0)):
        with pytest.raises(RecipeError, match="mean and std must be"):
            wrap(module, mean=mean, std=std)
    with pytest.raises(RecipeError, match="for 4 channels"):
        wrap(nn.Conv2d(4, 4, 1), mean=0.5, std=0.5)


def test_a_module_that_sees_sizes_has_no_geometry_but_runs() -> None:
    class Flat(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv, self.fc = nn.Conv2d(3, 2, 3, padding=1), nn.Linear(2 * 32 * 40, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = self.conv(x).tanh()
            return self.fc(x.view(x.size(0), -1))

    network = wrap(Flat(), classes=("a", "b", "c"), **HALF)
    assert network(PICTURE, ["classes", "fc"])["classes"].shape == (2, 3, 1, 1)
    assert "size" not in network.layers and network.stride("tanh") == 1
    with pytest.raises(RecipeError, match="no geometry"):
        network.geometry("classes")


class Digits(nn.Module):
    """Reads handwritten digits of 8x8 px."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 16, 3, padding=1), nn.Conv2d(16, 32, 3, padding=1)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.conv1(x)), 2)
        return self.fc(F.relu(self.conv2(x)).mean((2, 3)))


@pytest.mark.slow
def test_a_reader_of_digits_trained_here() -> None:
    datasets = pytest.importorskip("sklearn.datasets")
    images, labels = datasets.load_digits(return_X_y=True)
    x = torch.tensor(images).float().view(-1, 1, 8, 8) / 16
    y = torch.tensor(labels)
    torch.manual_seed(0)
    model = Digits()
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimiser.zero_grad()
        F.cross_entropy(model((x[:1400] - 0.3) / 0.38), y[:1400]).backward()
        optimiser.step()
    network = wrap(model, mean=0.3, std=0.38, classes=[str(i) for i in range(10)])
    pictures = x[1400:].expand(-1, 3, -1, -1)
    scores = network(pictures, ["classes"])["classes"]
    assert scores.shape == (397, 10, 4, 4)
    with torch.no_grad():
        logits = model((x[1400:] - 0.3) / 0.38)
    torch.testing.assert_close(scores.mean((2, 3)), logits, rtol=1e-4, atol=1e-4)
    assert (scores.mean((2, 3)).argmax(1) == y[1400:]).float().mean() > 0.85
    assert find_class(network, "7") == 7
    assert network.geometry("classes") == Geometry(stride=2, left=3, right=4)


class Overwriting(nn.Module):
    """Overwrites maps that others read: by functions, and by a module whose result is thrown away."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how
        self.conv, self.last = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 1)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        x = y = self.conv(x)
        match self.how:
            case "function":
                y = torch.relu_(x)
            case "functional":
                F.leaky_relu_(x, 0.2)
            case "argument":
                y = F.relu(x, True)
            case "module":
                self.relu(x)
            case "method":
                x.add_(1.0)
            case "sum":
                y += 2.0
            case "part":
                x[:, 0] = 0.0
            case "view":
                x.flatten(1).relu_()
        return self.last(x + y)


@pytest.mark.parametrize("how", ["function", "functional", "argument", "module", "method", "sum", "part", "view"])
def test_maps_that_the_module_overwrites_are_kept_as_they_were(how: str) -> None:
    torch.manual_seed(0)
    module = Overwriting(how).eval()
    x = (PICTURE - 0.5) / 0.25
    with torch.no_grad():
        before, after = module.conv(x), module(x)
        maps = wrap(module, **HALF)(PICTURE, ["conv", "last"])
    torch.testing.assert_close(maps["conv"], before)
    torch.testing.assert_close(maps["last"], after)


def test_a_listened_to_module_does_not_overwrite_the_picture() -> None:
    class Greedy(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.relu, self.conv = nn.ReLU(inplace=True), nn.Conv2d(3, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.conv(self.relu(x)) if x.mean() > -9 else x

    network, x = wrap(Greedy(), mean=0.0, std=1.0), torch.rand(1, 3, 8, 8) - 0.5
    kept = x.clone()
    network(x, ["conv"])
    assert isinstance(network, Hooked) and torch.equal(x, kept)


def test_a_norm_by_the_picture_s_own_statistics_has_no_geometry() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.BatchNorm2d(4, track_running_stats=False), nn.ReLU())
    network = wrap(module, **HALF)
    assert network.geometry("0").stride == 1
    with pytest.raises(RecipeError, match="'1' may see the whole picture"):
        network.geometry("2")


class Placed(nn.Module):
    """Adds something to each place, and something to each channel."""

    def __init__(self, joined: bool = False) -> None:
        super().__init__()
        self.conv, self.joined = nn.Conv2d(3, 4, 3, padding=1), joined
        self.place, self.level = nn.Parameter(torch.rand(4, 32, 40)), nn.Parameter(torch.rand(4))

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.conv(x) + self.level.view(1, -1, 1, 1))
        place = self.place[None] * 2
        return torch.cat([x, place.expand(x.shape[0], -1, -1, -1)], 1) if self.joined else x + place


@pytest.mark.parametrize("joined", [False, True])
def test_embeddings_of_places_have_no_geometry(joined: bool) -> None:
    module = Placed(joined)
    network = wrap(module, **HALF)
    assert network.geometry("relu").stride == 1, "what is the same everywhere does no harm"
    last = network.layers[-1]
    torch.testing.assert_close(network(PICTURE, [last])[last], module((PICTURE - 0.5) / 0.25).detach())
    with pytest.raises(RecipeError, match="may see the whole picture"):
        network.geometry(last)
    with pytest.raises(RecipeError, match="cannot be run on a picture of 16x16 px"):
        network(PICTURE[..., :16, :16], [last])


def test_a_head_registered_before_its_stem() -> None:
    class Headfirst(nn.Module):
        def __init__(self, undecided: bool) -> None:
            super().__init__()
            self.head, self.stem, self.undecided = nn.Conv2d(8, 5, 1), nn.Conv2d(3, 8, 3), undecided

        def forward(self, x: Tensor) -> Tensor:
            if self.undecided and x.mean() < -99:
                return x
            return self.head(self.stem(x))

    for undecided in (False, True):
        network = wrap(Headfirst(undecided), **HALF)
        assert isinstance(network, Hooked) == undecided
        assert network(PICTURE, ["head"])["head"].shape == (2, 5, 30, 38) and network.channels("head") == 5


@pytest.mark.parametrize(("mean", "std"), [(0.0, 1.0), (0.5, 0.25)])
def test_one_channel_is_the_luma_however_it_is_normalised(mean: float, std: float) -> None:
    module = nn.Sequential(nn.Conv2d(1, 4, 3))
    network = wrap(module, mean=mean, std=std)
    luma = (PICTURE * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1, keepdim=True)
    torch.testing.assert_close(network(PICTURE, ["0"])["0"], module((luma - mean) / std).detach())


def test_what_follows_a_narrow_cut_takes_its_map() -> None:
    module = nn.Sequential(nn.Conv2d(3, 1, 3, padding=1), nn.Conv2d(1, 2, 1), nn.Conv2d(2, 4, 3))
    network = wrap(module, **HALF)
    maps = network(PICTURE, ["0", "1", "2"])
    for cut in ("0", "1"):
        torch.testing.assert_close(network.after(cut)(maps[cut], ["2"])["2"], maps["2"])


def test_listening_tells_threads_apart() -> None:
    network = wrap(Undecided(), classes=("no", "yes"), **HALF)
    pictures = [torch.rand(1, 3, 24, 24) for _ in range(4)]
    asked = [["first"], ["second"], ["second", "first"], ["classes"]]
    expected = [network(x, layers) for x, layers in zip(pictures, asked, strict=True)]
    failed: list[object] = []

    def run(number: int) -> None:
        try:
            for _ in range(40):
                found = network(pictures[number], asked[number])
                if not all(torch.equal(found[layer], map) for layer, map in expected[number].items()):
                    failed.append(number)
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []


def test_a_listened_to_network_knows_its_channels_and_extents() -> None:
    network = wrap(Undecided(), **HALF)
    assert network.channels("second") == 6 and network.extent("second", (32, 40)) == (16, 20)
    assert network.channels("head") == 2 and network.extent("head", (32, 40)) == (1, 1)


class Tokens(nn.Module):
    """A small transformer's beginning: patches as tokens, one more before them."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.block = nn.Conv2d(3, 6, 8, 8), nn.Linear(6, 6)
        self.first, self.head = nn.Parameter(torch.rand(1, 1, 6)), nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = self.block(torch.cat([self.first.expand(x.shape[0], -1, -1), x], 1))
        return self.head(x[:, 0])


def test_tokens_become_maps_where_it_is_said_how() -> None:
    def to_map(tokens: Tensor) -> Tensor:
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (4, 5))

    module = Tokens()
    with pytest.raises(RecipeError, match=r"'block' of Tokens gives \(2, 21, 6\); say in wrap\(..., to_map=...\)"):
        wrap(module, **HALF)(PICTURE, ["block"])
    network = wrap(module, to_map=to_map, **HALF)
    assert network(PICTURE, ["block"])["block"].shape == (2, 6, 4, 5)
    assert network.extent("block", (32, 40)) == (4, 5) and network.channels("block") == 6
    assert network(PICTURE, ["head"])["head"].shape == (2, 3, 1, 1)


def test_a_wrapped_network_lists_its_own_layers(module: Branched) -> None:
    network = wrap(module, **HALF)
    with pytest.raises(LayerNotFound, match="did you mean 'block'") as caught:
        network(PICTURE, ["blok"])
    assert "reverie networks" not in str(caught.value) and "stem.0, stem.1" in str(caught.value)


def test_networks_say_what_they_are_in_a_line(module: Branched) -> None:
    assert repr(wrap(module, **HALF)).startswith("Wrapped('Branched', ")
    assert repr(wrap(Undecided(), **HALF)) == "Hooked('Undecided', 4 layers, torch.float32)"


def test_runs_on_networks_without_geometry_are_planned_whole() -> None:
    def to_map(tokens: Tensor) -> Tensor:
        return tokens[:, 1:].transpose(1, 2).unflatten(2, (48, 48))

    class OfOneSize(Tokens):
        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x + torch.zeros(1, 1, 384, 384))

    listened = wrap(Undecided(), **HALF)
    for network, objective, size in (
        (listened, -channel("second", 2) - neuron("head", 1), (32, 40)),
        (listened, -direction("second", torch.ones(6)), (600, 600)),
        (wrap(OfOneSize(), to_map=to_map, **HALF), -energy("block") - neuron("head", 0), (384, 384)),
    ):
        run = Synthesis(objective, network, PixelCanvas(torch.rand(1, 3, *size)), [Stage(size, 1)])
        planned = plan(run)
        assert planned.tile == 0 and planned.size == size
        with pytest.raises(RecipeError, match="may see the whole picture; run it untiled"):
            plan(run, tile=16)
        (step,) = run.run()
        assert step.image.shape[2:] == size
