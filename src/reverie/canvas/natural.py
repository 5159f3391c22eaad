"""What natural photos have in common: how their colours vary, and how strong their waves are.

The constants are measured by `training/measure_photos.py`.
"""

from __future__ import annotations

import json
import math
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

Size = tuple[int, int]


@cache
def _measured() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(__file__).with_suffix(".json").read_text(encoding="utf8"))
    return found


def colour_root() -> Tensor:
    """Return the square root of the covariance of red, green and blue, (3, 3) float64: each column a colour.

    One step along the first is a step in brightness, the others are opponent colours, and smaller.
    """
    return torch.tensor(_measured()["colours"], dtype=torch.float64)


def wave_frequencies(size: Size) -> tuple[Tensor, Tensor]:
    """Return the frequencies of a real picture's waves, down (H, 1) and across (1, W // 2 + 1), in cycles a pixel."""
    h, w = size
    return torch.fft.fftfreq(h, dtype=torch.float32)[:, None], torch.fft.rfftfreq(w, dtype=torch.float32)[None, :]


def natural_amplitudes(size: Size) -> Tensor:
    """Return the mean amplitude of photos' waves, (3, H, W // 2 + 1), in decorrelated colours before the sigmoid.

    Photos look alike from near and far, so a wave is known by how often it fits into the longer side; beyond the
    frequencies that were measured, amplitudes fall on as they fall between the last two octaves. The mean is 0.
    """
    table = torch.tensor(_measured()["amplitudes"], dtype=torch.float32).log()
    fy, fx = wave_frequencies(size)
    radius, angle = (fy**2 + fx**2).sqrt() * max(size), torch.atan2(fy.abs().expand(size[0], fx.shape[1]), fx)
    most = _measured()["side"] / 2
    octaves = (radius / most).clamp_min(1).log()
    rings = table.shape[1]
    across = angle / (math.pi / 2) * 2 - 1
    down = radius.clamp(1, most).log() / math.log(most) * 2 - 1
    grid = torch.stack([across, down], dim=-1)[None]
    inside = F.grid_sample(table[None], grid, mode="bilinear", align_corners=True)[0]
    steps = round((rings - 1) * math.log(4) / math.log(most))
    slope = (table[:, -1].mean(1) - table[:, -1 - steps].mean(1)) / math.log(4)
    out: Tensor = (inside + slope[:, None, None] * octaves).exp()
    out[:, 0, 0] = 0
    return out
