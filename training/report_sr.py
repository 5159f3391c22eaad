"""Measure superres: the luma PSNR of benchmark pictures, against bicubic enlargement.

    python training/report_sr.py --pictures DIR [--weights FILE] [--variant sharp] [--write]

Each picture is cut to a multiple of the factor, reduced by antialiased bicubic, rounded to 8 bits, enlarged, and
rounded again. Error is of the luma (BT.601, 16 to 235), as many pixels of the border left out as the factor.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from pathlib import Path

import torch
from torch import Tensor

from reverie.networks.superres import FACTORS, Superres, load_superres, read_superres
from reverie.pictures import read_image, resize
from reverie.recipes.upscale import UpscaleSettings, upscale

CARD = Path(__file__).parents[1] / "src/reverie/networks/superres.md"
LUMA = torch.tensor((65.481, 128.553, 24.966))


def rounded(x: Tensor) -> Tensor:
    """As an 8-bit file keeps it."""
    return (x * 255).round().clamp(0, 255) / 255


def psnr(result: Tensor, truth: Tensor, factor: int) -> float:
    """Of the luma, in decibels."""
    error = torch.einsum("c,bchw->bhw", LUMA, rounded(result) - truth) / 255
    inner = slice(factor, -factor)
    return -10 * math.log10(float(error[..., inner, inner].pow(2).mean()))


def reduced(large: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """A picture cut to a multiple of the factor, and the small one."""
    height, width = (side // factor for side in large.shape[-2:])
    large = large[..., : height * factor, : width * factor]
    return large, rounded(resize(large, (height, width)))


def figures(pictures: list[Tensor], network: Superres) -> dict[str, dict[str, float]]:
    """The mean PSNR of each factor: ours, and bicubic's."""
    table = {}
    for factor in FACTORS:
        pairs = [reduced(picture, factor) for picture in pictures]
        settings = UpscaleSettings(factor=factor)
        ours = [psnr(upscale(small, settings, network=network), large, factor) for large, small in pairs]
        bicubic = [psnr(resize(small, (large.shape[2], large.shape[3])), large, factor) for large, small in pairs]
        table[f"x{factor}"] = {
            "ours": round(sum(ours) / len(ours), 2),
            "bicubic": round(sum(bicubic) / len(bicubic), 2),
        }
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    material = Path(__file__).parents[2] / "shared"
    parser.add_argument("--pictures", type=Path, default=material / "benchmarks/set5")
    parser.add_argument("--weights", type=Path, help="other weights of superres's shape")
    parser.add_argument("--variant", choices=("faithful", "sharp"), default="faithful")
    parser.add_argument("--write", action="store_true", help="into the card")
    a = parser.parse_args()
    if not a.pictures.is_dir():
        print(f"SKIPPED: there are no pictures at {a.pictures}", file=sys.stderr)
        return 0
    files = sorted(p for p in a.pictures.iterdir() if p.suffix.lower() in {".png", ".bmp"})
    network = load_superres(a.variant) if a.weights is None else read_superres(a.weights)
    text = json.dumps(
        {"pictures": len(files), "psnr_luma_db": figures([read_image(p) for p in files], network)}, indent=1
    )
    print(text)
    if a.write:
        head, _, _ = CARD.read_text(encoding="utf8").partition("<!-- figures -->")
        CARD.write_text(f"{head}<!-- figures -->\n```json\n{text}\n```\n", encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
