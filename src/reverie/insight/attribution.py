"""Attribution: what in a picture speaks for a class, by several methods, each a map of signed or unsigned shares.

What is explained is the log-odds of a class against its rivals, weighed by their probabilities in that picture: a
linear function of the logits. What is taken away from a picture is blurred.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

from reverie.errors import RecipeError, suggestion
from reverie.insight.classes import class_layer_of
from reverie.networks import Network
from reverie.networks.ops import Conv
from reverie.objectives import PICTURE
from reverie.objectives.statistics import full
from reverie.pictures import resize, size_of

SAMPLES = 8
"""Gradients that a method averages, where nothing else is asked for."""
_NOISE = 0.1  # of SmoothGrad, in units of the picture's range
_WINDOWS = 5  # windows of an occlusion along the longer side
_BATCH = 16  # pictures that the network sees at once
_GAMMA = 0.25  # how much positive weights are favoured by the relevance rule
_TINY = 1e-6


@dataclass(frozen=True, eq=False)
class Question:
    """What is asked of a picture: the evidence for a class against its rivals.

    Attributes:
        network: with a class layer.
        picture: (1, 3, H, W) sRGB in [0, 1], as the network is to see it.
        index: of the class.
        absent: (1, 3, H, W), what is shown where something is taken away.
        ends: logits of the picture and of what is shown instead, (2, classes).
        weights: of the logits, (classes,): 1 for the class, and minus each rival's share.
        samples: gradients that a method may average.
        seed: of noise.
    """

    network: Network
    picture: Tensor
    index: int
    absent: Tensor
    ends: Tensor
    weights: Tensor
    samples: int = SAMPLES
    seed: int = 0

    @property
    def probability(self) -> float:
        """Probability of the class in the picture."""
        return float(self.ends[0].softmax(0)[self.index])

    def score(self, x: Tensor) -> Tensor:
        """Compute the evidence in pictures (B, 3, H, W): (B,), differentiable."""
        return self.logits(x) @ self.weights

    def logits(self, x: Tensor) -> Tensor:
        """Compute the logits of pictures: (B, classes), where the pictures lie."""
        return _logits(self.network, x)

    def gradient(self, x: Tensor) -> Tensor:
        """Compute the gradient of the evidence in each of some pictures: (B, 3, H, W)."""
        with torch.enable_grad():
            seen = x.detach().requires_grad_(True)
            (found,) = torch.autograd.grad(self.score(seen).sum(), seen)
        return found


def ask(
    network: Network, picture: Tensor, index: int | None = None, *, samples: int = SAMPLES, seed: int = 0
) -> Question:
    """Ask why a network sees a class in a picture.

    Args:
        network: with a class layer.
        picture: (1, 3, H, W) sRGB in [0, 1].
        index: of the class; None: the likeliest.
        samples: gradients that a method may average.
        seed: of noise.
    Raises:
        LayerNotFound: the network has no classes.
    """
    absent = blurred(picture)
    with torch.no_grad():
        ends = _logits(network, torch.cat([picture, absent]))
    told = int(ends[0].argmax()) if index is None else index
    return Question(network, picture, told, absent, ends, _against_rivals(ends[0], told), samples, seed)


def _logits(network: Network, x: Tensor) -> Tensor:
    layer = class_layer_of(network)
    return full(network(x, (layer,))[layer]).mean((2, 3)).to(x.device)


def _against_rivals(logits: Tensor, index: int) -> Tensor:
    """Weigh the logits (classes,): 1 for a class, and minus each rival's share of the rest."""
    rivals = logits.clone()
    rivals[index] = -torch.inf
    weights = -rivals.softmax(0) if len(logits) > 1 else torch.zeros_like(logits)
    weights[index] = 1
    return weights


