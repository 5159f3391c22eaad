"""The default style objective written plainly: autograd through everything, nothing of ours."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def maps(module: nn.Sequential, x: Tensor, names: tuple[str, ...]) -> dict[str, Tensor]:
    """The outputs of some parts of a sequence, for a picture in [0, 1]."""
    kept, x = {}, (x - 0.45) / 0.25
    for name, part in module.named_children():
        x = part(x)
        if name in names:
            kept[name] = x
    return kept


def shrunk(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Bicubic, without aliasing, within [0, 1]."""
    if tuple(x.shape[-2:]) == size:
        return x
    return F.interpolate(x, size, mode="bicubic", antialias=True).clamp(0, 1)


def gaussian(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and covariance over the positions of one picture."""
    rows = features[0].flatten(1)
    mean = rows.mean(1)
    centred = rows - mean[:, None]
    return mean, centred @ centred.T / rows.shape[1]


def square_root(m: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(m)
    return vectors @ torch.diag(values.sqrt()) @ vectors.T


def distance(value: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor]) -> Tensor:
    """Squared Wasserstein, both covariances lifted by a hundredth of the target's mean variance."""
    (m, c), (m0, c0) = value, target
    ridge = 0.01 * c0.trace() / len(m0) * torch.eye(len(m0), dtype=c0.dtype)
    c, c0 = c + ridge, c0 + ridge
    root = square_root(c0)
    overlap = torch.linalg.eigvalsh(root @ c @ root).sqrt().sum()
    return (m - m0).square().sum() + c.trace() + c0.trace() - 2 * overlap


def variation(x: Tensor) -> Tensor:
    """Crowson's nine-point stencil, divided by the number of pixels."""
    pixels = 3 * x.shape[-2] * x.shape[-1]
    right = (x[..., :, 1:] - x[..., :, :-1]).square().sum()
    down = (x[..., 1:, :] - x[..., :-1, :]).square().sum()
    falling = (x[..., 1:, 1:] - x[..., :-1, :-1]).square().sum()
    rising = (x[..., 1:, :-1] - x[..., :-1, 1:]).square().sum()
    return 2 * ((right + down) / 3 + (falling + rising) / 12) / pixels


def style_objective(
    module: nn.Sequential,
    x: Tensor,
    photo: Tensor,
    painting: Tensor,
    layers: tuple[str, ...],
    content: str,
) -> Tensor:
    """content + 10 style + 2 total variation, as the style recipe weighs them."""
    h, w = x.shape[-2:]
    factor = min(1.0, (h * w / (painting.shape[-2] * painting.shape[-1])) ** 0.5)
    size = tuple(max(32, round(n * factor)) for n in painting.shape[-2:])
    seen = maps(module, x, (*layers, content))
    of_photo = maps(module, shrunk(photo, (h, w)), (content,))[content]
    of_painting = maps(module, shrunk(painting, size), layers)
    likeness = (seen[content] - of_photo).square().mean() / of_photo.square().mean()
    strokes = torch.zeros((), dtype=x.dtype)
    for layer in layers:
        target = gaussian(of_painting[layer])
        nothing = (torch.zeros_like(target[0]), torch.zeros_like(target[1]))
        strokes = strokes + distance(gaussian(seen[layer]), target) / distance(nothing, target)
    return likeness + 10 * strokes / len(layers) + 2 * variation(x)
