"""What one kind of stranger's input is: good ones to begin with, how they are changed, and what reads them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from fuzz.mutate import changed


@dataclass(frozen=True)
class Target:
    """One kind of input.

    Args:
        name: of the kind, as the counts and the corpus's folder call it: lower case and hyphens.
        seeds: gives small good inputs; called once, always the same.
        run: reads an input. It is given the file that holds it and a folder to write to, the only one it may, and the
            current one; raises a `ReverieError` for what it refuses, and anything else is a fault.
        change: makes a new input from the seeds; all that is random comes from its generator.
        suffix: of the file, with its dot.
        seconds: in which an input must be done.
        megabytes: of memory that an input may take beside what the process has.
    """

    name: str
    seeds: Callable[[], Sequence[bytes]]
    run: Callable[[Path, Path], object]
    change: Callable[[Random, Sequence[bytes]], bytes] = changed
    suffix: str = ""
    seconds: float = 10.0
    megabytes: int = 512
