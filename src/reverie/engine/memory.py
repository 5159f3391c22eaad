"""Memory: measuring how much there is, and giving back what is free."""

from __future__ import annotations

import ctypes
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reverie.errors import OutOfMemory, RecipeError

MARGIN = 0.8  # of the free memory is taken
LOADED = 30 * 2**20  # bytes that libraries come to hold in one pass through a network
_UNITS = {"": 1, "k": 2**10, "m": 2**20, "g": 2**30, "t": 2**40}


_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # glibc's numbers of the settings
_TRIMMED, _KEPT = 128 * 2**10, 2**30  # bytes at the heap's end, or in one block, above which memory goes back
SPARE = 0.5  # of the memory allowed: a run that takes no more keeps what it frees


def release() -> None:
    """Give freed memory back to the system, where the C library keeps it in pieces (glibc does)."""
    trim = _glibc("malloc_trim")
    if trim is not None:
        trim(0)


def avoid_fragmentation() -> None:
    """Have blocks above 4 MB taken straight from the system from now on, so that they go back when freed.

    Otherwise glibc keeps maps of many sizes in pieces: a third of a tiled run's memory. It costs some speed.
    """
    _set_allocator(4 * 2**20, _TRIMMED)


def keep_freed(peak: int, limit: int) -> None:
    """Have freed memory kept for the next step from now on, if a run's peak leaves enough to spare.

    Memory that goes back to the system comes again a page at a time, each fault a microsecond: a tenth of a step.

    Args:
        peak: bytes that the run takes at its worst moment.
        limit: bytes that it may.
    """
    if peak <= SPARE * min(limit, free_memory()):
        _set_allocator(_KEPT, _KEPT)


def _set_allocator(block: int, end: int) -> None:
    """Tell glibc above how many bytes a block is taken from the system by itself, and the heap's end is given back."""
    mallopt = _glibc("mallopt")
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, block)
        mallopt(_TRIM_THRESHOLD, end)


def _glibc(name: str) -> Any:
    """Return a function of the C library's allocator; None if there is none of that name."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def free_memory() -> int:
    """Return the bytes this process may use: those free in its control group or system, less a margin, plus its own."""
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
    """Parse an amount of memory such as '4GB', '900 MB' or '1.5g'; return bytes.

    Raises:
        RecipeError: it is no amount of memory.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*", text.lower())
    if not match or float(match[1]) <= 0:
        raise RecipeError(f"memory is an amount such as 4GB or 900MB; got '{text}'.")
    return int(float(match[1]) * _UNITS[match[2]])


def resident() -> int:
    """Return the bytes of memory this process holds now; a usual amount if the system does not tell."""
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
    """Return the bytes that may be used: the amount given, as in ``4GB``, or what is free."""
    return free_memory() if amount is None else parse_memory(amount)


@dataclass(frozen=True)
class Fit:
    """The tiles that were chosen.

    Attributes:
        tile: side of the tiles, pixels; 0 for none.
        peak: bytes of memory at the worst moment, what the process holds now included.
    """

    tile: int
    peak: int


@dataclass(frozen=True)
class Tiling:
    """Work that can be done in tiles, and what it takes.

    Attributes:
        working: from the side of the tiles, 0 for the whole, to the bytes that the work takes beside what the process
            holds already.
        largest, smallest: sides, pixels.
        step: sides are whole multiples of it.
        whole: whether the whole is tried first.
        doing, dial: for the message: what takes so much, and the option that would make it less.
    """

    working: Callable[[int], float]
    largest: int
    smallest: int
    doing: str
    dial: str
    step: int = 1
    whole: bool = False

    def fit(self, memory: str | None, tile: int | None, *, beside: int = 0) -> Fit:
        """Choose the tiles asked for, or the largest that fit, halved until they do.

        Args:
            memory: the most to use, as in ``4GB``; None allows what is free, and any tiles that are asked for.
            tile: side of the tiles that are asked for, pixels; None leaves it to what fits.
            beside: bytes that the caller will come to hold beside the work, and does not hold yet.
        Raises:
            OutOfMemory: not even the smallest fit, or not those asked for; the message says what would.
        Example:
            >>> tiling = Tiling(lambda side: 4 * side**2, 1024, 64, doing="painting", dial="--size")
            >>> tiling.fit(memory="4GB", tile=None).tile
            1024
        """
        held, allowed = resident() + LOADED + beside, allowed_memory(memory)
        asked = None if tile is None else -(-tile // self.step) * self.step
        sides = [*([0] if self.whole else []), *_halved(self.largest, self.smallest, self.step)]
        least = self._cut(sides[-1] if asked is None else asked, held)
        tried = (self._cut(side, held) for side in sides)
        fitting = next((cut for cut in tried if cut.peak <= allowed), None)
        if asked is None and fitting is not None:
            return fitting
        if asked is not None and (memory is None or least.peak <= allowed):
            return least
        smaller = [f"a smaller {self.dial}"] if held <= allowed else []
        remedies = smaller if fitting is None else [f"--tile {fitting.tile}"]
        remedies.append("more free memory" if memory is None else f"--memory {sufficient(least.peak)}")
        raise OutOfMemory(
            f"{self.doing} takes {readable(least.peak)} {tiling_text(least.tile)}, and {readable(allowed)} may be used;"
            f" try {' or '.join(remedies)}."
        )

    def _cut(self, side: int, held: int) -> Fit:
        return Fit(side, int(held + self.working(side)))


def _halved(largest: int, smallest: int, step: int) -> Iterator[int]:
    """Yield sides from the largest to the smallest."""
    side = max(largest, smallest)
    while side > smallest:
        yield side
        side = max(smallest, side // 2 // step * step)
    yield side


def tiling_text(tile: int) -> str:
    """Describe the cutting of a picture in words."""
    return f"in tiles of {tile} px" if tile else "as a whole"


def sufficient(amount: float) -> str:
    """Return an amount of memory that is surely sufficient for so many bytes, as ``--memory`` takes it.

    Example:
        >>> sufficient(652_900_000)
        '650MB'
    """
    megabytes = 1.03 * amount / 2**20
    return f"{-(-megabytes // 10) * 10:.0f}MB"


def readable(amount: float) -> str:
    """Format a number of bytes for people.

    Example:
        >>> readable(3 * 2**29)
        '1.5 GB'
    """
    return f"{amount / 2**30:.1f} GB" if amount >= 2**30 else f"{amount / 2**20:.0f} MB"
