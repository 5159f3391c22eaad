"""Speed, measured side by side in one process: `python -m benchmarks.speed RESULTS.json`. Run it on an idle machine."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import cast

import numpy as np
import skimage.data
import torch
import torch.nn.functional as F
from torch import Tensor

import reverie as rv
from reverie import styles
from reverie.engine.precision import with_precision
from reverie.networks import Network
from reverie.networks.arithmetic import Filters
from reverie.networks.ops import Conv
from reverie.pictures import resize


def photo(height: int, width: int) -> Tensor:
    """The astronaut of scikit-image, at a size."""
    pixels = torch.from_numpy(np.ascontiguousarray(skimage.data.astronaut()))
    return resize(pixels.permute(2, 0, 1)[None].float() / 255, (height, width)).clamp(0, 1)


def seconds(work: Callable[[], object], repeats: int) -> float:
    """The median of some repeats, after one to warm up."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def plain_maps(network: Network, x: Tensor) -> dict[str, Tensor]:
    """VGG-19 to relu5_1 as anybody would write it, in the network's precision and layout."""
    mean = torch.tensor(network.blueprint.mean).view(1, 3, 1, 1)
    std = torch.tensor(network.blueprint.std).view(1, 3, 1, 1)
    layout = torch.channels_last if network.channels_last else torch.contiguous_format
    x, maps = ((x - mean) / std).to(network.dtype, memory_format=layout), {}
    for name in network.layers:
        if name.startswith("conv"):
            f = cast(Filters, network.filters[name])
            x = F.conv2d(x, f.weight, f.bias, padding=1)
        elif name.startswith("relu"):
            x = maps[name] = F.relu(x)
        elif name.startswith("pool"):
            x = F.avg_pool2d(x, 2)
        if name == "relu5_1":
            break
    return maps


def plain_objective(network: Network, picture: Tensor, painting: Tensor) -> Callable[[Tensor], Tensor]:
    """Content, Gram matrices and total variation, plainly."""

    def gram(f: Tensor) -> Tensor:
        rows = f.flatten(2)
        return rows @ rows.mT / rows.shape[2]

    with torch.no_grad():
        content = plain_maps(network, picture)["relu4_2"]
        grams = {k: gram(v) for k, v in plain_maps(network, painting).items() if k in network.style_layers}

    def value(x: Tensor) -> Tensor:
        maps = plain_maps(network, x)
        total = F.mse_loss(maps["relu4_2"], content)
        for layer, target in grams.items():
            total = total + 10 * F.mse_loss(gram(maps[layer]), target)
        return total + (x[..., 1:] - x[..., :-1]).square().mean() + (x[..., 1:, :] - x[..., :-1, :]).square().mean()

    return value


def plain_step(network: Network, size: tuple[int, int] = (384, 512)) -> Callable[[], None]:
    """Return one plain value and gradient of VGG-19 to relu5_1, which peers repeat 500 to 3,000 times.

    A *plain VGG-19 step* is one in float32; peers at their best take bfloat16, channels last.
    """
    picture = photo(*size)
    value = plain_objective(network, picture, picture.flip(3))

    def step() -> None:
        x = picture.clone().requires_grad_(True)
        value(x).backward()

    return step


def evaluation_ratio(size: tuple[int, int] = (384, 512)) -> dict[str, float]:
    """One value and gradient with VGG-19's shape: plain float32, plain bfloat16 with channels last, and ours."""
    network = rv.networks.load("vgg19", weights="random", pooling="average")
    picture = photo(*size)
    quick, best = with_precision(network), network.with_precision(torch.bfloat16, channels_last=True)
    ours = (
        rv.content("relu4_2", like=picture)
        + 10 * rv.style(network.style_layers, like=picture.flip(3))
        + rv.total_variation()
    )
    executor = rv.WholeExecutor()
    bound = rv.engine.bind(ours, quick, size, executor)
    works = [
        plain_step(network, size),
        plain_step(best, size),
        lambda: rv.evaluate(bound, quick, picture, executor=executor),
    ]
    plain, low, mine = in_turn(works, 3)
    found = {"plain_float32_s": plain, "plain_bfloat16_s": low, "reverie_s": mine}
    ratios = {"ratio": plain / mine, "ratio_to_bfloat16": low / mine}
    return {key: round(x, 3) for key, x in found.items()} | {key: round(x, 2) for key, x in ratios.items()}


