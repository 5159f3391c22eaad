"""The precision and memory layout in which this machine runs a network fastest: measured, never assumed."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reverie.choices import Precision
from reverie.engine.devices import title, wait_for
from reverie.engine.memory import readable, resident, sufficient
from reverie.errors import FileError, OutOfMemory, RecipeError
from reverie.files import make_folder, write_bytes
from reverie.networks import Network
from reverie.networks.weights import cache_folder

_SIZE = (224, 288)  # (H, W) of the picture of a probe
_ROOM, _COPIES = 80 * 2**20, 2.5  # bytes that a probe takes for libraries and weights; its peak over its maps
_ROUNDS = 4  # of a probe, in which every candidate has a turn; the least time counts
_FAITHFUL = 0.95  # cosine with the float32 gradient, below which a faster precision is not taken


@dataclass(frozen=True)
class Candidate:
    """A way to run a network."""

    dtype: torch.dtype
    channels_last: bool
    tf32: bool = False

    @property
    def name(self) -> str:
        """'float32' or 'bfloat16', or on accelerators 'tf32' or 'float16'."""
        return "tf32" if self.tf32 else str(self.dtype).removeprefix("torch.")

    def of(self, network: Network) -> Network:
        """Return the network run this way."""
        twin = network.with_precision(self.dtype, self.channels_last)
        twin.tf32 = self.tf32
        return twin


CANDIDATES = (Candidate(torch.float32, True), Candidate(torch.bfloat16, True))
"""On a processor."""
_TF32 = Candidate(torch.float32, True, tf32=True)
_ON_ACCELERATORS = (*CANDIDATES, Candidate(torch.float16, True))


def candidates(device: torch.device) -> tuple[Candidate, ...]:
    """Return the ways to run a network on a device, the exact one first."""
    if device.type == "cpu":
        return CANDIDATES
    return (*_ON_ACCELERATORS, _TF32) if device.type == "cuda" else _ON_ACCELERATORS


def with_precision(
    network: Network,
    precision: Precision = "auto",
    *,
    memory: int | None = None,
    device: torch.device | None = None,
) -> Network:
    """Return the network in the precision asked for, or in the fastest faithful one on its device.

    Args:
        network: in float32.
        precision: "auto" measures once per device, PyTorch version and network, and remembers it in the cache
            folder.
        memory: bytes that this process may use while it measures.
        device: where it is to run; by default where it is.
    Raises:
        RecipeError: a precision that this device has not.
        OutOfMemory: measuring does not fit into the memory.
    """
    if device is not None and device != network.device:
        network = network.with_precision(network.dtype, network.channels_last, device)
    return chosen(network, precision, memory=memory).of(network)


def chosen(network: Network, precision: Precision, *, memory: int | None = None) -> Candidate:
    """Return the candidate of a name, or the fastest faithful one; see `with_precision`."""
    if precision == "auto":
        return fastest(network, memory=memory)
    named = {c.name: c for c in candidates(network.device)}
    if precision not in named:
        where = "" if network.device.type == "cpu" else f" on {network.device}"
        raise RecipeError(f"precision is auto, {' or '.join(named)}{where}; got '{precision}'.")
    return named[precision]


def fastest(network: Network, *, memory: int | None = None) -> Candidate:
    """Find the fastest faithful candidate, in the cache or by a probe of about a second.

    Args:
        network: in float32.
        memory: most bytes that this process may use.
    Raises:
        OutOfMemory: a probe takes more.
    """
    path, key = cache_folder().parent / "precisions.json", _machine(network)
    known, every = _read(path), candidates(network.device)
    if known.get(key, len(every)) >= len(every):
        _check_room(network, memory)
        known[key] = every.index(probe(network))
        remember(path, json.dumps(known, indent=1))
    return every[known[key]]


def _check_room(network: Network, memory: int | None) -> None:
    """Refuse a probe that does not fit."""
    if network.device.type != "cpu":
        return
    maps = sum(network.density(probed_layers(network)).values()) * _SIZE[0] * _SIZE[1] * torch.float32.itemsize
    needed = resident() + _ROOM + int(_COPIES * maps)
    if memory is not None and needed > memory:
        raise OutOfMemory(
            f"measuring which precision is fastest here, which is done once, takes {readable(needed)}, and"
            f" {readable(memory)} may be used; try --precision float32 or --memory {sufficient(needed)}."
        )


def probed_layers(network: Network) -> tuple[str, ...]:
    """Choose the layers that a probe reads."""
    named = dict.fromkeys((*network.style_layers, network.content_layer))
    return tuple(layer for layer in named if layer) or network.layers[-1:]


@dataclass(frozen=True)
class Tried:
    """A candidate, tried.

    Attributes:
        candidate: which.
        seconds: that a value and its gradient took.
        cosine: between its gradient and float32's.
    """

    candidate: Candidate
    seconds: float
    cosine: float

    @property
    def faithful(self) -> bool:
        """True if its gradient points where float32's does."""
        return self.cosine >= _FAITHFUL


