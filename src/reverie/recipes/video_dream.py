"""Dream on a clip: what is dreamt stays on what it grew from, and moves with it.

Source: Mordvintsev, Olah & Tyka 2015; Ruder, Dosovitskiy & Brox 2016 for what may be followed from frame to frame. We
differ: it is the detail that is carried along the flow, the dream less its frame, so that the clip itself stays sharp
and what is uncovered is dreamt on anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Self

from pydantic import Field, model_validator
from torch import Tensor

from reverie.canvas import PixelCanvas
from reverie.crafts.craft import craft
from reverie.crafts.kinds import Film, Footage, Many, Photo
from reverie.crafts.settings import DIAL
from reverie.engine import Executor, Plan, Synthesis
from reverie.engine.films import FilmRun
from reverie.engine.runs import Optimisation
from reverie.errors import RecipeError
from reverie.motion import FramePainter, Guide
from reverie.networks import Network
from reverie.recipes.dream import DreamInputs, DreamSettings, dream_synthesis
from reverie.recipes.parts.film import FILM, FilmSettings, film_of, film_size, sized, taken
from reverie.recipes.parts.networks import network_for

KEPT = 0.8
"""Share of the carried detail with which a keyframe begins: new steps take the place of what fades."""
CALM = 0.6  # of a first keyframe's step


class VideoDreamSettings(FilmSettings, DreamSettings):  # quality is the film's
    """Settings of a clip that is dreamt on, those of its dreams included."""

    size: Annotated[int, DIAL] = Field(default=512, ge=16, le=100_000, description="longer side of the film, pixels")
    frame_steps: Annotated[int, FILM] = Field(
        default=8, ge=1, le=10_000, description="steps of a keyframe after a scene's first"
    )

    @model_validator(mode="after")
    def _of_frames(self) -> Self:
        if self.seamless:
            raise RecipeError("the frames of a clip have edges; leave out --seamless.")
        if self.upscale > 1:
            raise RecipeError("a film is as large as --size says; leave out --upscale.")
        return self


@craft(
    name="video dream",
    example="reverie video dream street.mp4 --class macaw --to 5s -o dream.mp4",
    makes=Film,
    summary="Dream on a clip: creatures stay on what they grew from.",
)
def video_dream(
    clip: Footage,
    settings: VideoDreamSettings = VideoDreamSettings(),
    *,
    guide: Annotated[Photo | None, "a picture whose features the dream takes up, each place the nearest"] = None,
    like: Annotated[Many[Photo], "dream more of what these pictures share"] = (),
    avoid_like: Annotated[Many[Photo], "dream less of what these pictures share"] = (),
    network: Network | None = None,
) -> FilmRun:
    """Dream on a clip.

    Args:
        clip: as `open_footage` gives it.
        settings: how.
        guide, like, avoid_like: as of `dream`.
        network: your own, instead of the one that the settings name.
    Yields:
        A `FilmStep` a frame, with its image and its time.
    Raises:
        LayerNotFound, RecipeError: as of `dream`; or no frame is taken.
        ClipError: the clip cannot be read.
    """
    footage = taken(clip, settings)
    size = film_size(footage, settings.size)
    own = _dream_settings(settings).model_copy(update={"size": max(size)})
    inputs = DreamInputs(guide, like, avoid_like)
    network = network_for(own, network, seamless=False, leak=own.leak)

    def painter_for(plan: Plan, executor: Executor | None) -> FramePainter:
        return DreamtFrames(own, inputs, settings.frame_steps, network, executor or plan.executor())

    (first,) = sized([footage.frame_at(Fraction(0))], size)
    keyframe = Optimisation(dream_synthesis(first.image.contiguous(), own, inputs=inputs, network=network))
    return film_of(footage, settings, size, keyframe, painter_for)


@dataclass(frozen=True, eq=False)
class DreamtFrames:
    """Dreams on keyframes; see `FramePainter`.

    Attributes:
        settings, inputs: of the dream.
        steps: of a keyframe after a scene's first.
        network: whose features are dreamt of.
        executor: computes.
    """

    settings: DreamSettings
    inputs: DreamInputs
    steps: int
    network: Network
    executor: Executor
    detail: bool = True
    carried: float = 0.0

    def key(self, photo: Tensor, guides: Sequence[Guide]) -> Tensor:
        """Dream on a keyframe: from the beginning, or on what is carried."""
        photo = photo.contiguous()
        run = dream_synthesis(photo, self.settings, inputs=self.inputs, network=self.network)
        *_, last = (self.gone_on(run, photo, guides[0]) if guides else run).run(executor=self.executor)
        return last.image.cpu()

    def between(self, photo: Tensor) -> None:
        """Return None: what is uncovered shows the clip until the next keyframe."""

    def gone_on(self, run: Synthesis, photo: Tensor, guide: Guide) -> Synthesis:
        """Declare the run that goes on with the detail of the last keyframe."""
        last = run.stages[-1]
        begin = (photo + KEPT * guide.mask * (guide.image - photo)).clamp(0, 1).contiguous()
        canvas = PixelCanvas(begin, base=photo, natural=True)
        return replace(run, canvas=canvas, stages=(replace(last, steps=self.steps, rate=CALM * last.rate),))


def _dream_settings(settings: VideoDreamSettings) -> DreamSettings:
    """Return the settings of a keyframe's dream."""
    names = [name for name in DreamSettings.model_fields if name != "quality"]
    return DreamSettings.model_validate({name: getattr(settings, name) for name in names})
