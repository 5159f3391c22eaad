"""The figures of dreamnet's card: `python training/report_dreamnet.py [--write]`.

Agreement with the teacher on a held-out tenth of the photos; class transfer: dreams made with dreamnet alone, judged by
SqueezeNet; cleanliness of the gradient. Needs the teacher's weights and the photos, and says so where they are missing.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor
from train_dreamnet import centre_crop, find_photos, load_picture

import reverie as rv
from reverie.networks import Network
from reverie.recipes import DreamSettings

CARD = Path(__file__).parents[1] / "src/reverie/networks/dreamnet.md"
CLASSES = range(1, 1000, 25)  # forty, spread over the list


def logits(network: Network, pictures: Tensor) -> Tensor:
    """The class scores, (B, 1000)."""
    layer = network.class_layer or ""
    with torch.no_grad():
        return torch.cat([network(x, [layer])[layer].float().mean((2, 3)) for x in pictures.split(32)])


def agreement(student: Network, teacher: Network, pictures: Tensor) -> dict[str, float]:
    """How often the student's first class is the teacher's first, and among its first five."""
    mine, its = logits(student, pictures).argmax(1), logits(teacher, pictures).topk(5, 1).indices
    return {"top1": share(mine == its[:, 0]), "top5": share((mine[:, None] == its).any(1))}


def class_transfer(teacher: Network, size: int = 256) -> dict[str, object]:
    """Class dreams from noise, made with dreamnet only: how many does the teacher recognise?"""
    ranks = {}
    for index in CLASSES:
        *_, last = rv.recipes.dream(None, DreamSettings(class_name=str(index), size=size, seed=index))
        scores = logits(teacher, F.interpolate(last.image, (224, 224), mode="bilinear", antialias=True))[0]
        ranks[index] = int((scores > scores[index]).sum()) + 1
    top = torch.tensor(list(ranks.values()))
    return {"top1": share(top == 1), "top5": share(top <= 5), "ranks": ranks}


def roughness(network: Network, pictures: Tensor) -> float:
    """Share of the input gradient's energy above half the Nyquist frequency; the gradient is of the top class."""
    layer = network.class_layer or ""
    x = pictures.clone().requires_grad_(True)
    score = network(x, [layer])[layer].mean((2, 3)).max(1).values.sum()
    (gradient,) = torch.autograd.grad(score, x)
    power = torch.fft.fft2(gradient).abs().pow(2).sum((0, 1))
    fy, fx = (torch.fft.fftfreq(n) for n in power.shape)
    high = (fy[:, None].pow(2) + fx[None, :].pow(2)).sqrt() > 0.25
    return float(power[high].sum() / power.sum())


def share(hits: Tensor) -> float:
    return round(float(hits.float().mean()), 3)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    material = Path(__file__).parents[2] / "shared"
    parser.add_argument("--teacher", type=Path, default=material / "weights/squeezenet1_1.safetensors")
    parser.add_argument("--photos", type=Path, default=material / "training/photos")
    parser.add_argument("--weights", type=Path, help="other weights of dreamnet's shape")
    parser.add_argument("--no-dreams", action="store_true")
    parser.add_argument("--write", action="store_true", help="into the card")
    a = parser.parse_args()
    if not (a.teacher.exists() and a.photos.exists()):
        print(f"SKIPPED: no teacher at {a.teacher} or no photos at {a.photos}", file=sys.stderr)
        return 0
    student = rv.networks.load("dreamnet", weights=a.weights)
    teacher = rv.networks.load("squeezenet1_1", weights=a.teacher)
    held_out = [load_picture(p) for p in find_photos([a.photos])[1]]
    small, large = (torch.cat([centre_crop(p, n) for p in held_out]) for n in (128, 224))
    rough = {n.name: round(roughness(n, large[:32]), 3) for n in (student, teacher)}
    figures: dict[str, object] = {
        "pictures": len(held_out),
        "agreement_128px": agreement(student, teacher, small),
        "agreement_224px": agreement(student, teacher, large),
        "gradient_above_half_nyquist": rough,
    }
    if not a.no_dreams:
        figures["class_transfer"] = class_transfer(teacher)
    text = json.dumps(figures, indent=1)
    print(text)
    if a.write:
        head, _, _ = CARD.read_text(encoding="utf8").partition("<!-- figures -->")
        CARD.write_text(f"{head}<!-- figures -->\n```json\n{text}\n```\n", encoding="utf8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
