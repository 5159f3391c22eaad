"""What all rooms test with: one thread, a tiny random network, small pictures, one photograph."""

from __future__ import annotations

import os
import signal
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is there; for the processes that tests start as well
os.environ.setdefault("REVERIE_LANG", "en")  # what tests read, whoever runs them

import pytest
import torch
from hypothesis import settings
from torch import Tensor, nn

import reverie as rv
from reverie.feedforward import Instant
from reverie.feedforward.superres import Superres
from reverie.networks import Network
from tests import standin
from tests.budget import Budget

standin.register()
settings.register_profile("reverie", deadline=None, derandomize=True, database=None)
settings.load_profile("reverie")

if TYPE_CHECKING:
    from reverie.export import Exported

THREADS = "REVERIE_TEST_THREADS"
"""The variable that says with how many threads to test, where that is not one."""
MakePicture = Callable[..., Tensor]
"""`make_picture`: see the fixture of that name."""
CLASSES = ("cat", "dog", "tree frog", "night sky", "teapot", "espresso")


def pytest_configure(config: pytest.Config) -> None:
    if "REVERIE_TEST_SLOWLY" not in os.environ:  # as where a processor is held to less than it can
        config.pluginmanager.register(Budget())


def pytest_sessionstart() -> None:
    torch.set_num_threads(int(os.environ.get(THREADS, "1")))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs are begun with it ignored


@pytest.fixture(scope="session")
def tiny_module() -> nn.Sequential:
    """Three stages of convolution, rectifier and pool, and a linear head; random weights."""
    module = nn.Sequential(
        OrderedDict(
            conv1=nn.Conv2d(3, 8, 3, padding=1),
            relu1=nn.ReLU(),
            pool1=nn.AvgPool2d(2),
            conv2=nn.Conv2d(8, 12, 3, padding=1),
            relu2=nn.ReLU(),
            pool2=nn.AvgPool2d(2),
            conv3=nn.Conv2d(12, 16, 3, padding=1),
            relu3=nn.ReLU(),
            average=nn.AdaptiveAvgPool2d(1),
            flatten=nn.Flatten(),
            head=nn.Linear(16, len(CLASSES)),
        )
    )
    generator = torch.Generator().manual_seed(7)
    for p in module.parameters():
        fan = p[0].numel() if p.dim() > 1 else 100
        p.data.normal_(0, (2 / fan) ** 0.5, generator=generator)
    return module.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def tiny(tiny_module: nn.Sequential) -> Network:
    """The tiny module as a network, in float32."""
    return rv.networks.wrap(tiny_module, mean=0.45, std=0.25, classes=CLASSES)


@pytest.fixture(scope="session")
def tiny64(tiny: Network) -> Network:
    """The same in float64."""
    return tiny.with_precision(torch.float64)


@pytest.fixture(scope="session")
def dreamnet() -> Network:
    """The embedded network, as the style recipe loads it."""
    return rv.networks.load("dreamnet", pooling="average", padding="replicate")


@pytest.fixture(scope="session")
def tiny_superres() -> Superres:
    """Two residual blocks of six channels, random weights."""
    generator = torch.Generator().manual_seed(9)
    shapes = {"entry": (6, 3), **{f"blocks.{i}_{part}": (6, 6) for i in range(2) for part in "ab"}}
    shapes |= {f"heads.{factor}": (3 * factor * factor, 6) for factor in (2, 3, 4)}
    weights = {f"{name}.weight": 0.1 * torch.randn(*s, 3, 3, generator=generator) for name, s in shapes.items()}
    biases = {f"{name}.bias": 0.01 * torch.randn(s[0], generator=generator) for name, s in shapes.items()}
    return Superres(weights | biases)


@pytest.fixture(scope="session")
def tiny_instant() -> Instant:
    """A decoder for the embedded network, few channels inside, random weights."""
    generator = torch.Generator().manual_seed(11)
    shapes = {"1_a": (8, 256), "1_b": (8, 8), "1_c": (8, 8), "1_d": (128, 8), "2_a": (8, 128), "2_c": (8, 8)}
    shapes |= {"2_d": (64, 8), "3_a": (8, 64), "3_c": (6, 8), "3_d": (6, 6), "3_out": (3, 6)}
    weights = {
        f"stages.{name}.weight": (2 / (9 * s[1])) ** 0.5 * torch.randn(*s, 3, 3, generator=generator)
        for name, s in shapes.items()
    }
    blocks = {"0_wide0": 256, "1_wide0": 256, "1_wide1": 256, "2_wide0": 128, "3_wide0": 64}
    wide = {f"{name}{part}": (c, n) for name, c in blocks.items() for part, n in (("", 7), ("_in", 1), ("_out", 1))}
    wide["0_out"] = (256, 1)
    for name, (c, n) in wide.items():
        groups = c if n == 7 else 1
        scale = 0.3 * (groups / c) ** 0.5 / n
        weights[f"stages.{name}.weight"] = scale * torch.randn(c, c // groups, n, n, generator=generator)
    shapes |= wide
    biases = {f"stages.{name}.bias": 0.01 * torch.randn(s[0], generator=generator) for name, s in shapes.items()}
    gains = {f"noise.{k}": torch.full((1, c, 1, 1), 0.1) for k, c in enumerate((256, 256, 128, 64))}
    return Instant(weights | biases | gains, encoder=rv.networks.load("dreamnet").sha256)


@pytest.fixture(scope="session")
def enlarging(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """superres that enlarges twice, as an ONNX file."""
    from reverie.export import export_onnx

    return export_onnx("superres", tmp_path_factory.mktemp("onnx") / "superres.onnx")


@pytest.fixture(scope="session")
def make_picture() -> MakePicture:
    """`make_picture(seed, h, w)`: smooth colours and some noise, (batch, 3, h, w) in [0, 1]."""

    def make(seed: int, h: int, w: int, *, batch: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
        generator = torch.Generator().manual_seed(seed)
        coarse = torch.rand(batch, 3, 4, 4, generator=generator, dtype=torch.float64)
        noise = torch.randn(batch, 3, h, w, generator=generator, dtype=torch.float64)
        smooth = nn.functional.interpolate(coarse, (h, w), mode="bilinear")
        return (0.1 + 0.8 * smooth + 0.05 * noise).clamp(0, 1).to(dtype)

    return make


@pytest.fixture(scope="session")
def astronaut() -> Tensor:
    """A photograph, (1, 3, 256, 256)."""
    return _photograph("astronaut", 256, 256)


@pytest.fixture(scope="session")
def coffee() -> Tensor:
    """Another, (1, 3, 200, 300)."""
    return _photograph("coffee", 200, 300)


@pytest.fixture
def convolutions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, ...]]:
    """The shapes of the weights of every 2-D convolution run during the test, in order."""
    seen: list[tuple[int, ...]] = []
    original = nn.functional.conv2d

    def counted(x: Tensor, weight: Tensor, *rest: Any, **named: Any) -> Tensor:
        seen.append(tuple(weight.shape))
        return original(x, weight, *rest, **named)

    monkeypatch.setattr(nn.functional, "conv2d", counted)
    return seen


def _photograph(name: str, h: int, w: int) -> Tensor:
    data = pytest.importorskip("skimage.data")
    x = torch.from_numpy(getattr(data, name)()).permute(2, 0, 1)[None].float() / 255
    return rv.pictures.resize(x, (h, w)).clamp(0, 1)
