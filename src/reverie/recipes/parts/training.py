"""What a training does, step by step: the objective, the weights, and how it survives what is not finite."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from reverie.engine.evaluate import value
from reverie.engine.executors import WholeExecutor
from reverie.engine.precision import with_precision
from reverie.errors import Diverged
from reverie.feedforward.johnson import Johnson, draw_johnson
from reverie.networks import Network, load
from reverie.objectives import Bound, Objective, content, style, total_variation
from reverie.pictures import contact_sheet, painting_size, resize, size_of
from reverie.pictures.crops import Crops, generator_of
from reverie.recipes.parts.artefacts import artefacts, weave

if TYPE_CHECKING:
    from reverie.recipes.train_style import TrainStyleSettings

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


class Trainer:
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
