"""ResNet-50 with its batch norms folded away."""

from __future__ import annotations

from reverie.networks.graph import PICTURE, Blueprint, Node, conv, pool, rectified, relu
from reverie.networks.ops import Add
from reverie.networks.vgg import IMAGENET_MEAN, IMAGENET_STD

STYLE_LAYERS = ("relu1", "res2c", "res3d", "res4f")
CONTENT_LAYER = "res4b"
DREAM_LAYERS = ("res3d", "res4c", "res4f")

BLOCKS = {2: "abc", 3: "abcd", 4: "abcdef", 5: "abc"}


def resnet50() -> Blueprint:
    """Sixteen bottleneck blocks; ``res2a`` to ``res5c`` are their outputs, as its authors say.

    The published PyTorch weights stride in the 3x3 convolution of a block, not in its first 1x1.
    """
    nodes: list[Node] = [
        conv("conv1", "conv1", 64, 7, PICTURE, stride=2, norm="bn1"),
        relu("relu1", "conv1"),
        pool("pool1", "max", "relu1", kernel=3, padding=1),
    ]
    last = "pool1"
    for stage, letters in BLOCKS.items():
        for index, letter in enumerate(letters):
            source = f"layer{stage - 1}.{index}"
            nodes += _bottleneck(f"res{stage}{letter}", source, last, stage, first=index == 0)
            last = f"res{stage}{letter}"
    nodes.append(conv("classes", "fc", 1000, 1, last))
    return Blueprint(
        "resnet50",
        tuple(nodes),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        style_layers=STYLE_LAYERS,
        content_layer=CONTENT_LAYER,
        dream_layers=DREAM_LAYERS,
        class_layer="classes",
        paper="He et al. (2016), arXiv 1512.03385",
    )


def _bottleneck(name: str, source: str, inputs: str, stage: int, *, first: bool) -> list[Node]:
    """1x1 down, 3x3, 1x1 up, plus the input (projected where the size changes), rectified."""
    width = 64 * 2 ** (stage - 2)
    stride = 2 if first and stage > 2 else 1
    a, b, c, side = (f"{name}_branch{part}" for part in ("2a", "2b", "2c", "1"))
    key, norm = f"{source}.conv", f"{source}.bn"
    rows = [
        *rectified(a, f"{key}1", width, 1, inputs, norm=f"{norm}1"),
        *rectified(b, f"{key}2", width, 3, a, stride=stride, norm=f"{norm}2"),
        conv(c, f"{key}3", 4 * width, 1, b, norm=f"{norm}3"),
    ]
    if first:
        project = f"{source}.downsample"
        norm = f"{project}.1"
        rows.append(conv(side, f"{project}.0", 4 * width, 1, inputs, stride=stride, norm=norm))
    before = f"{name}_pre_relu"
    return [*rows, Node(before, Add(), (c, side if first else inputs)), relu(name, before)]
