"""A custom style network: seconds of a photo and of a training's step, and the peak of a large picture.

`python -m benchmarks.custom_style RESULTS.json`. Run it on an idle machine. The large picture is painted in its own
process; the photos to learn from are drawn. How fast a network is does not depend on what it has learned.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import partial
from pathlib import Path

import torch

import reverie as rv
from benchmarks.speed import machine, photo, seconds
from reverie import styles
from reverie.feedforward.johnson import draw_johnson
from reverie.recipes.parts.custom_style import custom_painter

SIZES = {"512": (512, 512), "1280x720": (720, 1280), "1920x1080": (1080, 1920)}
LARGE = (4320, 7680)


def speed() -> dict[str, dict[str, float]]:
    """Seconds of one photo: the default network, and one of the widths of PyTorch's example, in both precisions."""
    table: dict[str, dict[str, float]] = {}
    for width in (16, 32):
        network = draw_johnson(widths=(width, 2 * width, 4 * width))
        for precision in ("bfloat16", "float32"):
            manner = custom_painter(network, rv.InstantSettings.model_validate({"precision": precision}))
            row = {name: round(seconds(partial(manner.paint, photo(*size)), 3), 3) for name, size in SIZES.items()}
            table[f"{width} channels, {precision}"] = row
    return table


def learning() -> float:
    """Seconds of a step of the default training."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / f"{i}.png" for i in range(8)]
        for path in paths:
            rv.write_image(path, photo(360, 480))
        steps = list(
            rv.recipes.train_style(
                rv.read_image(styles.path("night-strokes")), paths, rv.TrainStyleSettings(steps=12, style_weight=10)
            )
        )
    return round((steps[-1].seconds - steps[1].seconds) / 10, 3)


def large() -> None:
    """Paint 7680x4320 within 4 GB, and print the seconds and the peak in MB."""
    manner = custom_painter(draw_johnson(), rv.InstantSettings(memory="4GB", size=max(LARGE)))
    picture = photo(*LARGE)
    began = time.perf_counter()
    manner.paint(picture)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"seconds": round(time.perf_counter() - began, 1), "peak_mb": peak}))


def main(words: list[str]) -> None:
    """Measure, and write what was found."""
    if words == ["--large"]:
        large()
        return
    command = [sys.executable, "-m", "benchmarks.custom_style", "--large"]
    ended = subprocess.run(command, capture_output=True, check=True)
    found = {
        "machine": machine(),
        "threads": torch.get_num_threads(),
        "photo": speed(),
        "step": learning(),
        "7680x4320": json.loads(ended.stdout),
    }
    text = json.dumps(found, indent=1)
    Path(words[0]).write_text(text + "\n", encoding="utf8")
    print(text)


if __name__ == "__main__":
    main(sys.argv[1:])
