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
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from reverie.crafts.craft import craft
from reverie.crafts.kinds import Folder, Painting, Weights
from reverie.crafts.settings import DIAL, Panel, RunSettings
from reverie.engine import Descent, Learner, State, Training, TrainingStep, WholeExecutor, bind, fit
from reverie.engine.evaluate import value
from reverie.engine.federated import DELTA, Privacy, federate
from reverie.engine.precision import with_precision
from reverie.errors import PictureError, RecipeError
from reverie.feedforward.johnson import Johnson, draw_johnson
from reverie.networks import Network, NetworkUsed, load
from reverie.objectives import Bound, Objective, content, style, total_variation
from reverie.pictures import contact_sheet, painting_size, resize, size_of
from reverie.pictures.crops import Crops, generator_of
from reverie.recipes.parts.artefacts import artefacts, grid_power
from reverie.recipes.parts.networks import device_for

AUTO = 5.0  # what the style of an untouched photo is to weigh, in units of losing all content
_BEYOND = 10.0  # weight of the mean square of what lies beyond [0, 1]
_GRID = 1000.0  # weight of what repeats with the network's own grid
_SHIFT = 8  # pixels; the judge's pools begin at one of so many places each way
_CHECKED = 400  # steps between looks for dots and grids
_PROBES = 8  # photos that tell the style's weight
_SHOWN = 3  # photos of a preview
_LONG = 10_000.0  # evaluations, after which no start of a device counts


FEDERATED = Panel("Federated")


