"""SqueezeNet 1.1: five megabytes, and no padding before its first pools."""

from __future__ import annotations

from reverie.networks.graph import PICTURE, Blueprint, Node, conv, pool, rectified, relu
from reverie.networks.ops import Concat
from reverie.networks.vgg import IMAGENET_MEAN, IMAGENET_STD

STYLE_LAYERS = ("relu1", "fire2", "fire3", "fire5", "fire7")
CONTENT_LAYER = "fire5"
DREAM_LAYERS = ("fire5", "fire7", "fire8")


def squeezenet1_1() -> Blueprint:
    """Fire modules: a squeeze to few channels, then 1x1 and 3x3 expansions side by side.

    ``fire2`` to ``fire9`` are the modules' outputs. The classifier's last rectifier is ``classes``.
    """
    nodes = (
        conv("conv1", "features.0", 64, 3, PICTURE, stride=2, padding=0),
        relu("relu1", "conv1"),
        pool("pool1", "max", "relu1", kernel=3, ceil=True),
        *_fire("fire2", "features.3", "pool1", squeeze=16, expand=64),
        *_fire("fire3", "features.4", "fire2", squeeze=16, expand=64),
        pool("pool3", "max", "fire3", kernel=3, ceil=True),
        *_fire("fire4", "features.6", "pool3", squeeze=32, expand=128),
        *_fire("fire5", "features.7", "fire4", squeeze=32, expand=128),
        pool("pool5", "max", "fire5", kernel=3, ceil=True),
        *_fire("fire6", "features.9", "pool5", squeeze=48, expand=192),
        *_fire("fire7", "features.10", "fire6", squeeze=48, expand=192),
        *_fire("fire8", "features.11", "fire7", squeeze=64, expand=256),
        *_fire("fire9", "features.12", "fire8", squeeze=64, expand=256),
        conv("conv10", "classifier.1", 1000, 1, "fire9"),
        relu("classes", "conv10"),
    )
    return Blueprint(
        "squeezenet1_1",
        nodes,
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        style_layers=STYLE_LAYERS,
        content_layer=CONTENT_LAYER,
        dream_layers=DREAM_LAYERS,
        class_layer="classes",
        paper="Iandola et al. (2016), arXiv 1602.07360",
    )


def _fire(name: str, source: str, inputs: str, *, squeeze: int, expand: int) -> list[Node]:
    small = f"{name}_squeeze1x1"
    wide = (f"{name}_expand1x1", f"{name}_expand3x3")
    return [
        *rectified(small, f"{source}.squeeze", squeeze, 1, inputs),
        *rectified(wide[0], f"{source}.expand1x1", expand, 1, small),
        *rectified(wide[1], f"{source}.expand3x3", expand, 3, small),
        Node(name, Concat(), wide),
    ]
