"""What each control costs: seconds of a step over those of the plain style step.

    python -m benchmarks.terms benchmarks/terms.json docs/controls.md

Every objective is evaluated in turn, round after round in one process, so that what else the machine does falls on all
alike; the median of the rounds counts. Run it on an idle machine.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from pathlib import Path

import torch
from torch import Tensor

import reverie as rv
from benchmarks.speed import machine, photo
from reverie.engine.precision import with_precision
from reverie.networks import Network
from reverie.objectives import PICTURE, Objective

SIZE = (384, 384)
ROUNDS = 9


LOSSES = (
    "The choices of `reverie style --loss`:",
    "",
    "- `wasserstein`: means and covariances of each layer, by the distance of two Gaussians. The default.",
    "- `gram`: second moments alone, as in 2016: flatter, quicker.",
    "- `sliced`: the whole distribution along some directions: truer contrast, bolder strokes.",
    "- `histogram`: `wasserstein`, and the distribution of each colour and of each channel of two layers.",
    "- `neighbours`: `wasserstein`, and each place is drawn towards the most similar one in the painting.",
    "",
    "`--structure` keeps which places of the photo resemble each other, instead of the features themselves.",
)


def mask(height: int, width: int) -> Tensor:
    """A soft disc."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    return (1.5 - 2 * (x.square() + y.square()).sqrt()).clamp(0, 1)[None, None]


def controls(network: Network) -> dict[str, Objective]:
    """What is measured, by the words of the table."""
    picture, painting, disc = photo(*SIZE), photo(*SIZE).flip(3).roll(40, 2), mask(*SIZE)
    style, deep = network.style_layers, network.style_layers[2:4]
    content, smooth = rv.content(network.content_layer, like=picture), 2 * rv.total_variation()
    painted = 10 * rv.style(style, like=painting)
    classy = network.class_layer is not None
    return {
        "style: content, moments, total variation": content + painted + smooth,
        "style, Gram matrices": content + 10 * rv.style(style, like=painting, statistic="gram") + smooth,
        "style, two regions": content
        + 5 * rv.style(style, like=painting, where=disc)
        + 5 * rv.style(style, like=picture, where=1 - disc)
        + smooth,
        "style, strength map of the content": rv.content(network.content_layer, like=picture, where=disc)
        + painted
        + smooth,
        "style, sliced Wasserstein": content + 30 * rv.sliced_wasserstein(style, like=painting) + smooth,
        "style, nearest neighbours": content + 10 * rv.nearest_neighbours(deep, like=painting) + smooth,
        "style and histograms of the picture": content + painted + 5 * rv.histograms(PICTURE, like=painting) + smooth,
        "style and histograms of two layers": content + painted + 5 * rv.histograms(style[:2], like=painting) + smooth,
        "style, self-similarity for content": rv.self_similarity(network.content_layer, like=picture)
        + painted
        + smooth,
        "dream: energy": -rv.energy(network.dream_layers),
        "dream, energy in a region": -rv.energy(network.dream_layers, where=disc),
        "dream, likeness to pictures": -rv.likeness(network.dream_layers, like=[painting, picture]),
        "dream, guide": -rv.guide(network.dream_layers[0], like=painting),
        "dream, one class": -rv.logit(0, against=0.2) if classy else -rv.channel(network.dream_layers[0], 0),
        "dream, one class in a region": -rv.logit(0, against=0.2, where=disc)
        if classy
        else -rv.channel(network.dream_layers[0], 0, where=disc),
    }


def measured() -> dict[str, float]:
    """Seconds of one value and gradient of each control, bound beforehand."""
    network = with_precision(rv.networks.load("dreamnet", pooling="average", padding="replicate"))
    picture, executor = photo(*SIZE), rv.WholeExecutor()
    wanted = {name: rv.engine.bind(what, network, SIZE, executor) for name, what in controls(network).items()}
    times: dict[str, list[float]] = {name: [] for name in wanted}
    for round_number in range(ROUNDS + 1):
        for name, bound in wanted.items():
            began = time.perf_counter()
            rv.evaluate(bound, network, picture, executor=executor)
            if round_number:
                times[name].append(time.perf_counter() - began)
    return {name: statistics.median(each) for name, each in times.items()}


def table(results: dict[str, dict[str, float]]) -> str:
    """The results as a page."""
    rows = [f"| {name} | {row['seconds'] * 1e3:.0f} | {row['ratio']:.2f} |" for name, row in results.items()]
    return "\n".join(
        [
            "# What each control costs",
            "",
            "One step (value and gradient) of each objective over one of the plain style, measured side by side in one"
            f" process at {SIZE[1]} x {SIZE[0]} px with dreamnet. Written by `python -m benchmarks.terms`.",
            "",
            *LOSSES,
            "",
            "| objective | ms | times the plain style |",
            "|---|---:|---:|",
            *rows,
            "",
        ]
    )


def main() -> None:
    times = measured()
    plain = next(iter(times.values()))
    results = {name: {"seconds": round(t, 4), "ratio": round(t / plain, 3)} for name, t in times.items()}
    text = json.dumps({"machine": machine(), "size": SIZE, "controls": results}, indent=1)
    print(text)
    for path, content in zip(sys.argv[1:], (text + "\n", table(results)), strict=False):
        Path(path).write_text(content, encoding="utf8")


if __name__ == "__main__":
    main()
