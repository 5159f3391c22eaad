"""How good visualisations are, in figures: `python -m benchmarks.visualisations RESULTS.json [SQUEEZENET]`.

Channels spread over dreamnet's layers: how strongly the picture excites its channel, against the strongest of the
photos that `training/measure_activations.py` has seen, and how much of that is left under views that it was not made
with. Classes spread over the list: whether the network ranks its own picture's class first, and whether SqueezeNet
(the file of its weights), which did not make it, has the class among its first five.
"""

from __future__ import annotations

import json
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

import reverie as rv
from reverie.engine import SeriesStep
from reverie.networks import Network
from reverie.recipes import VisualizeSettings, visualize

LAYERS = {"relu3_2": 128, "relu4_1": 192, "relu4_2": 256, "relu5_1": 256, "relu5_2": 256, "relu5_3": 256}
EACH = 3  # channels of a layer
CLASSES = range(20, 1000, 50)
SIZE = 128  # pixels; all of it takes four minutes of one core


def made(units: list[str], canvas: str) -> SeriesStep:
    """The last step of a visualisation of these units, with the defaults."""
    settings = VisualizeSettings.model_validate({"units": units, "size": SIZE, "canvas": canvas})
    *_, last = visualize(settings)
    assert isinstance(last, SeriesStep)
    return last


def channels(canvas: str) -> dict[str, Any]:
    """Figures of channels."""
    units = [f"{layer}:{(2 * i + 1) * count // (2 * EACH)}" for layer, count in LAYERS.items() for i in range(EACH)]
    found = made(units, canvas).found.figures["units"]
    times = torch.tensor([each["times"] for each in found if "times" in each])
    other = torch.tensor([each["other_views"] for each in found if "other_views" in each])
    return {
        "channels": len(found),
        "median_times_photos": rounded(times.median()),
        "share_at_least_3_times": rounded((times >= 3).float().mean()),
        "share_above_photos": rounded((times > 1).float().mean()),
        "median_left_under_other_views": rounded(other.median()),
        "times": {each["unit"]: round(each.get("times", 0.0), 2) for each in found},
    }


def classes(canvas: str, judge: Network | None) -> dict[str, Any]:
    """Figures of classes."""
    last = made([f"class:{index}" for index in CLASSES], canvas)
    found = last.found.figures["units"]
    ranks = torch.tensor([each["rank"] for each in found])
    other = torch.tensor([each["other_views"] for each in found])
    figures = {
        "classes": len(found),
        "first_by_the_network": rounded((ranks == 1).float().mean()),
        "median_left_under_other_views": rounded(other.median()),
        "ranks": {each["unit"]: each["rank"] for each in found},
    }
    if judge is not None:
        pictures = F.interpolate(torch.cat(last.pictures), (224, 224), mode="bilinear")
        with torch.no_grad():
            scores = judge(pictures, ["classes"])["classes"].mean((2, 3))
        best = scores.topk(5, dim=1).indices
        figures["top5_by_squeezenet"] = rounded((best == torch.tensor([*CLASSES])[:, None]).any(1).float().mean())
    return figures


def rounded(x: torch.Tensor) -> float:
    return round(float(x), 3)


def main(target: Path, weights: Path | None) -> None:
    """Measure; what is there is written as soon as it is."""
    judge = None if weights is None else rv.networks.load("squeezenet1_1", weights=weights)
    found: dict[str, Any] = {"size": SIZE}
    for canvas in ("fourier", "phase"):
        found[canvas] = {}
        for name, measured in (("classes", partial(classes, canvas, judge)), ("channels", partial(channels, canvas))):
            began = time.process_time()
            found[canvas][name] = {**measured(), "cpu_seconds": round(time.process_time() - began)}
            target.write_text(json.dumps(found, indent=1) + "\n", encoding="utf8")
    print(target.read_text(encoding="utf8"))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
