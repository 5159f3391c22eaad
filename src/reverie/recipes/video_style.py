"""Repaint a clip until its features' statistics are a painting's, frame following frame.

Source: Ruder, Dosovitskiy & Brox 2016, "Artistic style transfer for videos": begun from the last result, warped;
tied to it and to an older one where they can be followed, the nearer first. We differ: keyframes are optimised, and
the frames between them follow the flow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor

from reverie.crafts.craft import craft
from reverie.crafts.kinds import Film, Footage, Many, Painting
from reverie.crafts.settings import DIAL, ColourSettings, Numbers, RunSettings, TileSettings, Words
from reverie.engine import Executor, Plan, Stage, Synthesis
from reverie.engine.films import FilmRun
from reverie.engine.runs import Optimisation
from reverie.motion import FramePainter, Guide
from reverie.networks import Network
from reverie.objectives import temporal
from reverie.recipes.parts.film import FILM, FilmSettings, film_of, film_size, sized, taken
from reverie.recipes.parts.losses import Loss
from reverie.recipes.parts.networks import network_for
from reverie.recipes.parts.starts import painted_at_once
from reverie.recipes.style import StyleInputs, StyleSettings, style_synthesis

_CALM = 0.5  # of a step's size: a keyframe begins near its end
_FOLLOWED = 1e-3  # share of a frame that a guide must reach to count


class VideoStyleSettings(RunSettings, TileSettings, ColourSettings, FilmSettings):
    """Settings of a clip that is repainted."""

    strength: Annotated[float, DIAL] = Field(default=1.0, gt=0, le=100, description="weight of the style")
    stroke: Annotated[float, DIAL] = Field(
        default=1.0, gt=0, le=10, description="size of the strokes, 1 as in the painting"
    )
    size: Annotated[int, DIAL] = Field(default=512, ge=16, le=100_000, description="longer side of the film, pixels")
    weights: Annotated[Numbers, DIAL] = Field(
        default=(), description="share of each painting, e.g. 2,1; default: equal"
    )
    consistency: Annotated[float, FILM] = Field(
        default=100.0, ge=0, le=1e6, description="weight of keeping to the last keyframe where it can be followed"
    )
    steps: int | None = Field(
        default=None, ge=1, le=10_000, description="steps of a scene's first keyframe at its smallest scale"
    )
    frame_steps: int = Field(default=16, ge=1, le=10_000, description="steps of a keyframe after the first")
    loss: Loss = Field(default="wasserstein", description="how features are compared")
    layers: Words = Field(
        default=(), description="layers whose statistics are the style, NAME or NAME:WEIGHT; default: the network's own"
    )


@craft(
    name="video style",
    example="reverie video style street.mp4 night-strokes --to 5s -o night.mp4",
    makes=Film,
    summary="Repaint a clip like one or several paintings, finely: keyframe by keyframe.",
)
def video_style(
    clip: Footage,
    painting: Annotated[Many[Painting], "a picture to paint like, or a sample style's name; several are mixed"],
    settings: VideoStyleSettings = VideoStyleSettings(),
    *,
    network: Network | None = None,
) -> FilmRun:
    """Repaint a clip in the manner of one or several paintings.

    Args:
        clip: as `open_footage` gives it.
        painting: one or several pictures, any sizes.
        settings: how.
        network: your own, instead of the one that the settings name.
    Yields:
        A `FilmStep` a frame, with its image and its time.
    Raises:
        RecipeError: as many weights as paintings are needed, or no frame is taken.
        ClipError: the clip cannot be read.
    """
    footage = taken(clip, settings)
    size = film_size(footage, settings.size)
    own = StyleSettings(**{name: getattr(settings, name) for name in _SHARED}).model_copy(update={"size": max(size)})
    many = [painting] if isinstance(painting, Tensor) else list(painting)
    network = network_for(own, network, seamless=False, pooling="average")

    def painter_for(plan: Plan, executor: Executor | None) -> FramePainter:
        return StyledFrames(many, own, settings, network, executor or plan.executor())

    (first,) = sized([footage.frame_at(Fraction(0))], size)
    keyframe = Optimisation(style_synthesis(first.image, many, own, network=network))
    return film_of(footage, settings, size, keyframe, painter_for)


@dataclass(frozen=True, eq=False)
class StyledFrames:
    """Paints keyframes by optimisation; see `FramePainter`.

    Attributes:
        paintings: to paint like.
        settings: of a scene's first keyframe.
        film: of the others.
        network: whose features are compared.
        executor: computes.
    """

    paintings: list[Tensor]
    settings: StyleSettings
    film: VideoStyleSettings
    network: Network
    executor: Executor
    detail: bool = False
    carried: float = 0.0

    def key(self, photo: Tensor, guides: Sequence[Guide]) -> Tensor:
        """Paint a keyframe: from nothing, or from the last one."""
        photo = photo.contiguous()
        synthesis = self.first(photo) if not guides else self.next(photo, guides)
        *_, last = synthesis.run(executor=self.executor)
        return last.image.cpu()

    def between(self, photo: Tensor) -> None:
        """Return None: it takes many steps."""

    def first(self, photo: Tensor) -> Synthesis:
        """Declare the run of a scene's first keyframe."""
        return style_synthesis(photo, self.paintings, self.settings, network=self.network)

    def next(self, photo: Tensor, guides: Sequence[Guide]) -> Synthesis:
        """Declare the run of a keyframe that follows others."""
        begin = torch.lerp(self._fresh(photo), guides[0].image, guides[0].mask).contiguous()
        inputs = StyleInputs(begin=begin)
        run = style_synthesis(photo, self.paintings, self.settings, inputs=inputs, network=self.network)
        ties = [
            self.film.consistency * float(guide.mask.mean()) * temporal(guide.image.contiguous(), where=guide.mask)
            for guide in guides
            if self.film.consistency and float(guide.mask.mean()) > _FOLLOWED
        ]
        size = run.stages[-1].size
        return replace(
            run, objective=sum(ties, start=run.objective), stages=(Stage(size, self.film.frame_steps, rate=_CALM),)
        )

    def _fresh(self, photo: Tensor) -> Tensor:
        """Paint a frame at once, for what no earlier keyframe shows."""
        how: dict[str, Any] = {
            name: getattr(self.settings, name)
            for name in ("weights", "strength", "stroke", "seed", "precision", "device")
        }
        return painted_at_once(photo, self.paintings, size=(photo.shape[2], photo.shape[3]), **how)


_SHARED = (
    *("network", "precision", "device", "deterministic", "device_memory", "seed", "memory", "tile"),
    *("colour", "colour_amount", "strength", "stroke", "size", "weights", "loss", "layers", "steps"),
)
"""Settings that are those of a picture."""
