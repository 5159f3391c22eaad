"""Train a network that paints any photo like one painting, in a single pass.

Source: Johnson, Alahi & Li 2016, "Perceptual losses for real-time style transfer and super-resolution". We differ:
the objective is that of ``reverie style`` (Wasserstein-2 between moments, each layer relative to the painting's own
strength), the judge's grid of pools lies elsewhere at every step, and the weights are averaged.

Example::

    *_, last = train_style(painting, photos, TrainStyleSettings(steps=2000))
    picture = last.network(photo).clamp(0, 1)
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, Literal

from pydantic import Field
from torch import Tensor

from reverie.crafts.craft import Folder, Painting, Weights, craft
from reverie.crafts.settings import DIAL, RunSettings
from reverie.engine import Executor, Plan, State
from reverie.engine.memory import allowed_memory, resident
from reverie.errors import PictureError
from reverie.feedforward.johnson import Johnson
from reverie.networks import NetworkUsed
from reverie.pictures.crops import Reader
from reverie.recipes.parts.training import Trainer


class TrainStyleSettings(RunSettings):
    """How to train."""

    minutes: Annotated[float, DIAL] = Field(default=20.0, gt=0, le=100_000, description="how long to train")
    steps: Annotated[int | None, DIAL] = Field(
        default=None, ge=1, le=10_000_000, description="train so many steps instead: repeatable, bit for bit"
    )
    style_weight: Annotated[Annotated[float, Field(gt=0, le=100_000)] | Literal["auto"], DIAL] = Field(
        default="auto", description="of the style against the photo; auto: found by a short probe; 10 is usual"
    )
    stroke: Annotated[float, DIAL] = Field(
        default=1.0, gt=0, le=10, description="size of the strokes, 1 as in the painting"
    )
    size: Annotated[int, DIAL] = Field(
        default=512,
        ge=64,
        le=4096,
        description="longer side of the photos it is to be best at, pixels; strokes are sized for it",
    )
    crop: int = Field(default=224, ge=64, le=1024, description="side of the pieces it learns from, pixels")
    batch: int = Field(default=4, ge=1, le=64, description="pieces in a step")
    width: int = Field(
        default=16, ge=4, le=128, description="channels at full resolution; twice and four times as many below"
    )
    blocks: int = Field(default=5, ge=1, le=16, description="residual blocks")
    rate: float = Field(default=2e-3, gt=0, le=1, description="size of a step")
    smoothness: float = Field(default=2.0, ge=0, le=1000, description="weight of total variation")


@dataclass(frozen=True, eq=False)
class TrainingStep:
    """The training after one more step.

    Attributes:
        step: from 1; how many are done.
        done: share of the budget, in [0, 1].
        seconds: of training, those of earlier processes counted in.
        losses: each term's natural value; empty where the step was left out.
        weight: of the style.
        notes: what the user should know, said once.
    """

    step: int
    done: float
    seconds: float
    losses: Mapping[str, float]
    weight: float
    notes: tuple[str, ...]
    _trainer: Trainer = field(repr=False)

    @property
    def last(self) -> bool:
        """Whether the training ends with this step."""
        return self.done >= 1

    @property
    def at(self) -> tuple[int, int]:
        """The step, of the only stage."""
        return 1, self.step

    @property
    def place(self) -> str:
        """Which step."""
        return f"step {self.step}"

    def facts(self) -> dict[str, Any]:
        """Which step, and its losses."""
        done, seconds = round(self.done, 6), round(self.seconds, 3)
        return {"step": self.step, "done": done, "seconds": seconds, "losses": dict(self.losses)}

    def trained(self, facts: Mapping[str, Any]) -> Johnson:
        """The network with what its file is to say of it."""
        return replace(self.network, facts=dict(facts))

    @property
    def network(self) -> Johnson:
        """The average of the weights so far, a copy, in float32."""
        return Johnson({key: x.clone() for key, x in self._trainer.average.items()})

    def state(self) -> dict[str, Any]:
        """Everything the training needs to go on from here; take it before the next step is asked for."""
        return {"step": self.step, "seconds": self.seconds, **self._trainer.state()}

    def preview(self) -> Tensor:
        """The painting, and some photos as the network paints them now: a sheet (1, 3, h, w) in [0, 1]."""
        return self._trainer.preview(self.network)


@craft(
    name="train style",
    example="reverie train style night.jpg --photos ~/Pictures -o night.safetensors",
    makes=Weights,
)
def train_style(
    painting: Annotated[Painting, "a picture, or a sample style's name"],
    photos: Annotated[Folder, "photos to learn from: some hundreds, of anything; sub-folders count"],
    settings: TrainStyleSettings = TrainStyleSettings(),
) -> Training:
    """Train a network of your own: to paint like one painting, at once.

    The weight of the style, where it is automatic, is ``5 / s``, ``s`` being the style's distance of some untouched
    photos from the painting (relative: 1 says that nothing of the painting is there). So paintings that are near to
    photos are insisted on as much as those far from any.

    A step whose loss or gradient is not finite is left out. After three in a row the weights go back to the last
    good ones, at half the rate; after four such returns it is given up. Every 400 steps smooth pictures are painted
    and looked at for dots and for a grid; where there are any, total variation weighs twice as much from there on.

    Args:
        painting: (1, 3, H, W) sRGB in [0, 1].
        photos: files, any sizes; those that cannot be read are left out, and noted.
        settings: how; the defaults suit most paintings.
    Yields:
        A `TrainingStep` a step; the last one's network is the trained one.
    Raises:
        PictureError: no photo can be read, or the painting is no picture.
        RecipeError: a piece is larger than the photos it is cut from.
        Diverged: it is not finite again and again.
        WeightsError: the judge's weights cannot be had.
    """
    return Training(Trainer(_checked(painting), photos, settings), settings)


@dataclass(frozen=True, eq=False)
class Training:
    """A training, ready to run.

    Attributes:
        trainer: the network with all that it takes.
        settings: how.
    """

    trainer: Trainer
    settings: TrainStyleSettings
    least: None = None

    @property
    def networks(self) -> Sequence[NetworkUsed]:
        """The judge."""
        judge = self.trainer.judge
        return [NetworkUsed(judge.name, judge.sha256)]

    @property
    def precision(self) -> str:
        """The judge's."""
        return str(self.trainer.judge.dtype).removeprefix("torch.")

    @property
    def notes(self) -> Sequence[str]:
        """None before the first step."""
        return ()

    def planned(self, *, memory: str | None = None, tile: int | None = None) -> Plan:
        """Whole, for as long as was asked."""
        size = self.settings.crop, self.settings.crop
        seconds = 0.0 if self.settings.steps else 60 * self.settings.minutes
        return Plan(size, size, 0, resident(), allowed_memory(memory), step_seconds=0.0, seconds=seconds, disk=0)

    def steps(
        self, plan: Plan, *, executor: Executor | None = None, state: State | None = None
    ) -> Iterator[TrainingStep]:
        """Train to the end, from the beginning or from a state."""
        settings, trainer = self.settings, self.trainer
        if state is None:
            trainer.probe()
        else:
            trainer.load(state)
        begun, before = time.monotonic(), 0.0 if state is None else float(state["seconds"])
        step = 0 if state is None else int(state["step"])
        with closing(Reader(trainer.crops, settings.batch, settings.seed)) as reader:
            done = 0.0
            while done < 1:
                seconds = before + time.monotonic() - begun
                spent = step / settings.steps if settings.steps else seconds / (60 * settings.minutes)
                losses = trainer.learn(reader.batch(step), step, min(1.0, spent))
                step, seconds = step + 1, before + time.monotonic() - begun
                done = min(1.0, step / settings.steps if settings.steps else seconds / (60 * settings.minutes))
                trainer.look(step)
                yield TrainingStep(step, done, seconds, losses, trainer.weight, trainer.told(), trainer)


def _checked(painting: Tensor) -> Tensor:
    if painting.ndim != 4 or painting.shape[:2] != (1, 3) or min(painting.shape[2:]) < 16:
        raise PictureError(f"a painting is (1, 3, H, W), 16 pixels or more each way; got {tuple(painting.shape)}.")
    return painting
