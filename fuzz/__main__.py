"""`python -m fuzz`: so many inputs of every kind, counted; exit code 1 where something was found."""

from __future__ import annotations

import argparse
import faulthandler
import sys
import tempfile
import time
from pathlib import Path

from fuzz.harness import Finding, fuzz
from fuzz.targets import every_target


def main() -> int:
    """Fuzz as the command line says."""
    targets = every_target()
    names = [target.name for target in targets]
    words = argparse.ArgumentParser(prog="python -m fuzz", description=__doc__)
    words.add_argument("--inputs", type=int, default=100_000, help="how many in all")
    words.add_argument("--seconds", type=float, help="begin no new input after so many")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--first", type=int, default=0, help="number of the first input")
    words.add_argument("--only", nargs="+", choices=names, default=names, metavar="KIND", help=", ".join(names))
    words.add_argument("--keep", type=Path, default=Path("runs/fuzz"), help="folder for what is found")
    given = words.parse_args()
    sys.dont_write_bytecode = True
    faulthandler.enable()  # a decoder that breaks the process says where

    def heard(finding: Finding) -> None:
        print(f"{finding.target} {finding.number}: {finding.what}; kept as {finding.save(given.keep)}", flush=True)

    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="reverie-fuzz-") as scratch:
        chosen = [target for target in targets if target.name in given.only]
        options = {"inputs": given.inputs, "seed": given.seed, "first": given.first}
        tally = fuzz(chosen, Path(scratch), **options, seconds=given.seconds, heard=heard)
    print(*tally.lines(), sep="\n")
    print(f"{sum(tally.ends.values()):,} inputs in {time.monotonic() - began:.0f} s, seed {given.seed}")
    return 1 if tally.findings else 0


if __name__ == "__main__":
    sys.exit(main())
