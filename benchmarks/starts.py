"""What a painting begins with: the time that runs from instant need to be where runs from the photo end.

`python -m benchmarks.starts RESULTS.json`. Run it on an idle machine. The loss is the objective of ``reverie style``
at the size of the result and at half of it, added: a picture may be right in its grain and not yet in its strokes.
Looking at it does not count as time. Nothing is given where four times the usual steps were not enough.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import skimage.data
import torch
from torch import Tensor

import reverie as rv
from benchmarks.speed import machine
from reverie import styles
from reverie.engine import Synthesis
from reverie.pictures import fit, scaled, size_of
from reverie.recipes.style import style_synthesis

SIZE = 512
PAIRS = (("astronaut", "night-strokes"), ("coffee", "stained-glass"), ("chelsea", "palette-knife"))
QUALITIES = ("draft", "normal", "fine")


def photo(name: str) -> Tensor:
    """A photograph of scikit-image's, at its largest 512 pixels."""
    pixels = torch.from_numpy(getattr(skimage.data, name)()).permute(2, 0, 1)[None].float() / 255
    return scaled(pixels, fit(size_of(pixels), longer=SIZE)).clamp(0, 1)


def loss(what: Synthesis, picture: Tensor) -> float:
    """The objective at two scales."""
    height, width = size_of(picture)
    halved = scaled(picture, (height // 2, width // 2)).clamp(0, 1)
    return sum(float(rv.evaluate(what.objective, what.network, x).total) for x in (picture, halved))


def run(what: Synthesis, began: float) -> Iterator[tuple[float, Tensor]]:
    """Seconds since it began, and the picture, after each step of the last scale; the clock stands meanwhile."""
    for step in what.run():
        if step.stage == step.stages:
            shown, stopped = step.image, time.perf_counter()
            yield stopped - began, shown
            began += time.perf_counter() - stopped


def declared(picture: Tensor, like: Tensor, **more: object) -> tuple[Synthesis, float]:
    """A run, and when its making began: instant paints then."""
    settings = rv.StyleSettings.model_validate({"size": SIZE, **more})
    began = time.perf_counter()
    return style_synthesis(picture, [like], settings), began


def measured(picture: Tensor, like: Tensor) -> dict[str, dict[str, float | None]]:
    """For each quality: the run from the photo, and the seconds until a run from instant is as good."""
    table = {}
    for quality in QUALITIES:
        usual, began = declared(picture, like, quality=quality, start="photo")
        *_, (seconds, image) = run(usual, began)
        wanted = loss(usual, image)
        quick, began = declared(picture, like, quality=quality, start="instant")
        last = quick.stages[-1]
        longer = replace(quick, stages=(*quick.stages[:-1], replace(last, steps=4 * last.steps)))
        reached, own = 0.0, last.steps
        ended = ended_at = 0.0
        for number, (at, seen) in enumerate(run(longer, began), 1):
            now = loss(quick, seen)
            reached = reached or (at if now <= wanted else 0.0)
            if number == own:
                ended, ended_at = now, at
            if reached and number >= own:
                break
        table[quality] = {
            "photo_seconds": round(seconds, 2),
            "photo_loss": round(wanted, 3),
            "instant_seconds": round(ended_at, 2),
            "instant_loss": round(ended, 3),
            "as_good_after_seconds": round(reached, 2) if reached else None,
        }
        print(quality, table[quality], file=sys.stderr, flush=True)
    return table


def main(words: list[str]) -> None:
    """Measure, and write what came out."""
    each = {}
    for name, style in PAIRS:
        like, picture = rv.read_image(styles.path(style)), photo(name)
        declared(picture, like)[0]  # what is loaded once
        each[f"{name} x {style}"] = measured(picture, like)
    text = json.dumps({"machine": machine(), "size": SIZE, "each": each}, indent=1)
    print(text)
    if words:
        Path(words[0]).write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    main(sys.argv[1:])