class TrainStyleSettings(RunSettings):
    """Settings of a training."""

    minutes: Annotated[float, DIAL] = Field(default=20.0, gt=0, le=100_000, description="how long to train")
    steps: Annotated[int | None, DIAL] = Field(
        default=None, ge=1, le=10_000_000, description="train so many steps instead: repeatable, bit for bit"
    )
    style_weight: Annotated[Annotated[float, Field(gt=0, le=100_000)] | Literal["auto"], DIAL] = Field(
        default="auto", description="weight of the style against the photo; auto: found by a short probe; 10 is usual"
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
    batch: int = Field(default=4, ge=1, le=64, description="pieces in a step, with clients for each")
    width: int = Field(
        default=16, ge=4, le=128, description="channels at full resolution; twice and four times as many below"
    )
    blocks: int = Field(default=5, ge=1, le=16, description="residual blocks")
    rate: float = Field(default=2e-3, gt=0, le=1, description="size of a step")
    smoothness: float = Field(default=2.0, ge=0, le=1000, description="weight of total variation")
    federated: Annotated[bool, FEDERATED] = Field(
        default=False,
        description="each folder of photos is a client's, in a process of its own, that sends updates only",
    )
    local_steps: Annotated[int, FEDERATED] = Field(
        default=1, ge=1, le=1000, description="batches that a client learns from between two updates"
    )
    clip: Annotated[float | None, FEDERATED] = Field(
        default=None, gt=0, le=1e6, description="largest norm of a client's update; default: as it is"
    )
    noise: Annotated[float, FEDERATED] = Field(
        default=0.0, ge=0, le=1e6, description="noise on the sum of the updates, in clips: hides who took part"
    )


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
    """Train a custom style network, which paints like one painting at once.

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
    _check_federated(photos, settings)
    widths = settings.width, 2 * settings.width, 4 * settings.width
    if settings.federated:  # its clients share a machine's processors
        settings = settings.model_copy(update={"device": "cpu"})
    judge = _judge_of(settings)
    drawn = draw_johnson(widths=widths, blocks=settings.blocks, seed=settings.seed).to(judge.device).tensors
    precision = judge.precision
    if settings.federated:
        fixed = settings.model_copy(update={"precision": precision})
        follow = partial(_federated, drawn, _checked(painting), photos, fixed)
    else:
        follow = partial(_alone, drawn, StyleLearner(_checked(painting), photos, settings, judge=judge))
    size, seconds = (settings.crop, settings.crop), 0.0 if settings.steps else 60 * settings.minutes
    used = [NetworkUsed(judge.name, judge.sha256)]
    return Training(follow, size, seconds, used, precision, device=str(judge.device))


def _alone(drawn: Mapping[str, Tensor], learner: StyleLearner, state: State | None) -> Iterator[TrainingStep]:
    """Train in this process, on all photos."""
    settings = learner.settings
    how, seconds = Descent(settings.rate), 60 * settings.minutes
    for step in fit(drawn, learner, learner.batch, steps=settings.steps, seconds=seconds, descent=how, state=state):
        yield replace(step, notes=(*step.notes, *learner.watched(step)))


def _check_federated(photos: Sequence[Path], settings: TrainStyleSettings) -> None:
    """Refuse, before anything begins, what makes no sense of a federated training."""
    if not settings.federated:
        if settings.clip is not None or settings.noise or settings.local_steps != 1:
            raise RecipeError("--clip, --noise and --local-steps are of a federated training; add --federated.")
        return
    from reverie.recipes.parts.federated import by_folder  # which needs the learner

    by_folder(photos)
    if Privacy(settings.clip, settings.noise).noise and settings.style_weight == "auto":
        raise RecipeError("a style weight found by the photos tells of them; give --style-weight with --noise.")


def _federated(
    drawn: Mapping[str, Tensor],
    painting: Tensor,
    photos: Sequence[Path],
    settings: TrainStyleSettings,
    state: State | None,
) -> Iterator[TrainingStep]:
    """Train with clients in processes of their own; say at the end how private it was."""
    from reverie.recipes.parts.federated import ServerLearner, client_processes  # which need the learner

    privacy = Privacy(settings.clip, settings.noise)
    with client_processes(painting, photos, settings) as clients:
        learner = ServerLearner(painting, settings, clients)
        for step in federate(
            drawn,
            learner,
            clients,
            steps=settings.steps,
            seconds=60 * settings.minutes,
            descent=Descent(settings.rate),
            privacy=privacy,
            seed=settings.seed,
            state=state,
        ):
            told = _account(privacy, step) if step.last and settings.noise else ()
            yield replace(step, notes=(*step.notes, *learner.watched(step), *told))


def _account(privacy: Privacy, step: TrainingStep) -> tuple[str, ...]:
    epsilon = privacy.epsilon(step.step)
    return (f"after {step.step} rounds a client's part is hidden with epsilon {epsilon:.3g}, delta {DELTA:g}.",)


def objective_of(
    judge: Network, painting: Tensor, settings: TrainStyleSettings, *, weight: float, smoothness: float
) -> Objective:
    """Build the objective of the network's pictures; ``"photo"`` stands for what each was painted from.

    Example:
        >>> str(objective_of(load("dreamnet"), painting, TrainStyleSettings(), weight=10, smoothness=2))
        'content(relu4_2) + 10 * style(relu1_2, relu2_2, relu3_2, relu4_2, relu5_1) + 2 * total_variation()'
    """
    scale = settings.stroke * settings.size / settings.crop  # the painting as a whole photo would be, not a piece
    painted = style(judge.style_layers, like=painting, stroke=scale)
    return content(judge.content_layer, like="photo") + weight * painted + smoothness * total_variation()


class StyleLearner(Learner[tuple[Tensor, tuple[int, int]]]):
    """A `Johnson` that learns to paint like one painting.

    Attributes:
        weight: of the style; 0 before it begins.
        smoothness: weight of total variation, which grows where there are faults.
    """

    def __init__(
        self, painting: Tensor, photos: Sequence[Path], settings: TrainStyleSettings, *, judge: Network | None = None
    ) -> None:
        self.painting, self.settings = painting, settings
        self.crops = Crops(photos, settings.crop, (max(settings.crop, settings.size / 2), settings.size * 1.5))
        self.judge = _judge_of(settings) if judge is None else judge
        self.names = hashlib.sha256("\n".join(p.name for p in photos).encode("utf8", "surrogateescape")).hexdigest()
        self.weight, self.smoothness = 0.0, settings.smoothness
        self._told, self._other_photos = 0, False

    # --- the loss --------------------------------------------------------------------------------------------

    def batch(self, step: int) -> tuple[Tensor, tuple[int, int]]:
        """Draw the photos of a step, and the offset of the judge's pooling grid."""
        photos = self.crops.batch(self.settings.batch, generator_of(self.settings.seed, step))
        top, left = torch.randint(_SHIFT + 1, (2,), generator=generator_of(self.settings.seed, step)).tolist()
        return photos, (top, left)

    def loss(
        self, weights: Mapping[str, Tensor], batch: tuple[Tensor, tuple[int, int]]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Compute the objective, plus penalties for values outside [0, 1] and for a grid."""
        photos, (top, left) = batch[0].to(self.judge.device), batch[1]
        network = Johnson(weights).with_precision(self.judge.dtype)
        made = network(photos)
        shown, side = made.clamp(0, 1), photos.shape[-1] - _SHIFT
        seen, true = (x[..., top : top + side, left : left + side] for x in (shown, photos))
        total, terms = value(self.bound, self.judge, seen, WholeExecutor({"photo": true}))
        faults = _BEYOND * (made - shown).pow(2).mean() + _GRID * grid_power(shown, network.stride)
        return total + faults, terms

    @cached_property
    def bound(self) -> Bound:
        """The objective bound to its targets."""
        return self._bound(self.weight, self.smoothness)

    def _bound(self, weight: float, smoothness: float) -> Bound:
        side = self.settings.crop - _SHIFT
        objective = objective_of(self.judge, self.painting, self.settings, weight=weight, smoothness=smoothness)
        return bind(objective, self.judge, (side, side), WholeExecutor())

    # --- what changes meanwhile ------------------------------------------------------------------------------

    def begin(self, state: State | None, average: Mapping[str, Tensor]) -> None:
        """Choose the style's weight, or restore it from the state; check whether the photos are the same."""
        if state is None:
            self.weight, self.smoothness = self._style_weight(), self.settings.smoothness
        else:
            self.weight, self.smoothness = state["weight"], state["smoothness"]
            self._other_photos = state["photos"] != self.names
        vars(self).pop("bound", None)

    def take_terms(self, weight: float, smoothness: float) -> None:
        """Take over the weights of the terms from another."""
        if (weight, smoothness) != (self.weight, self.smoothness):
            self.weight, self.smoothness = weight, smoothness
            vars(self).pop("bound", None)

    def _style_weight(self) -> float:
        return float(self.settings.style_weight) if self.settings.style_weight != "auto" else self.weigh()

    @torch.no_grad()
    def weigh(self) -> float:
        """Find the style's weight by a probe of some photos."""
        photos = self.crops.batch(_PROBES, generator_of(self.settings.seed, -1))[..., _SHIFT:, _SHIFT:]
        terms = value(self._bound(1.0, 0.0), self.judge, photos, WholeExecutor({"photo": photos}))[1]
        return round(AUTO / max(float(terms["style"]), 0.05), 3)

    def state(self) -> State:
        """Return the weights of the terms and a fingerprint of the photos' names."""
        return {"weight": self.weight, "smoothness": self.smoothness, "photos": self.names}

    def watched(self, step: TrainingStep) -> Iterator[str]:
        """Yield notes on a step. Now and then look for dots and grids; if found, raise the smoothness."""
        if self._other_photos:
            self._other_photos = False
            yield "the photos are not the same as before; going on with those that are there."
        yield from self._unreadable()
        if step.step % _CHECKED or self.smoothness > 4 * max(self.settings.smoothness, 1.0):
            return
        if found := artefacts(step.network, self._shown_painting).message:
            self.smoothness = 2 * max(self.smoothness, 1.0)
            vars(self).pop("bound", None)
            yield f"{found}; from step {step.step} on smoothness weighs {self.smoothness:g}."

    # --- what is seen of it ----------------------------------------------------------------------------------

    def network(self, weights: Mapping[str, Tensor]) -> Johnson:
        """Build the network from weights."""
        return Johnson(weights)

    @torch.no_grad()
    def preview(self, network: Johnson) -> Tensor:
        """Make a sheet (1, 3, h, w) in [0, 1] of the painting and some photos as the network paints them."""
        quick = network.with_precision(self.judge.dtype)
        made = [quick(photo).clamp(0, 1).cpu() for photo in self._shown_photos]
        return contact_sheet([self.painting, *made], columns=2, width=1040)

    @cached_property
    def _shown_photos(self) -> list[Tensor]:
        """Photos for the preview, spread over the folder."""
        numbers = dict.fromkeys(len(self.crops.paths) * i // _SHOWN for i in range(_SHOWN))
        return [self.crops.whole(number, self.settings.size) for number in numbers]

    @cached_property
    def _shown_painting(self) -> Tensor:
        """The painting at the scale its strokes have in the results."""
        size = painting_size(size_of(self.painting), self.settings.size**2, self.settings.stroke)
        return resize(self.painting, size).clamp(0, 1)

    def _unreadable(self) -> Iterator[str]:
        """Yield a line for each photo found unreadable since the last call."""
        told = self._told
        self._told = len(self.crops.left_out)
        for path, reason in [*self.crops.left_out.items()][told : self._told]:
            yield f"'{path}' is left out: {reason:.150}."


def _judge_of(settings: TrainStyleSettings) -> Network:
    """Load the network that judges, in the settings' precision and on their device."""
    judge = load(settings.network, pooling="average", padding="replicate")
    return with_precision(judge, settings.precision, device=device_for(settings, judge, evaluations=_LONG))


def _checked(painting: Tensor) -> Tensor:
    if painting.ndim != 4 or painting.shape[:2] != (1, 3) or min(painting.shape[2:]) < 16:
        raise PictureError(f"a painting is (1, 3, H, W), 16 pixels or more each way; got {tuple(painting.shape)}.")
    return painting
