"""The loop: an input made, read under watch, and judged."""

from __future__ import annotations

import hashlib
import os
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from fuzz.target import Target
from fuzz.watch import TOUCHED, TooSlow, alarm, begin_peak, bounded, cleared, listing, peak_since
from reverie.errors import LONGEST, ReverieError, printable

CORPUS = Path(__file__).parent / "corpus"
"""Folders by target, of inputs that were findings once."""


@dataclass(frozen=True)
class Finding:
    """An input that was neither read nor refused as it should be.

    Args:
        target: its kind.
        number: of the input among all of its seed; -1 of the corpus's.
        what: went wrong, and where: the same words for the same fault.
        data: the input.
    """

    target: str
    number: int
    what: str
    data: bytes

    def save(self, folder: Path) -> Path:
        """Keep the input, named by its hash."""
        path = folder / self.target / hashlib.sha256(self.data).hexdigest()[:12]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(self.data)
        return path


@dataclass
class Tally:
    """How inputs ended: counts by (target, end), and the first finding of each fault."""

    ends: Counter[tuple[str, str]] = field(default_factory=Counter)
    findings: dict[str, Finding] = field(default_factory=dict)

    def add(self, target: str, end: str, finding: Finding | None = None) -> None:
        """Count one input."""
        self.ends[target, end] += 1
        if finding is not None:
            self.findings.setdefault(f"{target}: {finding.what}", finding)

    def lines(self) -> list[str]:
        """A table by kind."""
        kinds = sorted({target for target, _ in self.ends})
        rows = [[kind, *(f"{self.ends[kind, end]:,}" for end in ("read", "refused", "faults"))] for kind in kinds]
        return [f"{a:<24}{b:>12}{c:>12}{d:>9}" for a, b, c, d in [["kind", "read", "refused", "faults"], *rows]]


def fuzz(
    targets: Sequence[Target],
    scratch: Path,
    *,
    inputs: int,
    seed: int = 0,
    first: int = 0,
    seconds: float | None = None,
    heard: Callable[[Finding], None] | None = None,
) -> Tally:
    """Make inputs of all kinds in turn, and read each.

    Args:
        targets: the kinds.
        scratch: a folder to work in; what is in it is removed.
        inputs: how many in all.
        seed: of all that is random; an input is made from it and its own number alone.
        first: number of the first input.
        seconds: after which no new input is begun.
        heard: is told each finding when it comes.
    """
    tally, ends = Tally(), None if seconds is None else time.monotonic() + seconds
    seeds = {target.name: tuple(target.seeds()) for target in targets}
    with bounded():
        for number in range(first, first + inputs):
            if ends is not None and time.monotonic() > ends:
                break
            target = targets[number % len(targets)]
            data = target.change(Random(f"{seed} {target.name} {number}"), seeds[target.name])
            _judge(target, data, number, scratch, tally, heard)
    return tally


def replay(target: Target, files: Iterable[Path], scratch: Path) -> Tally:
    """Read inputs from files, as those of the corpus."""
    tally = Tally()
    with bounded():
        for file in files:
            _judge(target, file.read_bytes(), -1, scratch, tally)
    return tally


def _judge(
    target: Target,
    data: bytes,
    number: int,
    scratch: Path,
    tally: Tally,
    heard: Callable[[Finding], None] | None = None,
) -> None:
    end = read_one(target, data, scratch.resolve())
    if end in ("read", "refused"):
        tally.add(target.name, end)
        return
    finding, known = Finding(target.name, number, end, data), len(tally.findings)
    tally.add(target.name, "faults", finding)
    if heard is not None and len(tally.findings) > known:
        heard(finding)


def read_one(target: Target, data: bytes, scratch: Path) -> str:
    """How the reading of one input ends: ``read``, ``refused``, or what is wrong with it."""
    given, out = cleared(scratch / "given"), cleared(scratch / "out")
    path = given / f"input{target.suffix}"
    path.write_bytes(data)
    before, home, resident = listing(given), Path.cwd(), begin_peak()
    os.chdir(out)
    try:
        with TOUCHED.only(out):
            end = _end(target, path, out)
    finally:
        os.chdir(home)
    megabytes = peak_since(resident) >> 20
    if end in ("read", "refused"):
        if TOUCHED.seen:
            return f"touched what it was not given: {TOUCHED.seen[0]}"
        if listing(given) != before:
            return "changed the folder of its input"
        if megabytes > target.megabytes:
            return f"more than {target.megabytes} MB of memory"
    return end


def _end(target: Target, path: Path, out: Path) -> str:
    began = time.monotonic()
    try:
        with alarm(target.seconds):
            target.run(path, out)
        end = "read"
    except ReverieError as error:
        line = str(error)
        plain = line.strip() and line == printable(line) and len(line) <= LONGEST
        end = "refused" if plain else f"a message that is no printable line: {line[:100]!r}"
    except TooSlow as error:
        return f"{error} at {_place(error)}"
    except (Exception, SystemExit) as error:
        return f"{type(error).__name__} at {_place(error)}"
    return end if time.monotonic() - began < target.seconds else f"more than {target.seconds:g} s"


def _place(error: BaseException) -> str:
    """The innermost line of Reverie's in a traceback."""
    frames = [f for f in traceback.extract_tb(error.__traceback__) if "reverie" in f.filename]
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "the target"
