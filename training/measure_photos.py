"""Measure the colours and the spectrum of natural photos: the constants of the canvases that begin with nothing.

    python training/measure_photos.py PHOTOS

writes `src/reverie/canvas/natural.json`: the square root of the covariance of red, green and blue, and the mean
amplitude of each decorrelated colour by frequency and orientation. Photos are taken as squares of 128 px; amplitudes
are those of the picture before the sigmoid, under a Hann window, per wave of an orthonormal transform.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

import reverie
from reverie.pictures import read_image, resize

SIDE = 128
CLIPPED = 0.02  # black and white are endless before the sigmoid; camera pictures clip earlier
RINGS, SECTORS = 25, 5
TARGET = Path(reverie.__file__).parent / "canvas" / "natural.json"


def squares(paths: Sequence[Path]) -> Iterator[Tensor]:
    """Yield the middle square of each photo, (3, SIDE, SIDE) in [0, 1]."""
    for path in paths:
        x = read_image(path)
        side = min(x.shape[2:])
        top, left = (x.shape[2] - side) // 2, (x.shape[3] - side) // 2
        yield resize(x[:, :, top : top + side, left : left + side], (SIDE, SIDE)).clamp(0, 1)[0]


def colours_of(photos: Sequence[Tensor]) -> Tensor:
    """Return the square root of the colours' covariance, (3, 3), its columns scaled so that the longest is 1."""
    total, outer, count = torch.zeros(3, dtype=torch.float64), torch.zeros(3, 3, dtype=torch.float64), 0
    for photo in photos:
        x = photo.flatten(1).double()
        total, outer, count = total + x.sum(1), outer + x @ x.T, count + x.shape[1]
    mean = total / count
    vectors, values, _ = torch.linalg.svd(outer / count - mean[:, None] * mean)
    root = vectors * values.sqrt()
    root = root * torch.where(root[0] < 0, -1.0, 1.0)
    return root / root.norm(dim=0).max()


def amplitudes_of(photos: Sequence[Tensor], colours: Tensor) -> Tensor:
    """Return the mean amplitude of each wave, (3, SIDE, SIDE // 2 + 1)."""
    window = torch.hann_window(SIDE, periodic=False)[:, None] * torch.hann_window(SIDE, periodic=False)
    back, total = torch.linalg.inv(colours).float(), torch.zeros(3, SIDE, SIDE // 2 + 1)
    for photo in photos:
        x = (back @ torch.logit(photo, eps=CLIPPED).flatten(1)).view(3, SIDE, SIDE)
        x = (x - x.mean((1, 2), keepdim=True)) * window / window.pow(2).mean().sqrt()
        total += torch.fft.rfft2(x, norm="ortho").abs()
    return total / len(photos)


def rings_of(amplitudes: Tensor) -> list[list[list[float]]]:
    """Average amplitudes over rings (1 to SIDE / 2 waves a picture, evenly in the logarithm) and sectors."""
    fy = (torch.fft.fftfreq(SIDE) * SIDE).abs()[:, None]
    fx = torch.fft.rfftfreq(SIDE)[None] * SIDE
    radius, angle = (fy**2 + fx**2).sqrt(), torch.atan2(fy, fx)
    ring = (radius.clamp_min(1e-9).log() / math.log(SIDE / 2) * (RINGS - 1)).clamp(-9, RINGS)
    sector = angle / (math.pi / 2) * (SECTORS - 1)
    out = torch.zeros(3, RINGS, SECTORS)
    for i in range(RINGS):
        for j in range(SECTORS):
            near = (1 - (ring - i).abs() / 1.5).clamp_min(0) * (1 - (sector - j).abs()).clamp_min(0)
            near = near if float(near.sum()) > 0 else (-((ring - i) ** 2) - (sector - j) ** 2).exp()
            out[:, i, j] = (amplitudes.clamp_min(1e-9).log() * near).sum((1, 2)).div(near.sum()).exp()
    return [[[round(float(x), 4) for x in row] for row in colour] for colour in out]


def main(folder: Path) -> None:
    """Measure the photos of a folder and write the constants."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg", ".png"))
    photos = list(squares(paths))
    colours = colours_of(photos)
    measured = {
        "photos": len(photos),
        "side": SIDE,
        "colours": [[round(float(x), 4) for x in row] for row in colours],
        "amplitudes": rings_of(amplitudes_of(photos, colours)),
    }
    TARGET.write_text(json.dumps(measured) + "\n", encoding="utf8")
    print(f"{len(photos)} photos: {measured['colours']}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
