"""The moving pictures of the gallery, `python examples/gallery_clips.py docs/gallery`: made where they are missing.

Each shows a clip and what `reverie video` makes of it, side by side. The clips are flights over the photographs that
come with scikit-image. The sample clip of the studio's page is one as well.
"""

from __future__ import annotations

import contextlib
import shlex
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path

import numpy as np
import skimage.data
import torch
from PIL import Image, ImageOps

from reverie.cli import main as reverie
from reverie.clips import FILMS, ChunkEncoder

COUNT, RATE, SIZE = 15, 8, (192, 128)  # frames, of them a second; width and height, pixels
CLIPS: Mapping[str, tuple[str, tuple[float, float, float], tuple[float, float, float]]] = {
    "cat": ("chelsea", (0.0, 0.05, 0.72), (0.28, 0.2, 0.72)),
    "coffee": ("coffee", (0.0, 0.0, 1.0), (0.2, 0.15, 0.6)),
    "astronaut": ("astronaut", (0.25, 0.3, 0.7), (0.05, 0.02, 0.8)),
}
"""By name: the photograph, and where the first and the last frame lie: left, top and width, as shares of its own."""
MADE = {
    "video-instant": "reverie video instant coffee night-strokes --fps 8 -o made",
    "video-dream": "reverie video dream cat --layers relu4_2 --fps 8 --size 192 -o made",
    "video-style": "reverie video style astronaut woodcut-wave --fps 8 --size 192 -o made",
}
"""By name of the moving picture: the command, whose clip is a folder of frames."""


SAMPLE = Path(__file__).resolve().parents[1] / "src" / "reverie" / "studio" / "page" / "samples" / "cat.mp4"
SAMPLE_COUNT, SAMPLE_RATE, SAMPLE_SIZE = 24, 12, (288, 192)


def frames_of(name: str, count: int, size: tuple[int, int]) -> Iterator[Image.Image]:
    """Yield a clip's frames, (width, height) in size."""
    photo, first, last = CLIPS[name]
    whole = Image.fromarray(getattr(skimage.data, photo)())
    for number in range(count):
        share = 0.5 - 0.5 * np.cos(np.pi * number / (count - 1))
        left, top, wide = (a + (b - a) * share for a, b in zip(first, last, strict=True))
        width, x, y = wide * whole.width, left * whole.width, top * whole.height
        box = (x, y, x + width, min(whole.height, y + width * size[1] / size[0]))
        yield whole.resize(size, Image.Resampling.LANCZOS, box=box)


def write_frames(name: str, folder: Path) -> None:
    """Write a clip's frames into a folder."""
    for number, frame in enumerate(frames_of(name, COUNT, SIZE)):
        frame.save(folder / f"{number:03d}.png")


def write_sample(path: Path) -> None:
    """Write the sample clip of the studio's page, and its first frame as a small picture."""
    rate, (width, height) = Fraction(SAMPLE_RATE), SAMPLE_SIZE
    with path.open("w+b") as file:
        encoder = ChunkEncoder(file, FILMS[".mp4"], size=(height, width), base=1 / rate, rate=rate, quality=55)
        for number, frame in enumerate(frames_of("cat", SAMPLE_COUNT, SAMPLE_SIZE)):
            pixels = torch.from_numpy(np.asarray(frame).astype(np.float32) / 255)
            encoder.add(pixels.permute(2, 0, 1)[None], number / rate)
        encoder.close()
    first = next(frames_of("cat", SAMPLE_COUNT, SAMPLE_SIZE))
    ImageOps.fit(first, (128, 96)).save(path.with_name("cat-clip-small.webp"), quality=72, method=6)


def make(command: str, target: Path) -> None:
    """Run a command on its clip, and write both side by side as an animated WebP."""
    with tempfile.TemporaryDirectory() as place, contextlib.chdir(place):
        program, *words = shlex.split(command)
        source = Path(words[2])
        source.mkdir()
        write_frames(source.name, source)
        if program != "reverie" or reverie(words) != 0:
            raise SystemExit(f"'{command}' failed.")
        frames = [_pair(source / path.name.replace("00", "", 1), path) for path in sorted(Path("made").glob("*.png"))]
    first, *rest = frames
    first.save(target, save_all=True, append_images=rest, duration=1000 // RATE, loop=0, quality=34, method=6)


def _pair(source: Path, made: Path) -> Image.Image:
    with Image.open(source) as left, Image.open(made) as right:
        both = Image.new("RGB", (left.width + right.width + 4, right.height), "white")
        both.paste(left.convert("RGB"), (0, 0))
        both.paste(right.convert("RGB"), (left.width + 4, 0))
        return both


def main(words: Sequence[str]) -> None:
    """Make what is missing, or all with ``--anew``."""
    folder, anew = Path(words[0]).resolve(), "--anew" in words
    for name, command in MADE.items():
        if anew or not (folder / f"{name}.webp").exists():
            make(command, folder / f"{name}.webp")
    if anew or not SAMPLE.exists():
        write_sample(SAMPLE)


if __name__ == "__main__":
    main(sys.argv[1:])
