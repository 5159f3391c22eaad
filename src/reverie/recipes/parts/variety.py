"""A dream of many things: what each place of a photo looks most like becomes what is dreamt of there."""

from __future__ import annotations

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from reverie.networks import Network, find_class, imagenet_classes
from reverie.pictures import fit, resize, scaled, size_of
from reverie.recipes.parts.subjects import Subjects, WeightedName

WISHES = (
    "strawberry", "tiger", "monarch", "snail", "beacon", "macaw", "flamingo", "goldfish", "jellyfish", "king snake",
    "ladybug", "zebra", "African elephant", "macaque", "sorrel", "ram", "castle", "palace", "church", "stupa",
    "suspension bridge", "pirate", "yawl", "sports car", "alp", "rapeseed", "daisy", "orange", "pizza", "accordion",
    "mask", "jack-o'-lantern", "hummingbird", "king penguin", "cauliflower", "green lizard", "tabby", "lynx", "lion",
    "leopard", "timber wolf", "red fox", "brown bear", "great grey owl", "golden retriever",
)  # fmt: skip
"""Classes that dreams show well."""
FAINT = ("macaw", "orange", "pizza", "mask", "koala", "teapot", "acoustic guitar", "violin")
"""Classes that another network hardly ever recognises in dreams of them, of those that `benchmarks/wishes.py` tries."""
_SEEN = 384  # pixels of the longer side in which a photo is looked at
_NEAR = 5  # positions on a side over which scores are averaged
_PATCHES = 4  # of chance, on a side
_CHANCE = 1.0  # of it at variety 1, in deviations of the scores
_SHARP = 3.0  # borders between two wishes
_LEAST = 0.04  # of the picture; smaller parts wish for nothing
_SOFTEST = 1e-3


def with_variety(subjects: Subjects, network: Network, picture: Tensor, *, variety: float, seed: int) -> Subjects:
    """Add classes to the layers of a dream, each where the picture, or chance, suggests it.

    Args:
        subjects: of layers alone.
        network: with ImageNet's classes.
        picture: (1, 3, H, W) sRGB in [0, 1], on which is dreamt.
        variety: above 0, up to 1: from the photo's own few suggestions to many by chance.
        seed: of the chance.
    """
    places = suggestions(network, picture, variety=variety, seed=seed)
    classes = tuple(WeightedName(name, 2 * variety) for name, _ in places)
    layers = tuple(replace(each, weight=each.weight * (1 - variety)) for each in subjects.layers if variety < 1)
    everywhere = (torch.ones(1, 1, *size_of(picture)),) if layers else ()
    return replace(subjects, classes=classes, layers=layers, regions=(*(where for _, where in places), *everywhere))


def can_vary(subjects: Subjects, network: Network) -> bool:
    """True if a dream is of layers alone, and the network has classes to vary them by."""
    others = (subjects.classes, subjects.channels, subjects.avoid, subjects.like, subjects.unlike, subjects.regions)
    return subjects.guide is None and not any(others) and network.classes == imagenet_classes()


@torch.no_grad()
def suggestions(network: Network, picture: Tensor, *, variety: float, seed: int) -> list[tuple[str, Tensor]]:
    """Suggest what to dream of, and where: classes with soft masks, (1, 1, H, W) in [0, 1]."""
    small = scaled(picture, fit(size_of(picture), longer=min(_SEEN, max(size_of(picture)))))
    layer = str(network.class_layer)
    scores = (
        network(small.to(network.device), (layer,))[layer]
        .float()
        .to(picture.device)[:, [find_class(network, name) for name in WISHES]]
    )
    scores = F.avg_pool2d(F.pad(scores, [_NEAR // 2] * 4, mode="replicate"), _NEAR, 1)
    scores = (scores - scores.mean(1, keepdim=True)) / scores.std().clamp_min(_SOFTEST)
    scores += _CHANCE * variety * _chance(size_of(scores), seed).to(scores)
    best = F.softmax(_SHARP * scores, 1).mean((0, 2, 3)).topk(2 + round(4 * variety)).indices
    shares = F.softmax(_SHARP * scores[:, best], 1)
    masks = resize(shares, size_of(picture), filter="bilinear").clamp(0, 1)
    return [
        (WISHES[index], mask[None, None] / mask.max())
        for index, mask in zip(best.tolist(), masks[0], strict=True)
        if float(mask.mean()) >= _LEAST
    ]


def _chance(size: tuple[int, int], seed: int) -> Tensor:
    """Draw patches of chance for each wish, (1, wishes, h, w)."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(1, len(WISHES), _PATCHES, _PATCHES, generator=generator)
    return F.interpolate(drawn, size, mode="bilinear", align_corners=True)
