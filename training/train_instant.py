"""Train instant, the embedded decoder that paints a photo in any painting's manner at once.

    python training/train_instant.py --photos DIR [DIR ...] --paintings DIR [DIR ...] --out RUN

Dreamnet is the encoder and the judge, and stays as it is. A step draws some styles (paintings, the project's own
painted pictures, photographs) and two photos for each, and lowers the terms of ``reverie style``, style weighing three
times as much: ``content("relu4_2") + 30 style + 2 total variation``, style being relative Wasserstein-2 of moments at
five layers. The two deepest take turns, each doubled: their square roots cost most. One style in eight is the photo
itself: then the photo is to be given back, and nothing of the noise. The judge's grid of pools lies elsewhere at every
step: patterns that one grid is blind to are seen by another. What repeats with the decoder's grid is a fault.

``torchrun --nproc-per-node N`` takes N times the pictures in a step, a process for each core.

Every random choice is drawn from (seed, step): a resumed run repeats the uninterrupted one. The schedule is warm-up,
constant, square-root decay: a run can be lengthened, or ended early, from any checkpoint before its decay: run the
same command with other ``--steps`` and ``--decay-from``. The moving average of the weights is exported as
``instant.safetensors`` at every checkpoint.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.nn.functional as F
from PIL import Image
from runs import kept, log, save, state_in, uniform
from torch import Tensor, nn

from reverie.engine import Descent, Learner, TrainingStep, Update, fit
from reverie.feedforward.instant import HALOS, KEPT, LAYERS, Instant
from reverie.feedforward.matching import (
    COLOUR_RIDGE,
    Gaussian,
    Target,
    colour_map,
    moments,
    moved,
    target_of,
    transport_map,
    whitening_map,
)
from reverie.networks import Network, load
from reverie.objectives.distances import RIDGE, roots
from reverie.recipes.parts.artefacts import grid_power

WIDTHS = {"1_a": (256, 256), "1_b": (256, 128), "1_c": (128, 128), "1_d": (128, 128)}
WIDTHS |= {"2_a": (128, 64), "2_c": (64, 64), "2_d": (64, 64)}
WIDTHS |= {"3_a": (64, 32), "3_c": (32, 16), "3_d": (16, 16), "3_out": (16, 3)}
BLOCKS, CHANNELS = (1, 2, 1, 1), (256, 256, 128, 64)  # of each stage
JUDGED = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_1")
HELD_OUT = ("feathers", "fauvism", "udnie", "wave")  # paintings whose names begin so are not trained on


class Depthwise(torch.autograd.Function):
    """A convolution of each channel by itself, without padding, whose gradient of the weights is quick on a CPU.

    PyTorch's takes four times as long: here it is matrix products of rows, of which the diagonals are summed.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor) -> Tensor:
        ctx.save_for_backward(x, weight)
        return F.conv2d(x, weight, groups=len(weight))

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        (x, weight), (g,) = ctx.saved_tensors, gradients
        channels, side, (height, width) = len(weight), weight.shape[-1], g.shape[2:]
        rows = x.contiguous().transpose(0, 1)  # C, B, h, w
        came = g.contiguous().transpose(0, 1).reshape(channels, -1, width)
        shifts = []
        for top in range(side):
            products = rows[:, :, top : top + height].reshape(channels, -1, x.shape[3]).mT @ came
            diagonals = products.as_strided((channels, side, width), (products.stride(0), width, width + 1))
            shifts.append(diagonals.sum(-1, dtype=torch.float32))
        turned = weight.flip(2, 3)
        around = F.pad(g, (side - 1,) * 4)
        return F.conv2d(around, turned, groups=channels), torch.stack(shifts, 1)[:, None].to(weight.dtype)


class Trained(Instant):
    """Instant as it is trained."""

    def _convolve(self, name: str, x: Tensor, groups: int = 1) -> Tensor:
        if groups == 1:
            return super()._convolve(name, x)
        weight, bias = self.tensors[f"stages.{name}.weight"], self.tensors[f"stages.{name}.bias"]
        return Depthwise.apply(x, weight.to(x.dtype)) + bias.to(x.dtype).view(1, -1, 1, 1)


