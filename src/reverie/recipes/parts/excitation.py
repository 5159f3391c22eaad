"""The figures beside a visualisation: how strongly it excites its unit, against photos and under other views."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.engine import WholeExecutor, bind
from reverie.engine.evaluate import differentiating, value
from reverie.networks import Network, photo_activations
from reverie.pictures import size_of
from reverie.recipes.parts.units import CLASS, Unit
from reverie.views import View, compose, framed, jitter, noise, rotate, scale

OTHER = framed(compose(jitter(16), scale(0.8, 1.25), rotate(15), noise(0.03)))
"""Views that no visualisation is made with: what is still there under them is no accident of its own views."""
_DRAWS = 4  # of the other views
_LOOKS = 16  # gradients in an attribution
_OPAQUE = 0.95  # share of a picture's places that are not wholly opaque
_BLUR = 1 / 48  # of the shorter side: width of an attribution's blur


@dataclass(frozen=True)
class Excitation:
    """How strongly a picture excites its unit.

    Attributes:
        unit: its name.
        activation: mean over positions, of a class its score.
        photos: the strongest that any of many photos reaches; None where that is not known.
        times: the activation over that; None where it is not known, or makes no sense.
        other_views: share of the activation, of a class of its probability, that is left under views it was not made
            with; None for a single neuron.
        rank: of the class, among all; None of other units.
        probability: of the class; None of other units.
    """

    unit: str
    activation: float
    photos: float | None = None
    times: float | None = None
    other_views: float | None = None
    rank: int | None = None
    probability: float | None = None

    def facts(self) -> dict[str, Any]:
        """Return what is known, as plain values."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    @property
    def caption(self) -> str:
        """The unit's name, and its activation: as a multiple of what photos reach, where that is known."""
        if self.rank is not None:
            return f"{self.unit.removeprefix(CLASS)}  no. {self.rank}, {100 * (self.probability or 0):.0f}%"
        amount = f"{self.activation:.3g}" if self.times is None else f"{self.times:.3g}x"
        return f"{self.unit}  {amount}"

    @property
    def line(self) -> str:
        """The same and more, for the terminal."""
        known = "" if self.photos is None else f", {self.photos:.3g} at most on photos"
        times = "" if self.times is None else f" ({self.times:.3g} times that)"
        chosen = "" if self.rank is None else f", class no. {self.rank} at {100 * (self.probability or 0):.0f}%"
        other = "" if self.other_views is None else f", {100 * self.other_views:.0f}% of it under other views"
        return f"  {self.unit}: activation {self.activation:.3g}{known}{times}{chosen}{other}"


def excitation(network: Network, unit: Unit, picture: Tensor, *, negative: bool = False) -> Excitation:
    """Measure how strongly a picture excites a unit.

    Args:
        network: with its rectifiers as they are.
        unit: what it shows.
        picture: (1, 3, H, W) in [0, 1].
        negative: whether it was made to excite the unit as little as possible.
    """
    picture = picture.to(network.device)
    activation = _activation(network, unit, picture)
    photos = _on_photos(network, unit, negative=negative)
    comparable = photos is not None and photos * activation > 0
    rank, probability = _class_of(network, unit, picture)
    before = activation if probability is None else probability
    moved = None if unit.placed else _under_views(network, unit, picture)
    return Excitation(
        unit.name,
        activation,
        photos,
        activation / photos if comparable and photos else None,
        None if moved is None or not before else moved / before,
        rank,
        probability,
    )


def attribution(
    network: Network, unit: Unit, picture: Tensor, *, view: View, seed: int, negative: bool = False
) -> Tensor:
    """Return which places of a picture excite a unit, (1, 1, H, W) in [0, 1].

    The mean size of the gradient in a place over random views, blurred, relative to the strongest places. Source: Fel
    et al. (2023), MACO. We differ: of the finished picture, where MACO adds up the gradients on the way to it; and of
    the unit's square, so that the places count that excite it most.
    """
    generator, picture = torch.Generator().manual_seed(seed), picture.to(network.device)
    total = torch.zeros_like(picture)
    for _ in range(1 if unit.placed else _LOOKS):
        with differentiating():
            x = picture.clone().requires_grad_(True)
            seen = x if unit.placed else view(x, generator)
            activation = _strength(network, unit, seen, negative=negative)
            total += torch.autograd.grad(activation, x)[0].abs()
    amounts = _blurred(total.sum(1, keepdim=True).cpu())
    shown: Tensor = (amounts / amounts.quantile(_OPAQUE).clamp_min(1e-12)).clamp(0, 1)
    return shown


def _strength(network: Network, unit: Unit, picture: Tensor, *, negative: bool) -> Tensor:
    """Measure the mean square of a unit that has a map; of another its value."""
    if unit.channel is None or unit.placed:
        return _value(network, unit, picture)
    values = network(picture, [unit.layer])[unit.layer][:, unit.channel].float()
    return (-values if negative else values).clamp_min(0).square().mean()


def _activation(network: Network, unit: Unit, picture: Tensor) -> float:
    with torch.no_grad():
        return float(_value(network, unit, picture))


def _value(network: Network, unit: Unit, picture: Tensor) -> Tensor:
    """Measure the unit: a class by its score, anything else by what it is maximised for."""
    if unit.name.startswith(CLASS) and unit.channel is not None:
        return network(picture, [unit.layer])[unit.layer][:, unit.channel].float().mean()
    executor = WholeExecutor()
    bound = bind(unit.objective, network, size_of(picture), executor)
    return value(bound, network, picture, executor)[0]


def _under_views(network: Network, unit: Unit, picture: Tensor) -> float:
    """Measure the unit's mean activation, of a class its probability, under the other views."""
    generator = torch.Generator().manual_seed(0)
    seen = [OTHER(picture, generator) for _ in range(_DRAWS)]
    chances = [_class_of(network, unit, each)[1] for each in seen]
    found = [_activation(network, unit, x) if p is None else p for x, p in zip(seen, chances, strict=True)]
    return sum(found) / len(found)


def _on_photos(network: Network, unit: Unit, *, negative: bool) -> float | None:
    known = photo_activations(network)
    if known is None or unit.channel is None:
        return None
    return float((known.least if negative else known.most)[unit.layer][unit.channel])


def _class_of(network: Network, unit: Unit, picture: Tensor) -> tuple[int | None, float | None]:
    """Rank and probability of a class, as the network classifies the picture."""
    if not unit.name.startswith(CLASS) or unit.channel is None:
        return None, None
    with torch.no_grad():
        scores = network(picture, [unit.layer])[unit.layer].float().mean((0, 2, 3))
    rank = int((scores > scores[unit.channel]).sum()) + 1
    return rank, float(scores.softmax(0)[unit.channel])


def _blurred(x: Tensor) -> Tensor:
    """Blur by a Gaussian that is small beside the picture."""
    deviation = max(0.5, _BLUR * min(size_of(x)))
    reach = int(3 * deviation)
    weights = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / deviation) ** 2)
    weights = weights / weights.sum()
    padded = F.pad(x, (reach, reach, reach, reach), mode="replicate")
    return F.conv2d(F.conv2d(padded, weights[None, None, None, :]), weights[None, None, :, None])


def summary(found: Sequence[Excitation]) -> dict[str, Any]:
    """Return the figures of all pictures, for programs and the record."""
    return {"units": [each.facts() for each in found]}
