"""How strongly natural photos excite the channels of the embedded network."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from torch import Tensor

from reverie.networks.network import Network
from reverie.networks.tensorfiles import read_safetensors

_TABLE = Path(__file__).with_name("dreamnet-photos.safetensors")


@dataclass(frozen=True, eq=False)
class PhotoActivations:
    """Range of each channel's mean activation over many photos.

    Measured by `training/measure_activations.py`.

    Attributes:
        photos: how many there were.
        side: pixels of their shorter side.
        most, least: by layer, (C,).
    """

    photos: int
    side: int
    most: Mapping[str, Tensor]
    least: Mapping[str, Tensor]


def photo_activations(network: Network) -> PhotoActivations | None:
    """Return how photos excite a network's channels; None for networks of which that is not known.

    Example:
        >>> known = photo_activations(load("dreamnet"))
        >>> known.most["relu4_2"].shape
        torch.Size([256])
    """
    sha256, known = _table()
    return known if network.sha256 == sha256 else None


@cache
def _table() -> tuple[str, PhotoActivations]:
    file = read_safetensors(_TABLE)
    ends = {
        end: {name.removesuffix(f".{end}"): x for name, x in file.tensors.items() if name.endswith(f".{end}")}
        for end in ("most", "least")
    }
    about = file.about
    return about["network"], PhotoActivations(int(about["photos"]), int(about["side"]), ends["most"], ends["least"])
