"""How one picture scales over actors: `OMP_NUM_THREADS=1 python -m benchmarks.scaling RESULTS.json docs/scaling.md`.

One and two actors of one thread each are measured against tiles done here, in turn, on one machine; a model of
compute and bytes is fitted to one actor, checked on two, and carried on to machines that were not measured. The
tables of the document are written from the results.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

import reverie as rv
from reverie import styles
from reverie.engine.cluster import RayExecutor, _stretches
from reverie.engine.grids import Grid, grid_for
from reverie.engine.joining import join, leave, ray_module
from reverie.engine.tiles import TiledExecutor
from reverie.networks import Network
from reverie.networks.graph import weight_shapes
from reverie.networks.zoo import table_of
from reverie.objectives import Bound
from reverie.objectives.statistics import Moments

SIDE, TILE, TILES, ROUNDS = 1024, 256, (128, 256, 512), 5
GIGAPIXEL = 32768
ASSUMED = {
    "sustained_tflops": 300.0,  # of an H100 or H200 in bfloat16 on these convolutions: an estimate, not measured
    "link_gb": 12.5,  # 100 Gbit/s between the driver and the actors
    "store_gb": 2.0,  # through the shared memory of one machine: put, got and added by one thread
    "step_gb": 20.0,  # memory traffic of Adam on the driver's processor
    "step_buffers": 12,  # picture-sized reads and writes of a step with Adam and the moving average
}
Numbers = dict[str, Any]


def main(results: str, document: str) -> None:
    """Measure, model, predict, and write both files."""
    torch.set_num_threads(1)
    measured = measure()
    found = {
        "machine": machine(),
        "measured": measured,
        "model": model(measured),
        "assumed": ASSUMED,
        "predicted": predict(),
    }
    Path(results).write_text(json.dumps(found, indent=1) + "\n", encoding="utf8")
    write_tables(Path(document), found)


def machine() -> Numbers:
    """What it was measured on."""
    load = os.getloadavg()[0]
    return {"cores": os.cpu_count(), "cpu": platform.processor() or platform.machine(), "load": round(load, 1),
            "torch": torch.__version__, "ray": ray_module().__version__, "threads": 1}  # fmt: skip


# --- measured ------------------------------------------------------------------------------------


def measure() -> Numbers:
    """Seconds of an evaluation here and on one and two actors, in turn; bytes that travelled."""
    network = rv.networks.load("dreamnet", pooling="average", padding="replicate")
    picture = rv.pictures.resize(rv.read_image(styles.path("mosaic")), (SIDE, SIDE)).clamp(0, 1)
    bound = rv.engine.bind(_objective(network, picture), network, (SIDE, SIDE), TiledExecutor(TILE, cut=False))
    join("local", cpus=3)
    with ExitStack() as stack:
        ways: dict[str, rv.Executor] = {f"tiles of {tile}": TiledExecutor(tile) for tile in TILES}
        for actors in (1, 2):
            ways[_named(actors)] = stack.enter_context(RayExecutor(actors, tile=TILE, threads=1))
        times = _in_turn(ways, lambda way: _evaluation(bound, network, picture, way))
        busy = {str(n): _processor(bound, network, picture, ways[_named(n)]) for n in (1, 2)}
        store = _store_rate()
    leave()
    grid = _grid(network, bound, SIDE, TILE)
    return {
        "side": SIDE,
        "tile": TILE,
        "seconds": {name: [round(t, 3) for t in ts] for name, ts in times.items()},
        "seen": {f"tiles of {t}": _seen(_grid(network, bound, SIDE, t)) for t in TILES},
        "busiest": {str(n): _busiest(grid, n) for n in (1, 2)},
        "bytes": {str(n): _bytes(grid, n, _share_floats(network, bound)) for n in (1, 2)},
        "processor": busy,
        "store_gb": round(store, 2),
        "ceiling": control(),
    }


def control() -> float:
    """What two processes that know nothing of each other, or of Ray, get done here, over what one does."""

    def rates(count: int) -> float:
        word = [sys.executable, "-m", "benchmarks.scaling", "--control"]
        processes = [subprocess.Popen(word, stdout=subprocess.PIPE, text=True) for _ in range(count)]
        return sum(float(process.communicate()[0]) for process in processes)

    return round(statistics.median(rates(2) / rates(1) for _ in range(2)), 2)


def steady() -> float:
    """Evaluations a second in this process, for some seconds."""
    torch.set_num_threads(1)
    network = rv.networks.load("dreamnet", pooling="average", padding="replicate")
    picture = rv.read_image(styles.path("mosaic"))[..., :512, :512]
    way = TiledExecutor(TILE, cut=False)
    bound = rv.engine.bind(_objective(network, picture), network, (512, 512), way)
    _evaluation(bound, network, picture, way)
    began, count = time.perf_counter(), 0
    while time.perf_counter() - began < 6:
        _evaluation(bound, network, picture, way)
        count += 1
    return count / (time.perf_counter() - began)


def _named(actors: int) -> str:
    return f"{actors} actor{'s' if actors > 1 else ''}"


def _processor(bound: Bound, network: Network, picture: Tensor, way: rv.Executor) -> Numbers:
    """Processor seconds of an evaluation: of each actor, and of this process."""
    if not isinstance(way, RayExecutor):
        raise TypeError(way)

    def now() -> list[float]:
        asked = [actor.__ray_call__.remote(lambda _: time.process_time()) for actor in way._actors]
        return [*ray_module().get(asked), time.process_time()]

    before = now()
    for _ in range(3):
        _evaluation(bound, network, picture, way)
    spent = [(b - a) / 3 for a, b in zip(before, now(), strict=True)]
    return {"actors": [round(t, 3) for t in spent[:-1]], "driver": round(spent[-1], 3)}


def _objective(network: Network, picture: Tensor) -> rv.Objective:
    style = rv.style(network.style_layers, like=picture.flip(2))
    return rv.content(network.content_layer, like=picture.flip(3)) + 10 * style + 2 * rv.total_variation()


def _evaluation(bound: Bound, network: Network, picture: Tensor, way: rv.Executor) -> None:
    changed = picture + 1e-4 * time.perf_counter() % 1e-3  # so that it travels anew
    rv.evaluate(bound, network, changed, executor=way)


def _in_turn(ways: dict[str, rv.Executor], work: Callable[[rv.Executor], None]) -> dict[str, list[float]]:
    """The seconds of each way, all ways once a round: a noisy machine is noisy to all."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(ROUNDS + 1):
        for name, way in ways.items():
            began = time.perf_counter()
            work(way)
            if number:  # the first is to warm up
                times[name].append(time.perf_counter() - began)
    return times


