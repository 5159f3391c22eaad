"""Make a handful of real pictures with the embedded network: `python examples/demo.py FOLDER`."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import skimage.data
import torch

import reverie as rv
from reverie.pictures import contact_sheet, fit, resize

PHOTOS = {
    "cat": skimage.data.chelsea,
    "coffee": skimage.data.coffee,
    "astronaut": skimage.data.astronaut,
}
PICTURES = {  # name: the output, and what a user would type after 'reverie'
    "a cat, dreamt on": ("cat-dream.png", "dream", "cat.png", "--size", "512"),
    "coffee, dreamt on": ("coffee-dream.png", "dream", "coffee.png", "--size", "512"),
    "coffee in night strokes": ("coffee-night.png", "style", "coffee.png", "night-strokes"),
    "a cat as a woodcut": ("cat-woodcut.png", "style", "cat.png", "woodcut-wave"),
    "a cat in stained glass": ("cat-glass.png", "style", "cat.png", "stained-glass"),
    "a castle out of noise": ("castle.png", "dream", "noise", "--class", "castle", "--size", "320"),
    "ships out of noise": ("ships.png", "dream", "noise", "--class", "pirate", "--size", "320"),
}


def write_photos(folder: Path) -> None:
    """The photographs that scikit-image carries, as files."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, load in PHOTOS.items():
        pixels = torch.from_numpy(np.ascontiguousarray(load())).permute(2, 0, 1)[None].float() / 255
        rv.write_image(folder / f"{name}.png", pixels)


def make(folder: Path) -> list[Path]:
    """Run the commands, one after the other."""
    made = []
    for output, *words in PICTURES.values():
        words = [str(folder / w) if w.endswith(".png") else w for w in words]
        began = time.monotonic()
        subprocess.run([sys.executable, "-m", "reverie", *words, "-o", str(folder / output)], check=True)
        print(f"  {output}  {time.monotonic() - began:.1f} s")
        made.append(folder / output)
    return made


def main() -> None:
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    write_photos(folder)
    made = make(folder)
    photos = [folder / f"{name}.png" for name in ("cat", "coffee")]
    shown = [rv.read_image(p) for p in (*photos, *made)]
    shown = [resize(x, fit((x.shape[2], x.shape[3]), longer=512)).clamp(0, 1) for x in shown]
    sheet = contact_sheet(shown, columns=3, captions=["a photo", "another", *PICTURES], width=1500)
    rv.write_image(folder / "sheet.png", sheet)
    reverie = Path(sys.executable).parent / "reverie"
    print(f"\nOpen {folder / 'sheet.png'}. Then try:\n")
    print(f"  {reverie} dream YOUR_PHOTO.jpg --layers relu4_2 --strength 0.7")
    print(f"  {reverie} style YOUR_PHOTO.jpg stained-glass --stroke 1.5")
    print(f"  {reverie} dream noise --class castle --size 512")


if __name__ == "__main__":
    main()
