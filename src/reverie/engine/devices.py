"""Devices: the processor, and the accelerators that PyTorch finds here."""

from __future__ import annotations

import gc
import os
from typing import Any

import torch

from reverie.engine.memory import MARGIN, free_memory
from reverie.errors import RecipeError

KINDS = ("cuda", "xpu", "mps")
"""Kinds of accelerators that "auto" looks for; ROCm's are "cuda", too."""
CPU = torch.device("cpu")
_LIMITS: dict[torch.device, int] = {}
"""Bytes that this process may take of a device, where that was limited."""


def accelerators() -> tuple[torch.device, ...]:
    """Return the accelerators here, each with its number, the first of each kind first."""
    return tuple(torch.device(kind, number) for kind in KINDS for number in range(_count(kind)))


def named(name: str) -> torch.device:
    """Return the device of a name such as "cpu", "cuda", "cuda:1", "mps" or "xpu".

    Other makers' backends that are installed go by the names they register with PyTorch.

    Raises:
        RecipeError: it is not here.
    """
    kind, _, number = name.partition(":")
    if kind == "cpu":
        return CPU
    known = (*KINDS, torch._C._get_privateuse1_backend_name())
    if kind in known and int(number or 0) < _count(kind):
        return torch.device(kind, int(number or 0))
    here = ", ".join(map(str, (CPU, *accelerators())))
    raise RecipeError(f"there is no device '{name}' here; there is {here}. 'reverie devices' shows more.")


def module_of(device: torch.device) -> Any:
    """Return PyTorch's module for an accelerator, such as `torch.cuda`."""
    return torch.get_device_module(device)


def title(device: torch.device) -> str:
    """Return what the device calls itself."""
    if device.type == "cpu":
        return f"processor, {torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads"
    tell = getattr(module_of(device), "get_device_name", None)
    return str(tell(device)) if tell else {"mps": "Apple GPU"}.get(device.type, device.type)


def wait_for(device: torch.device) -> None:
    """Wait until the device has done all that it was given."""
    if device.type != "cpu":
        module_of(device).synchronize()


def memory_of(device: torch.device) -> tuple[int, int]:
    """Return the bytes that are free on a device for this process, what it holds itself included, and all there are."""
    if device.type == "cpu":
        return free_memory(), _installed()
    module = module_of(device)
    if device.type == "mps":
        most = int(module.recommended_max_memory())
        return most, most
    free, total = module.mem_get_info(device)
    kept = getattr(module, "memory_reserved", lambda _: 0)(device)
    return int(free + kept), int(total)


def held_on(device: torch.device) -> int:
    """Return the bytes of tensors that this process holds on an accelerator."""
    module = module_of(device)
    tell = getattr(module, "memory_allocated", None) or getattr(module, "current_allocated_memory", None)
    if tell is None:
        free, total = module.mem_get_info(device)
        return int(total - free)
    return int(tell() if device.type == "mps" else tell(device))


def allowed_on(device: torch.device) -> int:
    """Return the bytes of an accelerator that a run may take: as limited, or those that are free, less a margin."""
    return _LIMITS.get(device, int(MARGIN * memory_of(device)[0]))


def limit_memory(device: torch.device, amount: int | None) -> None:
    """Take no more than so many bytes of an accelerator from now on; None lifts the limit."""
    if device.type == "cpu":
        return
    if amount is None:
        _LIMITS.pop(device, None)
    else:
        _LIMITS[device] = amount
    total = memory_of(device)[1]
    share = 1.0 if amount is None else min(1.0, amount / total)
    if cap := getattr(module_of(device), "set_per_process_memory_fraction", None):
        cap(*([share] if device.type == "mps" else [share, device]))


def empty(device: torch.device) -> None:
    """Give back what PyTorch keeps of a device's memory for later."""
    gc.collect()
    if device.type != "cpu" and (give_back := getattr(module_of(device), "empty_cache", None)):
        give_back()


def steady(*, deterministic: bool) -> None:
    """Have accelerators add in the same order every time, as far as that costs next to nothing, or everywhere.

    Args:
        deterministic: everywhere: the same bits again; slower. It holds for the process from then on.
    """
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if deterministic or torch.are_deterministic_algorithms_enabled():  # it loads much, even to change nothing
        torch.use_deterministic_algorithms(deterministic, warn_only=True)


def _count(kind: str) -> int:
    """Count the accelerators of a kind."""
    if kind == "mps":
        return int(torch.backends.mps.is_available())
    module = getattr(torch, kind, None)
    if module is None or not getattr(module, "is_available", lambda: False)():
        return 0
    return int(module.device_count())


def _installed() -> int:
    """Return the bytes of memory of this machine."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, ValueError, OSError):
        return free_memory()
