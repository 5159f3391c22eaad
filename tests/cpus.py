"""The tests of bits under the settings of a processor that change how sums are taken: `python -m tests.cpus [--short]`.

One row per setting: what PyTorch, oneDNN and MKL may use, and in how many threads. What this machine lacks is skipped.
"""

from __future__ import annotations

import argparse
import os
import platform
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
LIMIT = 900  # seconds for the tests under one setting
SHORT = ("tests/engine/test_bits.py",)
"""Where the short form looks."""
KNOWN = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "MKL_ENABLE_INSTRUCTIONS")


@dataclass(frozen=True)
class Setting:
    """A variable of the environment and its value; none are the defaults.

    Attributes:
        needs: "" for any machine, "x86" for any such, else a level of vectors that ``torch`` names.
    """

    variable: str = ""
    value: str = ""
    needs: str = ""

    @property
    def name(self) -> str:
        """As it is written before a command."""
        return f"{self.variable}={self.value}" if self.variable else "defaults"

    def lacking(self) -> str:
        """What this machine lacks for it; nothing where it can be had."""
        if self.needs and platform.machine().lower() not in ("x86_64", "amd64"):
            return "an x86 processor"
        if self.variable.startswith("MKL") and not torch.backends.mkl.is_available():
            return "MKL"
        if self.variable.startswith("ONEDNN") and not torch.backends.mkldnn.is_available():
            return "oneDNN"
        level = self.needs if self.needs in LEVELS else LEVELS[0]
        return "" if LEVELS.index(level) <= LEVELS.index(_level()) else level


LEVELS = ("x86", "AVX2", "AVX512")
SETTINGS = (
    Setting(),
    Setting("ATEN_CPU_CAPABILITY", "default"),
    Setting("ATEN_CPU_CAPABILITY", "avx2", "AVX2"),
    Setting("ATEN_CPU_CAPABILITY", "avx512", "AVX512"),
    Setting("ONEDNN_MAX_CPU_ISA", "SSE41", "x86"),
    Setting("ONEDNN_MAX_CPU_ISA", "AVX2", "AVX2"),
    Setting("ONEDNN_MAX_CPU_ISA", "AVX512_CORE", "AVX512"),
    Setting("MKL_CBWR", "COMPATIBLE", "x86"),
    Setting("MKL_CBWR", "AVX2", "AVX2"),
    Setting("MKL_CBWR", "AVX512", "AVX512"),
    Setting("MKL_ENABLE_INSTRUCTIONS", "AVX2", "AVX2"),
    Setting("MKL_ENABLE_INSTRUCTIONS", "AVX512", "AVX512"),
)
FEW = ((SETTINGS[0], 2), (SETTINGS[1], 1), (SETTINGS[7], 1))
"""Those of the short form; `make test` has run the defaults in one thread."""


def main() -> int:
    """Run them; 1 where a test failed under any setting."""
    parser = argparse.ArgumentParser(prog="python -m tests.cpus", description=__doc__)
    parser.add_argument("--short", action="store_true", help="three settings, and the quickest tests: under a minute")
    short = parser.parse_args().short
    print(f"{'setting':<34} threads  result", flush=True)
    passed = [_row(each, threads, short=short) for each, threads in _rows(short=short)]
    return int(not all(passed))


def _rows(*, short: bool) -> list[tuple[Setting, int]]:
    """Settings and threads."""
    return list(FEW) if short else [(each, threads) for each in SETTINGS for threads in (1, 2)]


def _row(setting: Setting, threads: int, *, short: bool) -> bool:
    """Print what came of one setting; whether nothing failed."""
    lacks = setting.lacking()
    passed, said = (True, f"skipped: this machine lacks {lacks}") if lacks else _tested(setting, threads, short=short)
    print(f"{setting.name:<34} {threads:>7}  {said}", flush=True)
    return passed


def _tested(setting: Setting, threads: int, *, short: bool) -> tuple[bool, str]:
    """Whether the tests pass, and in words how many do; then those that fail."""
    words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-o", "addopts=--strict-markers", "--tb=no"]
    which = ["-m", "bits and not slow", *(SHORT if short else ())]
    asked = {setting.variable: setting.value} if setting.variable else {}
    plain = {key: value for key, value in os.environ.items() if key not in KNOWN}
    count = {"OMP_NUM_THREADS": str(threads), "REVERIE_TEST_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE"}
    count["REVERIE_TEST_SLOWLY"] = "1"
    try:
        ended = subprocess.run(
            [*words, *which],
            cwd=ROOT, env={**plain, **count, **asked}, capture_output=True, text=True, timeout=LIMIT,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False, f"not done in {LIMIT} s"
    failed = re.findall(r"^(?:FAILED|ERROR) .*", ended.stdout, re.MULTILINE)
    last = (ended.stdout.strip().splitlines() or [ended.stderr.strip()[-200:]])[-1].strip("= ")
    return ended.returncode == 0, "\n    ".join([last, *failed])


def _level() -> str:
    """The widest vectors that PyTorch uses here, of those it names."""
    found = torch.backends.cpu.get_cpu_capability().replace("_", "")
    return found if found in LEVELS else LEVELS[0]


if __name__ == "__main__":
    sys.exit(main())
