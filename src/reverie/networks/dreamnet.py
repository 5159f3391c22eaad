"""Dreamnet: the small network that comes with Reverie, written to be dreamt with."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from reverie.networks.graph import PICTURE, Blueprint, Node, conv, pool, relu

STYLE_LAYERS = ("relu1_2", "relu2_2", "relu3_2", "relu4_2", "relu5_1")
CONTENT_LAYER = "relu4_2"
DREAM_LAYERS = ("relu5_2", "relu5_3")


def dreamnet(weights: Mapping[str, Tensor]) -> Blueprint:
    """Return the table of the network whose weights these are: its widths are read from them.

    Stages of 3x3 convolutions with rectifiers, 2x2 average pools between the stages, and a 1x1
    classifier whose scores at each position average to the logits.
    """
    nodes: list[Node] = []
    last = PICTURE
    for stage, index in sorted(_place(key) for key in weights if _is_trunk(key)):
        place, name = f"{stage}_{index}", f"conv{stage}_{index}"
        if index == 1 and stage > 1:
            nodes.append(pool(f"pool{stage - 1}", "average", last))
            last = f"pool{stage - 1}"
        width = weights[f"{name}.weight"].shape[0]
        nodes += [conv(name, name, width, 3, last), relu(f"relu{place}", name)]
        last = f"relu{place}"
    scores = weights["classes.weight"].shape[0]
    nodes.append(conv("classes", "classes", scores, 1, last))
    return Blueprint(
        "dreamnet",
        tuple(nodes),
        mean=(0.48, 0.46, 0.41),
        std=(0.25, 0.25, 0.25),
        style_layers=STYLE_LAYERS,
        content_layer=CONTENT_LAYER,
        dream_layers=DREAM_LAYERS,
        class_layer="classes",
        paper="Reverie",
    )


def _place(key: str) -> tuple[int, int]:
    """(4, 2) for conv4_2.weight."""
    stage, index = key.removeprefix("conv").removesuffix(".weight").split("_")
    return int(stage), int(index)


def _is_trunk(key: str) -> bool:
    return key.startswith("conv") and key.endswith(".weight")