def tiles_ratio(size: tuple[int, int] = (896, 1152), tile: int = 512) -> dict[str, float]:
    """One evaluation of the default style at one megapixel: whole against tiled."""
    network = with_precision(rv.networks.load("dreamnet", pooling="average", padding="replicate"))
    picture = photo(*size)
    objective = rv.content("relu4_2", like=picture) + 10 * rv.style(network.style_layers, like=picture.flip(3))
    out = {}
    for name, executor in (("whole", rv.WholeExecutor()), ("tiled", rv.TiledExecutor(tile))):
        bound = rv.engine.bind(objective, network, size, executor)
        out[name + "_s"] = round(seconds(partial(rv.evaluate, bound, network, picture, executor=executor), 5), 3)
    return out | {"ratio": round(out["tiled_s"] / out["whole_s"], 2)}


def crafts() -> dict[str, float]:
    """Whole runs with the defaults after start, in seconds and in plain VGG-19 steps taken in turn with them."""
    picture, painting, large = photo(384, 512), rv.read_image(styles.path("night-strokes")), photo(1080, 1920)
    runs: dict[str, Callable[[], object]] = {
        "dream_512": lambda: list(rv.recipes.dream(picture, rv.DreamSettings(size=512))),
        "style_512": lambda: list(rv.recipes.style(picture, painting, rv.StyleSettings(size=512))),
        "instant_1080p": lambda: rv.recipes.instant(large, painting),
        "upscale_512": lambda: rv.recipes.upscale(picture),
    }
    found: dict[str, float] = {}
    step = plain_step(rv.networks.load("vgg19", weights="random", pooling="average"))
    for name, run in runs.items():
        spent, plain = in_turn([run, step], 3)
        found |= {f"{name}_s": round(spent, 2), f"{name}_plain_steps": round(spent / plain, 2)}
    return found


def in_turn(works: Sequence[Callable[[], object]], rounds: int) -> list[float]:
    """Return the least seconds of each work, all of them taken in turn, after one to warm up."""
    times = []
    for _ in range(rounds + 1):
        began = [time.perf_counter()]
        for work in works:
            work()
            began.append(time.perf_counter())
        times.append([after - before for before, after in pairwise(began)])
    return [min(each) for each in zip(*times[1:], strict=True)]


def style_step(size: tuple[int, int] = (384, 512), rounds: int = 7) -> dict[str, float]:
    """A step of the default style at its last scale, and the convolutions in it alone, forwards and backwards."""
    picture, painting = photo(*size), rv.read_image(styles.path("night-strokes"))
    run = rv.recipes.style(picture, painting, rv.StyleSettings(size=max(size)))
    last = (step for step in run if step.size == size)
    network = with_precision(rv.networks.load("dreamnet", pooling="average", padding="replicate"))
    convolutions = convolutions_alone(network, picture, (*network.style_layers, network.content_layer))
    step, alone = in_turn([lambda: next(last), convolutions], rounds)
    return {"step_ms": round(1e3 * step), "convolutions_ms": round(1e3 * alone), "ratio": round(step / alone, 2)}


def convolutions_alone(network: Network, picture: Tensor, layers: Sequence[str]) -> Callable[[], None]:
    """Return the network's convolutions without anything between them, forwards and back to their inputs."""
    rows = [node for node in network.blueprint.ancestors(layers) if isinstance(node.op, Conv)]
    before = {node.name: network(picture, node.inputs)[node.inputs[0]] for node in rows[1:]}
    before[rows[0].name] = network(picture, [rows[0].name])[rows[0].name][:, :3].contiguous(
        memory_format=torch.channels_last
    )
    inputs = {name: x.requires_grad_(True) for name, x in before.items()}

    def run() -> None:
        for node in rows:
            filters, x = cast(Filters, network.filters[node.name]), inputs[node.name]
            y = F.conv2d(x, filters.weight, filters.bias, padding=1)
            torch.autograd.grad(y, x, y.detach())

    return run


def start() -> dict[str, float]:
    """A new process: import, and the command's help."""

    def run(*words: str) -> float:
        return round(seconds(lambda: subprocess.run([sys.executable, *words], capture_output=True, check=True), 3), 2)

    return {
        "import_torch_s": run("-c", "import torch"),
        "import_recipes_s": run("-c", "import reverie; reverie.recipes.dream"),
        "help_s": run("-m", "reverie", "dream", "--help"),
    }


def machine() -> dict[str, object]:
    return {
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "processor": platform.processor() or platform.machine(),
    }


def main() -> None:
    results = {
        "machine": machine(),
        "start": start(),
        "crafts": crafts(),
        "style_step_512": style_step(),
        "vgg19_evaluation_512": evaluation_ratio(),
        "tiles_1MP": tiles_ratio(),
    }
    text = json.dumps(results, indent=1)
    print(text)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
