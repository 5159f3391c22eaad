"""An endless zoom: each frame is the one before, magnified a little, and dreamt on.

Source: Mordvintsev, Olah & Tyka (2015), the last cell of the published notebook. We differ: nothing is rounded to
whole pixels, mean colour and contrast stay the first frame's, and wishes are weighed once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from reverie.engine import Executor, Iterate, Synthesis
from reverie.errors import RecipeError
from reverie.networks import Network
from reverie.pictures import magnified, scaled
from reverie.recipes.dream import Beside, DreamSettings, canvas_of, dreaming

_DEEPEST = 20.0  # natural logarithm of a magnification beyond which no pixel of the photo's alpha is left to see
CALM = 0.6  # of a first frame's step, so that frames do not flicker


@dataclass(frozen=True)
class ZoomStep:
    """A step of a zoom.

    Attributes:
        number: of the frame, from 0, the dream itself.
        frames: how many there will be.
        iterate: within the frame.
        image: the frame, (1, 3, H, W) in [0, 1], at its last step; None before.
    """

    number: int
    frames: int
    iterate: Iterate
    image: Tensor | None = None

    @property
    def done(self) -> float:
        """Share of the whole zoom's frames that is done."""
        return (self.number + self.iterate.done) / self.frames


def zoom(
    photo: Tensor | None = None,
    settings: DreamSettings | None = None,
    *,
    beside: Beside | None = None,
    network: Network | None = None,
) -> Iterator[ZoomStep]:
    """Dream on a photo or from noise, then zoom into the dream, dreaming on.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1]; None begins with noise.
        settings: how; ``zoom`` is the number of frames.
        beside: further pictures.
        network: one of your own, in place of the one that the settings name.
    Yields:
        A `ZoomStep` a step; it has an image where a frame is whole.
    Raises:
        RecipeError: no frames, or a seamless picture.
    Example:
        frames = [s.image for s in rv.recipes.zoom(photo, rv.DreamSettings(zoom=60)) if s.image is not None]
    """
    settings = settings or DreamSettings(zoom=60)
    first = dreaming(photo, settings, beside=beside, network=network)
    return zooming(first, settings, beside=beside or Beside(), executor=settings.plan(first).executor())


def zooming(
    first: Synthesis,
    settings: DreamSettings,
    *,
    beside: Beside,
    executor: Executor,
    done: tuple[int, Tensor, Tensor] | None = None,
) -> Iterator[ZoomStep]:
    """The steps of a zoom.

    Args:
        first: the dream it begins with.
        settings, beside: the dream's; masks are those of the first frame, and stay where they are.
        executor: computes.
        done: what an earlier process has: a frame's number, the frame, and frame 0, whose colours all have.
    """
    if settings.zoom < 1:
        raise RecipeError(f"a zoom has one frame or more; got {settings.zoom}.")
    number, frame, palette = done or (-1, None, None)
    while number + 1 < settings.zoom:
        number += 1
        what = first if frame is None else following(first, frame, settings, beside, number)
        for iterate in what.run(executor=executor):
            if not iterate.last:
                yield ZoomStep(number, settings.zoom, iterate)
        frame = iterate.image if palette is None else steadied(iterate.image, palette)
        palette = frame if palette is None else palette
        yield ZoomStep(number, settings.zoom, iterate, frame)


def following(first: Synthesis, frame: Tensor, settings: DreamSettings, beside: Beside, number: int) -> Synthesis:
    """The run of a frame after the first, declared: the one before, magnified, and a few steps."""
    start = magnified(frame, settings.zoom_rate, at=(settings.zoom_at[0], settings.zoom_at[1])).clamp_(0, 1)
    stages = tuple(replace(stage, steps=settings.zoom_steps, rate=CALM * stage.rate) for stage in first.stages)
    canvas = canvas_of(start, settings, beside, size=stages[0].size, bare=False)
    return replace(first, canvas=canvas, stages=stages, seed=settings.seed + number)


def frame_alpha(alpha: Tensor, settings: DreamSettings, number: int, *, size: tuple[int, int]) -> Tensor:
    """The alpha of a frame: the photo's, magnified as far as the frame is.

    Args:
        alpha: (1, 1, H, W) in [0, 1], of the photo.
        settings: the zoom's.
        number: of the frame, from 0.
        size: (h, w) of the frame.
    Returns:
        (1, 1, h, w) in [0, 1].
    Example:
        >>> write_image("00010.png", step.image, alpha=frame_alpha(alpha, settings, 10, size=size_of(step.image)))
    """
    factor = math.exp(min(number * math.log(settings.zoom_rate), _DEEPEST))
    at = (settings.zoom_at[0], settings.zoom_at[1])
    return magnified(scaled(alpha, size), factor, at=at).clamp_(0, 1)


def steadied(frame: Tensor, first: Tensor) -> Tensor:
    """A frame with the mean colour and the contrast of the first, so that neither runs away; the hues are its own."""
    mean, wanted = (x.mean((2, 3), keepdim=True) for x in (frame, first))
    contrast = (first - wanted).pow(2).mean().sqrt() / (frame - mean).pow(2).mean().sqrt().clamp_min(1e-6)
    return torch.addcmul(wanted, frame - mean, contrast).clamp_(0, 1)
