"""Put a checkpoint's decoder into the package, if it is one: the right dreamnet, finite, small.

python training/ship_instant.py RUN/instant.safetensors
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

import torch

from reverie.feedforward.instant import check_encoder, read_instant
from reverie.networks import load

PACKAGE = Path(__file__).parents[1] / "src/reverie/networks"
LARGEST = 4 * 2**20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path, help="the exported file of a run")
    path = parser.parse_args().weights
    decoder = read_instant(path)
    check_encoder(decoder, load("dreamnet").sha256)
    if not all(torch.isfinite(value).all() for value in decoder.tensors.values()) or path.stat().st_size > LARGEST:
        print(f"'{path}' is not finite, or larger than {LARGEST} bytes; it stays where it is.", file=sys.stderr)
        return 2
    target = PACKAGE / "instant.safetensors"
    shutil.copyfile(path, target)
    target.chmod(0o644)
    step = re.search(rb'"step":"(\d+)"', path.read_bytes()[:4096])
    card = PACKAGE / "instant.md"
    said = f"Shipped: step {int(step[1]) if step else 0:,}."
    card.write_text(re.sub(r"Shipped: step [\d,]+\.", said, card.read_text(encoding="utf8")), encoding="utf8")
    print(f"{said} sha256 {decoder.sha256[:16]}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
