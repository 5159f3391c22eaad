"""How much memory there is, and giving back what is free."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from reverie.errors import OutOfMemory, RecipeError

MARGIN = 0.8  # of the free memory is taken
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


_MMAP_THRESHOLD = -3  # glibc's number of the setting


def release() -> None:
    """Give freed memory back to the system, where the C library keeps it in pieces (glibc does)."""
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


def be_frugal() -> None:
    """From now on take every block above 4 MB straight from the system, so that it goes back when it is freed.

    Otherwise glibc keeps maps of many sizes in pieces: a third of a tiled run's memory. It costs some speed.
    """
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, 4 * 2**20)


def _glibc(name: str) -> Any:
    """A function of the C library's allocator; None where there is none of that name."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def free_memory() -> int:
    """Bytes this process may use: what the control group or the system has free, less a margin, plus what it has."""
    free = _system_free()
    for limit, used in (
        ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"),
        (
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ),
    ):
        allowed, taken = _number(limit), _number(used)
        if allowed is not None and taken is not None:
            free = min(free, max(0, allowed - taken))
    return int(free * MARGIN) + resident()


def parse_memory(text: str) -> int:
    """Bytes from words such as '4GB', '900 MB' or '1.5g'.

    Raises:
        RecipeError: it is no amount of memory.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", text.lower())
    if not match or float(match[1]) <= 0:
        raise RecipeError(f"memory is an amount such as 4GB or 900MB; got '{text}'.")
    return int(float(match[1]) * _UNITS[match[2]])


def resident() -> int:
    """Bytes of memory this process holds now; a usual amount where the system does not tell."""
    try:
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmRSS"):
                return int(line.split()[1]) * 2**10
    except OSError:
        pass
    return 400 * 2**20


def _system_free() -> int:
    try:
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) * 2**10
    except OSError:
        pass
    return 4 * 2**30


def _number(path: str) -> int | None:
    try:
        return int(Path(path).read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def allowed_memory(amount: str | None) -> int:
    """Bytes that may be used: as much as was written, as in ``4GB``, or what is free."""
    return free_memory() if amount is None else parse_memory(amount)


def fitting_tile(
    needed: Callable[[int], float], allowed: int, *, largest: int, smallest: int, step: int = 1, doing: str, dial: str
) -> int:
    """The side of the largest tiles that fit, halved from the largest until they do; pixels.

    Args:
        needed: bytes that it takes in tiles of a side.
        allowed: bytes.
        largest, smallest: sides.
        step: sides are whole multiples of it, from the first that is halved.
        doing, dial: for the message: what takes so much, and the option that would make it less.
    Raises:
        OutOfMemory: not even the smallest do.
    Example:
        >>> fitting_tile(lambda side: 4 * side**2, 300_000, largest=1024, smallest=64, doing="painting", dial="--size")
        256
    """
    side = largest
    while (bytes_ := needed(side)) > allowed:
        if side <= smallest:
            raise OutOfMemory(
                f"{doing} takes {bytes_ / 2**30:.1f} GB, and {allowed / 2**30:.1f} GB may be used; ask for a smaller"
                f" {dial}, or allow more."
            )
        side = max(smallest, side // 2 // step * step)
    return side
