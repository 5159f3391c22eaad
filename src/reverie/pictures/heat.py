"""Maps laid over pictures: what speaks for something in orange, what speaks against it in blue."""

from __future__ import annotations

import torch
from torch import Tensor

from reverie.pictures.resize import resize, size_of

FOR, AGAINST = "#e8590c", "#1c7ed6"
"""Colours of the two signs, told apart by the colour-blind too."""
_LUMA = (0.299, 0.587, 0.114)
_PALE = 0.55  # how far the picture is lightened under a map


def heat(picture: Tensor, values: Tensor, *, scale: float | None = None) -> Tensor:
    """Lay a map over a picture, grey and pale, so that the map's colours are its only ones.

    Args:
        picture: (1, 3, H, W) sRGB in [0, 1].
        values: (h, w), resized to the picture; 0 leaves it as it is.
        scale: of the values that are shown in full colour; None: the largest there is.
    Returns:
        (1, 3, H, W).
    """
    largest = float(values.abs().max()) if scale is None else scale
    spread = values[None, None].float() / max(largest, 1e-12)
    fine = resize(spread, size_of(picture), filter="bilinear").clamp(-1, 1)
    grey = (picture * picture.new_tensor(_LUMA)[:, None, None]).sum(1, keepdim=True)
    pale = (grey * (1 - _PALE) + _PALE).expand_as(picture)
    hue = torch.where(fine > 0, rgb(FOR).to(picture), rgb(AGAINST).to(picture))
    return torch.lerp(pale, hue * (0.6 + 0.4 * pale), fine.abs() ** 0.7 * 0.9)


def rgb(colour: str) -> Tensor:
    """Convert ``#rrggbb`` to (1, 3, 1, 1) in [0, 1]."""
    return torch.tensor([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])[None, :, None, None]
