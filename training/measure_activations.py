"""Measure how strongly natural photos excite every channel of dreamnet: what visualisations are compared with.

    python training/measure_activations.py PHOTOS

writes `src/reverie/networks/dreamnet-photos.safetensors`: for every layer, by channel, the largest mean over positions
that any photo reaches, and the smallest. Photos are taken at 160 px of their shorter side, or as they are if smaller.
"""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from torch import Tensor

import reverie as rv
from reverie.networks.tensorfiles import dump_safetensors
from reverie.pictures import read_image, resize

SIDE = 160
TARGET = Path(rv.networks.__file__).parent / "dreamnet-photos.safetensors"


def main(folder: Path) -> None:
    """Measure the photos of a folder and write the table."""
    network = rv.networks.load("dreamnet")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    most: dict[str, Tensor] = {}
    least: dict[str, Tensor] = {}
    for path in paths:
        x = read_image(path)
        share = min(1.0, SIDE / min(x.shape[2:]))
        x = resize(x, (round(share * x.shape[2]), round(share * x.shape[3]))).clamp(0, 1)
        with torch.no_grad():
            for layer, found in network(x, network.layers).items():
                means = found.float().mean((0, 2, 3))
                most[layer] = torch.maximum(most.get(layer, means), means)
                least[layer] = torch.minimum(least.get(layer, means), means)
    tensors = {f"{layer}.{end}": x for layer in most for end, x in (("most", most[layer]), ("least", least[layer]))}
    about = {"photos": str(len(paths)), "side": str(SIDE), "network": network.sha256}
    TARGET.write_bytes(dump_safetensors(tensors, about))
    print(f"{len(paths)} photos, {len(most)} layers, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
