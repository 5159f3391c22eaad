"""Change a photo so little that nobody sees it, and so that a network takes it for something else.

Source: Szegedy et al. 2014; projected gradient descent, Madry et al. 2018. It is told
whether a change deceives another network or outlives a JPEG, and how far a photo is from being mistaken.

>>> picture = perturb(photo, PerturbSettings(as_class="goldfish"))
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from reverie.crafts.craft import craft
from reverie.crafts.kinds import Folder, Photo, Still
from reverie.crafts.settings import DIAL, SeedSettings
from reverie.engine import Findings, OnePass
from reverie.errors import RecipeError, ReverieError
from reverie.insight.adversarial import Ball, Norm, attack, chances, distance, universal, views
from reverie.insight.classes import looked_at, name_of
from reverie.networks import Network, find_class, load
from reverie.objectives import logit
from reverie.pictures import jpeg_again, read_image, resize, size_of
from reverie.recipes.parts.looking import LookSettings, at_once, looking
from reverie.views import compose

_LEVEL = 255  # epsilon's unit: levels of 8 bits
_QUALITIES = (90, 75)  # of the JPEGs after which it is judged
_VIEWS, _MOST = 8, 32  # random views, and photos of a folder, that judge it
_JUDGE = 224  # pixels of the longer side at which another network looks


class PerturbSettings(LookSettings, SeedSettings):
    """Settings of a perturbation."""

    as_class: Annotated[str | None, DIAL] = Field(
        default=None, alias="as", description="class to be taken for: a name, part of it, or its number"
    )
    away: Annotated[bool, DIAL] = Field(default=False, description="instead: not to be taken for what it is")
    epsilon: Annotated[float, DIAL] = Field(
        default=4.0, gt=0, le=255, description="how much a value may change, in levels of 255"
    )
    norm: Annotated[Norm, DIAL] = Field(
        default="linf", description="linf: epsilon is the largest change; l2: its root mean square"
    )
    steps: Annotated[int, DIAL] = Field(default=10, ge=1, le=10_000, description="steps; 1 is the fast one")
    robust: Annotated[bool, DIAL] = Field(
        default=False, description="survive small shifts, scales and turns; wants more steps"
    )
    judge: str | None = Field(default=None, description="another network that is to judge it, e.g. squeezenet1_1")


@craft(example="reverie perturb cat.jpg --as goldfish -o out.png", makes=Still)
def perturb(
    photo: Annotated[Photo, "the picture to change"],
    settings: PerturbSettings = PerturbSettings(),
    *,
    over: Annotated[Folder | None, "photos: find one change that deceives in all of them, and apply it"] = None,
    network: Network | None = None,
) -> OnePass:
    """Change a photo invisibly, so that a network takes it for another class.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1].
        settings: how.
        over: files of photos that the change is to be common to.
        network: your own, instead of the one that the settings name.
    Returns:
        (1, 3, H, W), values of 8 bits.
    Raises:
        RecipeError: neither a class to be taken for nor `away`, or both.
        LayerNotFound: a class that the network lacks, or a network without classes.
    """
    if (settings.as_class is None) != settings.away:
        raise RecipeError("perturb takes a class to be taken for, --as CLASS, or --away; give one of the two.")
    if over is not None and settings.away:
        raise RecipeError("one change for many photos makes them one class; give --as CLASS with --over.")
    network = looking(settings, network)
    target = None if settings.as_class is None else find_class(network, settings.as_class)

    def look() -> tuple[Tensor, Findings]:
        victim = Victim(network, photo, settings, target)
        changed, common = _changed(victim, over)
        return changed, _findings(victim, changed, common)

    return at_once(size_of(photo), [network, *_judges(settings)], look)


class Victim:
    """A photo that a network is to take for something else.

    Attributes:
        own: index of the class it is taken for.
        target: index of the class that it shall be taken for; None: any but its own.
    """

    def __init__(self, network: Network, photo: Tensor, settings: PerturbSettings, target: int | None) -> None:
        self.network, self.photo, self.settings, self.target = network, photo, settings, target
        self.before = chances(network, photo, settings.size)
        self.own = int(self.before.argmax())
        self.ball = Ball(settings.norm, settings.epsilon / _LEVEL)

    def deceives(self, seen: Tensor, own: int | None = None) -> bool:
        """True if these probabilities (classes,) are those of a success."""
        told = int(seen.argmax())
        return told == self.target if self.target is not None else told != (self.own if own is None else own)


@dataclass(frozen=True)
class Common:
    """One change for many photos: how many of those it was fitted to, and of others, are taken for the class."""

    fitted: tuple[int, int]
    others: tuple[int, int]


def _judges(settings: PerturbSettings) -> list[Network]:
    return [] if settings.judge is None else [load(settings.judge)]


def _changed(victim: Victim, over: Sequence[Path] | None) -> tuple[Tensor, Common | None]:
    """Return the changed photo in 8 bits, and what became of other photos."""
    settings, common = victim.settings, None
    if over is not None:
        change, common = _common_change(victim, over)
        found = (victim.photo + resize(change, size_of(victim.photo), filter="bilinear")).clamp(0, 1)
    else:
        target, own = victim.target, victim.own
        objective = logit(own, against=1) if target is None else -logit(target, against=1)
        run = attack(
            victim.network,
            victim.photo,
            objective,
            victim.ball,
            steps=settings.steps,
            size=settings.size,
            robust=settings.robust,
            seed=settings.seed,
        )
        *_, last = run.run()
        found = last.image.cpu()
    return found.mul(_LEVEL).round().div(_LEVEL), common


def _common_change(victim: Victim, over: Sequence[Path]) -> tuple[Tensor, Common]:
    """Fit one change to every other photo of a folder; count the deceived among these and among the rest."""
    settings, network = victim.settings, victim.network
    photos = torch.cat([*_squares(over, settings.size)])
    fitted, others = photos[::2], photos[1::2]
    *_, last = universal(network, fitted, victim.target or 0, victim.ball, steps=settings.steps).run()
    change = _mean_change(last.image.cpu(), fitted)
    counts = [(sum(victim.deceives(chances(network, (x[None] + change).clamp(0, 1))) for x in part), len(part))
              for part in (fitted, others)]  # fmt: skip
    return change, Common(counts[0], counts[1])


def _mean_change(changed: Tensor, photos: Tensor) -> Tensor:
    """Return the change (1, 3, H, W) that photos share, from what they became: the largest, where some were clipped."""
    change = changed - photos
    most = change.abs().argmax(0, keepdim=True)
    return change.gather(0, most)


def _squares(paths: Sequence[Path], side: int) -> Iterator[Tensor]:
    """Yield the middles of photos, (1, 3, side, side); those that cannot be read are left out.

    Raises:
        RecipeError: fewer than two can be.
    """
    count = 0
    for path in paths[:_MOST]:
        try:
            photo = read_image(path)
        except ReverieError:
            continue
        height, width = size_of(photo)
        edge = min(height, width)
        top, left = (height - edge) // 2, (width - edge) // 2
        count += 1
        yield resize(photo[..., top : top + edge, left : left + edge], (side, side)).clamp(0, 1)
    if count < 2:
        raise RecipeError(f"--over wants a folder of two photos or more that can be read; got {count}.")


# --- the figures ---------------------------------------------------------------------------------


def _findings(victim: Victim, changed: Tensor, common: Common | None) -> Findings:
    """Judge what was found: by the network, after a JPEG, through views, and by another network."""
    change, after = changed - victim.photo, chances(victim.network, changed, victim.settings.size)
    figures: dict[str, Any] = {
        "before": _told(victim.network, victim.before),
        "after": _told(victim.network, after),
        "success": victim.deceives(after),
        "linf": round(float(change.abs().max()) * _LEVEL, 3),
        "l2": round(float(change.pow(2).mean().sqrt()) * _LEVEL, 3),
        "jpeg": {str(q): _after_jpeg(victim, changed, q) for q in _QUALITIES},
        "views": _share_of_views(victim, changed),
        "flips_at": _flips_at(victim),
    }
    if victim.target is not None:
        figures["target"] = {
            "name": name_of(victim.network, victim.target),
            "probability": [round(float(x[victim.target]), 4) for x in (victim.before, after)],
        }
    if common is not None:
        figures["common"] = {"fitted": list(common.fitted), "others": list(common.others)}
    for judge in _judges(victim.settings):
        figures["judge"] = _judged(victim, judge, changed)
    shown = ((f"the change, times {_gain(change)}", (0.5 + change * _gain(change)).clamp(0, 1)),)
    return Findings(figures, tuple(_lines(figures)), shown)


def _told(network: Network, seen: Tensor) -> dict[str, Any]:
    index = int(seen.argmax())
    return {"name": name_of(network, index), "index": index, "probability": round(float(seen[index]), 4)}


def _gain(change: Tensor) -> int:
    """How many times a change is amplified to be seen."""
    return max(1, round(0.4 / max(float(change.abs().max()), 0.4 / _LEVEL)))


def _after_jpeg(victim: Victim, changed: Tensor, quality: int) -> dict[str, Any]:
    seen = chances(victim.network, jpeg_again(changed, quality=quality), victim.settings.size)
    return {**_told(victim.network, seen), "success": victim.deceives(seen)}


def _share_of_views(victim: Victim, changed: Tensor) -> float:
    """Share of random views of it, as the network looks, in which it still deceives."""
    generator, seen = torch.Generator().manual_seed(victim.settings.seed + 1), looked_at(changed, victim.settings.size)
    view = compose(*views(max(size_of(seen))))
    held = [victim.deceives(chances(victim.network, view(seen, generator))) for _ in range(_VIEWS)]
    return sum(held) / _VIEWS


def _flips_at(victim: Victim) -> dict[str, Any]:
    """Find how far the photo itself is from being taken for another class, by both norms, in levels of 255."""
    norms: tuple[Norm, ...] = ("linf", "l2")
    found = {norm: distance(victim.network, victim.photo, norm, size=victim.settings.size) for norm in norms}
    return {
        norm: {"towards": name_of(victim.network, each.towards), "size": round(each.size * _LEVEL, 3)}
        for norm, each in found.items()
        if each.size < float("inf")
    }


def _judged(victim: Victim, judge: Network, changed: Tensor) -> dict[str, Any]:
    """Ask another network; success by its own classes."""
    before, after = chances(judge, victim.photo, _JUDGE), chances(judge, changed, _JUDGE)
    return {
        "network": judge.name,
        "before": _told(judge, before),
        "after": _told(judge, after),
        "success": victim.deceives(after, own=int(before.argmax())),
    }


def _lines(figures: dict[str, Any]) -> Iterator[str]:
    """Say the figures in words."""
    before, after = figures["before"], figures["after"]
    word = "deceived" if figures["success"] else "not deceived"
    yield f"  {before['name']} {before['probability']:.1%} -> {after['name']} {after['probability']:.1%}: {word}"
    yield f"  changed by at most {figures['linf']:g}, on average (rms) {figures['l2']:g} levels of 255"
    held = [f"JPEG {q}: {'yes' if each['success'] else 'no'}" for q, each in figures["jpeg"].items()]
    yield f"  survives {', '.join(held)}, {figures['views']:.0%} of shifts, scales and turns"
    if "judge" in figures:
        each = figures["judge"]
        told = f"{each['before']['name']} -> {each['after']['name']} {each['after']['probability']:.1%}"
        yield f"  {each['network']}: {told}: {'deceived' if each['success'] else 'not deceived'}"
    if "common" in figures:
        (a, b), (c, d) = figures["common"]["fitted"], figures["common"]["others"]
        yield f"  one change: deceives in {a} of {b} photos it was fitted to, and in {c} of {d} others"
    for norm, each in figures["flips_at"].items():
        yield f"  the photo itself turns into '{each['towards']}' at {each['size']:g} levels ({norm})"
