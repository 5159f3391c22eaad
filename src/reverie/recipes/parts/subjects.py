"""Subjects of a dream, in words and pictures, and the objective they make.

A subject is a name, and a weight if it is not 1: ``relu5_2``, ``castle:2``. A channel is ``LAYER:CHANNEL``; several
make a direction, ``relu5_2:11+42-7``, and a place picks one neuron, ``relu5_2:11@0.3/0.5``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reverie.engine import evaluate
from reverie.errors import LayerNotFound, RecipeError
from reverie.networks import Network, find_classes
from reverie.objectives import Objective, channel, direction, energy, guide, likeness, logit, neuron, presence
from reverie.pictures import fit, scaled, size_of

AGAINST = 0.2  # of the other classes' scores: the class itself grows, not only its lead
CLASS_WEIGHT = 2.0  # a class is the whole picture's, and agrees less from place to place than a layer
AVOID_WEIGHT = 4.0  # times a class's: it counts only where the class shows
_MEASURED = 512  # pixels; subjects are normalised on a picture no larger
_NARROWEST = 32  # pixels of its shorter side, all the same: deep layers see nothing in less
_NUMBER = r"\d+(?:\.\d*)?|\.\d+"
_NAME = re.compile(rf"(?P<name>.+?)(?::(?P<weight>{_NUMBER}))?")
_CHANNEL = re.compile(
    rf"(?P<layer>.+?):(?P<channels>\d+(?:[+-]\d+)*)"
    rf"(?:@(?P<down>{_NUMBER})/(?P<across>{_NUMBER}))?(?::(?P<weight>{_NUMBER}))?"
)


@dataclass(frozen=True)
class WeightedName:
    """Something to dream of, and how much.

    Attributes:
        name: of a layer or a class.
        weight: above 0.
    """

    name: str
    weight: float = 1.0


@dataclass(frozen=True)
class WeightedChannel:
    """A channel, a direction of several, or one neuron.

    Attributes:
        layer: its layer.
        channels: with a sign each, (channel, 1 or -1).
        at: (down, across) as shares of the picture's height and width; None for everywhere.
        weight: above 0.
    """

    layer: str
    channels: tuple[tuple[int, int], ...]
    at: tuple[float, float] | None = None
    weight: float = 1.0

    def vector(self, network: Network) -> Tensor:
        """Return the direction, (C,)."""
        count = network.channels(self.layer)
        worst = max(number for number, _ in self.channels)
        if worst >= count:
            raise LayerNotFound(f"{self.layer} of {network.name} has channels 0 to {count - 1}; got {worst}.")
        out = torch.zeros(count)
        for number, sign in self.channels:
            out[number] += sign
        return out


def parse_weighted(text: str) -> WeightedName:
    """Parse a layer or a class with its weight.

    Raises:
        RecipeError: no name, or no weight above 0.

    Example:
        >>> parse_weighted("macaw:2")
        WeightedName(name='macaw', weight=2.0)
    """
    match = _NAME.fullmatch(text.strip())
    if match is None or match["name"].startswith(":"):
        raise RecipeError(f"expected NAME or NAME:WEIGHT, as in relu5_2:2; got '{text}'.")
    return WeightedName(match["name"].strip(), _weight(match["weight"], text))


def parse_channel(text: str) -> WeightedChannel:
    """Parse a channel, direction or neuron with its weight.

    Raises:
        RecipeError: it is not of that form.

    Example:
        >>> parse_channel("relu5_2:11+42-7:0.5").channels
        ((11, 1), (42, 1), (7, -1))
    """
    match = _CHANNEL.fullmatch(text.strip())
    if match is None:
        raise RecipeError(f"a channel is LAYER:CHANNEL or LAYER:CHANNEL:WEIGHT, as in relu5_2:11:0.5; got '{text}'.")
    signed = re.findall(r"([+-]?)(\d+)", match["channels"])
    channels = tuple((int(number), -1 if sign == "-" else 1) for sign, number in signed)
    at = None if match["down"] is None else (float(match["down"]), float(match["across"]))
    if at is not None and (max(at) >= 1 or len(channels) > 1):
        raise RecipeError(f"a neuron is one channel at shares of height and width below 1; got '{text}'.")
    return WeightedChannel(match["layer"], channels, at, _weight(match["weight"], text))


def by_octave(layers: Sequence[str], count: int) -> list[tuple[WeightedName, ...]]:
    """Split the layers into a list for each octave, coarse to fine, at ``/``; the last one is repeated.

    Example:
        >>> by_octave(["relu4_2/relu5_2:2", "relu5_3"], 3)[0]
        (WeightedName(name='relu4_2', weight=1.0),)
    """
    lists = [
        tuple(parse_weighted(word) for word in part.split(",") if word.strip()) for part in ",".join(layers).split("/")
    ]
    if len(lists) > count:
        raise RecipeError(f"there are lists of layers for {len(lists)} octaves; the dream has {count}.")
    return [lists[min(i, len(lists) - 1)] for i in range(count)]


@dataclass(frozen=True, eq=False)
class Subjects:
    """Everything a dream should show, or avoid.

    Attributes:
        layers, channels, classes: in words.
        avoid: classes to be kept away.
        guide: a picture whose best matching features the layers follow.
        like, unlike: pictures of whose common features there is to be more, or less.
        regions: masks (1, 1, h, w), one for each subject in the order classes, channels, layers, like, the last one
            going on; or none.
    """

    layers: tuple[WeightedName, ...] = ()
    channels: tuple[WeightedChannel, ...] = ()
    classes: tuple[WeightedName, ...] = ()
    avoid: tuple[WeightedName, ...] = ()
    guide: Tensor | None = None
    like: tuple[Tensor, ...] = ()
    unlike: tuple[Tensor, ...] = ()
    regions: tuple[Tensor, ...] = ()

    @property
    def placed(self) -> bool:
        """True if some subject is bound to a place in the picture."""
        return bool(self.regions) or any(subject.at is not None for subject in self.channels)

    def completed(self, network: Network) -> Subjects:
        """Fill in the network's default layers, if there is no other subject or a guide needs some."""
        needed = not self.layers and (self.guide is not None or not (self.channels or self.classes or self.like))
        return replace(self, layers=tuple(map(WeightedName, network.dream_layers))) if needed else self

    def deep(self, network: Network) -> list[str]:
        """List the layers that are read.

        Raises:
            LayerNotFound: a class is asked for, and the network knows none.
        """
        if (self.classes or self.avoid) and network.class_layer is None:
            raise LayerNotFound(f"{network.name} has no classes; dreamnet, googlenet or resnet50 have.")
        scored = [network.class_layer] if network.class_layer and (self.classes or self.avoid) else []
        shared = network.dream_layers if self.like or self.unlike else ()
        return [*(w.name for w in self.layers), *(w.layer for w in self.channels), *scored, *shared]