def blurred(picture: Tensor) -> Tensor:
    """Blur a picture until no more than an eighth of its resolution is left."""
    height, width = (max(1, side // 24) for side in size_of(picture))
    return resize(F.adaptive_avg_pool2d(picture, (height, width)), size_of(picture), filter="bilinear").clamp(0, 1)


# --- the methods ---------------------------------------------------------------------------------


def gradient(question: Question) -> Tensor:
    """Size of the gradient, the largest of the three colours. Source: Simonyan et al. 2014."""
    return question.gradient(question.picture).abs().amax(1)[0]


def integrated(question: Question) -> Tensor:
    """Integrated gradients along the straight way from the blurred picture; they add up to the evidence gained.

    Source: Sundararajan et al. 2017. We differ: midpoints, which converge faster; and blurred instead of black.
    """
    n, way = question.samples, question.picture - question.absent
    steps = (torch.arange(n, dtype=way.dtype) + 0.5) / n
    path = question.absent + steps[:, None, None, None] * way
    found = torch.cat([question.gradient(part) for part in torch.split(path, _BATCH)])
    return (found.mean(0, keepdim=True) * way).sum(1)[0]


def smooth(question: Question) -> Tensor:
    """SmoothGrad: the size of the mean gradient over noisy copies. Source: Smilkov et al. 2017."""
    generator = torch.Generator().manual_seed(question.seed)
    shape = (question.samples, *question.picture.shape[1:])
    noisy = question.picture + _NOISE * torch.randn(shape, generator=generator, dtype=question.picture.dtype)
    found = torch.cat([question.gradient(part) for part in torch.split(noisy, _BATCH)])
    return found.mean(0).abs().amax(0)


def cam(question: Question) -> Tensor:
    """Grad-CAM at the last features: where the evidence for the class lies. Source: Selvaraju et al. 2017."""
    return cam_before_rectifier(question).clamp_min(0)


def cam_before_rectifier(question: Question) -> Tensor:
    """Sum the last features, each weighed by its mean gradient: (H, W), signed."""
    network, layers = question.network, (last_features(question.network), class_layer_of(question.network))
    with torch.enable_grad():
        seen = network(question.picture.detach().requires_grad_(True), layers)
        features = seen[layers[0]]
        score = full(seen[layers[1]]).mean((2, 3)) @ question.weights.to(network.device)
        (slopes,) = torch.autograd.grad(score.sum(), features)
    found = (features.detach() * slopes.mean((2, 3), keepdim=True)).sum(1, keepdim=True)
    return _enlarged(full(found).to(question.picture.device), question)


@torch.no_grad()
def occlusion(question: Question) -> Tensor:
    """Evidence that is lost when a window is blurred. Source: Zeiler & Fergus 2014."""
    height, width = size_of(question.picture)
    side = max(1, -(-max(height, width) // _WINDOWS))
    corners = [(top, left) for top in range(0, height, side) for left in range(0, width, side)]
    found = torch.zeros(-(-height // side), -(-width // side), dtype=question.picture.dtype)
    whole = question.ends[0] @ question.weights
    for first in range(0, len(corners), _BATCH):
        part = corners[first : first + _BATCH]
        hidden = question.picture.repeat(len(part), 1, 1, 1)
        for row, (top, left) in zip(hidden, part, strict=True):
            window = (slice(None), slice(top, top + side), slice(left, left + side))
            row[window] = question.absent[0][window]
        found.view(-1)[first : first + len(part)] = whole - question.score(hidden)
    return _enlarged(found[None, None], question)


def lrp(question: Question) -> Tensor:
    """Layer-wise relevance propagation, by the rule that favours positive weights (gamma).

    Source: Bach et al. 2015; the rule, Montavon et al. 2019. The first layer, whose inputs have signs, shares out by
    the plain rule. Biases keep what they contribute.
    """
    mean = question.picture.new_tensor(question.network.blueprint.mean)[None, :, None, None]
    with _FavourPositive(channels=mean.shape[1]):
        slopes = question.gradient(question.picture)
    return (slopes * (question.picture - mean)).sum(1)[0]


class _FavourPositive(TorchFunctionMode):
    """Convolutions keep their values, but share relevance out as if positive weights were larger."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def __torch_function__(self, func, types, args=(), kwargs=None):  # type: ignore[no-untyped-def]
        out = func(*args, **(kwargs or {}))
        if func is not F.conv2d or args[1].shape[1] == self.channels:
            return out
        x, weight, bias, *rest = args
        positive = weight + _GAMMA * weight.clamp_min(0)
        shifted = None if bias is None else bias + _GAMMA * bias.clamp_min(0)
        favoured = func(x, positive, shifted, *rest, **(kwargs or {}))
        safe = torch.where(favoured.abs() < _TINY, torch.full_like(favoured, _TINY), favoured)
        return favoured * (out / safe).detach()


METHODS: Mapping[str, Callable[[Question], Tensor]] = {
    "gradient": gradient,
    "integrated": integrated,
    "smooth": smooth,
    "cam": cam,
    "occlusion": occlusion,
    "lrp": lrp,
}
"""Methods by name: from a question to a map (H, W)."""


def method(name: str) -> Callable[[Question], Tensor]:
    """Look up a method.

    Raises:
        RecipeError: there is none of that name.
    """
    if name not in METHODS:
        raise RecipeError(f"methods are {', '.join(METHODS)}; got '{name}'.{suggestion(name, METHODS)}")
    return METHODS[name]


def last_features(network: Network) -> str:
    """Return the layer whose features the classifier reads.

    Raises:
        RecipeError: the classifier is no convolution of a layer.
    """
    nodes = {node.name: node for node in network.blueprint.nodes}
    name = class_layer_of(network)
    while name in nodes and not isinstance(nodes[name].op, Conv):
        name = nodes[name].inputs[0]
    if name not in nodes or nodes[name].inputs[0] == PICTURE:
        raise RecipeError(f"{network.name} has no features before its classes; leave the method 'cam' out.")
    return nodes[name].inputs[0]


def _enlarged(found: Tensor, question: Question) -> Tensor:
    """Resize a coarse map (1, 1, h, w) to the picture: (H, W)."""
    return resize(found, size_of(question.picture), filter="bilinear")[0, 0]
