"""Make the pictures of docs/inside.md anew: `python examples/inside_pictures.py docs/pictures [NAME…]`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import skimage.data
import torch
from torch import Tensor

import reverie as rv
from reverie.pictures import fit, resize, size_of

UNITS = (
    "relu2_2:20", "relu3_2:40", "relu4_1:9", "relu4_2:100", "relu5_1:30",
    "relu5_2:60", "relu5_3:100", "relu5_3:7", "class:macaw", "class:goldfish",
)  # fmt: skip
WIDTH = 1000  # pixels, the longer side of a picture at most
DEEP = ("relu5_3:100", "relu5_3:7", "class:macaw", "class:goldfish", "class:castle")


def photo(name: str, longer: int = 512) -> Tensor:
    """A photograph that scikit-image carries."""
    pixels = torch.from_numpy(np.ascontiguousarray(getattr(skimage.data, name)())).permute(2, 0, 1)[None].float() / 255
    return resize(pixels, fit(size_of(pixels), longer=longer)).clamp(0, 1)


def visualised(*units: str, canvas: str = "fourier") -> Tensor:
    """A sheet of visualisations with their figures."""
    wanted = {"units": units, "canvas": canvas, "size": 176, "columns": 5}
    *_, last = rv.recipes.visualize(rv.VisualizeSettings.model_validate(wanted))
    image: Tensor = last.image
    return image


PICTURES: dict[str, Callable[[], Tensor]] = {
    "seen.jpg": lambda: rv.recipes.see(photo("chelsea")),
    "explained.jpg": lambda: rv.recipes.explain(photo("chelsea")),
    "visualize.webp": lambda: visualised(*UNITS),
    "visualize-phase.webp": lambda: visualised(*DEEP, canvas="phase"),
}


def main() -> None:
    folder, wanted = Path(sys.argv[1]), sys.argv[2:] or [*PICTURES]
    for name in wanted:
        image = PICTURES[name]()
        small = resize(image, fit(size_of(image), longer=min(WIDTH, max(size_of(image))))).clamp(0, 1)
        rv.write_image(folder / name, small, quality=82 if name.endswith("jpg") else 70)


if __name__ == "__main__":
    main()
