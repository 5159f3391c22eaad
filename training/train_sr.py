"""Train superres, the embedded network that enlarges pictures twice, three and four times.

    python training/train_sr.py --photos DIR [DIR ...] --out RUN
    python training/train_sr.py --photos DIR [DIR ...] --out SHARP --sharp RUN/superres.safetensors

One trunk on the small picture, a head for each factor, all trained together: a step draws a factor, a batch of
patches of that factor, and lowers the absolute error of what is added to the bicubic enlargement, in luma and, a
quarter as strongly, in the two colour differences. The small pictures are the bicubic (antialiased) reductions of
whole photographs, rounded to 8 bits as a file would be.

Every random choice is drawn from (seed, step): a resumed run repeats the uninterrupted one. The schedule is
warm-up, constant, square-root decay: a run can be lengthened, or ended early, from any checkpoint before its decay:
run the same command with other ``--steps`` and ``--decay-from``. The moving average of the weights is exported as
``superres.safetensors`` at every checkpoint.

The second command makes the sharp variant of the first's result: a third of the small patches is compressed as JPEG
first, and the loss also counts how far dreamnet's features of the result are from those of the truth (Johnson et al.
2016; each position's features brought to unit length, Zhang et al. 2018), and what of the error repeats with the grid
of the small pixels: features take a fine grid for texture.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import io
import math
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from PIL import Image
from runs import kept, log, save, uniform
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.func import functional_call

from reverie.engine import Descent, Learner, TrainingStep, fit
from reverie.networks import load
from reverie.pictures import resize
from reverie.recipes.parts.artefacts import grid_power

FACTORS, SHARES = (2, 3, 4), (0.4, 0.25, 0.35)  # how often each factor is drawn
LUMA = torch.tensor(((0.299, 0.587, 0.114), (-0.1687, -0.3313, 0.5), (0.5, -0.4187, -0.0813)))  # BT.601, full range
JUDGED = ("relu1_2", "relu2_2", "relu3_2")
BORDER = 3  # patches are padded with zeros, pictures are not: the outermost places do not count, in small pixels


class Network(nn.Module):
    """The trunk of residual blocks and its heads; the names are those of the exported file."""

    def __init__(self, width: int, blocks: int) -> None:
        super().__init__()
        self.entry = nn.Conv2d(3, width, 3, padding=1)
        self.blocks = nn.ModuleDict()
        for i in range(blocks):
            self.blocks[f"{i}_a"] = nn.Conv2d(width, width, 3, padding=1)
            self.blocks[f"{i}_b"] = nn.Conv2d(width, width, 3, padding=1)
        self.heads = nn.ModuleDict({str(f): nn.Conv2d(width, 3 * f * f, 3, padding=1) for f in FACTORS})
        self.depth = blocks
        for name, conv in self.named_modules():
            if isinstance(conv, nn.Conv2d):
                nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                nn.init.zeros_(conv.bias)
                if name.endswith("_b") or name.startswith("heads"):
                    conv.weight.data.mul_(0.1)

    def forward(self, x: Tensor, factor: int) -> Tensor:
        """What is to be added to the bicubic enlargement."""
        x = self.entry((x - 0.5).contiguous(memory_format=torch.channels_last))
        for i in range(self.depth):
            x = x + self.blocks[f"{i}_b"](F.relu(self.blocks[f"{i}_a"](x)))
        return F.pixel_shuffle(self.heads[str(factor)](x), factor)


# --- pictures --------------------------------------------------------------------------------------------------


def find_photos(folders: list[Path], pattern: str) -> tuple[list[list[Path]], list[Path]]:
    """Training files of each folder, and those held out: a twentieth of the first folder, by the hash of the name."""
    kept: list[list[Path]] = []
    held: list[Path] = []
    for i, folder in enumerate(folders):
        files = sorted(p for p in folder.glob("*" if i == 0 else pattern) if p.suffix.lower() in {".jpg", ".png"})
        out = [i == 0 and int(hashlib.sha1(p.name.encode()).hexdigest(), 16) % 20 == 0 for p in files]
        kept.append([p for p, o in zip(files, out) if not o])
        held += [p for p, o in zip(files, out) if o]
    return kept, held


def load_picture(path: Path) -> Tensor:
    """(1, 3, H, W) uint8."""
    picture = Image.open(path).convert("RGB")
    pixels = torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8)
    return pixels.view(1, picture.height, picture.width, 3).permute(0, 3, 1, 2).contiguous()


def bytes_of(x: Tensor) -> Tensor:
    return (x * 255).round().clamp(0, 255).to(torch.uint8)


def reduced(large: Tensor, factor: int) -> tuple[Tensor, Tensor]:
    """A picture cut to a multiple of the factor, and its bicubic reduction; uint8."""
    height, width = (side // factor for side in large.shape[-2:])
    large = large[..., : height * factor, : width * factor]
    return large, bytes_of(resize(large.float() / 255, (height, width)))


def softly_reduced(large: Tensor) -> Tensor:
    """The picture at seven tenths: crisper, as photographs of more pixels are."""
    return bytes_of(resize(large.float() / 255, tuple(round(0.7 * s) for s in large.shape[-2:])))


class Patches:
    """Pairs of small and large patches of whole pictures, drawn evenly from each folder."""

    def __init__(self, folders: list[list[Path]], size: int) -> None:
        self.size = size
        self.pairs: list[dict[int, list[tuple[Tensor, Tensor]]]] = []
        for files in folders:
            pictures = [load_picture(p) for p in files]
            if len(files) < 500:
                pictures += [softly_reduced(p) for p in pictures]
            self.pairs.append({f: [reduced(p, f) for p in pictures if min(p.shape[-2:]) >= f * size] for f in FACTORS})

    def draw(self, factor: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        """The more detailed of two patches: flat ones teach nothing."""
        one, other = self.one(factor, g), self.one(factor, g)
        return one if one[0].float().std() >= other[0].float().std() else other

    def one(self, factor: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        folder = self.pairs[int(uniform(g, 0, len(self.pairs)))][factor]
        large, small = folder[int(uniform(g, 0, len(folder)))]
        height, width = small.shape[-2:]
        top, left = int(uniform(g, 0, height - self.size + 0.999)), int(uniform(g, 0, width - self.size + 0.999))
        s, f = self.size, factor
        small = small[..., top : top + s, left : left + s]
        large = large[..., top * f : (top + s) * f, left * f : (left + s) * f]
        return turned(small, large, int(uniform(g, 0, 8)))

    def batch(self, factor: int, count: int, g: torch.Generator) -> tuple[Tensor, Tensor]:
        small, large = zip(*(self.draw(factor, g) for _ in range(count)))
        return torch.cat(small).float() / 255, torch.cat(large).float() / 255


def turned(small: Tensor, large: Tensor, way: int) -> tuple[Tensor, Tensor]:
    """One of the eight ways to lay a square."""
    small, large = (x.flip(-1) if way >= 4 else x for x in (small, large))
    return torch.rot90(small, way % 4, (2, 3)), torch.rot90(large, way % 4, (2, 3))


def compressed(small: Tensor, share: float, g: torch.Generator) -> Tensor:
    """Some of the patches as a JPEG file would keep them."""
    small = small.clone()
    for i in range(len(small)):
        if uniform(g, 0, 1) < share:
            pixels = Image.fromarray(bytes_of(small[i]).permute(1, 2, 0).numpy())
            file = io.BytesIO()
            pixels.save(file, "JPEG", quality=round(uniform(g, 40, 95)), subsampling=2 * (uniform(g, 0, 1) < 0.7))
            small[i] = (
                torch.frombuffer(bytearray(Image.open(file).tobytes()), dtype=torch.uint8)
                .view(*small.shape[2:], 3)
                .permute(2, 0, 1)
                / 255
            )
    return small


# --- the loop --------------------------------------------------------------------------------------------------


class Enlarging(Learner[tuple[int, int, Tensor, Tensor]]):
    """Learns from a step's factor, small patches and large ones."""

    def __init__(self, network: Network, patches: Patches, a: argparse.Namespace) -> None:
        self.skeleton, self.patches, self.a = network, patches, a

    def batch(self, step: int) -> tuple[int, int, Tensor, Tensor]:
        a, g = self.a, torch.Generator().manual_seed(self.a.seed * 1_000_003 + step)
        factor = FACTORS[int(torch.multinomial(torch.tensor(SHARES), 1, generator=g))]
        small, large = self.patches.batch(factor, a.batch, g)
        return step, factor, compressed(small, a.jpeg, g) if a.sharp else small, large

    def loss(
        self, weights: Mapping[str, Tensor], batch: tuple[int, int, Tensor, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        step, factor, small, large = batch
        with torch.autocast("cpu", torch.bfloat16):
            added = functional_call(self.skeleton, dict(weights), (small, factor))
        inner = slice(BORDER * factor, -BORDER * factor)
        base = resize(small, (large.shape[-2], large.shape[-1]))
        result, truth = ((x[..., inner, inner]) for x in (base + added.float(), large))
        y, *colours = torch.einsum("rc,bchw->rbhw", LUMA, result - truth).abs().mean((1, 2, 3))
        loss = y + 0.25 * sum(colours)
        if self.a.sharp:
            faults = self.a.perceived * perceptual(result, truth, step)
            loss = loss + faults + self.a.woven * grid_power(result - truth, factor, cells=3)
        return loss, {"loss": loss}

    def network(self, weights: Mapping[str, Tensor]) -> Network:
        network = copy.deepcopy(self.skeleton)
        network.load_state_dict(weights)
        return network.eval()


def perceptual(result: Tensor, truth: Tensor, step: int) -> Tensor:
    """The mean squared distance of dreamnet's features, each position's of unit length.

    The grid of its pools lies elsewhere at every step: patterns that one grid is blind to are seen by another.
    """
    judge, (top, left) = load("dreamnet"), (step % 4, step // 4 % 4)
    result, truth = result[..., top:, left:], truth[..., top:, left:]
    with torch.autocast("cpu", torch.bfloat16):
        with torch.no_grad():
            wanted = judge(truth, JUDGED)
        came = judge(result, JUDGED)
    pairs = ((F.normalize(m.float(), dim=1) for m in (came[layer], wanted[layer])) for layer in JUDGED)
    return sum((a - b).pow(2).sum(1).mean() for a, b in pairs) / len(JUDGED)


@torch.no_grad()
def psnr(network: Network, large: Tensor, small: Tensor, factor: int) -> float:
    """In decibels, of the luma (BT.601, 16 to 235) of whole pictures, ``factor`` pixels of the border left out."""
    x = small.float() / 255
    result = resize(x, (large.shape[-2], large.shape[-1])) + network(x, factor)
    error = bytes_of(result).float() - large.float()
    y = torch.einsum("c,bchw->bhw", torch.tensor((65.481, 128.553, 24.966)) / 255, error)
    return -10 * math.log10(float((y[..., factor:-factor, factor:-factor] / 255).pow(2).mean()))


def evaluate(network: Network, pictures: list[Tensor]) -> dict[str, float]:
    pairs = {f: [reduced(p, f) for p in pictures] for f in FACTORS}
    return {
        f"x{f}": round(sum(psnr(network, big, small, f) for big, small in many) / len(many), 3)
        for f, many in pairs.items()
    }


def train(a: argparse.Namespace) -> None:
    folders, held_out = find_photos(a.photos, a.pattern)
    patches, probe = Patches(folders, a.patch), [load_picture(p) for p in held_out]
    torch.manual_seed(a.seed)
    network = Network(a.width, a.blocks)
    if a.sharp:
        network.load_state_dict({k: v.float() for k, v in load_file(a.sharp).items()})
    learner = Enlarging(network, patches, a)
    descent = Descent(a.rate, warmup=500, decay_from=a.decay_from / a.steps, clip=0.5, ema_decay=0.999, ema_warmup=20)
    weights = dict(network.named_parameters())
    follow = partial(fit, weights, learner, learner.batch, steps=a.steps, descent=descent)

    def export(step: TrainingStep) -> None:
        save(step.average, a.out / "superres.safetensors", {"step": step.step, "seed": a.seed})

    losses: list[float] = []
    for step in kept(lambda state: follow(state=state), a.out, export, decay_from=a.decay_from):
        losses += step.losses.values()
        if step.step % 1000 == 0:
            pace = round(step.step / step.seconds, 2)
            row = {"step": step.step, "steps_per_s": pace, "loss": round(sum(losses) / max(1, len(losses)), 5)}
            log(a.out, row | evaluate(step.network, probe))
            losses.clear()


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--photos", type=Path, nargs="+", required=True, help="folders; the first is the finest")
    p.add_argument("--pattern", default="in_*", help="files of the other folders")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--steps", type=int, default=120_000)
    p.add_argument("--decay-from", type=int, default=90_000)
    p.add_argument("--width", type=int, default=48)
    p.add_argument("--blocks", type=int, default=5)
    p.add_argument("--batch", type=int, default=16)
    p.add_argument("--patch", type=int, default=48, help="side in small pixels")
    p.add_argument("--rate", type=float, default=8e-4)
    p.add_argument("--sharp", type=Path, help="the faithful network's file, to make the sharp one from")
    p.add_argument("--perceived", type=float, default=0.1, help="weight of dreamnet's features in the sharp one")
    p.add_argument("--woven", type=float, default=4000.0, help="weight of a grid in the sharp one")
    p.add_argument("--jpeg", type=float, default=0.35, help="share of JPEG patches in the sharp one")
    p.add_argument("--seed", type=int, default=0)
    train(p.parse_args())
