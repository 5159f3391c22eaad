"""Devices side by side: an evaluation, a painting and an instant picture on each, and a peer's plain step beside them.

    python -m benchmarks.devices devices.json

The peer's step is what style transfer programs repeat hundreds of times: value and gradient of Gram matrices of
VGG-19's layers, in float32 and in bfloat16 with channels last, by plain PyTorch. Where there is no accelerator, the
processor's figures stand alone.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import reverie as rv
from reverie.engine.devices import CPU, accelerators, empty, memory_of, steady, title, wait_for
from reverie.engine.precision import with_precision

SIDE, ROUNDS = 512, 5
_PLAN = (64, 64, "P", 128, 128, "P", 256, 256, 256, 256, "P", 512, 512, 512, 512, "P", 512)


class PlainVGG(nn.Module):
    """VGG-19 to relu5_1 as peers run it."""

    def __init__(self) -> None:
        super().__init__()
        width, parts = 3, list[nn.Module]()
        for each in _PLAN:
            parts += [nn.MaxPool2d(2)] if each == "P" else [nn.Conv2d(width, int(each), 3, padding=1), nn.ReLU()]
            width = width if each == "P" else int(each)
        self.parts = nn.Sequential(*parts).requires_grad_(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Return the maps whose Gram matrices are compared."""
        read, wanted = [], {1, 6, 11, 20, 29}
        for number, part in enumerate(self.parts):
            x = part(x)
            if number in wanted:
                read.append(x)
        return read


def plain_step(device: torch.device, dtype: torch.dtype) -> Callable[[], object]:
    """Return a peer's step: value and gradient of Gram matrices."""
    network = PlainVGG().to(device, dtype).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    picture = torch.rand(1, 3, SIDE, SIDE, device=device, requires_grad=True)

    def step() -> Tensor:
        maps = network(picture.to(dtype, memory_format=torch.channels_last))
        grams = [F.normalize((x := m.flatten(2)) @ x.mT, dim=1).float().pow(2).mean() for m in maps]
        return torch.autograd.grad(torch.stack(grams).sum(), picture)[0]

    return step


def our_step(device: torch.device) -> Callable[[], object]:
    """Return one evaluation of a style with the same network, in the precision that is fastest there."""
    network = rv.networks.load("vgg19", weights="random", pooling="average")
    there = with_precision(network, device=device)
    photo = torch.rand(1, 3, SIDE, SIDE, device=device)
    bound = rv.engine.bind(rv.style(network.style_layers, like=photo.flip(2)), there, (SIDE, SIDE), rv.WholeExecutor())
    return lambda: rv.evaluate(bound, there, photo)


def crafts(device: torch.device) -> Iterator[tuple[str, Callable[[], object]]]:
    """Yield whole pictures: a painting, a dream and an instant one."""
    photo, painting = torch.rand(1, 3, SIDE, SIDE), torch.rand(1, 3, SIDE, SIDE)
    where: dict[str, Any] = {"device": str(device)}
    yield "painting", lambda: [*rv.recipes.style(photo, painting, rv.StyleSettings(size=SIDE, **where))][-1].image.cpu()
    yield "dream", lambda: [*rv.recipes.dream(photo, rv.DreamSettings(size=SIDE, **where))][-1].image.cpu()
    large = torch.rand(1, 3, 1080, 1920)
    yield "instant 1080p", lambda: rv.recipes.instant(large, painting, rv.InstantSettings(**where))


def seconds(work: Callable[[], object], device: torch.device, rounds: int = ROUNDS) -> float:
    """Median of some rounds, after one that does not count."""
    times = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        work()
        wait_for(device)
        times.append(time.perf_counter() - began)
    return median(times[1:])


def measured(device: torch.device) -> dict[str, Any]:
    """Measure everything on a device."""
    steady(deterministic=False)
    plain = {
        str(t).removeprefix("torch."): seconds(plain_step(device, t), device) for t in (torch.float32, torch.bfloat16)
    }
    found: dict[str, Any] = {"name": title(device), "memory": memory_of(device)[1], "plain step": plain}
    found["our step"] = seconds(our_step(device), device)
    found["our step, plain steps"] = found["our step"] / min(plain.values())
    for name, work in crafts(device):
        found[name] = seconds(work, device, rounds=1 if device == CPU else 3)
        found[f"{name}, plain steps"] = found[name] / min(plain.values())
        empty(device)
    return found


def main(path: Path) -> None:
    """Measure every device, and write the figures."""
    found = {str(device): measured(device) for device in (*accelerators(), CPU)}
    path.write_text(json.dumps({"torch": torch.__version__, "side": SIDE, "devices": found}, indent=1) + "\n")
    print(path.read_text())


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "benchmarks/devices.json"))