def probe(network: Network) -> Candidate:
    """Return the fastest faithful candidate."""
    return min((each for each in tried(network) if each.faithful), key=lambda each: each.seconds).candidate


def tried(network: Network) -> list[Tried]:
    """Time value and gradient in each candidate, and compare its gradient with float32's.

    They take turns, so that what else the machine does meets all of them. Those that a device lacks are left out.
    """
    layers = probed_layers(network)
    picture = torch.rand(1, 3, *_SIZE, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.avg_pool2d(picture, 5, 1, 2).to(network.device)
    twins: list[tuple[Candidate, Network]] = []
    gradients: list[Tensor] = []
    for candidate in candidates(network.device):
        try:
            twin = candidate.of(network)
            gradients.append(_gradient(twin, picture, layers))
        except (RuntimeError, TypeError):
            if not gradients:
                raise
            continue
        twins.append((candidate, twin))
    times = [[_seconds(twin, picture, layers) for _, twin in twins] for _ in range(_ROUNDS)]
    cosines = [float(torch.cosine_similarity(each.flatten(), gradients[0].flatten(), 0)) for each in gradients]
    return [
        Tried(candidate, min(seconds), cosine)
        for (candidate, _), seconds, cosine in zip(twins, zip(*times, strict=True), cosines, strict=True)
    ]


def _gradient(network: Network, picture: Tensor, layers: tuple[str, ...]) -> Tensor:
    x = picture.clone().requires_grad_(True)
    maps = network(x, layers)
    value = torch.stack([m.float().pow(2).mean() / m.detach().float().pow(2).mean() for m in maps.values()])
    (gradient,) = torch.autograd.grad(value.sum(), x)
    return gradient


def _seconds(network: Network, picture: Tensor, layers: tuple[str, ...]) -> float:
    began = time.perf_counter()
    _gradient(network, picture, layers)
    wait_for(network.device)
    return time.perf_counter() - began


def _machine(network: Network) -> str:
    if network.device.type != "cpu":
        return f"{torch.__version__} {title(network.device)} {network.name} {network.sha256[:16]}"
    cpu = torch.backends.cpu.get_cpu_capability()
    return f"{torch.__version__} {cpu} {torch.get_num_threads()} {network.name} {network.sha256[:16]}"


def _read(path: Path) -> dict[str, int]:
    """Read the results of earlier probes; a damaged or older file counts as none."""
    try:
        known = json.loads(path.read_text(encoding="utf8"))
        return {str(k): int(v) for k, v in known.items() if int(v) >= 0}
    except (OSError, ValueError, OverflowError, AttributeError, TypeError):
        return {}


def remember(path: Path, text: str) -> None:
    """Write the cache where that is possible; a read-only home costs a probe per start, nothing else."""
    try:
        make_folder(path.parent)
        write_bytes(path, text.encode())
    except (OSError, FileError):
        pass
