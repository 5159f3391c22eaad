"""Make the README's pictures anew: `python examples/readme_pictures.py docs/pictures`."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import skimage.data
import torch
from torch import Tensor

import reverie as rv
from reverie import styles
from reverie.pictures import contact_sheet, fit, resize, size_of

CLASSES = ("flamingo", "goldfish", "castle", "macaw", "balloon", "sports car", "daisy", "pirate")


def photo(load: object, longer: int = 512) -> Tensor:
    """A photograph that scikit-image carries."""
    pixels = torch.from_numpy(np.ascontiguousarray(load())).permute(2, 0, 1)[None].float() / 255  # type: ignore[operator]
    return resize(pixels, fit(size_of(pixels), longer=longer)).clamp(0, 1)


def dream(picture: Tensor | None, **settings: object) -> Tensor:
    *_, last = rv.recipes.dream(picture, rv.DreamSettings.model_validate(settings))
    return last.image


def style(picture: Tensor, name: str, **settings: object) -> Tensor:
    painting = rv.read_image(styles.path(name))
    *_, last = rv.recipes.style(picture, painting, rv.StyleSettings.model_validate(settings))
    return last.image


def main() -> None:
    folder = Path(sys.argv[1])
    cat, coffee = photo(skimage.data.chelsea), photo(skimage.data.coffee)
    hero = {
        "a photo": cat,
        "dream": dream(cat, size=512),
        "style night-strokes": style(cat, "night-strokes"),
        "style woodcut-wave": style(coffee, "woodcut-wave"),
        "dream --class castle": dream(coffee, size=512, **{"class": "castle"}),
        "style stained-glass --motifs 2": style(cat, "stained-glass", motifs=2),
    }
    sheet = contact_sheet(list(hero.values()), columns=3, captions=list(hero), width=1200)
    rv.write_image(folder / "hero.jpg", sheet, quality=85)
    dreams = [dream(None, size=256, **{"class": name}) for name in CLASSES]
    rv.write_image(
        folder / "classes.jpg", contact_sheet(dreams, columns=4, captions=list(CLASSES), width=1100), quality=85
    )


if __name__ == "__main__":
    main()
