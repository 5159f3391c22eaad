"""A style learnt by clients against one learnt on all their photos at once, by the objective on held-out photos.

``python -m benchmarks.federated ~/Pictures painting.jpg 120``: each step sees eight pieces, whoever cuts them.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from reverie.engine import WholeExecutor
from reverie.engine.evaluate import value
from reverie.feedforward import Johnson
from reverie.pictures import read_image
from reverie.recipes.train_style import StyleLearner, TrainStyleSettings, train_style

SHARES = {"2 clients": (9, 1), "8 clients": (20, 10, 5, 3, 2, 1, 1, 1)}
PIECES, HELD_OUT = 8, 24


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


def main(folder: str, painting_file: str, steps: int) -> None:
    """Train three times, and compare."""
    photos = sorted(Path(folder).rglob("*.jpg"))[:440]
    held_out, photos = photos[::11], [path for i, path in enumerate(photos) if i % 11]
    painting = read_image(painting_file)
    judge = StyleLearner(painting, held_out, settings(steps))
    judge.take_terms(10.0, 2.0)
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as root:
        for name, shares in {"joint": (1,), **SHARES}.items():
            own = shared_out(photos, shares, Path(root))
            began = time.perf_counter()
            more = {"federated": len(shares) > 1, "batch": PIECES // len(shares)}
            trained = train_style(painting, own, settings(steps, **more))
            for step in trained:
                if step.step == 1 and "untrained" not in found:
                    found["untrained"] = objective(step.network, judge)
            found[name] = objective(step.network, judge)
            print(f"{name}: {found[name]:.4f} in {time.perf_counter() - began:.0f} s", file=sys.stderr, flush=True)
    gained = found["untrained"] - found["joint"]
    quality = {name: round((found["untrained"] - found[name]) / gained, 4) for name in SHARES}
    print(json.dumps({"steps": steps, "objective": {k: round(x, 4) for k, x in found.items()}, "quality": quality}))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
