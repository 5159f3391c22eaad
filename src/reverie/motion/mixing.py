"""Mix warped pictures so that the mixture is as detailed as they are.

The mean of two textures that do not match is flatter than either, and a warped one is softer than it was. So the
finest details are amplified, place by place, until their energy is the mean of the pictures' own.

Source: Heitz & Neyret 2018, "High-performance by-example noise", for mixtures that keep their variance.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from reverie.motion.flow import Array
from reverie.motion.opencv import cv2

_FINE = 1.2  # pixels: how fine what is amplified is
_AROUND = 13  # pixels over which energies are means
_BOOST = 0.58  # 0.5 would do, were all detail as fine as what is amplified
_WEAKEST, _STRONGEST = 0.9, 2.0  # factors of details
_NOTHING = 1e-6  # energy below which there is no detail


def detail_energy(pixels: Array) -> Array:
    """Return the mean square of the Laplacian of a picture's (H, W, 3) brightness around each place, (H, W)."""
    cv = cv2()
    edges = cv.Laplacian(cv.cvtColor(pixels, cv.COLOR_RGB2GRAY), cv.CV_32F)
    made: Array = cv.boxFilter(edges * edges, -1, (_AROUND, _AROUND))
    return made


def mixed(parts: Sequence[tuple[Array, Array, Array]]) -> Array:
    """Mix pictures.

    Args:
        parts: of each, its pixels (H, W, 3), its share (H, W) and the energy its details should have (H, W); the
            shares sum to 1.
    Returns:
        (H, W, 3) float32.
    """
    first, *others = parts
    mean, wanted = first[0] * first[1][..., None], first[1] * first[2]
    for pixels, share, energy in others:
        mean += pixels * share[..., None]
        wanted += share * energy
    factor = ((wanted + _NOTHING) / (detail_energy(mean) + _NOTHING)) ** _BOOST
    fine = mean - cv2().GaussianBlur(mean, (7, 7), _FINE)
    fine *= (np.clip(factor, _WEAKEST, _STRONGEST) - 1)[..., None]
    return np.asarray(mean + fine, np.float32)
