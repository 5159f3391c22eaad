"""Print the devices of this machine."""

from __future__ import annotations

import json as text
from typing import Any

from reverie.cli.networks import print_table
from reverie.engine.devices import CPU, accelerators, memory_of, steady, title
from reverie.engine.memory import readable
from reverie.engine.precision import Tried, tried
from reverie.engine.suited import pace_of
from reverie.networks import load

LONG = 1000  # pixels of the side that speeds are told for: a megapixel


def show(*, json: bool) -> int:
    """Print every device, measured with the embedded network."""
    network = load(pooling="average", padding="replicate")
    found = []
    for device in (CPU, *accelerators()):
        steady(deterministic=False)
        there = network.with_precision(network.dtype, device=device)
        free, total = memory_of(device)
        pace = pace_of(network, device)
        found.append(
            {
                "device": str(device),
                "name": title(device),
                "memory": total,
                "free": free,
                "precisions": [_of(each) for each in tried(there)],
                "start_seconds": round(pace.start, 3),
                "megapixel_seconds": round(pace.seconds(LONG * LONG, 1.0) - pace.start, 4),
            }
        )
    if json:
        print(text.dumps(found))
    else:
        _print(found)
    return 0


def _of(each: Tried) -> dict[str, Any]:
    return {
        "name": each.candidate.name,
        "milliseconds": round(1e3 * each.seconds, 2),
        "cosine": round(each.cosine, 5),
        "faithful": each.faithful,
    }


def _print(found: list[dict[str, Any]]) -> None:
    rows = [("device", "name", "memory", "free", "faithful precisions", "starts in", "a megapixel")]
    for each in found:
        faithful = [p for p in each["precisions"] if p["faithful"]]
        quickest = min(faithful, key=lambda p: p["milliseconds"])
        names = ", ".join(p["name"] + ("*" if p is quickest and len(faithful) > 1 else "") for p in faithful)
        start, step = f"{each['start_seconds']:.1f} s", f"{1e3 * each['megapixel_seconds']:.0f} ms"
        memory = readable(each["memory"]), readable(each["free"])
        rows.append((each["device"], each["name"], *memory, names, start, step))
    print_table(rows, right=(2, 3, 5, 6))
    print("\n*: the fastest. A megapixel: value and gradient of dreamnet's layers at 1000x1000 px.")
    if len(found) == 1:
        print("PyTorch finds no accelerator here; docs/devices.md says what it needs for one.")
