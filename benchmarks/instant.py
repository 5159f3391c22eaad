"""Instant painting: seconds after the start, and the peak of a large picture.

`python -m benchmarks.instant RESULTS.json`. Run it on an idle machine. The large picture is painted in a process
of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import reverie as rv
from benchmarks.speed import machine, photo, seconds
from reverie import styles
from reverie.recipes.instant import painter

SIZES = {"512": (512, 512), "1920x1080": (1080, 1920)}
LARGE = (4320, 7680)


def speed() -> dict[str, dict[str, float]]:
    """Seconds of the first photo, the painting looked at, and of one more in the same process."""
    painting, table = rv.read_image(styles.path("night-strokes")), {}
    painter([painting]).paint(photo(64, 64))  # what is loaded once, and the measured precision
    for name, size in SIZES.items():
        manner, picture = painter([painting]), photo(*size)
        began = time.perf_counter()
        manner.paint(picture)
        first = time.perf_counter() - began
        table[name] = {"first": round(first, 3), "next": round(seconds(partial(manner.paint, picture), 5), 3)}
    return table


def large() -> None:
    """Paint 7680x4320 within 4 GB, and print the seconds and the peak in MB."""
    settings = rv.InstantSettings(memory="4GB", size=max(LARGE))
    manner = painter([rv.read_image(styles.path("night-strokes"))], settings)
    picture = photo(*LARGE)
    began = time.perf_counter()
    manner.paint(picture)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": round(time.perf_counter() - began, 1), "peak_mb": peak}))


def main(words: list[str]) -> None:
    """Measure, and write what came out."""
    if words == ["--large"]:
        return large()
    ended = subprocess.run([sys.executable, "-m", "benchmarks.instant", "--large"], capture_output=True, check=True)
    results = {"machine": machine(), "seconds": speed(), "7680x4320": json.loads(ended.stdout)}
    text = json.dumps(results, indent=1)
    print(text)
    if words:
        Path(words[0]).write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    main(sys.argv[1:])
