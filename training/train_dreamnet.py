"""Train dreamnet, the embedded network, by distillation from a SqueezeNet 1.1.

    python training/train_dreamnet.py --photos DIR [DIR ...] --teacher squeezenet1_1.safetensors --out RUN

The student sees a noisy crop, the teacher the clean one. One-by-one heads on the trunk regress the teacher's
standardised maps (conv1, fire3, fire5, fire7, fire9) and its class distribution. In the second half an eighth of
each batch comes from a pool of *dreams in progress*: the student's own class dreams, one ascent step older at each
visit, which the teacher labels like any photograph. So the student is corrected exactly where its dreams lie
(persistent chains, as in energy-based models; DAgger in imitation learning).

Every random choice is drawn from (seed, step): a resumed run repeats the uninterrupted one. The schedule is
warm-up, constant, square-root decay: a run can be lengthened from any checkpoint before its decay.
"""

from __future__ import annotations

import argparse
import copy
import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from PIL import Image
from runs import kept, log, save, uniform
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.func import functional_call

from reverie.engine import Descent, Learner, TrainingStep, fit

STAGES = ((16, 16), (48, 64), (96, 128), (192, 256), (256, 256, 256))
HEADS = {
    "relu2_2": ("conv1", 64, 4),
    "relu3_2": ("fire3", 128, 2),
    "relu4_2": ("fire5", 256, 1),
    "relu5_2": ("fire7", 384, 1),
    "relu5_3": ("fire9", 512, 1),
}  # trunk layer: teacher map, channels, subsampling
MEAN, SCALE = (0.48, 0.46, 0.41), 4.0
FIRES = {
    3: (16, 64),
    4: (16, 64),
    6: (32, 128),
    7: (32, 128),
    9: (48, 192),
    10: (48, 192),
    11: (64, 256),
    12: (64, 256),
}


# --- teacher ---------------------------------------------------------------------------------------------------


