"""Paint a clip in the style of any painting at once, without flicker.

Source: Huang & Belongie 2017 and Li et al. 2017 for the painting; Ruder, Dosovitskiy & Brox 2016 for what may be
followed from frame to frame. We differ: the statistics are the whole clip's, so that neither colour nor contrast
breathes; keyframes are painted and carried along the flow, instead of every frame being painted and smoothed.

    for step in video_instant(rv.open_footage(Path("street.mp4")), painting):
        picture = step.image
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from torch import Tensor

from reverie.crafts.craft import craft
from reverie.crafts.kinds import Film, Footage, Many, Painting
from reverie.engine import Executor, Plan
from reverie.engine.films import FilmRun
from reverie.engine.runs import OnePass
from reverie.motion import FramePainter
from reverie.networks import NetworkUsed
from reverie.recipes.instant import INSTANT, SMALLEST, painter, tiling
from reverie.recipes.parts.at_once import InstantSettings
from reverie.recipes.parts.film import FilmSettings, film_of, film_size, taken
from reverie.recipes.parts.frames_at_once import frames_at_once


class VideoInstantSettings(InstantSettings, FilmSettings):
    """Settings of a clip painted in one pass a keyframe."""


@craft(
    name="video instant",
    example="reverie video instant street.mp4 night-strokes -o night.mp4",
    makes=Film,
    summary="Paint a clip in the manner of any painting, without flicker.",
)
def video_instant(
    clip: Footage,
    painting: Annotated[Many[Painting], "a picture to paint like, or a sample style's name; several are mixed"],
    settings: VideoInstantSettings = VideoInstantSettings(),
) -> FilmRun:
    """Paint a clip in the manner of any painting.

    Args:
        clip: as `open_footage` gives it.
        painting: one or several pictures, any sizes.
        settings: how; the defaults suit any clip.
    Yields:
        A `FilmStep` a frame, with its image and its time.
    Raises:
        RecipeError: as many weights as paintings are needed, or no frame is taken.
        ClipError: the clip cannot be read.
    Example:
        frames = [step.image for step in rv.recipes.video_instant(clip, [painting])]
    """
    many = [painting] if isinstance(painting, Tensor) else list(painting)
    footage = taken(clip, settings)
    size = film_size(footage, settings.size)
    manner = painter(many, settings.model_copy(update={"size": max(size)}))

    def painter_for(plan: Plan, executor: Executor | None) -> FramePainter:
        fixed = manner.settings.model_copy(update={"tile": plan.tile, "memory": None})
        return frames_at_once(replace(manner, settings=fixed), footage, size)

    keyframe = OnePass(
        size,
        lambda tile: iter(()),
        tiling(size, manner.settings.precision),
        networks=[NetworkUsed(INSTANT, manner.decoder.sha256)],
        precision=manner.settings.precision,
        device=manner.settings.device,
        least=SMALLEST,
    )
    return film_of(footage, settings, size, keyframe, painter_for, quick=True)
