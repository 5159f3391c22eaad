"""Initial pictures of a painting, and the scales it then goes through."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import torch
from torch import Tensor

from reverie.choices import Precision
from reverie.crafts.settings import QUALITY, Quality
from reverie.engine import Stage, pyramid
from reverie.engine.memory import LOADED, parse_memory, readable, resident, sufficient
from reverie.errors import OutOfMemory
from reverie.pictures import match_colours, scaled
from reverie.recipes.instant import painter, painting_bytes
from reverie.recipes.parts.at_once import InstantSettings, working_size
from reverie.recipes.parts.networks import resolved

Start = Literal["instant", "photo", "noise", "colours"]
GROWTH = 0.75  # of the steps, from scale to scale
NARROWEST = 16  # pixels of the shorter side at any scale: the deepest layers of style see nothing in less
LEAST = 12  # steps at any scale
SETTLED = 6  # steps in which Adam finds its pace: no scale of a draft has fewer


@dataclass(frozen=True)
class FirstScale:
    """Schedule of the first scale.

    Attributes:
        steps: at the smallest scale, at normal quality.
        smallest: pixels of the longer side at that scale, at least.
    """

    steps: int
    smallest: int


_COARSE = FirstScale(60, 128)
FIRST_SCALES: Mapping[Start, FirstScale] = MappingProxyType(
    {"instant": FirstScale(24, 256), "photo": _COARSE, "noise": _COARSE, "colours": _COARSE}
)
"""By kind of start: an instant painting already lays out the coarser scales."""


def scales(size: tuple[int, int], *, start: Start, quality: Quality, steps: int | None = None) -> tuple[Stage, ...]:
    """Plan the scales of a painting, coarse to fine.

    Args:
        size: (H, W) of the last.
        start: what the first begins with.
        quality: how many steps.
        steps: at the first scale, where that is not left to the quality.
    """
    scale, share = FIRST_SCALES[start], QUALITY[quality]
    first = steps or round(scale.steps * share)
    least = min(max(SETTLED, round(LEAST * share)), first)
    narrow = math.ceil(NARROWEST * max(size) / min(size))
    return pyramid(size, smallest=max(scale.smallest, narrow), steps=first, growth=GROWTH, least=least)


def painted_at_once(
    photo: Tensor,
    paintings: Sequence[Tensor],
    *,
    size: tuple[int, int],
    weights: Sequence[float] = (),
    strength: float = 1.0,
    stroke: float = 1.0,
    seed: int = 0,
    precision: Precision = "auto",
    device: str = "auto",
    opaque: Tensor | None = None,
    paintings_opaque: Sequence[Tensor | None] = (),
    memory: str | None = None,
    likeness: float = 0.5,
    motifs: int = 1,
) -> Tensor:
    """Paint a photo (1, 3, H, W) by instant at a size (h, w), in one pass, as a painting's first scale.

    Args:
        photo, paintings: sRGB in [0, 1].
        size: (h, w).
        weights, strength, stroke, seed, precision, device, likeness, motifs: as of a style;
            instant goes no further than strength 1.
        opaque: (1, 1, H, W), the photo's alpha; None where all of it is opaque.
        paintings_opaque: that of each painting.
        memory: most to use. It is painted whole all the same, so that the picture does not depend on it.
    Raises:
        OutOfMemory: it does not fit; the message says what would.
    """
    wished = InstantSettings(
        weights=tuple(weights),
        strength=min(1.0, strength),
        stroke=stroke,
        seed=seed,
        precision=precision,
        device=device,
        tile=0,
        memory=memory,
        likeness=likeness,
        motifs=motifs,
    )
    how = resolved(wished)
    check_fits(size, how)
    alpha = None if opaque is None else scaled(opaque, size)
    return painter(paintings, how, opaque=paintings_opaque).paint(scaled(photo, size).clamp(0, 1), opaque=alpha)


def check_fits(size: tuple[int, int], how: InstantSettings) -> None:
    """Refuse what instant cannot paint whole in the memory allowed.

    Raises:
        OutOfMemory: it does not fit.
    """
    if how.memory is None:
        return
    held, allowed = resident() + LOADED, parse_memory(how.memory)
    needed = held + painting_bytes(working_size(size, how.likeness), 0, how.precision)
    if needed > allowed:
        raise OutOfMemory(
            f"the start by instant takes {readable(needed)}, and {readable(allowed)} may be used; try"
            f" {'--start photo or ' if held <= allowed else ''}--memory {sufficient(needed)}."
        )


def noise(size: tuple[int, int], seed: int, *, like: Sequence[Tensor] = ()) -> Tensor:
    """Draw noise (1, 3, H, W) about grey, or with the mean and covariance of some paintings' colours."""
    drawn = torch.randn(1, 3, *size, generator=torch.Generator().manual_seed(seed)).mul_(0.15).add_(0.5).clamp_(0, 1)
    return match_colours(drawn, list(like), method="mean-covariance") if like else drawn
