"""A style learnt by clients against one learnt on all their photos at once, by the objective on held-out photos.

``python -m benchmarks.federated ~/Pictures painting.jpg 80 RESULTS.json PLOT.png``: each step sees eight pieces,
whoever cuts them; a client at least one, of those that it counts for.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch

from reverie.engine import WholeExecutor
from reverie.engine.evaluate import value
from reverie.feedforward import Johnson
from reverie.pictures import read_image
from reverie.pictures.page import DIM, GRID, INK, LINES, Page
from reverie.recipes.train_style import StyleLearner, TrainStyleSettings, train_style

SHARES = {"2 clients": (9, 1), "8 clients": (20, 10, 5, 3, 2, 1, 1, 1)}
JOINT = "joint training"
PIECES, HELD_OUT, EVERY = 8, 24, 5  # pieces of a step and of the judge; steps between two looks
Curve = list[tuple[int, float]]
"""Objective by step."""


def settings(steps: int, **more: object) -> TrainStyleSettings:
    """A small network, judged in float32."""
    small = {"crop": 64, "size": 256, "width": 8, "blocks": 2, "precision": "float32", "style_weight": 10}
    return TrainStyleSettings.model_validate({**small, "steps": steps, **more})


def shared_out(photos: Sequence[Path], shares: Sequence[int], root: Path) -> list[Path]:
    """Share photos out unevenly: a folder for each client, of links."""
    first, links = 0, []
    for number, share in enumerate(shares):
        last = first + max(1, len(photos) * share // sum(shares))
        folder = root / f"{len(shares)}-{number}"
        folder.mkdir()
        for path in photos[first:last]:
            link = folder / path.name
            link.symlink_to(path)
            links.append(link)
        first = last
    return links


@torch.no_grad()
def objective(network: Johnson, learner: StyleLearner) -> float:
    """Mean objective of what the network makes of pieces of held-out photos."""
    photos = learner.crops.batch(HELD_OUT, torch.Generator().manual_seed(5))[..., 8:, 8:]
    made = network(photos).clamp(0, 1)
    return float(value(learner.bound, learner.judge, made, WholeExecutor({"photo": photos}))[0])


def trained(painting: torch.Tensor, own: Sequence[Path], steps: int, shares: int, judge: StyleLearner) -> Curve:
    """Train; return the objective before, and every few steps."""
    more = {"federated": shares > 1, "batch": PIECES // shares}
    found: Curve = []
    for step in train_style(painting, own, settings(steps, **more)):
        if step.step == 1 or step.step % EVERY == 0:
            found.append((step.step, round(objective(step.network, judge), 4)))
    return found


def main(folder: str, painting_file: str, steps: int, target: Path, plot: Path) -> None:
    """Train three times, and compare."""
    photos = sorted(Path(folder).rglob("*.jpg"))[:440]
    held_out, photos = photos[::11], [path for i, path in enumerate(photos) if i % 11]
    painting = read_image(painting_file)
    judge = StyleLearner(painting, held_out, settings(steps))
    judge.take_terms(10.0, 2.0)
    curves: dict[str, Curve] = {}
    with tempfile.TemporaryDirectory() as root:
        for name, shares in {JOINT: (1,), **SHARES}.items():
            own, began = shared_out(photos, shares, Path(root)), time.perf_counter()
            curves[name] = trained(painting, own, steps, len(shares), judge)
            print(f"{name}: {curves[name][-1]} in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    begun, gained = curves[JOINT][0][1], curves[JOINT][0][1] - curves[JOINT][-1][1]
    quality = {name: round((begun - curves[name][-1][1]) / gained, 4) for name in SHARES}
    found = {"steps": steps, "photos": len(photos), "held_out": len(held_out), "quality": quality, "objective": curves}
    target.write_text(json.dumps(found) + "\n", encoding="utf8")
    plot.write_bytes(drawn(curves, quality))
    print(json.dumps(quality))


def drawn(curves: Mapping[str, Curve], quality: Mapping[str, float]) -> bytes:
    """Draw the objective over the rounds, as PNG."""
    page, (left, top, right, bottom) = Page((360, 720)), (64, 56, 696, 312)
    page.text((left, 24), "Objective on held-out photos", size=16, colour=INK, anchor="lm")
    last = max(step for curve in curves.values() for step, _ in curve)
    values = [value for curve in curves.values() for _, value in curve]
    low, high = min(values) * 0.95, max(values) * 1.02
    for tick in range(int(low) + 1, int(high) + 1):
        y = bottom - (tick - low) / (high - low) * (bottom - top)
        page.line([(left, y), (right, y)], GRID)
        page.text((left - 10, y), f"{tick}", size=12, colour=DIM, anchor="rm")
    for number, (name, curve) in enumerate(curves.items()):
        places = [
            (left + step / last * (right - left), bottom - (value - low) / (high - low) * (bottom - top))
            for step, value in curve
        ]
        page.line(places, LINES[number], 2)
        words = name if name == JOINT else f"{name}: {quality[name]:.1%} of its gain"
        page.text((right, top + 12 + 22 * number), words, size=14, colour=LINES[number], anchor="rm")
    page.text(((left + right) / 2, bottom + 24), f"rounds, 1 to {last}", size=12, colour=DIM, anchor="mm")
    return page.png()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]), Path(sys.argv[5]))
