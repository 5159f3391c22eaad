"""A stand-in for an accelerator: a device of PyTorch's own making, whose numbers lie in this machine's memory.

It is registered through the door for other makers' devices (`privateuseone`), so that everything which asks a tensor
where it lies hears "standin". It is stricter than a real one: tensors of two devices in an operation are an error,
and everything for which a program would have to wait is counted. On demand it has no float64, as Apple's have none.
PyTorch allows one such device, not several.

It must be registered before the first backward pass of a process, which is when PyTorch counts its devices.
"""

from __future__ import annotations

import gc
import threading
import weakref
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as tree
from torch.utils import backend_registration as registration

from reverie.networks.widest import has_float64

NAME = "standin"
TOTAL = 2**30  # bytes of memory that it claims to have

aten = torch.ops.aten
_ACROSS = {aten.copy_.default, aten._to_copy.default, aten._copy_from.default}
_WAITS = {
    aten._local_scalar_dense.default, aten.equal.default, aten.nonzero.default, aten.masked_select.default,
    aten._unique2.default, aten.bincount.default, aten.linalg_eigh.default, aten._linalg_eigh.default,
}  # fmt: skip
_STANDING: list[Any] = []  # libraries, which end what they registered when they are dropped


@dataclass
class Ledger:
    """What happened on the stand-ins.

    Attributes:
        waits: times that the program had to wait for a device, by operation.
        uploads: copies from the host that a program waits for.
        live, peak: bytes held now, and at most.
        limit: bytes that it may hold before it is out of memory.
        float64: whether it has that.
    """

    waits: Counter[str] = field(default_factory=Counter)
    uploads: int = 0
    live: int = 0
    peak: int = 0
    limit: int = TOTAL
    float64: bool = True
    storages: Counter[int] = field(default_factory=Counter)
    lock: threading.RLock = field(default_factory=threading.RLock)

    def hold(self, raw: Tensor) -> tuple[int, int]:
        """Count a tensor's memory, once however many views it has."""
        storage = raw.untyped_storage()
        pointer, size = storage.data_ptr(), storage.nbytes()
        with self.lock:
            if size and not self.storages[pointer]:
                if self.live + size > self.limit and threading.current_thread() is threading.main_thread():
                    raise torch.OutOfMemoryError(f"the stand-in is out of memory: {size} bytes asked for")
                self.live += size
                self.peak = max(self.peak, self.live)
            self.storages[pointer] += 1
        return pointer, size

    def let_go(self, pointer: int, size: int) -> None:
        with self.lock:
            self.storages[pointer] -= 1
            if not self.storages[pointer]:
                del self.storages[pointer]
                self.live -= size


LEDGER = Ledger()


class StandIn(Tensor):
    """A tensor on the stand-in: a shell that says where it lies, and the numbers."""

    raw: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, raw: Tensor, device: torch.device) -> StandIn:
        shell = torch.Tensor._make_wrapper_subclass(
            cls, raw.shape, strides=raw.stride(), storage_offset=raw.storage_offset(), dtype=raw.dtype, device=device
        )
        held = LEDGER.hold(raw)
        shell.raw = raw
        weakref.finalize(shell, LEDGER.let_go, *held)
        return shell

    def data_ptr(self) -> int:
        return self.raw.data_ptr()

    @property
    def data(self) -> Tensor:
        return self.detach()

    @data.setter
    def data(self, value: Tensor) -> None:
        torch._C.TensorBase.data.__set__(self, value)  # type: ignore[attr-defined]
        self.raw = _raw(value)

    def tolist(self) -> Any:
        return self.cpu().tolist()

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        twin = self.detach().clone().requires_grad_(self.requires_grad)
        memo[id(self)] = twin
        return nn.Parameter(twin, self.requires_grad) if isinstance(self, nn.Parameter) else twin

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if self.dim() == 0 else repr(self)

    def __repr__(self, **_: Any) -> str:  # type: ignore[override]
        return f"StandIn({self.raw!r}, device='{self.device}')"

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # type: ignore[override]
        return dispatch(func, *args, **(kwargs or {}))


def dispatch(func: Any, *args: Any, **kwargs: Any) -> Any:
    """Run an operation on the numbers, and wrap what it gives."""
    flat, spec = tree.tree_flatten((args, kwargs))
    shells = {id(x.raw): x for x in flat if isinstance(x, StandIn)}
    devices = {x.device for x in shells.values()}
    here = next(iter(devices), None)
    target = torch.device(kwargs["device"]) if kwargs.get("device") is not None else here
    _check(func, flat, devices)
    _count(func, flat, target)
    args, kwargs = tree.tree_unflatten([_raw(x) for x in flat], spec)
    found = func(*args, **kwargs)
    if func in (aten._pin_memory.default,):
        return found
    return tree.tree_map(lambda x: _wrapped(x, target, shells, func), found)


