"""Films: flicker, sharpness and time, beside the same clip painted frame by frame, in one process.

`python -m benchmarks.video RESULTS.json [CLIP ...]`: the clips are made of photographs (pans, zooms, a moving object);
others may be named. Times are processor time, so that a busy machine does not count.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import skimage.data
import torch
from torch import Tensor

import reverie as rv
from benchmarks.speed import machine
from reverie import styles
from reverie.clips import ChunkEncoder, ClipFrame, Footage, film_format, open_footage
from reverie.feedforward.johnson import draw_johnson
from reverie.feedforward.stylise import changes_of, stylise
from reverie.motion import FramePainter, Guide, Rendered, intervals, measured, rendered
from reverie.recipes.instant import painter
from reverie.recipes.parts.film import sized
from reverie.recipes.video_dream import DreamtFrames
from reverie.recipes.video_style import StyledFrames, VideoStyleSettings

COUNT, SIZE, KEYFRAMES = 26, (180, 320), 8
FULL = ((360, 640), (720, 1280))
Clip = Sequence[ClipFrame]
T = TypeVar("T")


def view(photo: Any, across: float, down: float, scale: float, turn: float = 0.0) -> Any:
    """Cut a frame out of a photograph."""
    height, width = SIZE
    at = (photo.shape[1] * across, photo.shape[0] * down)
    matrix = cv2.getRotationMatrix2D(at, turn, scale * width / photo.shape[1] * 1.3)
    matrix[:, 2] += np.array([width / 2 - at[0], height / 2 - at[1]])
    return cv2.warpAffine(photo, matrix, (width, height), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REFLECT)


def made_clips() -> dict[str, Clip]:
    """Clips of photographs, with grain: a pan, a shaky zoom, an object before a background."""
    chance = np.random.default_rng(0)
    cat, coffee, face = skimage.data.chelsea(), skimage.data.coffee(), skimage.data.astronaut()

    def noisy(frames: Iterator[Any]) -> Clip:
        grained = (np.clip(f + chance.normal(0, 3, f.shape), 0, 255).astype(np.float32) / 255 for f in frames)
        return [clip_frame(pixels, number) for number, pixels in enumerate(grained)]

    def with_object(t: int) -> Any:
        frame, x = view(coffee, 0.5 + 0.002 * t, 0.5, 1.0).astype(np.float32), 20 + 6 * t
        mask = np.zeros(SIZE, np.float32)
        cv2.circle(mask, (x, 90 + round(12 * np.sin(t / 5))), 40, 1.0, -1, cv2.LINE_AA)
        its = view(np.roll(face, 0), 0.42, 0.3, 1.6).astype(np.float32)
        its = cv2.warpAffine(its, np.array([[1, 0, x - 160.0], [0, 1, 0]]), SIZE[::-1], borderMode=cv2.BORDER_REFLECT)
        return frame * (1 - mask[..., None]) + its * mask[..., None]

    steps = range(COUNT)
    return {
        "pan": noisy(view(cat, 0.4 + 0.008 * t, 0.5 + 0.02 * np.sin(t / 3), 1.1) for t in steps),
        "zoom": noisy(view(face, 0.5 + 0.004 * np.sin(t * 1.3), 0.4, 1.012**t, 0.3 * t) for t in steps),
        "object": noisy(with_object(t) for t in steps),
    }


def clip_frame(pixels: Any, number: int) -> ClipFrame:
    """Return a frame of (H, W, 3) floats."""
    image = torch.from_numpy(np.ascontiguousarray(pixels)).permute(2, 0, 1)[None]
    return ClipFrame(image, Fraction(number, 24), Fraction(1, 24))


def read(path: Path) -> Clip:
    """Read the first frames of a clip in the benchmark's width."""
    footage = open_footage(path)
    height = round(footage.size[0] * SIZE[1] / footage.size[1] / 2) * 2
    return list(islice(sized(footage.frames(), (height, SIZE[1])), COUNT))


class Painted:
    """Paintings made before, so that what is measured is all else."""

    detail, carried = False, 0.8

    def __init__(self, paint: Callable[[Tensor], Tensor], clip: Clip) -> None:
        began = time.process_time()
        self.images = {id(frame.image): paint(frame.image) for frame in clip}
        self.seconds, self.asked = (time.process_time() - began) / len(clip), 0

    def key(self, photo: Tensor, guides: Sequence[Guide]) -> Tensor:
        return self.between(photo)

    def between(self, photo: Tensor) -> Tensor:
        self.asked += 1
        return self.images[id(photo)]


def compared(clip: Clip, alone: Callable[[Tensor], Tensor], whole: Callable[[Tensor], Tensor]) -> dict[str, float]:
    """Measure a film beside frames painted one by one, each by its own statistics."""
    single, painted = [alone(frame.image) for frame in clip], Painted(whole, clip)
    began = time.process_time()
    film = [each.image for each in rendered(intervals(clip, KEYFRAMES), painted)]
    rest = (time.process_time() - began) / len(clip)
    versions = zip(clip, single, film, strict=True)
    table = measured({"source": f.image, "single": s, "film": m} for f, s, m in versions)
    mean = {name: {k: float(np.mean(v)) for k, v in row.items() if k != "spectrum"} for name, row in table.items()}
    return {
        "source": round(mean["source"]["short"], 4),
        "single": round(mean["single"]["short"], 4),
        "film": round(mean["film"]["short"], 4),
        "times_steadier": round(mean["single"]["short"] / mean["film"]["short"], 2),
        "times_steadier_over_ten": round(mean["single"]["long"] / mean["film"]["long"], 2),
        "sharpness": round(mean["film"]["sharpness"] / mean["single"]["sharpness"], 3),
        "painted": round(painted.asked / len(clip), 2),
        "rest_to_painting": round(rest / painted.seconds, 3),
    }


