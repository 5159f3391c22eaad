"""Johnson's network against a plain module, its files, and what is refused."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from reverie.errors import PictureError, WeightsError
from reverie.feedforward.custom import custom_styles, find_custom_style, styles_folder
from reverie.feedforward.johnson import Johnson, draw_johnson, read_johnson, write_johnson


class Conv(nn.Module):
    """A convolution as PyTorch's example has it: reflection padding, and repetition before it."""

    def __init__(self, come: int, go: int, kernel: int, stride: int = 1, factor: int = 1) -> None:
        super().__init__()
        self.pad, self.factor = nn.ReflectionPad2d(kernel // 2), factor
        self.conv2d = nn.Conv2d(come, go, kernel, stride)

    def forward(self, x: Tensor) -> Tensor:
        x = F.interpolate(x, scale_factor=self.factor, mode="nearest") if self.factor > 1 else x
        return self.conv2d(self.pad(x))


class Block(nn.Module):
    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv1, self.in1 = Conv(c, c, 3), nn.InstanceNorm2d(c, affine=True)
        self.conv2, self.in2 = Conv(c, c, 3), nn.InstanceNorm2d(c, affine=True)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.in2(self.conv2(F.relu(self.in1(self.conv1(x)))))


class Transformer(nn.Module):
    """The example's network, written out: colours from 0 to 255 in and out."""

    def __init__(self, a: int = 6, b: int = 8, c: int = 10) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = Conv(3, a, 9), Conv(a, b, 3, 2), Conv(b, c, 3, 2)
        for i, width in enumerate((a, b, c, b, a), 1):
            setattr(self, f"in{i}", nn.InstanceNorm2d(width, affine=True))
        for i in range(1, 6):
            setattr(self, f"res{i}", Block(c))
        self.deconv1, self.deconv2, self.deconv3 = Conv(c, b, 3, 1, 2), Conv(b, a, 3, 1, 2), Conv(a, 3, 9)

    def forward(self, x: Tensor) -> Tensor:
        for i in (1, 2, 3):
            x = F.relu(getattr(self, f"in{i}")(getattr(self, f"conv{i}")(x)))
        for i in range(1, 6):
            x = getattr(self, f"res{i}")(x)
        x = F.relu(self.get_submodule("in4")(self.deconv1(x)))
        return self.deconv3(F.relu(self.get_submodule("in5")(self.deconv2(x))))


@pytest.fixture
def example() -> Transformer:
    """The plain module, its norms and last layer anything but neutral."""
    torch.manual_seed(3)
    module = Transformer()
    with torch.no_grad():
        for p in module.parameters():
            if p.ndim == 1:
                p.normal_(0.5, 0.5)
        module.deconv3.conv2d.weight.mul_(60)
        module.deconv3.conv2d.state_dict()["bias"].add_(100)
    return module


def saved(module: nn.Module, path: Path) -> Path:
    """Its state as the example's checkpoints have it, with the keys of old PyTorch's norms."""
    torch.save({**module.state_dict(), "in1.running_mean": torch.zeros(6), "in1.running_var": torch.ones(6)}, path)
    return path


@pytest.mark.parametrize("size", [(48, 64), (37, 51), (16, 17), (50, 19)])
def test_checkpoints_of_the_example_are_read(example: Transformer, tmp_path: Path, size: tuple[int, int]) -> None:
    network = read_johnson(saved(example, tmp_path / "candy.pth"))
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        wanted = example(255 * x)[..., : size[0], : size[1]] / 255
        came = network(x)
    assert came.shape == x.shape and wanted.std() > 0.05
    assert torch.allclose(came, wanted, atol=1e-4)
    assert network.sha256 and not network.facts


def test_the_way_back_is_that_of_the_plain_module(example: Transformer, tmp_path: Path) -> None:
    """The normalisation's gradient is written by hand."""
    read = read_johnson(saved(example, tmp_path / "candy.pth"))
    network = Johnson({key: x.double().requires_grad_(True) for key, x in read.tensors.items()})
    module = example.double()
    x = torch.rand(2, 3, 21, 18, dtype=torch.float64).requires_grad_(True)
    y = x.detach().clone().requires_grad_(True)
    pull = torch.randn(2, 3, 21, 18, dtype=torch.float64)
    ends = [network.tensors["down.0.weight"], network.tensors["blocks.2_b.gain"], network.tensors["up.1.shift"]]
    mine = torch.autograd.grad(network(x), [x, *ends], pull.float())
    plain = [module.get_parameter(name) for name in ("conv1.conv2d.weight", "res3.in2.weight", "in5.bias")]
    its = torch.autograd.grad(module(255 * y)[..., :21, :18] / 255, [y, *plain], pull.float().double())
    scales = (1.0, 255.0, 1.0, 1.0)
    for a, b, scale in zip(mine, its, scales, strict=True):
        assert torch.allclose(a * scale, b, rtol=1e-4, atol=1e-6 * float(b.abs().max()))


def test_gradcheck() -> None:
    drawn = draw_johnson(widths=(2, 3), blocks=1, seed=5).tensors
    weights = {key: x.double().requires_grad_(True) for key, x in drawn.items()}
    x = torch.rand(1, 3, 16, 16, dtype=torch.float64)

    def loss(*tensors: Tensor) -> Tensor:
        network = Johnson(dict(zip(weights, tensors, strict=True)))
        last = network.to_input(x)
        for layer in network.layers[:2]:
            last = network.finish(layer, network.convolve(layer, last), last)
        return last.pow(2).sum()

    used = {key: value for key, value in weights.items() if key.startswith("down")}
    others = tuple(value.detach() for key, value in weights.items() if key not in used)
    assert torch.autograd.gradcheck(lambda *some: loss(*some, *others), tuple(used.values()), fast_mode=True)


def test_low_precision_is_near() -> None:
    network, x = draw_johnson(widths=(6, 8), blocks=2), torch.rand(1, 3, 40, 40)
    quick = network.with_precision(torch.bfloat16)
    assert quick.dtype == torch.bfloat16 and quick.tensors["down.0.gain"].dtype == torch.float32
    made = quick(x)
    assert made.dtype == torch.float32 and 0 < float((made - network(x)).abs().mean()) < 0.02


def test_files_are_read_as_they_were_written(tmp_path: Path) -> None:
    network = Johnson(draw_johnson(widths=(4, 6), blocks=1).tensors, {"painting": "näive.jpg", "steps": 7})
    write_johnson(tmp_path / "mine.safetensors", network)
    back = read_johnson(tmp_path / "mine.safetensors")
    assert back.facts == network.facts and back.layers == network.layers and back.stride == 2
    x = torch.rand(1, 3, 20, 30)
    assert torch.allclose(back(x), network(x), atol=0.02)


class Bomb:
    """What runs when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_file_is_not_run(tmp_path: Path) -> None:
    struck = tmp_path / "struck"
    torch.save({"conv1.conv2d.weight": Bomb(struck)}, tmp_path / "bomb.pth")
    (tmp_path / "plain.pth").write_bytes(pickle.dumps(Bomb(struck)))
    for name in ("bomb.pth", "plain.pth"):
        with pytest.raises(WeightsError, match=r"not a readable \.pth of plain tensors") as caught:
            read_johnson(tmp_path / name)
        assert "\n" not in str(caught.value)
    assert not struck.exists()


def test_what_is_no_such_network_is_refused(tmp_path: Path, example: Transformer) -> None:
    good = dict(draw_johnson(widths=(4, 6), blocks=1).tensors)
    bad = {
        "narrow": {**good, "blocks.0_a.weight": torch.zeros(5, 6, 3, 3)},
        "even": {**good, "down.0.weight": torch.zeros(4, 3, 8, 8)},
        "nan": {**good, "up.1.bias": torch.full((3,), torch.nan)},
        "short": {key: x for key, x in good.items() if key != "up.0.gain"},
        "empty": {"x": torch.zeros(1)},
        "beside": {**good, "extra": torch.zeros(3)},
    }
    for name, tensors in bad.items():
        save_file({key: x.contiguous() for key, x in tensors.items()}, tmp_path / f"{name}.safetensors")
        with pytest.raises(WeightsError, match=f"'{name}.safetensors' is not a network that paints"):
            read_johnson(tmp_path / f"{name}.safetensors")
    torch.save({"fc.weight": torch.zeros(2)}, tmp_path / "other.pth")
    torch.save([torch.zeros(2)], tmp_path / "list.pth")
    (tmp_path / "noise.pth").write_bytes(b"PK\x03\x04" + bytes(range(256)))
    (tmp_path / "noise.safetensors").write_bytes(bytes(range(256)))
    save_file(
        {key: x.contiguous() for key, x in good.items()}, tmp_path / "facts.safetensors", metadata={"facts": "[1"}
    )
    for name in ("other.pth", "list.pth", "noise.pth", "noise.safetensors", "facts.safetensors", "none.pth"):
        with pytest.raises(WeightsError) as caught:
            read_johnson(tmp_path / name)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "facts",
    [
        {"settings": [1]},
        {"painting": 3},
        {"steps": "many"},
        {"steps": 10**400},
        {"seconds": float("nan")},
        {"seconds": -1},
        {"seconds": True},
    ],
)
def test_facts_that_make_no_sense_are_refused(facts: dict[str, object], tmp_path: Path) -> None:
    write_johnson(tmp_path / "a.safetensors", Johnson(draw_johnson(widths=(4, 6), blocks=1).tensors, facts))
    with pytest.raises(WeightsError, match=r"the facts in 'a.safetensors' are damaged"):
        read_johnson(tmp_path / "a.safetensors")


@pytest.mark.parametrize("about", ["null", "{}", '{"facts":"[]"}', '{"facts":"{"}'])
def test_a_header_without_facts_is_read_and_an_odd_one_refused(about: str, tmp_path: Path) -> None:
    network = draw_johnson(widths=(4, 6), blocks=1)
    write_johnson(path := tmp_path / "a.safetensors", network)
    data = path.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end]) | {"__metadata__": json.loads(about)}
    text = json.dumps(header).encode()
    path.write_bytes(len(text).to_bytes(8, "little") + text + data[end:])
    if "facts" not in about:
        assert read_johnson(path).facts == {}
        return
    with pytest.raises(WeightsError, match="the facts in"):
        read_johnson(path)


def test_a_tower_of_layers_is_refused(tmp_path: Path) -> None:
    network = draw_johnson(widths=(1,) * 12, blocks=1)
    write_johnson(tmp_path / "a.safetensors", network)
    with pytest.raises(WeightsError, match="is not a network that paints"):
        read_johnson(tmp_path / "a.safetensors")


def test_pictures_it_cannot_paint_are_refused() -> None:
    network = draw_johnson(widths=(4, 6), blocks=1)
    for x in (
        torch.rand(1, 3, 15, 40),
        torch.rand(3, 40, 40),
        torch.rand(1, 1, 40, 40),
        torch.zeros(1, 3, 40, 40).int(),
    ):
        with pytest.raises(PictureError, match="16 pixels or more each way"):
            network(x)


def test_custom_styles_are_found_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVERIE_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert custom_styles() == {}
    with pytest.raises(WeightsError, match="no file or style network 'wave'"):
        find_custom_style("wave")
    styles_folder().mkdir(parents=True)
    for name in ("wave.safetensors", ".x.safetensors", "notes.txt"):
        (styles_folder() / name).touch()
    assert custom_styles() == {"wave": tmp_path / "home" / "styles" / "wave.safetensors"}
    assert find_custom_style("wave") == custom_styles()["wave"]
    with pytest.raises(WeightsError, match="Did you mean 'wave'"):
        find_custom_style("wav")
    Path("wave").touch()
    assert find_custom_style("wave") == Path("wave"), "a file here wins"
