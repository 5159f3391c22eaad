"""The device that suits a run: what it takes to start, and what a step takes there, measured once and remembered."""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.engine.devices import CPU, accelerators, steady, title, wait_for
from reverie.engine.precision import fastest, probed_layers, remember
from reverie.networks import Network
from reverie.networks.weights import cache_folder

_SMALL, _LARGE = (64, 64), (384, 512)  # (H, W) of the pictures that tell what a step and what a pixel takes
_NUMBERS = ("start", "step", "pixel")


@dataclass(frozen=True)
class Pace:
    """The pace of a network on a device.

    Attributes:
        start: seconds that pass before its first value.
        step: seconds that a value and its gradient take at least.
        pixel: seconds for each pixel of a large picture.
    """

    start: float
    step: float
    pixel: float

    def seconds(self, pixels: int, evaluations: float) -> float:
        """Expect so many seconds for so many values and gradients of a picture of this size."""
        return self.start + evaluations * max(self.step, self.pixel * pixels)


def suited(network: Network, pixels: int, evaluations: float) -> torch.device:
    """Return the device on which a run takes least time, its start included.

    Args:
        network: of the run, anywhere.
        pixels: of its picture.
        evaluations: values and gradients it takes at full size.
    """
    others = accelerators()
    if not others:
        return CPU
    paces = {device: pace_of(network, device) for device in (CPU, *others)}
    return min(paces, key=lambda device: paces[device].seconds(pixels, evaluations))


def pace_of(network: Network, device: torch.device) -> Pace:
    """Return the network's pace on a device, remembered or measured, which takes a second or two."""
    path = cache_folder().parent / "devices.json"
    known = _read(path)
    key = f"{torch.__version__} {device} {title(device)} {network.name} {network.sha256[:16]}"
    if key not in known:
        known[key] = measured(network, device)
        remember(path, json.dumps({key: asdict(pace) for key, pace in known.items()}, indent=1))
    return known[key]


def measured(network: Network, device: torch.device) -> Pace:
    """Measure a network's pace on a device, in the precision that is fastest there."""
    steady(deterministic=False)
    began = time.perf_counter()
    there = network.with_precision(torch.float32, True, device)
    _value_and_gradient(there, _SMALL)
    start = time.perf_counter() - began
    best = fastest(there)
    there = best.of(there)
    step, large = (min(_timed(there, size) for _ in range(3)) for size in (_SMALL, _LARGE))
    return Pace(max(0.0, start - step), step, large / (_LARGE[0] * _LARGE[1]))


def _timed(network: Network, size: tuple[int, int]) -> float:
    began = time.perf_counter()
    _value_and_gradient(network, size)
    return time.perf_counter() - began


def _value_and_gradient(network: Network, size: tuple[int, int]) -> Tensor:
    noise = partial(torch.rand, generator=torch.Generator().manual_seed(0))
    x = F.avg_pool2d(noise(1, 3, *size), 5, 1, 2).to(network.device).requires_grad_(True)
    maps = network(x, probed_layers(network))
    (gradient,) = torch.autograd.grad(torch.stack([m.float().pow(2).mean() for m in maps.values()]).sum(), x)
    wait_for(network.device)
    return gradient


def _read(path: Path) -> dict[str, Pace]:
    """Read what was measured before; a damaged or older file counts as nothing."""
    try:
        known = json.loads(path.read_text(encoding="utf8"))
        return {key: Pace(*(float(pace[name]) for name in _NUMBERS)) for key, pace in known.items()}
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return {}