class Decoder(nn.Module):
    """The weights of the decoder under the names of the exported file, as they are drawn; see `decoded`."""

    def __init__(self) -> None:
        super().__init__()
        self.stages = nn.ModuleDict({name: nn.Conv2d(i, o, 3) for name, (i, o) in WIDTHS.items()})
        self.stages["0_out"] = nn.Conv2d(CHANNELS[0], CHANNELS[0], 1)
        for number, (blocks, c) in enumerate(zip(BLOCKS, CHANNELS)):
            for block in range(blocks):
                self.stages[f"{number}_wide{block}"] = nn.Conv2d(c, c, 7, groups=c)
                self.stages[f"{number}_wide{block}_in"] = nn.Conv2d(c, c, 1)
                self.stages[f"{number}_wide{block}_out"] = nn.Conv2d(c, c, 1)
        gains = {str(k): nn.Parameter(torch.full((1, c, 1, 1), 0.1)) for k, c in enumerate(CHANNELS)}
        self.noise = nn.ParameterDict(gains)
        for name, conv in self.stages.items():
            nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
            nn.init.zeros_(conv.bias)
            if name == "0_out" or ("wide" in name and name.endswith("_out")):
                nn.init.zeros_(conv.weight)


def decoded(weights: Mapping[str, Tensor], number: int, x: Tensor, noise: Tensor) -> Tensor:
    """One stage of the decoder, its map padded as it is in a whole picture."""
    pad, layout = (HALOS[number],) * 4, torch.channels_last
    window = F.pad(x.to(torch.bfloat16, memory_format=layout), pad, mode="replicate")
    return Trained(weights).stage(number, window, F.pad(noise, pad, mode="replicate")).float()


# --- pictures --------------------------------------------------------------------------------------------------


def pick(files: list[Any], g: torch.Generator) -> Any:
    return files[int(torch.randint(len(files), (), generator=g))]


def find(folders: list[Path], prefixes: tuple[str, ...] = ()) -> list[Path]:
    files = sorted(p for f in folders for p in f.rglob("*") if p.suffix.lower() in {".jpg", ".jpeg", ".png"})
    return [p for p in files if not prefixes or p.name.startswith(prefixes)]


def crop_of(path: Path, side: int, g: torch.Generator, scale: tuple[float, float]) -> Tensor:
    """A square crop of a picture brought to a random scale: (1, 3, side, side) in [0, 1]."""
    picture = Image.open(path).convert("RGB")
    width, height = picture.size
    shorter = max(side, min(uniform(g, *scale), 1.2 * min(width, height)))
    reach = min(width, height) * side / shorter
    left, top = uniform(g, 0, width - reach), uniform(g, 0, height - reach)
    box = (left, top, left + reach, top + reach)
    small = picture.resize((side, side), Image.Resampling.LANCZOS if reach > side else Image.Resampling.BICUBIC, box)
    x = torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(side, side, 3).permute(2, 0, 1)[None] / 255
    return x.flip(-1) if uniform(g, 0, 1) < 0.5 else x


def rehued(x: Tensor, g: torch.Generator) -> Tensor:
    """The picture with other hues, contrast and lightness: a turn of the colours about grey, and a curve."""
    angle, axis = uniform(g, -math.pi, math.pi), torch.full((3,), 3**-0.5)
    cross = torch.linalg.cross(torch.eye(3), axis.expand(3, 3))
    turn = math.cos(angle) * torch.eye(3) + math.sin(angle) * cross + (1 - math.cos(angle)) * torch.outer(axis, axis)
    grey = x.mean(1, keepdim=True)
    vivid = grey + (torch.einsum("ij,bjhw->bihw", turn, x) - grey) * uniform(g, 0.7, 1.3)
    return vivid.clamp(0, 1) ** math.exp(uniform(g, -0.3, 0.3))