def one_pass(clips: dict[str, Clip]) -> dict[str, dict[str, dict[str, float]]]:
    """Compare films by instant, and by a network with random weights, as films of own networks are made."""
    table: dict[str, dict[str, dict[str, float]]] = {"instant": {}, "own": {}}
    manner = painter([rv.read_image(styles.path("night-strokes"))], rv.InstantSettings(precision="float32"))
    network = draw_johnson(seed=1)
    for name, clip in clips.items():
        seen = [clip[n].image for n in range(0, len(clip), 4)]
        size = (seen[0].shape[2], seen[0].shape[3])
        known, changes = manner.statistics(lambda seen=seen: seen, size), changes_of(network, seen, 0)
        table["instant"][name] = compared(clip, manner.paint, lambda p, known=known: manner.paint(p, clip=known))
        table["own"][name] = compared(
            clip, lambda p: stylise(network, p, 0), lambda p, changes=changes: stylise(network, p, 0, changes=changes)
        )
    return table


def costs(size: tuple[int, int]) -> dict[str, float]:
    """Measure what a frame of a film by instant costs, part by part, in processor seconds.

    Of the paintings one is made and measured; the others are stood in for by the frames, which are as large.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        write_panned(path, size)
        footage = open_footage(path)
        clip, decoding = timed(lambda: list(footage.frames()))
        manner = painter([rv.read_image(styles.path("night-strokes"))], rv.InstantSettings(precision="float32"))
        known = manner.statistics(lambda: [clip[0].image[..., :128, :128]], (128, 128))
        _, painting = timed(lambda: manner.paint(clip[0].image, clip=known))
        film, following = timed(lambda: list(rendered(intervals(clip, KEYFRAMES), Standing())))
        _, encoding = timed(lambda: encode(Path(folder) / "film.mp4", footage, film))
    painted = sum(each.key for each in film) / len(clip)
    parts = {"decoding": decoding, "following": following, "encoding": encoding}
    rest = sum(parts.values()) / len(clip)
    return {
        **{name: round(value / len(clip), 4) for name, value in parts.items()},
        "painting_one": round(painting, 3),
        "painted": round(painted, 2),
        "rest_to_painting": round(rest / painting, 3),
        "frames_a_second": round(1 / (rest + painted * painting), 2),
    }


class Standing:
    """Stands in for paintings."""

    detail, carried = False, 0.8

    def key(self, photo: Tensor, guides: Sequence[Guide]) -> Tensor:
        return photo

    def between(self, photo: Tensor) -> Tensor:
        return photo


def write_panned(path: Path, size: tuple[int, int]) -> None:
    """Write a pan over a photograph."""
    height, width = size
    photo = cv2.resize(skimage.data.coffee(), (round(1.2 * width), round(1.2 * height)), interpolation=cv2.INTER_CUBIC)
    with path.open("w+b") as file:
        encoder = ChunkEncoder(file, film_format(path), size=size, base=Fraction(1, 24), rate=Fraction(24), quality=80)
        for number in range(17):
            view = photo[number : number + height, 3 * number : 3 * number + width]
            encoder.add(clip_frame(view.astype(np.float32) / 255, number).image, Fraction(number, 24))
        encoder.close()


def encode(path: Path, footage: Footage, film: Sequence[Rendered]) -> None:
    """Encode a film as it is encoded in chunks."""
    with path.open("w+b") as file:
        encoder = ChunkEncoder(
            file, film_format(path), size=footage.size, base=footage.base, rate=footage.pace, quality=80
        )
        for each in film:
            encoder.add(each.image, each.frame.time)
        encoder.close()


def timed(do: Callable[[], T]) -> tuple[T, float]:
    """Do something; return what it makes, and the processor seconds that it took."""
    began = time.process_time()
    made = do()
    return made, time.process_time() - began


def optimised(clip: Clip) -> dict[str, dict[str, float]]:
    """Measure films by style and dream beside their source."""
    from reverie.engine import WholeExecutor
    from reverie.networks import load
    from reverie.recipes.dream import DreamInputs

    size = max(SIZE)
    painting = rv.read_image(styles.path("night-strokes"))
    style = StyledFrames(
        [painting], rv.StyleSettings(size=size, precision="float32"), VideoStyleSettings(),
        load(pooling="average"), WholeExecutor(),
    )  # fmt: skip
    dream = DreamtFrames(rv.DreamSettings(size=size), DreamInputs(), 8, load(), WholeExecutor())
    return {"style": _over(clip, style), "dream": _over(clip, dream)}


def _over(clip: Clip, frames: FramePainter) -> dict[str, float]:
    began = time.process_time()
    film = [each.image for each in rendered(intervals(clip, KEYFRAMES), frames)]
    seconds = (time.process_time() - began) / len(clip)
    table = measured({"source": f.image, "film": m} for f, m in zip(clip, film, strict=True))
    floor, error = (float(np.mean(table[name]["short"])) for name in ("source", "film"))
    return {"times_the_floor": round(error / floor, 2), "seconds_a_frame": round(seconds, 2)}


def main(words: list[str]) -> None:
    """Measure, and write what came out."""
    clips = {**made_clips(), **{Path(word).stem: read(Path(word)) for word in words[1:]}}
    results = {
        "machine": machine(),
        "costs": {f"{w}x{h}": costs((h, w)) for h, w in FULL},
        "one pass": one_pass(clips),
        "optimised": optimised(clips["pan"]),
    }
    text = json.dumps(results, indent=1)
    print(text)
    if words:
        Path(words[0]).write_text(text + "\n", encoding="utf8")


if __name__ == "__main__":
    main(sys.argv[1:])
