"""Paint a clip with a custom style network, without flicker.

Source: Johnson, Alahi & Li 2016. ``recipes.train_style`` makes such networks. We differ: maps are normalised by the
statistics of the whole clip, and keyframes are carried along the flow.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from reverie.crafts.craft import craft
from reverie.crafts.kinds import Film, Footage, StyleNetwork
from reverie.engine import Executor, Plan
from reverie.engine.films import FilmRun
from reverie.engine.runs import OnePass
from reverie.motion import FramePainter
from reverie.networks import NetworkUsed
from reverie.recipes.parts.custom_style import CUSTOM, SMALLEST, custom_painter
from reverie.recipes.parts.film import film_of, film_size, taken
from reverie.recipes.parts.frames_at_once import frames_at_once
from reverie.recipes.video_instant import VideoInstantSettings


@craft(
    name="video own",
    example="reverie video own street.mp4 mine -o mine.mp4",
    makes=Film,
    summary="Paint a clip with a custom style network, without flicker.",
)
def video_own(
    clip: Footage,
    network: Annotated[StyleNetwork, "a custom style network: a file or its name; 'reverie train style' makes one"],
    settings: VideoInstantSettings = VideoInstantSettings(),
) -> FilmRun:
    """Paint a clip with a network that knows a single style.

    Args:
        clip: as `open_footage` gives it.
        network: in float32.
        settings: no weights, and strokes of size 1; strength mixes the result with the clip.
    Yields:
        A `FilmStep` a frame, with its image and its time.
    Raises:
        RecipeError: settings that do not suit, or no frame is taken.
        ClipError: the clip cannot be read.
    """
    footage = taken(clip, settings)
    size = film_size(footage, settings.size)
    manner = custom_painter(network, settings.model_copy(update={"size": max(size)}))

    def painter_for(plan: Plan, executor: Executor | None) -> FramePainter:
        fixed = manner.settings.model_copy(update={"tile": plan.tile, "memory": None})
        return frames_at_once(replace(manner, settings=fixed), footage, size)

    advice = manner.advice(size)
    keyframe = OnePass(
        size,
        lambda tile: iter(()),
        manner.tiling(size),
        networks=[NetworkUsed(CUSTOM, network.sha256)],
        precision=manner.settings.precision,
        device=manner.settings.device,
        least=SMALLEST,
        notes=[advice] if advice else [],
    )
    return film_of(footage, settings, size, keyframe, painter_for, quick=True, notes=keyframe.notes)