class Material:
    """Photos and styles, read when they are drawn."""

    def __init__(self, a: argparse.Namespace) -> None:
        self.photos = find(a.photos, tuple(a.prefixes))
        paintings = find(a.paintings)
        self.paintings = [p for p in paintings if not p.name.startswith(HELD_OUT)]
        self.painted = find(a.painted)
        self.side = a.side

    def photo(self, g: torch.Generator) -> Tensor:
        return crop_of(pick(self.photos, g), self.side, g, (self.side, 2 * self.side))

    def style(self, g: torch.Generator) -> Tensor:
        draw = uniform(g, 0, 1)
        files = self.paintings if draw < 0.7 else self.painted if draw < 0.85 and self.painted else self.photos
        x = crop_of(pick(files, g), self.side, g, (self.side, 2 * self.side))
        return rehued(x, g) if uniform(g, 0, 1) < 0.35 else x

    def batch(self, styles: int, each: int, g: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
        """Photos (styles * each), some styles, and which of them each photo takes; from ``styles`` on, itself."""
        photos = [self.photo(g) for _ in range(styles * each)]
        like = [self.style(g) for _ in range(styles)]
        taken = []
        for i, photo in enumerate(photos):
            itself = uniform(g, 0, 1) < 0.12
            taken.append(len(like) if itself else i // each)
            like += [photo] if itself else []
        return torch.cat(photos), torch.cat(like), torch.tensor(taken)


# --- the loss --------------------------------------------------------------------------------------------------


class TraceOfRoot(torch.autograd.Function):
    """tr(M^1/2), (B,); its gradient is M^-1/2 / 2."""

    @staticmethod
    def forward(ctx: Any, m: Tensor) -> Tensor:
        root, inverse = roots(m)
        ctx.save_for_backward(inverse)
        return root.diagonal(dim1=-2, dim2=-1).sum(-1)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0][:, None, None] * ctx.saved_tensors[0] / 2


def trace(m: Tensor) -> Tensor:
    return m.diagonal(dim1=-2, dim2=-1).sum(-1)


def style_distance(came: Gaussian, wanted: Gaussian) -> Tensor:
    """Squared Wasserstein-2 distance of a Gaussian from another, over the other's size: (B,).

    tr((C*^1/2 C C*^1/2)^1/2) by any factor L of C*: that of L^T C L is the same.
    """
    covariance, target = came.covariance, wanted.covariance
    ridge = (RIDGE * trace(target) / target.shape[-1]).clamp_min(1e-7)[:, None, None] * torch.eye(target.shape[-1])
    factor = torch.linalg.cholesky(target + ridge)
    middle = factor.mT @ (covariance + ridge) @ factor
    overlap = TraceOfRoot.apply((middle + middle.mT) / 2)
    apart = (came.mean - wanted.mean).pow(2).sum(1) + trace(covariance) + trace(target) + 2 * trace(ridge) - 2 * overlap
    return apart / (wanted.mean.pow(2).sum(1) + 0.85 * trace(target))


def seen_along(g: Gaussian, directions: Tensor) -> Gaussian:
    """The Gaussian of what features are along some directions (C, D) at right angles."""
    return Gaussian(g.mean @ directions, directions.mT @ g.covariance @ directions)


def directions(channels: int, g: torch.Generator) -> Tensor:
    """Half as many directions as channels, at random: the square roots of wide layers cost most."""
    return torch.linalg.qr(torch.randn(channels, channels // 2, generator=g))[0]


def roughness(x: Tensor) -> Tensor:
    right, down = ((x.diff(dim=d)).pow(2).mean() for d in (3, 2))
    falling = (x[..., 1:, 1:] - x[..., :-1, :-1]).pow(2).mean()
    rising = (x[..., 1:, :-1] - x[..., :-1, 1:]).pow(2).mean()
    return 2 * ((right + down) / 3 + (falling + rising) / 12)


def encoded(encoder: Network, x: Tensor, layers: tuple[str, ...]) -> dict[str, Tensor]:
    return {name: m.float() for name, m in encoder(x, layers).items()}


class Style:
    """What some styles are to the decoder and to the loss, and which of them each photo takes."""

    def __init__(self, encoder: Network, styles: Tensor, judged: tuple[str, ...], taken: Tensor) -> None:
        maps = encoded(encoder, styles, tuple(dict.fromkeys((*judged, *LAYERS))))
        self.taken, self.seen = taken, {name: moments(m) for name, m in maps.items()}
        self.targets = {layer: target_of(self.seen[layer]) for layer in LAYERS}
        self.targets["picture"] = target_of(moments(styles), COLOUR_RIDGE)

    def target(self, layer: str) -> Target:
        return Target(*(x[self.taken] for x in self.targets[layer]))

    def gaussian(self, layer: str) -> Gaussian:
        return Gaussian(*(x[self.taken] for x in self.seen[layer]))


def painted(
    weights: Mapping[str, Tensor], photo: dict[str, Tensor], style: Style, quiet: Tensor, g: torch.Generator
) -> Tensor:
    """The picture that the decoder makes of a photo's deepest maps, its colours those of the style."""
    x, guide = photo[LAYERS[0]], None
    for number, layer in enumerate(LAYERS):
        x = photo.get(layer, x)
        match = transport_map if layer in photo else whitening_map
        x = moved(x, match(moments(x), style.target(layer))).relu()
        x = x if guide is None else x + guide
        noise = torch.randn(len(x), 1, *x.shape[2:], generator=g) * (~quiet).float().view(-1, 1, 1, 1)
        x = decoded(weights, number, x, noise)
        guide = x if number == 0 else None
    return moved(x, colour_map(moments(x), style.target("picture")))


def losses(
    weights: Mapping[str, Tensor],
    encoder: Network,
    photos: Tensor,
    styles: Tensor,
    taken: Tensor,
    others: int,
    step: int,
    g: torch.Generator,
) -> dict[str, Tensor]:
    judged = JUDGED[:3] + (JUDGED[3 + step % 2],)
    with torch.no_grad():
        style = Style(encoder, styles, judged, taken)
        deep = encoded(encoder, photos, KEPT)
    same = taken >= others
    result = painted(weights, deep, style, same, g)
    shown = result.clamp(0, 1)
    top, left = torch.randint(8, (2,), generator=g).tolist()
    seen, true = (x[..., top : top + x.shape[2] - 8, left : left + x.shape[3] - 8] for x in (shown, photos))
    maps = encoded(encoder, seen, tuple(dict.fromkeys((*judged, "relu4_2"))))
    with torch.no_grad():
        kept = encoded(encoder, true, ("relu4_2",))["relu4_2"]
    distances = {}
    for name in judged:
        came, wanted = moments(maps[name]), style.gaussian(name)
        if came.mean.shape[1] == 256:
            along = directions(256, g)
            came, wanted = seen_along(came, along), seen_along(wanted, along)
        distances[name] = style_distance(came, wanted).mean()
    content = ((maps["relu4_2"] - kept).pow(2).mean((1, 2, 3)) / kept.pow(2).mean((1, 2, 3)).clamp_min(1e-6)).mean()
    back = (shown - photos).pow(2).mean((1, 2, 3))[same].sum() / len(same)
    whole = sum(d * (1 if name in JUDGED[:3] else 2) / 5 for name, d in distances.items())
    return {
        "content": content,
        "style": whole,
        "tv": roughness(shown),
        "back": back,
        "beyond": (result - shown).pow(2).mean(),
        "weave": grid_power(shown, 8),
    } | distances


class Step:
    """What a step learns from: photos, styles, and which of them each photo takes."""

    def __init__(self, material: Material, a: argparse.Namespace, step: int, rank: int) -> None:
        self.number, self.g = step, torch.Generator().manual_seed(a.seed * 1_000_003 + step + 500_000_000 * rank)
        self.photos, self.styles, self.taken = material.batch(a.styles, 2, self.g)


class Painting(Learner[Step]):
    """Learns to paint photos in the manner of styles."""

    def __init__(self, encoder: Network, a: argparse.Namespace) -> None:
        self.encoder, self.a = encoder, a

    def loss(self, weights: Mapping[str, Tensor], batch: Step) -> tuple[Tensor, dict[str, Tensor]]:
        b, a = batch, self.a
        parts = losses(weights, self.encoder, b.photos, b.styles, b.taken, a.styles, b.number, b.g)
        faults = 2 * parts["tv"] + 20 * parts["back"] + 2 * parts["beyond"] + a.weave * parts["weave"]
        return parts["content"] + a.style * parts["style"] + faults, parts


# --- the loop --------------------------------------------------------------------------------------------------


@torch.no_grad()
def preview(weights: Mapping[str, Tensor], encoder: Network, a: argparse.Namespace, path: Path) -> None:
    """Photos down, paintings across, as the moving average paints them."""
    photos = [fitted(p, 256) for p in a.preview_photos]
    styles = [fitted(p, 256) for p in a.preview_paintings]
    rows = [torch.cat([torch.ones(1, 3, 256, 256), *styles], 3)]
    for photo in photos:
        row = [photo]
        for style in styles:
            like = Style(encoder, style, (), torch.zeros(1, dtype=torch.long))
            deep, g = encoded(encoder, photo, KEPT), torch.Generator().manual_seed(0)
            row.append(painted(weights, deep, like, torch.zeros(1, dtype=torch.bool), g).clamp(0, 1))
        rows.append(torch.cat(row, 3))
    sheet = (torch.cat(rows, 2)[0] * 255).round().byte().permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(sheet).save(path)


def fitted(path: Path, side: int) -> Tensor:
    picture = Image.open(path).convert("RGB")
    k = min(picture.size)
    left, top = (picture.width - k) // 2, (picture.height - k) // 2
    small = picture.resize((side, side), Image.Resampling.LANCZOS, (left, top, left + k, top + k))
    return (
        torch.frombuffer(bytearray(small.tobytes()), dtype=torch.uint8).view(1, side, side, 3).permute(0, 3, 1, 2) / 255
    )


def mean_of_processes(update: Update) -> Update:
    """Each process's gradients become the mean of all."""
    gradients = update.gradients
    flat = torch.cat([g.flatten() for g in gradients.values()])
    dist.all_reduce(flat)
    means = (flat / dist.get_world_size()).split([g.numel() for g in gradients.values()])
    return replace(
        update, gradients={key: mean.view_as(g) for (key, g), mean in zip(gradients.items(), means, strict=True)}
    )


def train(a: argparse.Namespace) -> None:
    rank, processes = int(os.environ.get("RANK", 0)), int(os.environ.get("WORLD_SIZE", 1))
    if processes > 1:
        dist.init_process_group("gloo")
    material = Material(a)
    encoder = load("dreamnet", pooling="average", padding="replicate").with_precision(
        torch.bfloat16, channels_last=True
    )
    torch.manual_seed(a.seed)
    weights = dict(Decoder().named_parameters())
    descent = Descent(a.rate, warmup=300, decay_from=a.decay_from / a.steps, ema_decay=a.memory, ema_warmup=20)
    combine: Callable[[Update], Update] = mean_of_processes if processes > 1 else lambda update: update
    batches = partial(Step, material, a, rank=rank)
    follow = partial(fit, weights, Painting(encoder, a), batches, steps=a.steps, descent=descent, combine=combine)
    if rank:  # works along, and keeps nothing
        for _ in follow(state=state_in(a.out)):
            pass
        return

    def export(step: TrainingStep) -> None:
        facts = {"encoder": encoder.sha256, "step": step.step, "seed": a.seed}
        save(step.average, a.out / "instant.safetensors", facts)

    sums: dict[str, list[float]] = {}
    for step in kept(lambda state: follow(state=state), a.out, export, decay_from=a.decay_from, seconds=180):
        if not step.losses:
            log(a.out, {"step": step.step, "skipped": "not finite"})
        for name, value in step.losses.items():
            sums.setdefault(name, []).append(value)
        if step.step % 100 == 0:
            pace = round(step.step / step.seconds, 2)
            means = {name: round(sum(values) / len(values), 5) for name, values in sums.items()}
            log(a.out, {"step": step.step, "steps_per_s": pace} | means)
            sums.clear()
        if step.step % a.preview_every == 0 or step.step in (50, 200):
            preview(step.average, encoder, a, a.out / f"preview-{step.step:06d}.png")


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--photos", type=Path, nargs="+", required=True)
    p.add_argument(
        "--prefixes", nargs="*", default=["in_", "cd_", "bs_", "im_"], help="of the photos' names; none: all"
    )
    p.add_argument("--paintings", type=Path, nargs="+", required=True)
    p.add_argument("--painted", type=Path, nargs="*", default=[], help="folders of the project's own painted pictures")
    p.add_argument("--out", type=Path, required=True)
    p.add_argument("--steps", type=int, default=40_000)
    p.add_argument("--decay-from", type=int, default=30_000)
    p.add_argument("--side", type=int, default=256, help="of the crops, in pixels, a multiple of 16")
    p.add_argument("--styles", type=int, default=2, help="in a step, with two photos each")
    p.add_argument("--style", type=float, default=30.0, help="weight of the style against the content")
    p.add_argument("--weave", type=float, default=500.0, help="weight of what repeats with the decoder's grid")
    p.add_argument("--rate", type=float, default=1e-3)
    p.add_argument("--memory", type=float, default=0.999, help="of the average of the weights")
    p.add_argument("--preview-every", type=int, default=500)
    p.add_argument("--preview-photos", type=Path, nargs="*", default=[])
    p.add_argument("--preview-paintings", type=Path, nargs="*", default=[])
    p.add_argument("--seed", type=int, default=0)
    train(p.parse_args())
