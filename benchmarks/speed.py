"""Speed, measured side by side in one process: `python -m benchmarks.speed RESULTS.json`. Run it on an idle machine."""

from __future__ import annotations

import json
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
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
    """VGG-19 to relu5_1 as anybody would write it: float32, NCHW."""
    mean = torch.tensor(network.blueprint.mean).view(1, 3, 1, 1)
    std = torch.tensor(network.blueprint.std).view(1, 3, 1, 1)
    x, maps = (x - mean) / std, {}
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


def evaluation_ratio(size: tuple[int, int] = (384, 512)) -> dict[str, float]:
    """One value and gradient with VGG-19's shape: plain float32 against ours."""
    network = rv.networks.load("vgg19", weights="random", pooling="average")
    picture, painting = photo(*size), photo(*size).flip(3)
    plain = plain_objective(network, picture, painting)
    quick = with_precision(network)
    ours = (
        rv.content("relu4_2", like=picture) + 10 * rv.style(network.style_layers, like=painting) + rv.total_variation()
    )
    executor = rv.WholeExecutor()
    bound = rv.engine.bind(ours, quick, size, executor)

    def by_autograd() -> None:
        x = picture.clone().requires_grad_(True)
        plain(x).backward()

    a = seconds(by_autograd, 3)
    b = seconds(lambda: rv.evaluate(bound, quick, picture, executor=executor), 5)
    return {"plain_float32_s": round(a, 3), "reverie_s": round(b, 3), "ratio": round(a / b, 2)}


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
    """Whole runs with the defaults at 512 px, after start."""
    picture, painting = photo(384, 512), rv.read_image(styles.path("night-strokes"))
    dream, style = rv.DreamSettings(size=512), rv.StyleSettings(size=512)
    return {
        "dream_512_s": round(seconds(lambda: list(rv.recipes.dream(picture, dream)), 3), 2),
        "style_512_s": round(seconds(lambda: list(rv.recipes.style(picture, painting, style)), 3), 2),
    }


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
        "vgg19_evaluation_512": evaluation_ratio(),
        "tiles_1MP": tiles_ratio(),
    }
    text = json.dumps(results, indent=1)
    print(text)
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    main()
