"""The masks and maps of the gallery, drawn in shares of the width and height of what they lie on."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

Point = tuple[float, float]
Shape = Sequence[Point]  # two points: an ellipse from corner to corner; more: a polygon
Drawing = Callable[[Tensor], Image.Image]

ORANGE, BLUE, BLACK = (240, 140, 40), (40, 70, 150), (0, 0, 0)
CUP: Sequence[Shape] = (((0.125, 0.18), (0.80, 0.965)), ((0.285, 0.04), (0.685, 0.53)))
WOMAN: Sequence[Shape] = (
    ((0.295, 0.025), (0.59, 0.40)),
    ((0.25, 0.30), (0.31, 0.285), (0.56, 0.33), (0.60, 0.42), (0.58, 0.47), (0.68, 0.53), (0.70, 0.68), (0.60, 0.73),
     (0.56, 0.80), (0.56, 1), (0.05, 1), (0.03, 0.84), (0.055, 0.58), (0.12, 0.47), (0.24, 0.41), (0.22, 0.37)),
    ((0.54, 0.67), (0.985, 1.18)),
)  # fmt: skip
FISH: Sequence[Shape] = (
    ((0.20, 0.21), (0.30, 0.27), (0.36, 0.22), (0.46, 0.18), (0.52, 0.14), (0.60, 0.18), (0.68, 0.25), (0.74, 0.38),
     (0.74, 0.45), (0.60, 0.445), (0.44, 0.42), (0.32, 0.38), (0.18, 0.44), (0.20, 0.37)),
    ((0.25, 0.57), (0.45, 0.55), (0.60, 0.58), (0.70, 0.65), (0.82, 0.55), (0.82, 0.66), (0.79, 0.78), (0.70, 0.74),
     (0.60, 0.80), (0.52, 0.82), (0.47, 0.86), (0.42, 0.81), (0.33, 0.75), (0.28, 0.66)),
)  # fmt: skip


def regions(shapes: Sequence[Shape], *, frame: float = 0) -> Drawing:
    """A map: orange within the shapes, blue around them; black for a frame that belongs to neither."""

    def draw(picture: Tensor) -> Image.Image:
        height, width = picture.shape[2:]
        drawn = Image.new("RGB", (width, height), BLACK)
        drawn.paste(BLUE, (round(frame * width), round(frame * height), *_far(frame, width, height)))
        drawn.paste(ORANGE, mask=_shapes(picture, shapes).point(lambda value: 255 * (value > 127)))
        return drawn

    return draw


def _far(frame: float, width: int, height: int) -> tuple[int, int]:
    return round((1 - frame) * width), round((1 - frame) * height)


def mask(shapes: Sequence[Shape], *, inside: bool = True) -> Drawing:
    """A soft mask: white within the shapes, or around them."""

    def draw(picture: Tensor) -> Image.Image:
        drawn = _soft(_shapes(picture, shapes))
        return drawn if inside else drawn.point(lambda value: 255 - value)

    return draw


def cut_out(shapes: Sequence[Shape]) -> Drawing:
    """The picture itself, transparent around the shapes."""

    def draw(picture: Tensor) -> Image.Image:
        pixels = (picture[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        opaque = _shapes(picture, shapes).filter(ImageFilter.GaussianBlur(1))
        pixels[np.asarray(opaque) == 0] = 255  # what nobody sees takes no room
        drawn = Image.fromarray(pixels)
        drawn.putalpha(opaque)
        return drawn

    return draw


def sky(picture: Tensor) -> Image.Image:
    """A soft mask of what is bluer than red: a sky at dusk."""
    red, _, blue = picture[0].numpy()
    found = Image.fromarray(((blue - red > 0.03) * 255).astype(np.uint8))
    return _soft(found.filter(ImageFilter.MedianFilter(7)))


def _shapes(picture: Tensor, shapes: Sequence[Shape]) -> Image.Image:
    height, width = picture.shape[2:]
    drawn = Image.new("L", (width, height))
    pen = ImageDraw.Draw(drawn)
    for shape in shapes:
        points = [(x * width, y * height) for x, y in shape]
        (pen.ellipse if len(points) == 2 else pen.polygon)(points, fill=255)
    return drawn


def _soft(drawn: Image.Image) -> Image.Image:
    return drawn.filter(ImageFilter.GaussianBlur(3))


MAPS: dict[str, tuple[str, Drawing]] = {  # name: the photograph or painting it lies on, and how it is drawn
    "cup": ("coffee", regions(CUP)),
    "fish": ("mosaic", regions(FISH, frame=0.065)),
    "astronaut": ("astronaut", regions(WOMAN)),
    "sky": ("rocket", sky),
    "in-the-cup": ("coffee", mask(CUP)),
    "on-the-table": ("coffee", mask(CUP, inside=False)),
    "behind-the-astronaut": ("astronaut", mask(WOMAN, inside=False)),
    "cut-out": ("coffee", cut_out(CUP)),
}
