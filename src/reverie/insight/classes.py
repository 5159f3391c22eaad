"""Classes that a network sees in a picture, and where: its class maps are exact, since scores are means over positions.

Source: Zhou et al. 2016, "Learning Deep Features for Discriminative Localization". We differ: each position's score is
set against the classes that rival it, so that a map shows what tells a class from the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.errors import LayerNotFound
from reverie.networks import Network
from reverie.objectives.statistics import full
from reverie.pictures import check_picture, fit, resize, scaled, size_of

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as shares of the picture's width and height."""
_FINE = 8  # places of a map for each of the network's, where a box is drawn around some
_WITHIN = 0.4  # of the strongest evidence; a box is drawn around the places that have more


@dataclass(frozen=True)
class Sighting:
    """A class that a network sees in a picture.

    Attributes:
        index: of the class.
        name: of the class.
        probability: in [0, 1].
        box: around the strongest evidence; None where there is none.
        evidence: (h, w), what each position says for the class and against its rivals; its mean is the log-odds of
            the class against them, as their probabilities weigh them.
    """

    index: int
    name: str
    probability: float
    box: Box | None
    evidence: Tensor = field(repr=False)


def see(
    network: Network, photo: Tensor, *, size: int | None = None, count: int = 5, classes: Sequence[int] = ()
) -> tuple[Sighting, ...]:
    """Look at a picture and tell the classes in it.

    Args:
        network: with a class layer.
        photo: (1, 3, H, W) sRGB in [0, 1].
        size: longer side at which the network looks, pixels; None: the photo's own.
        count: classes to tell, the likeliest first.
        classes: tell these instead, in this order.
    Raises:
        LayerNotFound: the network has no classes.
        PictureError: the photo is no picture, or too small.
    Example:
        >>> len(see(rv.networks.load("dreamnet"), photo, size=64, count=3))
        3
    """
    scores = class_maps(network, looked_at(photo, size))[0]
    odds = scores.mean((1, 2)).log_softmax(0)
    told = list(classes) or odds.topk(min(count, len(odds))).indices.tolist()
    return tuple(_sighting(network, scores, odds, index) for index in told)


def looked_at(photo: Tensor, size: int | None) -> Tensor:
    """Return the photo as the network is to see it, its longer side so many pixels."""
    check_picture(photo)
    return photo if size is None else scaled(photo, fit(size_of(photo), longer=size))


def class_maps(network: Network, x: Tensor) -> Tensor:
    """Compute the scores of each class at each position: (B, classes, h, w) on the host, whose means are the logits.

    Raises:
        LayerNotFound: the network has no classes.
    """
    layer = class_layer_of(network)
    with torch.no_grad():
        return full(network(x, (layer,))[layer]).cpu()


def class_layer_of(network: Network) -> str:
    """Return the layer of class scores.

    Raises:
        LayerNotFound: the network has none.
    """
    if network.class_layer is None:
        raise LayerNotFound(f"{network.name} has no classes; dreamnet, squeezenet1_1, googlenet and resnet50 have.")
    return network.class_layer


def name_of(network: Network, index: int) -> str:
    """Return the name of a class, or its number where it has none."""
    return network.classes[index] if network.classes else f"class {index}"


def _sighting(network: Network, scores: Tensor, odds: Tensor, index: int) -> Sighting:
    evidence = evidence_for(scores, odds, index)
    return Sighting(index, name_of(network, index), float(odds[index].exp()), box_around(evidence), evidence)


def evidence_for(scores: Tensor, odds: Tensor, index: int) -> Tensor:
    """Compute what each position says for a class and against its rivals: (h, w).

    Args:
        scores: (classes, h, w).
        odds: logits or log-probabilities, (classes,); they tell how much each rival counts.
        index: of the class.
    """
    if len(odds) == 1:
        return scores[index]
    rivals = odds.clone()
    rivals[index] = -torch.inf
    return scores[index] - torch.einsum("k,khw->hw", rivals.softmax(0), scores)


def box_around(evidence: Tensor) -> Box | None:
    """Draw a box around the connected region of strong evidence that holds the strongest; None if all of it is against.

    Example:
        >>> box_around(torch.ones(3, 5))
        (0.0, 0.0, 1.0, 1.0)
    """
    if float(evidence.max()) <= 0:
        return None
    h, w = evidence.shape
    fine = resize(evidence[None, None].float(), (h * _FINE, w * _FINE), filter="bilinear")[0, 0]
    within = (fine >= _WITHIN * fine.max()).float()
    region = torch.zeros_like(fine)
    region.view(-1)[int(fine.argmax())] = 1
    for _ in range(fine.numel()):  # grow from the strongest, until nothing is added
        grown = F.max_pool2d(region[None, None], 3, 1, 1)[0, 0] * within
        if torch.equal(grown, region):
            break
        region = grown
    rows, columns = region.any(1).nonzero(), region.any(0).nonzero()
    height, width = fine.shape
    return (
        float(columns[0]) / width,
        float(rows[0]) / height,
        float(columns[-1] + 1) / width,
        float(rows[-1] + 1) / height,
    )
