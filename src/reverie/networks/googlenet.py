"""GoogLeNet (Inception v1): the network DeepDream was dreamt on."""

from __future__ import annotations

from reverie.networks.graph import PICTURE, Blueprint, Node, conv, pool, rectified, relu
from reverie.networks.ops import Concat

STYLE_LAYERS = ("relu1", "relu3", "mixed3b", "mixed4b", "mixed4e")
CONTENT_LAYER = "mixed4a"
DREAM_LAYERS = ("mixed3b", "mixed4c", "mixed4d")

MIXED = {
    # name: 1x1, 3x3 bottleneck, 3x3, 5x5 bottleneck, 5x5, pool reduce
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}
POOL_BEFORE = {
    "3a": ("pool2", "relu3", 3),
    "4a": ("pool3", "mixed3b", 3),
    "5a": ("pool4", "mixed4e", 2),
}


def googlenet() -> Blueprint:
    """Nine mixed layers of four branches each; ``mixed3a`` to ``mixed5b`` are their outputs.

    Branches carry Lucid's names (``mixed4c_3x3``, ``mixed4c_3x3_pre_relu``). The published PyTorch
    weights have a 3x3 kernel in the branch the paper and its name call 5x5, and expect pictures
    scaled to [-1, 1].
    """
    nodes: list[Node] = [
        conv("conv1", "conv1.conv", 64, 7, PICTURE, stride=2, norm="conv1.bn"),
        relu("relu1", "conv1"),
        pool("pool1", "max", "relu1", kernel=3, ceil=True),
        conv("conv2", "conv2.conv", 64, 1, "pool1", norm="conv2.bn"),
        relu("relu2", "conv2"),
        conv("conv3", "conv3.conv", 192, 3, "relu2", norm="conv3.bn"),
        relu("relu3", "conv3"),
    ]
    last = "relu3"
    for place in MIXED:
        if place in POOL_BEFORE:
            last, inputs, kernel = POOL_BEFORE[place]
            nodes.append(pool(last, "max", inputs, kernel=kernel, ceil=True))
        nodes += _mixed(place, last)
        last = f"mixed{place}"
    nodes.append(conv("classes", "fc", 1000, 1, last))
    return Blueprint(
        "googlenet",
        tuple(nodes),
        mean=(0.5, 0.5, 0.5),
        std=(0.5, 0.5, 0.5),
        style_layers=STYLE_LAYERS,
        content_layer=CONTENT_LAYER,
        dream_layers=DREAM_LAYERS,
        class_layer="classes",
        paper="Szegedy et al. (2015), arXiv 1409.4842",
        norm_epsilon=1e-3,
    )


def _mixed(place: str, inputs: str) -> list[Node]:
    """Four branches, concatenated: 1x1; 1x1 then 3x3; 1x1 then '5x5'; pool then 1x1."""
    widths = MIXED[place]
    rows: list[Node] = []

    def branch(part: str, source: str, width: int, kernel: int, entry: str) -> str:
        name, key = f"mixed{place}_{part}", f"inception{place}.{source}"
        norm = f"{key}.bn"
        rows.extend(rectified(name, f"{key}.conv", width, kernel, entry, norm=norm))
        return name

    one = branch("1x1", "branch1", widths[0], 1, inputs)
    narrow = branch("3x3_bottleneck", "branch2.0", widths[1], 1, inputs)
    three = branch("3x3", "branch2.1", widths[2], 3, narrow)
    narrow = branch("5x5_bottleneck", "branch3.0", widths[3], 1, inputs)
    five = branch("5x5", "branch3.1", widths[4], 3, narrow)
    pooled = f"mixed{place}_pool"
    rows.append(pool(pooled, "max", inputs, kernel=3, stride=1, padding=1, ceil=True))
    reduced = branch("pool_reduce", "branch4.1", widths[5], 1, pooled)
    return [*rows, Node(f"mixed{place}", Concat(), (one, three, five, reduced))]
