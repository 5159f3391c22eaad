"""How much a large picture takes beside its own pixels, in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SIZE = 2000, 3000
PIXELS = SIZE[0] * SIZE[1] * 12 / 2**20  # megabytes of the picture itself

MEASURE = """
import json, sys, torch
from pathlib import Path
from reverie.pictures import read_picture, scaled, write_image

def status(name):
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024

def growth(call):
    Path("/proc/self/clear_refs").write_text("5")
    before = status("VmRSS")
    kept = call()
    return status("VmHWM") - before

folder, (height, width) = Path(sys.argv[1]), map(int, sys.argv[2:4])
small = torch.rand(1, 3, 16, 16)
for name in ("a.png", "a.tif", "a.jpg"):  # what is loaded once
    write_image(folder / name, small)
    read_picture(folder / name)
scaled(small, (8, 8))
row = torch.rand(1, 3, 1, width // 40).repeat_interleave(40, 3)
pixels = (row * torch.linspace(0.3, 1, height)[:, None]).contiguous()
alpha = pixels[:, :1].clone()
found = {}
for name, depth in (("a.png", 8), ("a.png", 16), ("a.tif", 16), ("a.jpg", 8)):
    path = folder / name
    found[f"write {name} {depth}"] = growth(lambda: write_image(path, pixels, depth=depth))
    found[f"read {name} {depth}"] = growth(lambda: read_picture(path))
found["write alpha"] = growth(lambda: write_image(folder / "b.png", pixels, alpha=alpha, depth=16))
found["resize"] = growth(lambda: scaled(pixels, (height // 2, width // 2)))
print(json.dumps(found))
"""


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peaks are read as Linux has them")
def test_a_large_picture_is_written_and_read_in_little_more_than_its_pixels(tmp_path: Path) -> None:
    """Bounds are shares of the picture itself; a decoder's buffer has 4 or 6 of its 12 bytes a pixel."""
    command = [sys.executable, "-c", MEASURE, str(tmp_path), *map(str, SIZE)]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    bounds = {"write a.png": 0.55, "write a.tif": 0.55, "write a.jpg": 0.7, "write alpha": 0.75, "resize": 0.95}
    bounds |= {"read a.png 8": 1.5, "read a.jpg 8": 1.5, "read a.png 16": 1.8, "read a.tif 16": 1.8}
    for what, megabytes in found.items():
        bound = next(share for name, share in bounds.items() if what.startswith(name))
        assert megabytes < bound * PIXELS, f"{what}: {megabytes:.0f} MB for a picture of {PIXELS:.0f} MB"