class Teacher(nn.Module):
    """SqueezeNet 1.1 (Iandola et al. 2016), its maps cropped to the student's grid."""

    PAD = 5  # puts the unpadded grid of the teacher within 2.5 px of the student's at every stride

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.w = {
            k: v.float().to(torch.bfloat16).to(memory_format=torch.channels_last)
            if v.dim() == 4
            else v.to(torch.bfloat16)
            for k, v in load_file(path).items()
        }
        self.mean = torch.tensor((0.485, 0.456, 0.406)).view(1, 3, 1, 1)
        self.std = torch.tensor((0.229, 0.224, 0.225)).view(1, 3, 1, 1)

    def conv(self, name: str, x: Tensor, **kw: int) -> Tensor:
        return F.relu(F.conv2d(x, self.w[name + ".weight"], self.w[name + ".bias"], **kw))

    def fire(self, i: int, x: Tensor) -> Tensor:
        s = self.conv(f"features.{i}.squeeze", x)
        return torch.cat(
            [
                self.conv(f"features.{i}.expand1x1", s),
                self.conv(f"features.{i}.expand3x3", s, padding=1),
            ],
            1,
        )

    @torch.no_grad()
    def forward(self, x: Tensor) -> tuple[dict[str, Tensor], Tensor]:
        size = x.shape[-1]
        x = F.pad((x - self.mean) / self.std, (self.PAD,) * 4, mode="reflect")
        x = x.to(torch.bfloat16, memory_format=torch.channels_last)
        maps: dict[str, Tensor] = {}
        x = self.conv("features.0", x, stride=2)
        maps["conv1"] = x[..., 2 : 2 + size // 2, 2 : 2 + size // 2]
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.fire(4, self.fire(3, x))
        maps["fire3"] = x[..., 1 : 1 + size // 4, 1 : 1 + size // 4]
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.fire(7, self.fire(6, x))
        maps["fire5"] = x[..., : size // 8, : size // 8]
        x = F.max_pool2d(x, 3, 2, ceil_mode=True)
        x = self.fire(10, self.fire(9, x))
        maps["fire7"] = x[..., : size // 16, : size // 16]
        x = self.fire(12, self.fire(11, x))
        maps["fire9"] = x[..., : size // 16, : size // 16]
        return maps, self.conv("classifier.1", x).float().mean((2, 3))


# --- student ---------------------------------------------------------------------------------------------------


class Student(nn.Module):
    """The trunk with batch norm, its regression heads and its classifier."""

    def __init__(self) -> None:
        super().__init__()
        self.convs, self.norms, channels = nn.ModuleDict(), nn.ModuleDict(), 3
        for s, widths in enumerate(STAGES, 1):
            for i, width in enumerate(widths, 1):
                self.convs[f"conv{s}_{i}"] = nn.Conv2d(channels, width, 3, padding=1, bias=False)
                self.norms[f"conv{s}_{i}"] = nn.BatchNorm2d(width)
                channels = width
        width = {f"relu{s}_{i}": w for s, ws in enumerate(STAGES, 1) for i, w in enumerate(ws, 1)}
        self.heads = nn.ModuleDict({layer: nn.Conv2d(width[layer], c, 1) for layer, (_, c, _) in HEADS.items()})
        self.classifier = nn.Conv2d(channels, 1000, 1)
        self.register_buffer("mean", torch.tensor(MEAN).view(1, 3, 1, 1), persistent=False)
        for conv in self.convs.values():
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")

    def forward(self, x: Tensor, offset: int | None = None) -> tuple[dict[str, Tensor], Tensor]:
        """What it takes the teacher's maps to be, from such a place on, none by default; and its class scores."""
        x, predicted = ((x - self.mean) * SCALE).to(memory_format=torch.channels_last), {}
        for name, conv in self.convs.items():
            if name.endswith("_1") and name != "conv1_1":
                x = F.avg_pool2d(x, 2)
            x = F.relu(self.norms[name](conv(x)))
            layer = name.replace("conv", "relu")
            if layer in HEADS and offset is not None:
                teacher_map, _, every = HEADS[layer]
                predicted[teacher_map] = self.heads[layer](x[..., offset % every :: every, offset % every :: every])
        return predicted, self.classifier(x).float().mean((2, 3))

    def folded(self) -> dict[str, Tensor]:
        """Weights with each batch norm folded into its convolution."""
        out: dict[str, Tensor] = {}
        for name, conv in self.convs.items():
            n = self.norms[name]
            gain = n.weight / torch.sqrt(n.running_var + n.eps)
            out[name + ".weight"] = conv.weight * gain.view(-1, 1, 1, 1)
            out[name + ".bias"] = n.bias - n.running_mean * gain
        return out | {
            "classifier.weight": self.classifier.weight,
            "classifier.bias": self.classifier.bias,
        }


# --- data ------------------------------------------------------------------------------------------------------


def find_photos(folders: list[Path]) -> tuple[list[Path], list[Path]]:
    """Training and held-out files: a tenth is held out, chosen by the hash of the name."""
    files = sorted(p for f in folders for p in f.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    out = [int(hashlib.sha1(p.name.encode()).hexdigest(), 16) % 10 == 0 for p in files]
    return [p for p, o in zip(files, out) if not o], [p for p, o in zip(files, out) if o]


def load_picture(path: Path, shorter: int = 288) -> Tensor:
    picture = Image.open(path).convert("RGB")
    if min(picture.size) > shorter:
        k = shorter / min(picture.size)
        picture = picture.resize((round(picture.width * k), round(picture.height * k)), Image.Resampling.LANCZOS)
    return torch.frombuffer(bytearray(picture.tobytes()), dtype=torch.uint8).view(picture.height, picture.width, 3)


def random_crop(picture: Tensor, size: int, g: torch.Generator) -> Tensor:
    h, w = picture.shape[:2]
    side, aspect = min(h, w) * uniform(g, 0.4, 1.0), math.exp(uniform(g, -0.25, 0.25))
    ch, cw = max(16, min(h, round(side * aspect))), max(16, min(w, round(side / aspect)))
    top, left = int(uniform(g, 0, h - ch + 0.999)), int(uniform(g, 0, w - cw + 0.999))
    crop = picture[top : top + ch, left : left + cw].permute(2, 0, 1)[None].float() / 255
    crop = F.interpolate(crop, (size, size), mode="bilinear", antialias=True)
    return crop.flip(-1) if uniform(g, 0, 1) < 0.5 else crop


def centre_crop(picture: Tensor, size: int) -> Tensor:
    h, w = picture.shape[:2]
    side = min(h, w)
    top, left = (h - side) // 2, (w - side) // 2
    crop = picture[top : top + side, left : left + side].permute(2, 0, 1)[None].float() / 255
    return F.interpolate(crop, (size, size), mode="bilinear", antialias=True)


def jitter_colour(x: Tensor, g: torch.Generator) -> Tensor:
    def draw(spread: float) -> Tensor:
        return 1 + spread * (2 * torch.rand(x.shape[0], 1, 1, 1, generator=g) - 1)

    grey = x.mean(1, keepdim=True)
    x = grey + (x - grey) * draw(0.5)
    mean = x.mean((2, 3), keepdim=True)
    x = (mean + (x - mean) * draw(0.35)) * draw(0.3)
    tint = 1 + 0.1 * (2 * torch.rand(x.shape[0], 3, 1, 1, generator=g) - 1)
    return (x * tint).clamp(0, 1)


def mix(x: Tensor, g: torch.Generator) -> Tensor:
    """Mixup or cutmix of half the batch with its mirror order; the teacher labels what comes out."""
    half, other, size = x.shape[0] // 2, x.flip(0), x.shape[-1]
    if uniform(g, 0, 1) < 0.5:
        a = torch.rand(half, 1, 1, 1, generator=g) * 0.5
        x[:half] = x[:half] * (1 - a) + other[:half] * a
        return x
    for i in range(half):
        h, w = int(uniform(g, 0.3, 0.7) * size), int(uniform(g, 0.3, 0.7) * size)
        top, left = int(uniform(g, 0, size - h)), int(uniform(g, 0, size - w))
        x[i, :, top : top + h, left : left + w] = other[i, :, top : top + h, left : left + w]
    return x


def soft_noise(n: int, size: int, g: torch.Generator) -> Tensor:
    """Grey-centred noise with a natural, pink spectrum: where dreams from nothing begin."""
    x = torch.zeros(n, 3, size, size)
    for k in (4, 8, 16, 32, size):
        x += F.interpolate(torch.randn(n, 3, k, k, generator=g), (size, size), mode="bilinear")
    return (0.48 + uniform(g, 0.02, 0.07) * x).clamp(0, 1)


# --- the pool of dreams in progress ---------------------------------------------------------------------------


def balanced(g: Tensor, levels: int = 5) -> Tensor:
    """The gradient split into Laplacian bands, each divided by its rms."""
    out, sizes = torch.zeros_like(g), []
    low, bands = g, []
    for _ in range(levels - 1):
        sizes.append(low.shape[-2:])
        down = F.avg_pool2d(low, 2)
        bands.append(low - F.interpolate(down, low.shape[-2:], mode="bilinear"))
        low = down
    out = low / (low.pow(2).mean((1, 2, 3), keepdim=True).sqrt() + 1e-12)
    for band in reversed(bands):
        out = F.interpolate(out, band.shape[-2:], mode="bilinear")
        out = out + band / (band.pow(2).mean((1, 2, 3), keepdim=True).sqrt() + 1e-12)
    return out / levels


class Dreams:
    """A pool of class dreams of the student, each a few ascent steps older at every visit."""

    def __init__(self, count: int, size: int, life: int = 60) -> None:
        self.count, self.life = count, life
        self.pictures = torch.full((count, 3, size, size), 0.5)
        self.age, self.label = torch.full((count,), life), torch.zeros(count, dtype=torch.long)

    def state(self) -> dict[str, Tensor]:
        return {"pictures": self.pictures, "age": self.age, "label": self.label}

    def load(self, state: Mapping[str, Tensor]) -> None:
        self.pictures, self.age, self.label = (state[name].clone() for name in ("pictures", "age", "label"))

    def visit(
        self, student: Callable[[Tensor], tuple[Any, Tensor]], photos: Tensor, n: int, step: int, g: torch.Generator
    ) -> Tensor:
        where = (torch.arange(n) + step * n) % self.count
        for j, i in enumerate(where.tolist()):
            if self.age[i] >= self.life:
                fresh = soft_noise(1, photos.shape[-1], g)[0] if uniform(g, 0, 1) < 0.75 else photos[j]
                self.pictures[i], self.label[i] = fresh, int(uniform(g, 0, 999.999))
                self.age[i] = int(uniform(g, 0, 10))
        x, label = self.pictures[where], self.label[where]
        for _ in range(2):
            dy, dx = int(uniform(g, 0, 16)), int(uniform(g, 0, 16))
            y = torch.roll(x, (dy, dx), (2, 3)).requires_grad_(True)
            with torch.autocast("cpu", torch.bfloat16):
                logits = student(y)[1]
            score = logits.gather(1, label[:, None]).sum() - 0.2 * logits.logsumexp(1).sum()
            (grad,) = torch.autograd.grad(score, y)
            x = (x + 0.035 * torch.roll(balanced(grad), (-dy, -dx), (2, 3))).clamp(0, 1)
        self.pictures[where] = x
        self.age[where] += 2
        return x


# --- the loop --------------------------------------------------------------------------------------------------


def teacher_statistics(teacher: Teacher, batches: list[Tensor]) -> dict[str, tuple[Tensor, Tensor]]:
    """Mean and deviation of each teacher channel."""
    sums: dict[str, list[Tensor]] = {}
    for x in batches:
        for name, m in teacher(x)[0].items():
            m = m.float()
            sums.setdefault(name, []).append(torch.stack([m.mean((0, 2, 3)), m.pow(2).mean((0, 2, 3))]))
    out = {}
    for name, s in sums.items():
        mean, square = torch.stack(s).mean(0)
        std = (square - mean**2).clamp_min(0).sqrt()
        out[name] = (mean.view(1, -1, 1, 1), std.clamp_min(0.25 * std.mean()).view(1, -1, 1, 1))
    return out


def losses(
    predicted: dict[str, Tensor],
    logits: Tensor,
    taught: tuple[dict[str, Tensor], Tensor],
    stats: dict[str, tuple[Tensor, Tensor]],
    *,
    offset: int = 0,
    training: bool = True,
) -> tuple[dict[str, Tensor], Tensor, Tensor]:
    """Unexplained variance of each teacher map, divergence from its classes, agreement of the top class."""
    maps, teacher_logits = taught
    out = {}
    for name, _, every in HEADS.values():
        o = offset % every
        mean, std = stats[name]
        target = (maps[name][..., o::every, o::every].float() - mean) / std
        error, held = (x.pow(2).mean((1, 2, 3)) for x in (predicted[name].float() - target, target))
        if training:  # strong pictures, such as dreams, do not drown the others
            out[name] = (error / held.clamp_min(1)).mean()
        else:  # a share of what these very pictures hold
            out[name] = error.mean() / target.var((0, 2, 3)).mean()
    divergence = F.kl_div(
        F.log_softmax(logits, 1),
        F.log_softmax(teacher_logits, 1),
        reduction="batchmean",
        log_target=True,
    )
    return out, divergence, (logits.argmax(1) == teacher_logits.argmax(1)).float().mean()


class Distillation(Learner[tuple[int, Tensor, torch.Generator]]):
    """Learns from pictures of a step, and from the dreams of the average of its own weights."""

    def __init__(
        self, student: Student, teacher: Teacher, photos: list[Tensor], stats: Any, a: argparse.Namespace
    ) -> None:
        self.student, self.teacher, self.photos, self.stats, self.a = student.train(), teacher, photos, stats, a
        self.still = copy.deepcopy(student).eval()
        self.dreams, self.average = Dreams(256, 128), dict[str, Tensor]()

    def batch(self, step: int) -> tuple[int, Tensor, torch.Generator]:
        a, photos, g = self.a, self.photos, torch.Generator().manual_seed(self.a.seed * 1_000_003 + step)
        size = 96 if step < a.small_until else 128
        x = torch.cat([random_crop(photos[int(uniform(g, 0, len(photos)))], size, g) for _ in range(a.batch)])
        x = jitter_colour(x, g)
        return step, mix(x, g) if uniform(g, 0, 1) < 0.3 else x, g

    def loss(
        self, weights: Mapping[str, Tensor], batch: tuple[int, Tensor, torch.Generator]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        (step, x, g), a = batch, self.a
        if step >= a.dream_from:
            part = a.batch // 8
            dreamer = partial(functional_call, self.still, self.average)
            x = torch.cat([self.dreams.visit(dreamer, x[:part], part, step, g), x[part:]])
        deviation = 0.08 if step < a.small_until else a.late_noise
        noise = torch.randn(x.shape, generator=g) * deviation * torch.rand(a.batch, 1, 1, 1, generator=g)
        with torch.autocast("cpu", torch.bfloat16):
            made = functional_call(self.student, dict(weights), (x + noise, step))
            parts, kl, _ = losses(*made, self.teacher(x), self.stats, offset=step)
        loss = sum(parts.values()) + a.class_weight * kl
        return loss, {"loss": loss}

    def network(self, weights: Mapping[str, Tensor]) -> Student:
        network = copy.deepcopy(self.still)
        network.load_state_dict(weights)
        return network

    def begin(self, state: Mapping[str, Tensor] | None, average: Mapping[str, Tensor]) -> None:
        self.average = dict(average)
        if state is not None:
            self.dreams.load(state)

    def state(self) -> dict[str, Tensor]:
        return self.dreams.state()


@torch.no_grad()
def evaluate(
    student: Student, teacher: Teacher, stats: dict[str, tuple[Tensor, Tensor]], pictures: Tensor
) -> dict[str, float]:
    rows = []
    for x in pictures.split(32):
        with torch.autocast("cpu", torch.bfloat16):
            parts, kl, agree = losses(*student(x, 0), teacher(x), stats, training=False)
        rows.append([v.item() for v in parts.values()] + [kl.item(), agree.item()])
    names = [h[0] for h in HEADS.values()] + ["kl", "agree"]
    return dict(zip(names, torch.tensor(rows).mean(0).tolist()))


def train(a: argparse.Namespace) -> None:
    training, held_out = find_photos(a.photos)
    photos = [load_picture(p) for p in training]
    probe = torch.cat([centre_crop(load_picture(p), 128) for p in held_out])
    teacher = Teacher(a.teacher)
    torch.manual_seed(a.seed)
    student = Student()
    g = torch.Generator().manual_seed(a.seed)
    drawn = [[random_crop(photos[int(uniform(g, 0, len(photos)))], 128, g) for _ in range(32)] for _ in range(20)]
    stats = teacher_statistics(teacher, [torch.cat(crops) for crops in drawn])
    learner = Distillation(student, teacher, photos, stats, a)
    weights = dict(student.named_parameters())
    carried = {name: x for name, x in student.state_dict().items() if name not in weights}
    schedule = Descent(a.rate, warmup=300, decay_from=a.decay_from / a.steps, ema_decay=0.999, ema_warmup=20)
    descent = replace(schedule, betas=(0.9, 0.999), weight_decay=0.02, clip=2.0)
    follow = partial(fit, weights, learner, learner.batch, steps=a.steps, descent=descent, carried=carried)

    def export(step: TrainingStep) -> None:
        save(step.network.folded(), a.out / "dreamnet.safetensors", {"step": step.step, "seed": a.seed})

    for step in kept(lambda state: follow(state=state), a.out, export, decay_from=a.decay_from):
        if step.step % 250 == 0:
            pace = round(step.step * a.batch / step.seconds, 1)
            loss = round(step.losses["loss"], 4) if step.losses else "not finite"
            row = {"step": step.step, "pictures_per_s": pace, "loss": loss}
            found = evaluate(step.network, teacher, stats, probe[:256])
            log(a.out, row | {name: round(value, 4) for name, value in found.items()})
    log(a.out, {"final": evaluate(step.network, teacher, stats, probe)})


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--photos", type=Path, nargs="+", required=True)
    p.add_argument("--teacher", type=Path, required=True)
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--steps", type=int, default=9_200)
    p.add_argument("--decay-from", type=int, default=7_500)
    p.add_argument("--small-until", type=int, default=5_300, help="steps at 96 px before 128 px")
    p.add_argument("--dream-from", type=int, default=5_300, help="step at which the pool of dreams joins")
    p.add_argument(
        "--late-noise",
        type=float,
        default=0.12,
        help="largest deviation of the noise at 128 px; .08 before",
    )
    p.add_argument("--batch", type=int, default=32)
    p.add_argument("--rate", type=float, default=2e-3)
    p.add_argument("--class-weight", type=float, default=0.3)
    p.add_argument("--seed", type=int, default=0)
    train(p.parse_args())