def _store_rate() -> float:
    """GB a second of a round trip through the cluster's memory: put, got, added."""
    block, total = np.ones(64 * 2**20 // 4, np.float32), np.zeros(64 * 2**20 // 4, np.float32)
    began = time.perf_counter()
    for _ in range(4):
        total += ray_module().get(ray_module().put(block))
    return 4 * block.nbytes / (time.perf_counter() - began) / 1e9


def _grid(network: Network, bound: Bound, side: int, tile: int) -> Grid:
    return grid_for(network, bound.statistics, (side, side), tile)


def _seen(grid: Grid) -> int:
    """Pixels computed, halos included."""
    return sum((r.seen[1] - r.seen[0]) * (c.seen[1] - c.seen[0]) for r, c in grid)


def _busiest(grid: Grid, actors: int) -> int:
    """Pixels that the busiest actor computes."""
    _, owners = _stretches(grid, actors)
    areas = [(r.seen[1] - r.seen[0]) * (c.seen[1] - c.seen[0]) for r, c in grid]
    return max(sum(a for a, o in zip(areas, owners, strict=True) if o == n) for n in set(owners))


def _share_floats(network: Network, bound: Bound) -> int:
    """Numbers in the statistics of a tile, and in their gradients."""
    per = {s.layer: network.channels(s.layer) for s in bound.statistics if isinstance(s, Moments)}
    return sum(c * (c + 1) for c in per.values()) + 5  # content's error and four roughnesses


def _bytes(grid: Grid, actors: int, floats: int) -> Numbers:
    """Bytes of an evaluation: pixels out, shares back, their gradients out, the picture's gradient back."""
    boxes, _ = _stretches(grid, actors)
    return {
        "pixels": sum(12 * box.height * box.width for box in boxes),
        "shares": 4 * floats * len(grid),
        "slopes": 4 * floats,
        "gradients": 12 * _seen(grid),
    }


# --- modelled ------------------------------------------------------------------------------------


def model(measured: Numbers) -> Numbers:
    """Compute per pixel and overhead per byte, fitted to tiles here and to one actor; two actors foretold."""
    best = {name: min(times) for name, times in measured["seconds"].items()}
    pace = statistics.median(best[name] / seen for name, seen in measured["seen"].items())
    alone, both = (_travel(measured["bytes"][n]) / measured["store_gb"] / 1e9 for n in ("1", "2"))
    foretold = {"1": pace * measured["busiest"]["1"] + alone, "2": pace * measured["busiest"]["2"] + both}
    return {
        "seconds_per_megapixel_seen": pace * 1e6,
        "pace_by_tile": {name: best[name] / seen * 1e6 for name, seen in measured["seen"].items()},
        "foretold": foretold,
        "best": {n: best[_named(int(n))] for n in ("1", "2")},
        "median": {n: statistics.median(measured["seconds"][_named(int(n))]) for n in ("1", "2")},
        "processor": {n: max(measured["processor"][n]["actors"]) + measured["processor"][n]["driver"] for n in "12"},
    }


def _travel(amounts: Numbers) -> float:
    return float(sum(amounts.values()))


def predict() -> list[Numbers]:
    """An evaluation and a step of a gigapixel painting with VGG-19 on GPUs."""
    table = table_of("vgg19")
    layers = ["relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"]
    network = rv.networks.load("vgg19", weights="random")
    wanted = tuple(Moments(layer) for layer in layers)
    floats = sum(network.channels(layer) * (network.channels(layer) + 1) for layer in layers) + 5
    deepest = [n.name for n in table.nodes].index("relu5_1")
    before = {n.name for n in table.nodes[:deepest]}
    macs = sum(
        np.prod(shape) / network.stride(name) ** 2 for name, shape in weight_shapes(table).items() if name in before
    )
    macs += sum(network.channels(layer) ** 2 / network.stride(layer) ** 2 for layer in layers)
    grids = {tile: grid_for(network, wanted, (GIGAPIXEL, GIGAPIXEL), tile) for tile in (1024, 2048)}
    cases = [(1, 2048, "store_gb"), (8, 2048, "store_gb"), (8, 2048, "link_gb"), (64, 1024, "link_gb")]
    return [_case(grids[tile], gpus, tile, link, 6 * float(macs), floats) for gpus, tile, link in cases]


def _case(grid: Grid, gpus: int, tile: int, link: str, flops: float, floats: int) -> Numbers:
    """Three passes' worth of arithmetic (forward, forward, backward) and what travels."""
    amounts = _bytes(grid, gpus, floats)
    compute = flops * _busiest(grid, gpus) / ASSUMED["sustained_tflops"] / 1e12
    travel = _travel(amounts) / ASSUMED[link] / 1e9
    step = 12 * GIGAPIXEL**2 * ASSUMED["step_buffers"] / ASSUMED["step_gb"] / 1e9
    return {
        "gpus": gpus,
        "tile": tile,
        "link": "one machine" if link == "store_gb" else "100 Gbit/s",
        "overhead": _seen(grid) / GIGAPIXEL**2,
        "flops_per_pixel": flops,
        "bytes": amounts,
        "compute": compute,
        "travel": travel,
        "optimiser": step,
        "step": compute + travel + step,
        "reduced_only": compute + 2 * 8 * floats * 4 / ASSUMED[link] / 1e9,
    }


# --- told ----------------------------------------------------------------------------------------


def write_tables(document: Path, found: Numbers) -> None:
    """Replace what stands between the marks of each table."""
    text = document.read_text(encoding="utf8")
    for name, rows in (("measured", _measured_rows(found)), ("predicted", _predicted_rows(found))):
        mark = re.compile(f"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text = mark.sub(lambda m, rows=rows: m[1] + "\n".join(rows) + "\n" + m[2], text)
    document.write_text(text, encoding="utf8")


def _measured_rows(found: Numbers) -> list[str]:
    measured, fitted, made = found["measured"], found["model"], found["machine"]
    rows = [
        f"Measured on {made['cores']} cores with other work on them (load {made['load']} at the end),"
        f" PyTorch {made['torch']}, Ray {made['ray']}, one thread each, float32, {ROUNDS} rounds in turn:"
        f" dreamnet's style at {SIDE}×{SIDE}.",
        "",
        "| way | best, s | median, s | processor: busiest actor + driver, s | model, s | pixels seen by the busiest |"
        " MB travelling |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, seen in measured["seen"].items():
        times = measured["seconds"][name]
        told = fitted["seconds_per_megapixel_seen"] * seen / 1e6
        rows.append(
            f"| {name}, here | {min(times):.2f} | {statistics.median(times):.2f} | – | {told:.2f} |"
            f" {seen / 1e6:.2f} M | 0 |"
        )
    for n in ("1", "2"):
        mb, seen = _travel(measured["bytes"][n]) / 1e6, measured["busiest"][n] / 1e6
        busy = measured["processor"][n]
        rows.append(
            f"| {_named(int(n))}, tiles of {TILE} | {fitted['best'][n]:.2f} | {fitted['median'][n]:.2f} |"
            f" {max(busy['actors']):.2f} + {busy['driver']:.2f} | {fitted['foretold'][n]:.2f} | {seen:.2f} M |"
            f" {mb:.0f} |"
        )
    gain = {kind: fitted[kind]["1"] / fitted[kind]["2"] for kind in ("best", "median", "processor", "foretold")}
    alone = fitted["best"]["1"] / min(measured["seconds"][f"tiles of {TILE}"])
    rows += [
        "",
        f"Two actors over one: {gain['best']:.2f}× by the clock (best; {gain['median']:.2f}× by the medians), where two"
        f" plain processes without Ray together get {measured['ceiling']:.2f}× the work of one done: that is about all"
        f" this machine had to give. By processor time, which is the clock's where each actor has a core of its own,"
        f" {gain['processor']:.2f}×; the model says {gain['foretold']:.2f}×. One actor takes"
        f" {alone:.2f}× the time of the same tiles done here."
        f" A round trip through the cluster's memory ran at {measured['store_gb']} GB/s.",
    ]
    return rows


def _predicted_rows(found: Numbers) -> list[str]:
    rows = [
        "| GPUs | tile | between them | overhead | compute, s | travel, s (GB) | optimiser, s | step, s |"
        " if only sums travelled, s |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for case in found["predicted"]:
        gb = _travel(case["bytes"]) / 1e9
        rows.append(
            f"| {case['gpus']} | {case['tile']} | {case['link']} | {case['overhead']:.2f}× | {case['compute']:.2f} |"
            f" {case['travel']:.1f} ({gb:.0f}) | {case['optimiser']:.1f} | {case['step']:.1f} |"
            f" {case['reduced_only']:.2f} |"
        )
    return rows


if __name__ == "__main__":
    if sys.argv[1:] == ["--control"]:
        print(steady())
    else:
        main(*sys.argv[1:])
