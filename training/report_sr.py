"""Measure superres: luma PSNR and perceptual distance of benchmark pictures, against bicubic enlargement.

    python training/report_sr.py --pictures DIR --judge FILE [--weights FILE] [--write]

Each picture is cut to a multiple of the factor, reduced by antialiased bicubic, rounded to 8 bits, enlarged, and
rounded again. Error is of the luma (BT.601, 16 to 235), as many pixels of the border left out as the factor. The
perceptual distance is SqueezeNet's, which none of the networks was trained by; and also that of small pictures saved as
JPEG, which is what people have.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from statistics import mean

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from reverie.feedforward.superres import FACTORS, Superres, load_superres, read_superres
from reverie.networks import Network, load
from reverie.pictures import read_image, resize
from reverie.recipes.upscale import UpscaleSettings, upscale

CARD = Path(__file__).parents[1] / "src/reverie/feedforward/superres.md"
QUALITY = 75  # of the JPEG files
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


def perceptual(result: Tensor, truth: Tensor, judge: Network) -> float:
    """How far a judge's features are apart, each position's brought to length 1: the mean over its style layers.

    Source: Zhang et al. 2018, LPIPS, without weights learned from people's answers.
    """
    ours, its = (judge(x, judge.style_layers) for x in (rounded(result), truth))
    apart = [(F.normalize(ours[k]) - F.normalize(its[k])).pow(2).sum(1).mean() for k in judge.style_layers]
    return float(torch.stack(apart).mean())


def compressed(small: Tensor) -> Tensor:
    """As a JPEG file of usual quality gives it back."""
    file = BytesIO()
    pixels = (small[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(pixels).save(file, "JPEG", quality=QUALITY)
    back = torch.frombuffer(bytearray(Image.open(file).tobytes()), dtype=torch.uint8)
    return back.view(1, *small.shape[2:], 3).permute(0, 3, 1, 2) / 255


def enlarged(small: Tensor, factor: int, network: Superres | None) -> Tensor:
    """By a network, or by bicubic interpolation."""
    if network is None:
        return resize(small, (small.shape[2] * factor, small.shape[3] * factor)).clamp(0, 1)
    return upscale(small, UpscaleSettings(factor=factor), network=network)


@torch.no_grad()
def figures(
    pictures: list[Tensor], networks: Mapping[str, Superres | None], judge: Network
) -> dict[str, dict[str, dict[str, float]]]:
    """The means of each factor and each way: PSNR, perceptual distance, and that of compressed pictures."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for factor in FACTORS:
        pairs = [reduced(picture, factor) for picture in pictures]
        for name, network in networks.items():
            clean = [(enlarged(small, factor, network), large) for large, small in pairs]
            coarse = [(enlarged(compressed(small), factor, network), large) for large, small in pairs]
            table.setdefault(f"x{factor}", {})[name] = {
                "psnr_luma_db": round(mean(psnr(result, large, factor) for result, large in clean), 2),
                "perceptual": round(mean(perceptual(*pair, judge) for pair in clean), 4),
                "perceptual_of_jpeg": round(mean(perceptual(*pair, judge) for pair in coarse), 4),
            }
    return table


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    material = Path(__file__).parents[2] / "shared"
    parser.add_argument("--pictures", type=Path, default=material / "benchmarks/set5")
    parser.add_argument(
        "--judge", type=Path, default=material / "weights/squeezenet1_1.safetensors", help="its weights"
    )
    parser.add_argument("--weights", type=Path, help="other weights of superres's shape")
    parser.add_argument("--write", action="store_true", help="into the card")
    a = parser.parse_args()
    for needed in (a.pictures, a.judge):
        if not needed.exists():
            print(f"SKIPPED: there is nothing at {needed}", file=sys.stderr)
            return 0
    files = sorted(p for p in a.pictures.iterdir() if p.suffix.lower() in {".png", ".bmp"})
    networks = {"bicubic": None, "faithful": load_superres("faithful"), "sharp": load_superres("sharp")}
    pictures, judge = [read_image(p) for p in files], load("squeezenet1_1", weights=a.judge)
    networks |= {} if a.weights is None else {a.weights.stem: read_superres(a.weights)}
    text = json.dumps({"pictures": len(files), **figures(pictures, networks, judge)}, indent=1)
    print(text)
    if a.write:
        head, _, _ = CARD.read_text(encoding="utf8").partition("<!-- figures -->")
        CARD.write_text(f"{head}<!-- figures -->\n```json\n{text}\n```\n", encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
