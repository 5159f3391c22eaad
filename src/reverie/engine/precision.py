"""The precision and memory layout in which this machine runs a network fastest: measured, never assumed."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from reverie.choices import Precision
from reverie.engine.memory import readable, resident, sufficient
from reverie.errors import FileError, OutOfMemory, RecipeError
from reverie.files import make_folder, write_bytes
from reverie.networks import Network
from reverie.networks.weights import cache_folder

_SIZE = (224, 288)  # (H, W) of the picture of a probe
_ROOM, _COPIES = 80 * 2**20, 2.5  # bytes that a probe takes for libraries and weights; its peak over its maps
_FAITHFUL = 0.95  # cosine with the float32 gradient, below which a faster precision is not taken


@dataclass(frozen=True)
class Candidate:
    """A way to run a network."""

    dtype: torch.dtype
    channels_last: bool

    @property
    def name(self) -> str:
        """'float32' or 'bfloat16'."""
        return str(self.dtype).removeprefix("torch.")


CANDIDATES = (Candidate(torch.float32, True), Candidate(torch.bfloat16, True))


def with_precision(network: Network, precision: Precision = "auto", *, memory: int | None = None) -> Network:
    """Return the network in the precision asked for, or in the fastest faithful one on this machine.

    Args:
        network: in float32.
        precision: "auto" measures once per machine, PyTorch version and network, and remembers it in the cache
            folder.
        memory: bytes that this process may use while it measures.
    Raises:
        RecipeError: an unknown precision.
        OutOfMemory: measuring does not fit into the memory.
    """
    named = {c.name: c for c in CANDIDATES}
    if precision != "auto" and precision not in named:
        raise RecipeError(f"precision is auto, {' or '.join(named)}; got '{precision}'.")
    best = fastest(network, memory=memory) if precision == "auto" else named[precision]
    return network.with_precision(best.dtype, best.channels_last)


def fastest(network: Network, *, memory: int | None = None) -> Candidate:
    """Find the fastest faithful candidate, in the cache or by a probe of about a second.

    Args:
        network: in float32.
        memory: most bytes that this process may use.
    Raises:
        OutOfMemory: a probe takes more.
    """
    path, key = cache_folder().parent / "precision.json", _machine(network)
    known = _read(path)
    if key not in known:
        _check_room(network, memory)
        known[key] = CANDIDATES.index(probe(network))
        _remember(path, known)
    return CANDIDATES[known[key]]


def _check_room(network: Network, memory: int | None) -> None:
    """Refuse a probe that does not fit."""
    maps = sum(network.density(_probed(network)).values()) * _SIZE[0] * _SIZE[1] * torch.float32.itemsize
    needed = resident() + _ROOM + int(_COPIES * maps)
    if memory is not None and needed > memory:
        raise OutOfMemory(
            f"measuring which precision is fastest here, which is done once, takes {readable(needed)}, and"
            f" {readable(memory)} may be used; try --precision float32 or --memory {sufficient(needed)}."
        )


def _probed(network: Network) -> tuple[str, ...]:
    """Choose the layers that a probe reads."""
    named = dict.fromkeys((*network.style_layers, network.content_layer))
    return tuple(layer for layer in named if layer) or network.layers[-1:]


def probe(network: Network) -> Candidate:
    """Time value and gradient in each candidate, and compare its gradient with float32's."""
    layers = _probed(network)
    picture = torch.rand(1, 3, *_SIZE, generator=torch.Generator().manual_seed(0))
    picture = torch.nn.functional.avg_pool2d(picture, 5, 1, 2)
    timed: list[tuple[float, Candidate]] = []
    exact: Tensor | None = None
    for candidate in CANDIDATES:
        variant = network.with_precision(candidate.dtype, candidate.channels_last)
        gradient, seconds = _timed_gradient(variant, picture, layers)
        exact = gradient if exact is None else exact
        if float(torch.cosine_similarity(gradient.flatten(), exact.flatten(), 0)) >= _FAITHFUL:
            timed.append((seconds, candidate))
    return min(timed, key=lambda pair: pair[0])[1]


def _timed_gradient(network: Network, picture: Tensor, layers: tuple[str, ...]) -> tuple[Tensor, float]:
    best = float("inf")
    for _ in range(3):
        x = picture.clone().requires_grad_(True)
        began = time.perf_counter()
        maps = network(x, layers)
        value = torch.stack([m.float().pow(2).mean() / m.detach().float().pow(2).mean() for m in maps.values()])
        (gradient,) = torch.autograd.grad(value.sum(), x)
        best = min(best, time.perf_counter() - began)
    return gradient, best


def _machine(network: Network) -> str:
    cpu = torch.backends.cpu.get_cpu_capability()
    return f"{torch.__version__} {cpu} {torch.get_num_threads()} {network.name} {network.sha256[:16]}"


def _read(path: Path) -> dict[str, int]:
    """Read the results of earlier probes; a damaged or older file counts as none."""
    try:
        known = json.loads(path.read_text(encoding="utf8"))
        return {str(k): int(v) for k, v in known.items() if 0 <= int(v) < len(CANDIDATES)}
    except (OSError, ValueError, OverflowError, AttributeError, TypeError):
        return {}


def _remember(path: Path, known: dict[str, int]) -> None:
    """Write the cache where that is possible; a read-only home costs a probe per start, nothing else."""
    try:
        make_folder(path.parent)
        write_bytes(path, json.dumps(known, indent=1).encode())
    except (OSError, FileError):
        pass
