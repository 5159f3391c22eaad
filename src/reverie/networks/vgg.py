"""VGG-16 and VGG-19 up to their last pool: the networks style transfer was invented on."""

from __future__ import annotations

from reverie.networks.graph import PICTURE, Blueprint, Node, conv, pool, relu

WIDTHS = (64, 128, 256, 512, 512)
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)

STYLE_LAYERS = ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
CONTENT_LAYER = "relu4_2"
DREAM_LAYERS = ("relu4_2", "relu4_3", "relu5_2")


def vgg16() -> Blueprint:
    """Configuration D: thirteen convolutions."""
    return _vgg("vgg16", (2, 2, 3, 3, 3))


def vgg19() -> Blueprint:
    """Configuration E: sixteen convolutions."""
    return _vgg("vgg19", (2, 2, 4, 4, 4))


def _vgg(name: str, depths: tuple[int, ...]) -> Blueprint:
    """Stages of 3x3 convolutions, each ended by a 2x2 max pool; the checkpoint counts every row."""
    nodes: list[Node] = []
    last, place = PICTURE, 0
    for stage, (width, depth) in enumerate(zip(WIDTHS, depths, strict=True), start=1):
        for index in range(1, depth + 1):
            here = f"{stage}_{index}"
            nodes += [
                conv(f"conv{here}", f"features.{place}", width, 3, last),
                relu(f"relu{here}", f"conv{here}"),
            ]
            last, place = f"relu{here}", place + 2
        nodes.append(pool(f"pool{stage}", "max", last))
        last, place = f"pool{stage}", place + 1
    return Blueprint(
        name,
        tuple(nodes),
        mean=IMAGENET_MEAN,
        std=IMAGENET_STD,
        style_layers=STYLE_LAYERS,
        content_layer=CONTENT_LAYER,
        dream_layers=DREAM_LAYERS,
        paper="Simonyan & Zisserman (2015), arXiv 1409.1556",
    )
