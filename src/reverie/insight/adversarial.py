"""Pictures that a network takes for something else, and how far a picture is from being taken so.

Source: one step, Goodfellow et al. 2015; projected steps, Madry et al. 2018; robust under views, Athalye et al. 2018;
one change for many pictures, Moosavi-Dezfooli et al. 2017; the distance, the same, 2016 ("DeepFool").
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from reverie.canvas import OffsetCanvas, PixelCanvas
from reverie.engine import Stage, Synthesis
from reverie.insight.classes import class_layer_of, looked_at
from reverie.networks import Network
from reverie.objectives import Objective, logit
from reverie.objectives.statistics import full
from reverie.optimisers import Normalised, Projection, l2, linf
from reverie.pictures import size_of
from reverie.views import View, compose, jitter, rotate, scale

Norm = Literal["linf", "l2"]
"""How a change is measured: its largest value, or its root mean square."""
_RIVALS = 4  # classes towards which a picture's distance is looked for
_ROUNDS = 20  # linearisations at most
_BEYOND = 1.02  # how far a linear step goes beyond the boundary
_GUESSES, _ASIDE = 3, 0.03  # at the boundary after the last step, and how far beyond it, of what is left of the step


@dataclass(frozen=True)
class Ball:
    """The pictures that are near another.

    Attributes:
        norm: by which.
        radius: largest value ("linf") or root mean square ("l2") of the difference, sRGB.
    """

    norm: Norm
    radius: float

    def around(self, centre: Tensor) -> Projection:
        """Return the projection onto the pictures near one."""
        if self.norm == "linf":
            return linf(centre, self.radius)
        return l2(centre, self.radius * centre[0].numel() ** 0.5)

    def step(self, rate: float) -> Normalised:
        """Return the optimiser whose steps are this long in this norm."""
        return Normalised(rate=rate, sign=self.norm == "linf", bands=1)

    def size(self, change: Tensor) -> float:
        """Measure a change (1, 3, H, W)."""
        return float(change.abs().max() if self.norm == "linf" else change.pow(2).mean().sqrt())

    def drawn(self, like: Tensor, generator: torch.Generator) -> Tensor:
        """Draw a change within the ball."""
        noise = 2 * torch.rand(like.shape, generator=generator, dtype=like.dtype) - 1
        return noise * (self.radius / max(1.0, self.size(noise)))


def attack(
    network: Network,
    photo: Tensor,
    objective: Objective,
    ball: Ball,
    *,
    steps: int = 10,
    size: int | None = None,
    robust: bool = False,
    seed: int = 0,
) -> Synthesis:
    """Declare the search for a picture near a photo that minimises an objective.

    Args:
        network: to be deceived.
        photo: (1, 3, H, W) sRGB in [0, 1].
        objective: `-logit(target, against=1)` to be taken for a class, `logit(own, against=1)` not to be.
        ball: how near.
        steps: of which each is 2.5 radii divided by their number, from a random start; a single one is a radius long
            and starts at the photo.
        size: longer side at which the network looks, pixels; None: the photo's own.
        robust: whether the network looks through random views, so that what is found survives them.
        seed: of the start and of views.
    """
    start, rate = photo, ball.radius
    if steps > 1:
        start = (photo + ball.drawn(photo, torch.Generator().manual_seed(seed))).clamp(0, 1)
        rate = 2.5 * ball.radius / steps
    looks, there = max(size_of(photo)) if size is None else size, network.device
    return Synthesis(
        objective,
        network,
        PixelCanvas(start.to(there)),
        (Stage(size_of(photo), steps),),
        ball.step(rate),
        view=compose(Looked(size), *(views(looks) if robust else ())),
        projection=ball.around(photo.to(there)),
        seed=seed,
    )


def universal(
    network: Network, photos: Tensor, target: int, ball: Ball, *, steps: int = 10, seed: int = 0
) -> Synthesis:
    """Declare the search for one change with which many photos are taken for a class.

    Args:
        network: to be deceived.
        photos: (B, 3, H, W) sRGB in [0, 1].
        target: index of the class.
        ball: around no change at all.
        steps: as for `attack`.
        seed: of nothing but the record's sake.
    """
    photos = photos.to(network.device)
    nothing = torch.zeros_like(photos[:1])
    return Synthesis(
        -logit(target, against=1),
        network,
        OffsetCanvas(photos),
        (Stage(size_of(photos), steps),),
        ball.step(2.5 * ball.radius / steps),
        projection=ball.around(nothing),
        seed=seed,
    )


@dataclass(frozen=True)
class Looked:
    """A view: the picture at the size at which a network looks; None: its own."""

    size: int | None

    def __call__(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Show it."""
        return looked_at(x, self.size)


