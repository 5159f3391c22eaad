"""A picture of every preset, by its own command: `python examples/presets.py docs/presets`.

A small one is made for the studio's page as well.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import skimage.data
from PIL import Image, ImageOps

from reverie.cli import main as reverie
from reverie.jobs.presets import Preset, presets

SIZE = 384
PHOTOS = {"style": "chelsea", "dream": "coffee"}
"""scikit-image's photograph for each craft that takes one."""
PAGE = Path(__file__).resolve().parents[1] / "src" / "reverie" / "studio" / "page" / "presets"
LOOK = (192, 144)
"""Width and height of the page's pictures."""


def command(name: str, preset: Preset, photo: str) -> list[str]:
    """The words that make a preset's picture."""
    return [preset.craft, *([photo] if photo else []), "--preset", name, "--size", str(SIZE), "-o", f"{name}.jpg"]


def write_look(picture: Path) -> None:
    """Write the small picture of the studio's page."""
    with Image.open(picture) as image:
        small = ImageOps.fit(image.convert("RGB"), LOOK, Image.Resampling.LANCZOS)
    small.save(PAGE / f"{picture.stem}.webp", quality=72, method=6)


def main() -> None:
    folder = Path(sys.argv[1]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    rows = ["# Presets", "", "What `--preset NAME` looks like; `make gallery` makes these pictures.", ""]
    with contextlib.chdir(folder):
        for photo in PHOTOS.values():
            Image.fromarray(getattr(skimage.data, photo)()).save(f"{photo}.jpg", quality=88)
        for name, preset in presets().items():
            photo = PHOTOS.get(preset.craft)
            words = command(name, preset, f"{photo}.jpg" if photo else "")
            if code := reverie(words):
                sys.exit(code)
            write_look(folder / f"{name}.jpg")
            rows += [f"## {name}", "", f"{preset.summary}", "", f"![{preset.summary}]({name}.jpg)", ""]
            rows += ["```console", f"reverie {' '.join(words)}", "```", ""]
    (folder / "README.md").write_text("\n".join(rows), encoding="utf8")


if __name__ == "__main__":
    main()