@dataclass(frozen=True, eq=False)
class _Weighted:
    """A term with its weight.

    Attributes:
        term: to maximise, or to minimise where `weight` is below 0.
        weight: its share of the gradient, before all are compared.
        probe: the term whose gradient shows what is strong; the term itself, unless that may be nothing at first.
    """

    term: Objective
    weight: float
    probe: Objective


def objective_of(subjects: Subjects, network: Network, picture: Tensor) -> Objective:
    """Build the dream's objective: each subject with its weight, normalised on the initial picture.

    A term is divided by the root mean square of its gradient, so that weights mean the same for layers, channels,
    classes and pictures; deeper ones, whose gradients agree less from step to step, are weighted in proportion
    to their stride. What is to be avoided weighs most, but only where it shows.

    Args:
        subjects: completed.
        network: the dream's.
        picture: (1, 3, H, W) of the first octave.
    Raises:
        LayerNotFound: a layer, channel or class that the network lacks.
        RecipeError: more regions than subjects.
    """
    wanted = _wanted(subjects, network)
    avoided = _avoided(subjects, network)
    if len(wanted) == 1 and not avoided:
        return -wanted[0].term
    size = size_of(picture)
    measured = max(_MEASURED, _NARROWEST * max(size) // min(size))
    small = scaled(picture, fit(size, longer=min(measured, max(size))))
    each = [(w.weight / _strength(w.probe, network, small)) * w.term for w in (*wanted, *avoided)]
    return -sum(each, start=0 * each[0])


def _wanted(subjects: Subjects, network: Network) -> list[_Weighted]:
    count = len(subjects.classes) + len(subjects.channels) + len(subjects.layers) + (1 if subjects.like else 0)
    if len(subjects.regions) > count:
        raise RecipeError(f"there is a region for each subject, {count} here; got {len(subjects.regions)}.")
    places = iter([*subjects.regions, *([subjects.regions[-1] if subjects.regions else None] * count)])
    return [
        *_classes(subjects.classes, network, [next(places) for _ in subjects.classes]),
        *(_channel(subject, network, next(places)) for subject in subjects.channels),
        *(_layer(subject, network, subjects.guide, next(places)) for subject in subjects.layers),
        *([_like(subjects.like, network, next(places))] if subjects.like else []),
    ]


def _avoided(subjects: Subjects, network: Network) -> list[_Weighted]:
    """Return the terms to avoid, with negative weights."""
    avoided = [_present(_class(subject, network, None), subject, None) for subject in subjects.avoid]
    unlike = [_like(subjects.unlike, network, None)] if subjects.unlike else []
    loud = [replace(w, weight=AVOID_WEIGHT * w.weight) for w in avoided]
    return [replace(w, weight=-w.weight) for w in (*loud, *unlike)]


def _classes(subjects: Sequence[WeightedName], network: Network, places: Sequence[Tensor | None]) -> list[_Weighted]:
    """Build classes as logits, which fill the picture; if one is a kind, all as presences, or it would drown."""
    kinds = any(len(find_classes(network, subject.name)) > 1 for subject in subjects)
    each = [_class(subject, network, where) for subject, where in zip(subjects, places, strict=True)]
    return [_present(*some) for some in zip(each, subjects, places, strict=True)] if kinds else each


def _class(subject: WeightedName, network: Network, where: Tensor | None) -> _Weighted:
    one = logit(find_classes(network, subject.name)[0], against=AGAINST, where=where)
    stride = network.stride(network.class_layer) if network.class_layer else 1
    return _Weighted(one, CLASS_WEIGHT * subject.weight * stride * _extent(where), probe=one)


def _present(weighted: _Weighted, subject: WeightedName, where: Tensor | None) -> _Weighted:
    """Turn a class into its presence; still measured as a logit, since nothing may show at first."""
    return replace(weighted, term=presence(subject.name, where=where))


def _channel(subject: WeightedChannel, network: Network, where: Tensor | None) -> _Weighted:
    """Build a channel's term; its strength is measured on a random direction, as the channel may be silent."""
    weight = subject.weight * network.stride(subject.layer)
    vector = subject.vector(network)
    signs = torch.randint(0, 2, vector.shape, generator=torch.Generator().manual_seed(0)) * 2.0 - 1
    probe = direction(subject.layer, signs / len(signs) ** 0.5, power=0, where=where)
    if subject.at is not None:
        term = neuron(subject.layer, subject.channels[0][0], at=subject.at)
        return _Weighted(term, weight, term)
    if len(subject.channels) == 1:
        return _Weighted(channel(subject.layer, subject.channels[0][0], where=where), weight * _extent(where), probe)
    return _Weighted(direction(subject.layer, vector / vector.norm(), where=where), weight * _extent(where), probe)


def _layer(subject: WeightedName, network: Network, like: Tensor | None, where: Tensor | None) -> _Weighted:
    term = energy(subject.name, where=where) if like is None else guide(subject.name, like=like, where=where)
    return _Weighted(term, subject.weight * network.stride(subject.name) * _extent(where), term)


def _like(pictures: Sequence[Tensor], network: Network, where: Tensor | None) -> _Weighted:
    layers = network.dream_layers
    term = likeness(layers, like=pictures, where=where)
    return _Weighted(term, CLASS_WEIGHT * max(map(network.stride, layers)) * _extent(where), term)


def _extent(where: Tensor | None) -> float:
    """Root of a region's share of the picture, so that a gradient within it is as strong there, not overall."""
    return 1.0 if where is None else float((where / where.max()).pow(2).mean().sqrt())


def _strength(term: Objective, network: Network, picture: Tensor) -> float:
    gradient = evaluate(term, network, picture).gradient
    return max(float(gradient.pow(2).mean().sqrt()), 1e-12)


def _weight(text: str | None, whole: str) -> float:
    weight = 1.0 if text is None else float(text)
    if weight <= 0:
        raise RecipeError(f"a weight is above 0; got '{whole}'. What the dream should keep away from goes to avoid.")
    return weight