def views(size: int) -> tuple[View, ...]:
    """Return the views that a robust deception survives: shifts, scales and turns of a picture of so many pixels."""
    return jitter(max(1, size // 16)), scale(0.85, 1.15), rotate(10)


@torch.no_grad()
def chances(network: Network, picture: Tensor, size: int | None = None) -> Tensor:
    """Compute the probability of each class: (classes,)."""
    layer = class_layer_of(network)
    return full(network(looked_at(picture, size).to(network.device), (layer,))[layer]).mean((2, 3)).softmax(1)[0].cpu()


@dataclass(frozen=True)
class Distance:
    """How near a picture is to another class: an upper bound, since another way may be shorter.

    Attributes:
        towards: index of the nearest class found.
        size: of the change that leads there, in its norm, sRGB; infinite where none was found.
    """

    towards: int
    size: float


def distance(network: Network, photo: Tensor, norm: Norm, *, size: int | None = None) -> Distance:
    """Find how small a change makes a network see another class, by linearising it again and again.

    For a linear network this is exact: its margin over the dual norm of its slope.

    Args:
        network: with a class layer.
        photo: (1, 3, H, W) sRGB in [0, 1].
        norm: by which changes are measured.
        size: longer side at which the network looks, pixels.
    """
    own, *rivals = chances(network, photo, size).argsort(descending=True)[: _RIVALS + 1].tolist()
    x = photo
    for _ in range(_ROUNDS):
        margins, slopes = _linearised(network, x, own, rivals, size)
        nearest = min(range(len(rivals)), key=lambda i: float(margins[i]) / _dual(slopes[i], norm))
        step = _least(margins[nearest], slopes[nearest], norm)
        before, x = x, (x + _BEYOND * step).clamp(0, 1)
        now = int(chances(network, x, size).argmax())
        if now != own:
            x = _nearer(network, before, x, own, size)
            return Distance(now, Ball(norm, 1.0).size(x - photo))
    return Distance(own, float("inf"))


def _linearised(
    network: Network, x: Tensor, own: int, rivals: Sequence[int], size: int | None
) -> tuple[list[Tensor], list[Tensor]]:
    """Compute the margin over each rival, and its slope (1, 3, H, W)."""
    layer = class_layer_of(network)
    with torch.enable_grad():
        seen = x.detach().requires_grad_(True)
        logits = full(network(looked_at(seen, size).to(network.device), (layer,))[layer]).mean((2, 3))[0]
        margins = [logits[own] - logits[k] for k in rivals]
        slopes = [torch.autograd.grad(margin, seen, retain_graph=True)[0] for margin in margins]
    return [margin.detach().cpu() for margin in margins], slopes


def _dual(slope: Tensor, norm: Norm) -> float:
    """Measure how fast the margin falls with a change of size 1."""
    return float(slope.abs().sum() if norm == "linf" else slope.norm() * slope.numel() ** 0.5) or 1e-12


def _least(margin: Tensor, slope: Tensor, norm: Norm) -> Tensor:
    """Return the smallest change that takes a linear margin to 0."""
    if norm == "linf":
        return -margin * slope.sign() / slope.abs().sum().clamp_min(1e-12)
    return -margin * slope / slope.pow(2).sum().clamp_min(1e-12)


def _nearer(network: Network, before: Tensor, after: Tensor, own: int, size: int | None) -> Tensor:
    """Return a picture on the way between one that is seen as before and one that is not, just beyond the boundary.

    By the secant through both margins, each guess a little beyond it, so that the far end comes nearer.
    """
    low, high = _margin(network, before, own, size), _margin(network, after, own, size)
    for _ in range(_GUESSES):
        boundary = low / max(low - high, 1e-12)
        guess = before.lerp(after, boundary + _ASIDE * (1 - boundary))
        margin = _margin(network, guess, own, size)
        if margin > 0:
            before, low = guess, margin
        else:
            after, high = guess, margin
    return after


def _margin(network: Network, x: Tensor, own: int, size: int | None) -> float:
    """Log-odds of the class over the strongest of the others; not above 0 where the picture is seen as another."""
    odds = chances(network, x, size).log()
    best = odds.topk(2)
    rival = best.values[1] if int(best.indices[0]) == own else best.values[0]
    return float(odds[own] - rival)
