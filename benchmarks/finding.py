"""Search an index of many descriptions: time, and the ten nearest against a plain comparison in float32.

``OMP_NUM_THREADS=1 python -m benchmarks.finding 100000``
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import save_file

from reverie.finding import ASPECTS, Describer
from reverie.finding.index import _SHARD, Gallery
from reverie.networks import load

SIZES = {"content": 256, "style": 256, "colour": 245}


def drawn(count: int, length: int, generator: torch.Generator) -> torch.Tensor:
    """Descriptions in clusters, as those of pictures are: (count, length), each of length 1."""
    centres = torch.randn(64, length, generator=generator)
    near = centres[torch.randint(64, (count,), generator=generator)]
    rows = near + 0.7 * torch.randn(count, length, generator=generator)
    return rows / rows.norm(dim=1, keepdim=True)


def main(count: int) -> None:
    """Build the index of so many pictures that there are not, and search it."""
    generator = torch.Generator().manual_seed(0)
    with tempfile.TemporaryDirectory() as folder:
        root, home = Path(folder) / "pictures", Path(folder) / "index"
        root.mkdir()
        home.mkdir()
        (root / "one.png").touch()
        whole = {aspect: [] for aspect in ASPECTS}
        there = {}
        for number, first in enumerate(range(0, count, _SHARD), 1):
            names = [f"{i}.png" for i in range(first, min(count, first + _SHARD))]
            tensors = {aspect: drawn(len(names), SIZES[aspect], generator) for aspect in ASPECTS}
            for aspect in ASPECTS:
                whole[aspect].append(tensors[aspect])
            about = {"entries": json.dumps([[name, 1, 1] for name in names])}
            save_file({k: x.half() for k, x in tensors.items()}, home / f"{number:06d}.safetensors", about)
            there |= dict.fromkeys(names, (1, 1))
        plain = {aspect: torch.cat(rows) for aspect, rows in whole.items()}
        wanted = {aspect: drawn(1, SIZES[aspect], generator)[0] for aspect in ASPECTS}
        true = {aspect: (plain[aspect] @ wanted[aspect]).topk(10).indices.tolist() for aspect in ASPECTS}
        del plain, whole
        describer = Describer(load())
        began = time.perf_counter()
        gallery = Gallery(root, describer, home)
        gallery._there = there
        opened = time.perf_counter() - began
        found = gallery.search(wanted, ASPECTS, 10)
        seconds = time.perf_counter() - began
        hits = sum(len({f"{i}.png" for i in true[a]} & {each.name for each in found[a]}) for a in ASPECTS)
        size = sum(path.stat().st_size for path in home.iterdir())
    print(json.dumps({
        "pictures": count, "recall_at_10": hits / (10 * len(ASPECTS)), "seconds_open": round(opened, 2),
        "seconds_in_all": round(seconds, 2), "index_mb": round(size / 1e6, 1),
    }))  # fmt: skip


if __name__ == "__main__":
    main(int(sys.argv[1]))
