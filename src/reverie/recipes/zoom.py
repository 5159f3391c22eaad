"""An endless zoom: each frame is the one before, magnified a little, and dreamt on.

Source: Mordvintsev, Olah & Tyka (2015), the last cell of the published notebook. We differ: nothing is rounded to
whole pixels, mean colour and contrast stay the first frame's, and subjects are weighted once.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Self

import torch
from pydantic import BeforeValidator, Field, model_validator
from torch import Tensor

from reverie.crafts.craft import craft
from reverie.crafts.kinds import Alpha, Clip, Many, Mask, Photo
from reverie.crafts.settings import DIAL, Panel, listed
from reverie.engine import Executor, State, Synthesis
from reverie.engine.runs import Frames, FrameStep
from reverie.errors import RecipeError
from reverie.networks import Network
from reverie.pictures import magnified, scaled
from reverie.recipes.dream import DreamInputs, DreamSettings, canvas_of, dream_synthesis, noise

_DEEPEST = 20.0  # natural logarithm of a magnification beyond which no pixel of the photo's alpha is left to see
KEPT = 5  # pictures: the frame, the one before, the first, and what they are made of
CALM = 0.6  # of a first frame's step, so that frames do not flicker
ZOOM = Panel("Zoom")
Share = Annotated[float, Field(ge=0, le=1)]


class ZoomSettings(DreamSettings):
    """Settings of a zoom, those of its dreams included."""

    frames: Annotated[int, DIAL] = Field(default=60, ge=1, le=1_000_000, description="how many frames")
    rate: Annotated[float, ZOOM] = Field(default=1.04, gt=1, le=2, description="magnification per frame")
    at: Annotated[tuple[Share, ...], ZOOM, Field(min_length=2, max_length=2), BeforeValidator(listed)] = Field(
        default=(0.5, 0.5), description="point to zoom into, as shares of the width and height"
    )
    frame_steps: Annotated[int, ZOOM] = Field(
        default=4, ge=1, le=10_000, description="steps per octave of a frame after the first"
    )

    @model_validator(mode="after")
    def _of_frames(self) -> Self:
        if self.seamless:
            raise RecipeError("a zoom loses the edges that a seamless picture joins; leave out one of the two.")
        if self.upscale > 1:
            raise RecipeError("a zoom goes on from each frame as it is, so none is enlarged; leave out --upscale.")
        return self


@craft(example="reverie zoom cat.jpg --frames 120 -o fall.mp4", makes=Clip, noise=noise)
def zoom(
    photo: Annotated[Photo | None, "the picture to dream on"],
    settings: ZoomSettings = ZoomSettings(),
    *,
    guide: Annotated[Photo | None, "a picture whose features the dream takes up, each place the nearest"] = None,
    like: Annotated[Many[Photo], "dream more of what these pictures share"] = (),
    avoid_like: Annotated[Many[Photo], "dream less of what these pictures share"] = (),
    mask: Annotated[Mask | None, "where to dream: white; where it is black the photo stays"] = None,
    region: Annotated[Many[Mask], "where a subject is dreamt, a mask for each, in the order of dream"] = (),
    photo_alpha: Alpha | None = None,
    network: Network | None = None,
) -> Frames:
    """Fall into a dream, frame by frame: each is the one before, magnified a little, and dreamt on.

    Args:
        photo: (1, 3, H, W) sRGB in [0, 1]; None begins with noise.
        settings: how; ``frames`` is how many.
        guide, like, avoid_like, mask, region: as of `dream`.
        photo_alpha: (1, 1, H, W) in [0, 1]; it is magnified along with the frames.
        network: your own, instead of the one that the settings name.
    Yields:
        A `FrameStep` a step; it has an image where a frame is whole.
    Example:
        frames = [s.image for s in rv.recipes.zoom(photo, rv.ZoomSettings(frames=60)) if s.image is not None]
    """
    inputs = DreamInputs(guide, like, avoid_like, mask, region)
    first = dream_synthesis(photo, settings, inputs=inputs, network=network)

    def follow(executor: Executor, state: State | None) -> Iterator[FrameStep]:
        return zoom_steps(first, settings, inputs=inputs, executor=executor, alpha=photo_alpha, state=state)

    return Frames(first, settings.frames, follow, kept=KEPT)


def zoom_steps(
    first: Synthesis,
    settings: ZoomSettings,
    *,
    inputs: DreamInputs,
    executor: Executor,
    alpha: Tensor | None = None,
    state: State | None = None,
) -> Iterator[FrameStep]:
    """Yield the steps of a zoom.

    Args:
        first: the dream it begins with.
        settings, inputs: the dream's.
        executor: computes.
        alpha: of the photo, (1, 1, H, W).
        state: of an earlier process: a frame's number, the frame, and frame 0, whose colours all have.
    """
    number, frame, palette = (-1, None, None) if state is None else (state["number"], state["frame"], state["palette"])
    while number + 1 < settings.frames:
        number += 1
        what = first if frame is None else next_frame(first, frame, settings, inputs, number)
        for iterate in what.run(executor=executor):
            if not iterate.last:
                yield FrameStep(number, settings.frames, iterate)
        frame = iterate.image if palette is None else stabilise(iterate.image, palette)
        palette = frame if palette is None else palette
        seen = None if alpha is None else frame_alpha(alpha, settings, number, size=what.stages[-1].size)
        kept = {"number": number, "frame": frame, "palette": palette}
        yield FrameStep(number, settings.frames, iterate, frame, seen, kept)


def next_frame(first: Synthesis, frame: Tensor, settings: ZoomSettings, inputs: DreamInputs, number: int) -> Synthesis:
    """Declare the run of a frame after the first: a few steps on the previous one, magnified."""
    start = magnified(frame, settings.rate, at=(settings.at[0], settings.at[1])).clamp_(0, 1)
    stages = tuple(replace(stage, steps=settings.frame_steps, rate=CALM * stage.rate) for stage in first.stages)
    canvas = canvas_of(start, settings, inputs, size=stages[0].size, bare=False)
    return replace(first, canvas=canvas, stages=stages, seed=settings.seed + number)


def frame_alpha(alpha: Tensor, settings: ZoomSettings, number: int, *, size: tuple[int, int]) -> Tensor:
    """Magnify the photo's alpha as far as a frame is magnified.

    Args:
        alpha: (1, 1, H, W) in [0, 1], of the photo.
        settings: the zoom's.
        number: of the frame, from 0.
        size: (h, w) of the frame.
    Returns:
        (1, 1, h, w) in [0, 1].
    Example:
        >>> frame_alpha(torch.ones(1, 1, 60, 80), ZoomSettings(), 10, size=(36, 48)).shape
        torch.Size([1, 1, 36, 48])
    """
    factor = math.exp(min(number * math.log(settings.rate), _DEEPEST))
    at = (settings.at[0], settings.at[1])
    return magnified(scaled(alpha, size), factor, at=at).clamp_(0, 1)


def stabilise(frame: Tensor, first: Tensor) -> Tensor:
    """Give a frame the mean colour and contrast of the first, so that neither drifts; the hues stay its own."""
    mean, wanted = (x.mean((2, 3), keepdim=True) for x in (frame, first))
    contrast = (first - wanted).pow(2).mean().sqrt() / (frame - mean).pow(2).mean().sqrt().clamp_min(1e-6)
    return torch.addcmul(wanted, frame - mean, contrast).clamp_(0, 1)
