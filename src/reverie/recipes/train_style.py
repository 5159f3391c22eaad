"""Train a network that paints any photo like one painting, in a single pass.

Source: Johnson, Alahi & Li 2016, "Perceptual losses for real-time style transfer and super-resolution". We differ:
the objective is that of ``reverie style`` (Wasserstein-2 between moments, each layer relative to the painting's own
strength), the judge's grid of pools lies elsewhere at every step, and the weights are averaged.

Example::

    *_, last = train_style(painting, photos, TrainStyleSettings(steps=2000))
    picture = last.network(photo).clamp(0, 1)
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor

from reverie.crafts.craft import Folder, Painting, Weights, craft
from reverie.crafts.settings import DIAL, RunSettings
from reverie.engine import Executor, Plan, State
from reverie.engine.evaluate import value
from reverie.engine.executors import WholeExecutor
from reverie.engine.memory import allowed_memory, resident
from reverie.engine.precision import with_precision
from reverie.errors import Diverged, PictureError
from reverie.feedforward.johnson import Johnson, draw_johnson
from reverie.networks import Network, NetworkUsed, load
from reverie.objectives import Bound, Objective, content, style, total_variation
from reverie.pictures import contact_sheet, painting_size, resize, size_of
from reverie.pictures.crops import Crops, Reader, generator_of
from reverie.recipes.parts.artefacts import artefacts, weave

AUTO = 5.0  # what the style of an untouched photo is to weigh, in units of losing all content
BETAS = (0.9, 0.99)
_WARM, _DECAYS = 60, 0.6  # steps of warm-up; share of the budget after which the rate falls
_MEMORY = 0.995  # of the average of the weights
_BEYOND = 10.0  # weight of the mean square of what lies beyond [0, 1]
_WEAVE = 1000.0  # weight of what repeats with the network's own grid
_SHIFT = 8  # pixels; the judge's pools begin at one of so many places each way
_SAFE = 50  # steps between copies of the weights that can be gone back to
_PATIENCE, _RETURNS = 3, 4  # steps in a row that are not finite, and returns, before it is given up
_CHECKED = 400  # steps between looks for dots and grids
_PROBES = 8  # photos that tell the style's weight
SHOWN = 3  # photos of a preview


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
    _trainer: _Trainer = field(repr=False)

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
    return Training(_Trainer(_checked(painting), photos, settings), settings)


@dataclass(frozen=True, eq=False)
class Training:
    """A training, ready to run.

    Attributes:
        trainer: the network with all that it takes.
        settings: how.
    """

    trainer: _Trainer
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


def wish(
    judge: Network, painting: Tensor, settings: TrainStyleSettings, *, weight: float, smoothness: float
) -> Objective:
    """What the network's pictures minimise; ``"photo"`` is what each was painted from.

    Example:
        >>> str(wish(load("dreamnet"), painting, TrainStyleSettings(), weight=10, smoothness=2))
        'content(relu4_2) + 10 * style(relu1_2, relu2_2, relu3_2, relu4_2, relu5_1) + 2 * total_variation()'
    """
    scale = settings.stroke * settings.size / settings.crop  # the painting as a whole photo would be, not a piece
    painted = style(judge.style_layers, like=painting, stroke=scale)
    return content(judge.content_layer, like="photo") + weight * painted + smoothness * total_variation()


class _Trainer:
    """A network while it is trained."""

    def __init__(self, painting: Tensor, photos: Sequence[Path], settings: TrainStyleSettings) -> None:
        self.painting, self.settings = painting, settings
        self.crops = Crops(photos, settings.crop, (max(settings.crop, settings.size / 2), settings.size * 1.5))
        judge = load(settings.network, pooling="average", padding="replicate")
        self.judge = with_precision(judge, settings.precision)
        w = settings.width
        drawn = draw_johnson(widths=(w, 2 * w, 4 * w), blocks=settings.blocks, seed=settings.seed)
        # plain layout: moments come back from a checkpoint so, and the fused optimiser reads memory as it lies
        self.weights = {key: x.contiguous().requires_grad_(True) for key, x in drawn.tensors.items()}
        self.average = {key: x.detach().clone() for key, x in self.weights.items()}
        self.adam = self._fresh()
        self.safe = {key: x.clone() for key, x in self.average.items()}
        self.weight, self.smoothness, self.share = 0.0, settings.smoothness, 1.0
        self.failed = self.returns = 0
        self.notes: list[str] = []
        self.said: set[Path] = set()

    # --- the objective ---------------------------------------------------------------------------------------

    @cached_property
    def bound(self) -> Bound:
        """The objective with its targets."""
        return self._bound(self.weight, self.smoothness)

    def _bound(self, weight: float, smoothness: float) -> Bound:
        side = self.settings.crop - _SHIFT
        objective = wish(self.judge, self.painting, self.settings, weight=weight, smoothness=smoothness)
        with torch.no_grad():
            return objective.bind(self.judge, (side, side), lambda x, s: WholeExecutor().measure(self.judge, x, s))

    def probe(self) -> None:
        """Choose the style's weight."""
        if self.settings.style_weight != "auto":
            self.weight = float(self.settings.style_weight)
            return
        photos = self.crops.batch(_PROBES, generator_of(self.settings.seed, -1))[..., _SHIFT:, _SHIFT:]
        with torch.no_grad():
            terms = value(self._bound(1.0, 0.0), self.judge, photos, WholeExecutor({"photo": photos}))[1]
        self.weight = round(AUTO / max(float(terms["style"]), 0.05), 3)

    # --- a step ----------------------------------------------------------------------------------------------

    def learn(self, photos: Tensor, step: int, spent: float) -> dict[str, float]:
        """One step down; nothing is changed, and nothing returned, where something is not finite."""
        try:
            total, terms = self.losses(photos, generator_of(self.settings.seed, step))
            gradients = torch.autograd.grad(total, list(self.weights.values()))
            length = torch.stack([g.pow(2).sum() for g in gradients]).sum().sqrt()
        except Diverged:
            length = torch.tensor(math.nan)
        if not torch.isfinite(length):
            self._leave_out(step)
            return {}
        for x, g in zip(self.weights.values(), gradients, strict=True):
            x.grad = (g / length.clamp_min(1.0)).contiguous()
        for group in self.adam.param_groups:
            group["lr"] = rate_at(step, spent, self.settings.rate * self.share)
        self.adam.step()
        self._remember(step)
        return {name: float(x.detach()) for name, x in terms.items()}

    def losses(self, photos: Tensor, generator: torch.Generator) -> tuple[Tensor, dict[str, Tensor]]:
        """What a batch is to be less of: the objective, and faults: what lies beyond black and white, and a grid."""
        network = Johnson(self.weights).with_precision(self.judge.dtype)
        made = network(photos)
        shown, side = made.clamp(0, 1), photos.shape[-1] - _SHIFT
        top, left = torch.randint(_SHIFT + 1, (2,), generator=generator).tolist()
        seen, true = (x[..., top : top + side, left : left + side] for x in (shown, photos))
        total, terms = value(self.bound, self.judge, seen, WholeExecutor({"photo": true}))
        faults = _BEYOND * (made - shown).pow(2).mean() + _WEAVE * weave(shown, network.stride)
        return total + faults, terms

    @torch.no_grad()
    def _remember(self, step: int) -> None:
        """The average moves on; now and then the weights are good enough to go back to."""
        decay = min(_MEMORY, (step + 1) / (step + 10))
        for mine, its in zip(self.average.values(), self.weights.values(), strict=True):
            mine.lerp_(its, 1 - decay)
        self.failed = 0
        if step % _SAFE == _SAFE - 1:
            self.safe = {key: x.clone() for key, x in self.average.items()}

    def _leave_out(self, step: int) -> None:
        """A step that is not finite; after some in a row, back to good weights at half the rate.

        Raises:
            Diverged: that did not help.
        """
        self.failed += 1
        if self.failed < _PATIENCE:
            return
        self.failed, self.returns, self.share = 0, self.returns + 1, self.share / 2
        if self.returns > _RETURNS:
            raise Diverged(
                f"the training is not finite at step {step + 1}, even at 1/{1 / self.share:.0f} of its rate; lower"
                " --rate or --style-weight, or take --precision float32."
            )
        self.notes.append(f"step {step + 1} was not finite: back to the last good weights, at half the rate.")
        with torch.no_grad():
            for key, x in self.weights.items():
                x.copy_(self.safe[key])
                self.average[key].copy_(self.safe[key])
        self.adam = self._fresh()

    def _fresh(self) -> torch.optim.Adam:
        return torch.optim.Adam(self.weights.values(), lr=self.settings.rate, betas=BETAS, fused=True)

    # --- what is seen of it ----------------------------------------------------------------------------------

    def look(self, step: int) -> None:
        """Look for dots and a grid now and then, and smooth more where there are any."""
        if step % _CHECKED or self.smoothness > 4 * max(self.settings.smoothness, 1.0):
            return
        found = artefacts(Johnson(self.average), self.shown_painting).words
        if found:
            self.smoothness = 2 * max(self.smoothness, 1.0)
            self.notes.append(f"{found}; from step {step} on smoothness weighs {self.smoothness:g}.")
            vars(self).pop("bound", None)

    @cached_property
    def shown_painting(self) -> Tensor:
        """The painting in the size that its strokes have in what is painted."""
        size = painting_size(size_of(self.painting), self.settings.size**2, self.settings.stroke)
        return resize(self.painting, size).clamp(0, 1)

    @cached_property
    def shown_photos(self) -> list[Tensor]:
        """Some photos, far apart in the folder."""
        count = len(self.crops.paths)
        numbers = dict.fromkeys(count * i // SHOWN for i in range(SHOWN))
        return [self.crops.whole(number, self.settings.size) for number in numbers]

    @torch.no_grad()
    def preview(self, network: Johnson) -> Tensor:
        """The painting and the photos painted."""
        quick = network.with_precision(self.judge.dtype)
        made = [quick(photo).clamp(0, 1) for photo in self.shown_photos]
        return contact_sheet([self.painting, *made], columns=2, width=1040)

    def told(self) -> tuple[str, ...]:
        """What has not been said yet."""
        for path, reason in list(self.crops.left_out.items()):
            if path not in self.said:
                self.said.add(path)
                self.notes.append(f"'{path}' is left out: {reason:.150}.")
        notes, self.notes = tuple(self.notes), []
        return notes

    def state(self) -> dict[str, Any]:
        """All that changes."""
        return {
            "weights": {key: x.detach() for key, x in self.weights.items()},
            "average": self.average,
            "safe": self.safe,
            "adam": self.adam.state_dict()["state"],
            "numbers": [self.weight, self.smoothness, self.share, self.failed, self.returns],
            "photos": self._photos(),
        }

    @torch.no_grad()
    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from there."""
        for key, x in self.weights.items():
            x.copy_(state["weights"][key])
            self.average[key].copy_(state["average"][key])
        self.safe = {key: x.clone() for key, x in state["safe"].items()}
        self.adam.load_state_dict({"state": state["adam"], "param_groups": self.adam.state_dict()["param_groups"]})
        self.weight, self.smoothness, self.share, self.failed, self.returns = state["numbers"]
        if state["photos"] != self._photos():
            self.notes.append("the photos are not the same as before; going on with those that are there.")

    def _photos(self) -> str:
        """The photos' names, as a sha256: a folder that has changed is noticed."""
        names = "\n".join(path.name for path in self.crops.paths)
        return hashlib.sha256(names.encode("utf8", "surrogateescape")).hexdigest()


def rate_at(step: int, spent: float, peak: float) -> float:
    """The size of a step: it grows for 60 steps, stays, and falls with a square root in the last four tenths.

    Args:
        step: from 0.
        spent: share of the budget, in [0, 1].
        peak: the largest.

    Example:
        >>> rate_at(500, 0.3, 1e-3), rate_at(900, 1.0, 1e-3)
        (0.001, 0.0)
    """
    late = max(0.0, (spent - _DECAYS) / (1 - _DECAYS))
    return peak * min(1.0, (step + 1) / _WARM) * (1 - math.sqrt(late))


def _checked(painting: Tensor) -> Tensor:
    if painting.ndim != 4 or painting.shape[:2] != (1, 3) or min(painting.shape[2:]) < 16:
        raise PictureError(f"a painting is (1, 3, H, W), 16 pixels or more each way; got {tuple(painting.shape)}.")
    return painting