def _check(func: Any, flat: list[Any], devices: set[torch.device]) -> None:
    """Refuse tensors of several devices, as every accelerator does; numbers (0-dimensional) may come from the host."""
    if func in _ACROSS:
        return
    strange = [x for x in flat if isinstance(x, Tensor) and not isinstance(x, StandIn) and x.dim()]
    if len(devices) > 1 or (devices and strange):
        found = sorted({*map(str, devices), *(str(x.device) for x in strange)})
        raise RuntimeError(f"expected all tensors on one device, found {' and '.join(found)} in {func}")


def _count(func: Any, flat: list[Any], target: torch.device | None) -> None:
    """Count what a program waits for."""
    tensors = [x for x in flat if isinstance(x, Tensor)]
    masked = func in (aten.index.Tensor, aten.index_put_.default) and any(x.dtype == torch.bool for x in tensors[1:])
    if func in _WAITS or masked:
        LEDGER.waits[str(func)] += 1
    if func is aten.copy_.default and len(tensors) == 2:
        _count_copy(tensors[1], isinstance(tensors[0], StandIn), at_once=not any(x is True for x in flat))
    if func is aten._to_copy.default and target is not None:
        _count_copy(tensors[0], target.type == NAME, at_once=not any(x is True for x in flat))


def _count_copy(source: Tensor, onto: bool, *, at_once: bool) -> None:
    from_host = not isinstance(source, StandIn)
    if not onto and not from_host:
        LEDGER.waits["download"] += 1
    if onto and from_host and at_once and source.dim():
        LEDGER.uploads += 1


def _raw(x: Any) -> Any:
    if isinstance(x, StandIn):
        return x.raw
    return torch.device("cpu") if isinstance(x, torch.device) else x


def _wrapped(x: Any, target: torch.device | None, shells: dict[int, StandIn], func: Any) -> Any:
    if not isinstance(x, Tensor):
        return x
    if id(x) in shells:
        return shells[id(x)]
    if target is None or target.type != NAME:
        return x
    if not LEDGER.float64 and x.dtype in (torch.float64, torch.complex128):
        raise TypeError(f"this device has no float64, and {func} makes it")
    return StandIn(x, torch.device(NAME, 0))


class _Module(registration._DummyBackendModule):
    """What `torch.get_device_module` gives."""

    def get_amp_supported_dtype(self) -> list[torch.dtype]:
        return [torch.bfloat16, torch.float16]

    def synchronize(self, device: Any = None) -> None:
        """Do nothing: everything is done at once."""

    def mem_get_info(self, device: Any = None) -> tuple[int, int]:
        return max(0, LEDGER.limit - LEDGER.live), LEDGER.limit

    def get_device_name(self, device: Any = None) -> str:
        return "Stand-in"

    def empty_cache(self) -> None:
        """Do nothing: memory that is let go is free at once."""


def register() -> None:
    """Register the device with PyTorch, once in a process."""
    if _STANDING:
        return
    registration._setup_privateuseone_for_python_backend(NAME, backend_module=_Module())
    every = torch.library.Library("_", "IMPL")
    every.fallback(dispatch, "PrivateUse1")
    single = torch.library.Library("aten", "IMPL")
    single.impl("copy_", lambda *a, **k: dispatch(aten.copy_.default, *a, **k), "PrivateUse1")  # for torch.tensor(list)
    _STANDING.extend([every, single])


@contextmanager
def watched(*, limit: int = TOTAL, float64: bool = True) -> Iterator[Ledger]:
    """Count from here what happens, with so many bytes of memory left, and with float64 or without.

    Memory runs out on the way forward only: an error in the thread that PyTorch takes for the way back on another
    maker's device would end the process.
    """
    gc.collect()  # what earlier tests left behind is none of this one's
    LEDGER.waits.clear()
    LEDGER.uploads, LEDGER.limit, LEDGER.float64, LEDGER.peak = 0, LEDGER.live + limit, float64, LEDGER.live
    has_float64.cache_clear()
    try:
        yield LEDGER
    finally:
        LEDGER.limit, LEDGER.float64 = TOTAL, True
        has_float64.cache_clear()
